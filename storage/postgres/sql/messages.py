"""The statements about messages, their text built once by PyPika. Values travel beside the text, always.

Those about rooms and members are in `sql_rooms`, what removes messages is in `sql_expiry`, the lease's in `sql_lease`.
The plan of each is shown in docs/storage.md and held by tests/integration/test_plans.py.
"""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

from pypika import AliasedQuery, Case, Order, Table
from pypika.functions import Count, Max
from pypika.terms import Function, Star, Tuple

from model.limits import QUOTE_CHARS
from model.message import body_hash
from utils.query import (
    Lateral,
    Query,
    Recordset,
    array_of,
    cast_as,
    contains_all,
    equals_any,
    is_true,
    param,
    sql_text,
    value_of,
)
from utils.words import WORDS_VERSION

_messages = Table("messages")
_rooms = Table("rooms")

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
        "reply_to": "bigint",
        "mentions": "text[]",
    },
)

# `words` comes as one text and is cut here: a JSON array per row would cost the server a second parse. `mentions` are
# few, and names have blanks in them.
INSERT_MESSAGES = sql_text(
    Query.into(_messages)
    .columns(
        "room_id",
        "seq",
        "version",
        "created_at",
        "sender_id",
        "sender",
        "client_id",
        "content",
        "words",
        "reply_to",
        "mentions",
        "words_version",
    )
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
        _new_message.reply_to,
        _new_message.mentions,
        WORDS_VERSION,
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
        "mentions": "text[]",
        "reactions": "json",
        "pins": "boolean",
        "pinned_at": "timestamptz",
        "pinned_by": "text",
    },
)


def _unless_null(new: Any, old: Any) -> Any:
    return Function("COALESCE", new, old)


def _when(condition: Any, new: Any, old: Any) -> Any:
    return Case().when(condition, new).else_(old)


# None at all is NULL, so that a page of messages without them reads nothing of it.
_reactions = cast_as(Function("NULLIF", cast_as(_change.reactions, "text"), "{}"), "json")

# Every message once in a statement: of two rows for it, UPDATE takes any. What was changed later stays as it is.
CHANGE_MESSAGES = sql_text(
    Query.update(_messages)
    .set(_messages.version, _change.version)
    .set(_messages.content, _unless_null(_change.content, _messages.content))
    .set(_messages.words, _unless_null(Function("string_to_array", _change.words, " "), _messages.words))
    .set(_messages.words_version, _when(_change.content.isnull(), _messages.words_version, WORDS_VERSION))
    .set(_messages.body_hash, _unless_null(_messages.body_hash, _change.first_body))
    .set(_messages.edited_at, _unless_null(_change.edited_at, _messages.edited_at))
    .set(_messages.deleted_at, _unless_null(_change.deleted_at, _messages.deleted_at))
    .set(_messages.mentions, _when(_change.content.isnull(), _messages.mentions, _change.mentions))
    .set(_messages.reactions, _when(_change.reactions.isnull(), _messages.reactions, _reactions))
    .set(_messages.pinned_at, _when(_change.pins, _change.pinned_at, _messages.pinned_at))
    .set(_messages.pinned_by, _when(_change.pins, _change.pinned_by, _messages.pinned_by))
    .from_(_change)
    .where((_messages.room_id == _change.room_id) & (_messages.seq == _change.seq))
    .where(_messages.version < _change.version)
)

# --- words that are cut again ---------------------------------------------------------------------------------------

