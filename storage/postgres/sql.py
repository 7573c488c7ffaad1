"""Every statement of the Postgres backend, its text built once by PyPika. Values travel beside the text, always.

The plan of each is shown in docs/storage.md and held by tests/integration/test_plans.py.
"""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

from pypika import Case, Order, Table
from pypika.functions import Count, Max
from pypika.terms import Function, Star

from utils.query import Query, Recordset, cast_as, contains_all, equals_any, param, sql_text

_messages = Table("messages")
_rooms = Table("rooms")
_lease = Table("lease")

# --- rows in -------------------------------------------------------------------------------------------------------

_new_message = Recordset(
    param("rows", "json"),
    "new",
    {
        "room_id": "bigint",
        "seq": "bigint",
        "created_at": "timestamptz",
        "sender_id": "text",
        "sender": "text",
        "client_id": "text",
        "content": "text",
        "words": "text",
    },
)

# `words` comes as one text and is cut here: a JSON array per row would cost the server a second parse.
INSERT_MESSAGES = sql_text(
    Query.into(_messages)
    .columns("room_id", "seq", "version", "created_at", "sender_id", "sender", "client_id", "content", "words")
    .from_(_new_message)
    .select(
        _new_message.room_id,
        _new_message.seq,
        _new_message.seq,
        _new_message.created_at,
        _new_message.sender_id,
        _new_message.sender,
        _new_message.client_id,
        _new_message.content,
        Function("string_to_array", _new_message.words, " "),
    )
    .on_conflict()
    .do_nothing()
)

_change = Recordset(
    param("rows", "json"),
    "change",
    {
        "room_id": "bigint",
        "seq": "bigint",
        "version": "bigint",
        "content": "text",
        "words": "text",
        "first_body": "bigint",
        "edited_at": "timestamptz",
        "deleted_at": "timestamptz",
    },
)


def _unless_null(new: Any, old: Any) -> Any:
    return Function("COALESCE", new, old)


# Every message once in a statement: of two rows for it, UPDATE takes any. What was changed later stays as it is.
CHANGE_MESSAGES = sql_text(
    Query.update(_messages)
    .set(_messages.version, _change.version)
    .set(_messages.content, _unless_null(_change.content, _messages.content))
    .set(_messages.words, _unless_null(Function("string_to_array", _change.words, " "), _messages.words))
    .set(_messages.body_hash, _unless_null(_messages.body_hash, _change.first_body))
    .set(_messages.edited_at, _unless_null(_change.edited_at, _messages.edited_at))
    .set(_messages.deleted_at, _unless_null(_change.deleted_at, _messages.deleted_at))
    .from_(_change)
    .where((_messages.room_id == _change.room_id) & (_messages.seq == _change.seq))
    .where(_messages.version < _change.version)
)

_new_room = Recordset(param("rows", "json"), "new", {"room_id": "bigint", "name": "text", "created_at": "timestamptz"})

INSERT_ROOMS = sql_text(
    Query.into(_rooms)
    .columns("room_id", "name", "created_at")
    .from_(_new_room)
    .select(_new_room.room_id, _new_room.name, _new_room.created_at)
    .on_conflict()
    .do_nothing()
)

# --- what became of rows that were not inserted --------------------------------------------------------------------

_key = Recordset(
    param("rows", "json"), "key", {"room_id": "bigint", "seq": "bigint", "sender_id": "text", "client_id": "text"}
)


def _found(*on: str) -> Any:
    condition = _messages.room_id == _key.room_id
    for column in on:
        condition &= _messages[column] == _key[column]
    return (
        Query.from_(_key)
        .join(_messages)
        .on(condition)
        .select(
            _messages.room_id,
            _messages.seq,
            _messages.sender_id,
            _messages.client_id,
            _messages.content,
            _messages.body_hash,
        )
    )


FIND_BY_SEQ = sql_text(_found("seq"))
FIND_BY_ID = sql_text(_found("sender_id", "client_id"))

FIND_ROOMS = sql_text(
    Query.from_(_rooms)
    .select(_rooms.room_id, _rooms.name)
    .where(equals_any(_rooms.room_id, param("rooms", "bigint[]")))
)

# --- reads ---------------------------------------------------------------------------------------------------------


def _rfc3339(column: Any) -> Any:
    """As model.Message writes times: UTC, always six decimals, ``Z``."""
    return Function("to_char", Function("timezone", "UTC", column), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')


# In the order of the fields of model.Message, after the room's name.
_state = (
    _messages.seq,
    _messages.version,
    _messages.sender,
    _messages.sender_id,
    Case().when(_messages.deleted_at.isnull(), _messages.content).else_(""),
    _rfc3339(_messages.created_at),
    _messages.client_id,
    _rfc3339(_messages.edited_at),
    _rfc3339(_messages.deleted_at),
)

FIND_ROOM = sql_text(
    Query.from_(_rooms)
    .select(_rooms.room_id, _rooms.name, _rfc3339(_rooms.created_at))
    .where((_rooms.name == param("name")) & _rooms.deleted_at.isnull())
)

FIND_POSTED = sql_text(
    Query.from_(_messages)
    .select(_messages.seq, _messages.content, _messages.body_hash)
    .where(
        (_messages.room_id == param("room_id"))
        & (_messages.sender_id == param("sender_id"))
        & (_messages.client_id == param("id"))
    )
)


FIND_MESSAGE = sql_text(
    Query.from_(_messages)
    .select(*_state)
    .where((_messages.room_id == param("room_id")) & (_messages.seq == param("seq")))
)


class HistoryKind(NamedTuple):
    """What a page of history is asked by; each combination has its own text, so each has its own plan."""

    oldest_first: bool
    sender: bool
    words: bool


def _history(kind: HistoryKind) -> bytes:
    query = Query.from_(_messages).select(*_state).where(_messages.room_id == param("room_id"))
    query = query.where((_messages.seq > param("after")) & (_messages.seq < param("before")))
    query = query.where(_messages.deleted_at.isnull())
    if kind.sender:
        query = query.where(_messages.sender == param("sender"))
    if kind.words:
        query = query.where(contains_all(_messages.words, param("words", "text[]")))
    order = Order.asc if kind.oldest_first else Order.desc
    return sql_text(query.orderby(_messages.seq, order=order).limit(param("limit")))


HISTORY = {kind: _history(kind) for kind in (HistoryKind(*flags) for flags in product((False, True), repeat=3))}

# Messages that never changed are found by seq, the others by version: so the index on version holds only those, and
# inserting a message does not pay for it. Each half is cut, and in order, before they are merged.
_room_log = Query.from_(_messages).where(_messages.room_id == param("room_id"))


def _changed(columns: tuple[Any, ...], until: Any) -> Any:
    unchanged = (
        _room_log.select(*columns)
        .where((_messages.seq > param("after")) & (_messages.seq <= param("until")))
        .where(_messages.version == _messages.seq)
        .orderby(_messages.seq)
        .limit(param("limit"))
    )
    changed = (
        _room_log.select(*columns)
        .where((_messages.version > param("after")) & (until <= param("until")))
        .where(_messages.version != _messages.seq)
        .orderby(_messages.version)
        .limit(param("limit"))
    )
    return unchanged.union_all(changed).orderby(_messages.version).limit(param("limit"))


CHANGED = sql_text(_changed(_state, _messages.seq))

# In order too: without, the planner believes that reading the whole table until there are enough is cheaper.
_counted = _changed((_messages.version,), _messages.version)
COUNT_CHANGED = sql_text(Query.from_(_counted).select(Count(Star())))

HEAD = sql_text(
    Query.select(
        Function(
            "COALESCE",
            Function(
                "GREATEST",
                _room_log.select(Max(_messages.seq)),
                _room_log.select(Max(_messages.version)).where(_messages.version != _messages.seq),
            ),
            0,
        )
    )
)

# --- the lease: advisory locks, one key each, in this database alone -----------------------------------------------

# Postgres shows a bigint key as two halves, classid and objid. The first half is "parl" in ASCII.
_LOCK_CLASS = 0x7061726C
WRITER_LOCK = _LOCK_CLASS << 32 | 1
"""Held alone by the server whose turn it is to write."""
FENCE_LOCK = _LOCK_CLASS << 32 | 2
"""Held, shared, by each connection that writes: a new holder of the first waits until it could have it alone."""
MIGRATION_LOCK = _LOCK_CLASS << 32 | 3
"""Held while migrations are applied."""

TRY_LOCK = sql_text(Query.select(Function("pg_try_advisory_lock", param("key", "bigint"))))
TRY_LOCK_SHARED = sql_text(Query.select(Function("pg_try_advisory_lock_shared", param("key", "bigint"))))
UNLOCK = sql_text(Query.select(Function("pg_advisory_unlock", param("key", "bigint"))))

_locks = Table("pg_locks")
_sessions = Table("pg_stat_activity")
_database = Table("pg_database")


def _holders(*columns: Any) -> Any:
    here = Query.from_(_database).select(_database.oid).where(_database.datname == Function("current_database"))
    return (
        Query.from_(_locks)
        .join(_sessions)
        .on(_sessions.pid == _locks.pid)
        .select(*columns)
        .where((_locks.locktype == "advisory") & (_locks.database == here) & (_locks.classid == _LOCK_CLASS))
        .where((_locks.objid == param("number", "oid")) & (_locks.objsubid == 1) & _locks.granted)
    )


# Who holds one of the locks, this session aside. Names are for people; a session without a network address is local.
HOLDERS = sql_text(
    _holders(_sessions.pid, _sessions.application_name, Function("host", _sessions.client_addr)).where(
        _locks.pid != Function("pg_backend_pid")
    )
)
# A process id may come back with another session, so the start of the session is part of its name.
MY_SESSION = sql_text(
    Query.from_(_sessions)
    .select(_sessions.pid, cast_as(_sessions.backend_start, "text"))
    .where(_sessions.pid == Function("pg_backend_pid"))
)
STILL_HOLDS = sql_text(
    _holders(_sessions.pid)
    .where(_sessions.pid == param("pid"))
    .where(_sessions.backend_start == param("started", "timestamptz"))
)

LAST_HOLDER = sql_text(Query.from_(_lease).select(_lease.holder))
SIGN_LEASE = sql_text(
    Query.into(_lease)
    .columns("id", "holder", "since")
    .insert(1, param("holder"), Function("now"))
    .on_conflict(_lease.id)
    .do_update(_lease.holder)
    .do_update(_lease.since)
)

# --- migrations ----------------------------------------------------------------------------------------------------

_migrations = Table("schema_migrations")
ENCODING = sql_text(Query.select(Function("current_setting", "server_encoding")))
HAS_MIGRATIONS = sql_text(Query.select(Function("to_regclass", "schema_migrations").isnotnull()))
APPLIED = sql_text(
    Query.from_(_migrations)
    .select(_migrations.version, _migrations.name, _migrations.checksum)
    .orderby(_migrations.version)
)
RECORD_MIGRATION = sql_text(
    Query.into(_migrations)
    .columns("version", "name", "checksum", "applied_at")
    .insert(param("version"), param("name"), param("checksum"), Function("now"))
)