# As the predicate of the index messages_old_words says it.
_is_old = _messages.words_version < WORDS_VERSION
_old = Query.from_(_messages).where(_is_old)
HAS_OLD_WORDS = sql_text(_old.select(_messages.seq).orderby(_messages.room_id, _messages.seq).limit(1))
COUNT_OLD_WORDS = sql_text(_old.select(Count(Star())))
OLD_WORDS = sql_text(
    _old.select(_messages.room_id, _messages.seq, _messages.version, _messages.content)
    .where(Tuple(_messages.room_id, _messages.seq) > Tuple(param("room_id", "bigint"), param("seq", "bigint")))
    .orderby(_messages.room_id, _messages.seq)
    .limit(param("limit"))
)
_recut = Recordset(
    param("rows", "json"), "new", {"room_id": "bigint", "seq": "bigint", "version": "bigint", "words": "text"}
)
# What was changed since its text was read is left for the next time.
CUT_WORDS = sql_text(
    Query.update(_messages)
    .set(_messages.words, Function("string_to_array", _recut.words, " "))
    .set(_messages.words_version, WORDS_VERSION)
    .from_(_recut)
    .where((_messages.room_id == _recut.room_id) & (_messages.seq == _recut.seq))
    .where((_messages.version == _recut.version) & _is_old)
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


def first_body(content: str, kept: int | None) -> int:
    """See ``body_hash`` in migrations/0001_messages.sql: kept only when ``content`` is no longer the first body."""
    return body_hash(content) if kept is None else kept


# --- reads ---------------------------------------------------------------------------------------------------------


def rfc3339(column: Any) -> Any:
    """As model.Message writes times: UTC, always six decimals, ``Z``."""
    return Function("to_char", Function("timezone", "UTC", column), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')


_not_deleted = _messages.deleted_at.isnull()
_quoted = Table("messages").as_("quoted")
# Asked for a reply only: the head of the message it answers, nothing when that one is gone.
_quote = Case().when(
    _messages.reply_to.notnull(),
    Query.from_(_quoted)
    .select(
        array_of(_quoted.sender, _when(_quoted.deleted_at.isnull(), Function("left", _quoted.content, QUOTE_CHARS), ""))
    )
    .where((_quoted.room_id == _messages.room_id) & (_quoted.seq == _messages.reply_to)),
)


def _held(column: Any) -> Any:
    return Case().when(_not_deleted, column)


# As `storage.postgres.write.rows.message_of` takes them; what a message held comes last.
_head = (
    _messages.seq,
    _messages.version,
    _messages.sender,
    _messages.sender_id,
    rfc3339(_messages.created_at),
    _messages.client_id,
    rfc3339(_messages.edited_at),
    rfc3339(_messages.deleted_at),
)
_extras = (_messages.mentions, _messages.reactions, rfc3339(_messages.pinned_at), _messages.pinned_by)
_whole = (*_head, _messages.content, _messages.reply_to, _quote, *_extras)
# Of a deleted one, nothing that it held.
_told = (*_head, _when(_not_deleted, _messages.content, ""), _held(_messages.reply_to), _quote, *map(_held, _extras))

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
    .select(*_told)
    .where((_messages.room_id == param("room_id")) & (_messages.seq == param("seq")))
)


def _has_words(old_words: bool) -> Any:
    """The message has all the words, cut as its own are. Where no message is of an older cut, or both cuts of the query
    are the same, the version says nothing."""
    new = contains_all(_messages.words, param("words", "text[]"))
    if not old_words:
        return new
    return (new & (_messages.words_version >= WORDS_VERSION)) | (
        contains_all(_messages.words, param("old_words", "text[]")) & _is_old
    )


class HistoryKind(NamedTuple):
    """What a page of history is asked by; each combination has its own text, so each has its own plan."""

    oldest_first: bool
    sender: bool = False
    words: bool = False
    pinned: bool = False
    include_deleted: bool = False
    old_words: bool = False


def _history(kind: HistoryKind) -> bytes:
    query = Query.from_(_messages).select(*_whole).where(_messages.room_id == param("room_id"))
    query = query.where((_messages.seq > param("after")) & (_messages.seq < param("before")))
    if not kind.include_deleted:
        query = query.where(_not_deleted)
    if kind.pinned:
        query = query.where(_messages.pinned_at.notnull())
    if kind.sender:
        query = query.where(_messages.sender == param("sender"))
    if kind.words:
        query = query.where(_has_words(kind.old_words))
    order = Order.asc if kind.oldest_first else Order.desc
    return sql_text(query.orderby(_messages.seq, order=order).limit(param("limit")))


HISTORY = {kind: _history(kind) for kind in (HistoryKind(*flags) for flags in product((False, True), repeat=6))}

# --- a search in several rooms: two ways, of which each search goes one --------------------------------------------

# Rare words: their hits, in whatever room. Common ones: along the logs of the rooms, from their ends. PostgreSQL cannot
# choose by itself as it does for one room: with all rooms in one condition it knows no way but every hit of a word, and
# room by room it takes each of them for one of average size.
#
# The walk has two steps. The first takes few hits of each room, together at least a page: nothing older than the last
# of those can be on the page. The second takes from each room what is not older than that.
_hits = AliasedQuery("hits")
_heads = AliasedQuery("heads")
_count_hits = Query.from_(_hits).select(Count(Star()))


def _walk(old_words: bool, limit: str, *conditions: Any) -> Any:
    """The newest hits of each room, read along its log."""
    log = (
        Query.from_(_messages)
        .select(_messages.seq)
        # Not the index of words, which would read every hit in the database for each room.
        .where((_messages.room_id == _rooms.room_id) & is_true(_has_words(old_words)))
        .where(_not_deleted & (_messages.seq <= param("before")))
        .where((_messages.seq < param("before")) | (_rooms.room_id < param("before_room")))
        .orderby(_messages.seq, order=Order.desc)
        .limit(param(limit))
    )
    for condition in conditions:
        log = log.where(condition)
    in_room = Lateral(log, "in_room")
    return (
        Query.from_(_rooms)
        .from_(in_room)
        .select(_rooms.room_id, in_room.seq)
        .where(value_of(_count_hits) >= param("probe"))
        .where(equals_any(_rooms.room_id, param("rooms", "bigint[]")))
    )


def _search(old_words: bool) -> bytes:
    all_hits = (
        Query.from_(_messages)
        .select(_messages.room_id, _messages.seq)
        .where(_has_words(old_words) & _not_deleted)
        .limit(param("probe"))
    )
    rare: Any = (
        Query.from_(_hits)
        .select(_hits.room_id, _hits.seq)
        .where(value_of(_count_hits) < param("probe"))
        .where(equals_any(_hits.room_id, param("rooms", "bigint[]")) & (_hits.seq <= param("before")))
        .where((_hits.seq < param("before")) | (_hits.room_id < param("before_room")))
    )
    last_head = (
        Query.from_(_heads).select(_heads.seq).orderby(_heads.seq, order=Order.desc).offset(param("last")).limit(1)
    )
    # Without a last one (fewer heads than a page has) nothing is left out.
    common = _walk(old_words, "limit", _messages.seq >= Function("COALESCE", last_head, 0))
    places: Any = rare.union_all(common).as_("place")
    hit: Any = (
        Query.from_(places)
        .select(places.room_id, places.seq)
        .orderby(places.seq, places.room_id, order=Order.desc)
        .limit(param("limit"))
        .as_("hit")
    )
    return sql_text(
        Query.with_(all_hits, "hits")
        .with_(_walk(old_words, "share"), "heads")
        .from_(hit)
        .join(_messages)
        .on((_messages.room_id == hit.room_id) & (_messages.seq == hit.seq))
        .select(_messages.room_id, *_whole)
        .orderby(_messages.seq, _messages.room_id, order=Order.desc)
    )


SEARCH, SEARCH_OLD_WORDS = _search(False), _search(True)

# --- what somebody has not read ------------------------------------------------------------------------------------

_cursor = Recordset(param("cursors", "json"), "cursor", {"room_id": "bigint", "seq": "bigint"})
_mentions = Table("mentions")


def _count(table: Any, *conditions: Any) -> Any:
    """How many rows of a log are above the cursor, counted no further than the limit, in the order of an index."""
    above = Query.from_(table).select(table.seq)
    for condition in (table.room_id == _cursor.room_id, table.seq > _cursor.seq, *conditions):
        above = above.where(condition)
    above = above.where(table.sender_id != param("user_id")).orderby(table.seq).limit(param("limit"))
    return Query.from_(above).select(Count(Star()))


UNREAD = sql_text(
    Query.from_(_cursor).select(
        _cursor.room_id, _count(_messages, _not_deleted), _count(_mentions, _mentions.name == param("name"))
    )
)

# --- what changed since --------------------------------------------------------------------------------------------

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


CHANGED = sql_text(_changed(_told, _messages.seq))

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
