"""The statements about rooms and their members. See `storage.postgres.sql`."""

from __future__ import annotations

from typing import Any

from pypika import Order, Table
from pypika.functions import Count
from pypika.terms import Function, Not, Star

from storage.postgres.sql.messages import rfc3339
from utils.query import Query, Recordset, array_from, equals_any, param, sql_text, value_of

_rooms = Table("rooms")
_members = Table("members")
_messages = Table("messages")

# --- rows in -------------------------------------------------------------------------------------------------------

# What a room is besides its id, its name and its age.
_STATE = {
    "kind": "text",
    "title": "text",
    "topic": "text",
    "password": "text",
    "slow_mode": "integer",
    "retention_days": "integer",
    "folded_title": "text",
}
_ROOM = {"room_id": "bigint", "name": "text", "created_at": "timestamptz", "folded_name": "text", **_STATE}
_new_room = Recordset(param("rows", "json"), "new", _ROOM)

INSERT_ROOMS = sql_text(
    Query.into(_rooms)
    .columns(*_ROOM)
    .from_(_new_room)
    .select(*(_new_room[column] for column in _ROOM))
    .on_conflict()
    .do_nothing()
)

_changed_room = Recordset(param("rows", "json"), "change", {"room_id": "bigint", **_STATE, "deleted_at": "timestamptz"})


def _update_rooms() -> bytes:
    query = Query.update(_rooms)
    for column in _STATE:
        query = query.set(_rooms[column], _changed_room[column])
    query = query.set(_rooms.deleted_at, Function("COALESCE", _rooms.deleted_at, _changed_room.deleted_at))
    return sql_text(query.from_(_changed_room).where(_rooms.room_id == _changed_room.room_id))


# Every room once in a statement: of two rows for it, UPDATE takes any.
UPDATE_ROOMS = _update_rooms()

# Its name and whether it is deleted, for what became of a write.
FIND_ROOMS = sql_text(
    Query.from_(_rooms)
    .select(_rooms.room_id, _rooms.name)
    .where(equals_any(_rooms.room_id, param("rooms", "bigint[]")))
)

REMOVE_ALL_MEMBERS = sql_text(
    Query.from_(_members).delete().where(equals_any(_members.room_id, param("rooms", "bigint[]")))
)

_MEMBER = {
    "room_id": "bigint",
    "user_id": "text",
    "name": "text",
    "role": "text",
    "joined_at": "bigint",
    "seen_at": "bigint",
    "read_seq": "bigint",
    "banned_until": "bigint",
    "muted_until": "bigint",
    "reason": "text",
    "invited_at": "bigint",
    "inviter_id": "text",
    "inviter": "text",
    "account_role": "text",
}
_new_member = Recordset(param("rows", "json"), "new", {"place": "integer", **_MEMBER})


def _set_members() -> bytes:
    query = (
        Query.into(_members)
        .columns(*_MEMBER)
        .from_(_new_member)
        .join(_rooms)
        .on(_rooms.room_id == _new_member.room_id)
        .select(*(_new_member[column] for column in _MEMBER))
        .where(_rooms.deleted_at.isnull())
        .orderby(_new_member.place)  # in which `stored` is numbered, whatever the join made of it
        .on_conflict(_members.room_id, _members.user_id)
    )
    for column in (*_MEMBER, "stored"):
        if column not in ("room_id", "user_id"):
            query = query.do_update(column)
    return sql_text(query)


# Every row once in a statement, else Postgres refuses it.
SET_MEMBERS = _set_members()

_gone = Recordset(param("rows", "json"), "gone", {"room_id": "bigint", "user_id": "text"})
REMOVE_MEMBERS = sql_text(
    Query.from_(_members)
    .delete()
    .using(_gone)
    .where((_members.room_id == _gone.room_id) & (_members.user_id == _gone.user_id))
)

# --- reads ---------------------------------------------------------------------------------------------------------

# In the order of the fields of model.RoomRecord.
_record = (
    _rooms.room_id,
    _rooms.name,
    rfc3339(_rooms.created_at),
    _rooms.kind,
    _rooms.title,
    _rooms.topic,
    _rooms.password,
    _rooms.slow_mode,
    _rooms.retention_days,
)
FIND_ROOM = sql_text(
    Query.from_(_rooms).select(*_record).where((_rooms.name == param("name")) & _rooms.deleted_at.isnull())
)
KEPT_LIKE = sql_text(
    Query.from_(_rooms)
    .select(_rooms.room_id)
    .where((_rooms.folded_name == param("folded")) & (_rooms.name != param("name")))
    .where(_rooms.deleted_at.isnull() & _rooms.kind.isin(["public", "private"]))
    .limit(1)
)


def _holds(text: Any, part: Any) -> Any:
    """Not LIKE: in that % and _ mean something."""
    return Function("strpos", text, part) > 0


# Not EXISTS: the planner may answer that by reading the whole table of messages once, for all rooms.
_newest_message = (
    Query.from_(_messages)
    .select(_messages.seq)
    .where((_messages.room_id == _rooms.room_id) & _messages.deleted_at.isnull())
    .orderby(_messages.seq, order=Order.desc)
    .limit(1)
)
LISTED_ROOMS = sql_text(
    Query.from_(_rooms)
    .select(*_record)
    .where((_rooms.name > param("after")) & _rooms.deleted_at.isnull() & _rooms.kind.isin(["ephemeral", "public"]))
    .where(_holds(_rooms.folded_name, param("part")) | _holds(_rooms.folded_title, param("part")))
    .where((_rooms.kind == "public") | value_of(_newest_message).notnull())
    .orderby(_rooms.name)
    .limit(param("limit"))
)

# In the order of the fields of model.Member, the user's first.
_row = (
    _members.user_id,
    _members.name,
    _members.role,
    _members.joined_at,
    _members.seen_at,
    _members.read_seq,
    _members.banned_until,
    _members.muted_until,
    _members.reason,
    _members.invited_at,
    _members.inviter_id,
    _members.inviter,
    _members.account_role,
)


def _belongs(row: Any) -> Any:
    """See `model.room.Member.belongs`."""
    return row.role.notnull() | (row.read_seq > 0)


_of_user = (
    Query.from_(_members)
    .join(_rooms)
    .on(_rooms.room_id == _members.room_id)
    .select(*_record, *_row)
    .where(_members.user_id == param("user_id"))
)
ROOMS_OF = sql_text(
    _of_user.where(_belongs(_members))
    .orderby(Function("GREATEST", _members.joined_at, _members.seen_at, _members.read_seq), order=Order.desc)
    .orderby(_rooms.name)
    .limit(param("limit"))
)
RECORD_COLUMNS = len(_record)
"""How many of the columns of `ROOMS_OF` are the room's."""
# The condition on 0 is that of the index.
INVITATIONS = sql_text(
    _of_user.where((_members.invited_at != 0) & (_members.invited_at > param("after")))
    .orderby(_members.invited_at, order=Order.desc)
    .orderby(_rooms.name)
    .limit(param("limit"))
)
_old_invitations = (
    Query.from_(_members)
    .select(_members.ctid)
    .where((_members.invited_at != 0) & (_members.invited_at <= param("until")))
    .where(_members.role.isnull() & (_members.read_seq == 0))
    .where((_members.banned_until == 0) & (_members.muted_until == 0))
    .limit(param("limit"))
)
REMOVE_OLD_INVITATIONS = sql_text(
    Query.from_(_members).delete().where(equals_any(_members.ctid, array_from(_old_invitations)))
)

# The first two conditions are those of the index.
_old_guests = (
    Query.from_(_members)
    .join(_rooms)
    .on(_rooms.room_id == _members.room_id)
    .select(_members.ctid)
    .where(Function("left", _members.user_id, 2) == "g_")
    .where(_members.role.isnull() | (_members.role == "member"))
    .where((_members.joined_at < param("until")) & (_members.seen_at < param("until")))
    .where((_members.read_seq < param("until")) & (_members.invited_at == 0))
    .where((_members.banned_until <= param("now")) & (_members.muted_until <= param("now")))
    .where(_rooms.kind.isin(["ephemeral", "public"]) & Not(equals_any(_members.user_id, param("present", "text[]"))))
    .limit(param("limit"))
)
REMOVE_OLD_GUESTS = sql_text(Query.from_(_members).delete().where(equals_any(_members.ctid, array_from(_old_guests))))

_of_room = Query.from_(_members).select(*_row).where(_members.room_id == param("room_id"))
STANDINGS = sql_text(
    _of_room.where(
        (_members.role != "member")
        | (_members.banned_until != 0)
        | (_members.muted_until != 0)
        | (_members.invited_at != 0)
    ).orderby(_members.user_id)
)
FIND_MEMBER = sql_text(_of_room.where(_members.user_id == param("user_id")))
MEMBERS = sql_text(
    _of_room.where(_members.role.notnull() & (_members.user_id > param("after")))
    .orderby(_members.user_id)
    .limit(param("limit"))
)
COUNT_MEMBERS = sql_text(
    Query.from_(_members)
    .select(_members.room_id, Count(Star()))
    .where(equals_any(_members.room_id, param("rooms", "bigint[]")) & _members.role.notnull())
    .groupby(_members.room_id)
)
ACCOUNT_ROLE = sql_text(
    Query.from_(_members)
    .select(_members.account_role)
    .where(_members.user_id == param("user_id"))
    .orderby(_members.stored, order=Order.desc)
    .limit(1)
)
_theirs = _members.as_("theirs")
# One walk through the rooms of the first, with a look at the key of the second in each; it ends at the first hit.
SHARED_ROOM = sql_text(
    Query.from_(_members)
    .join(_theirs)
    .on((_theirs.room_id == _members.room_id) & (_theirs.user_id == param("other_id")))
    .select(_members.room_id)
    .where((_members.user_id == param("user_id")) & _belongs(_members) & _belongs(_theirs))
    .limit(1)
)
PEERS = sql_text(
    Query.from_(_members)
    .select(_members.room_id, _members.user_id, _members.name)
    .where(equals_any(_members.room_id, param("rooms", "bigint[]")) & (_members.user_id != param("user_id")))
)
FIND_USER = sql_text(
    Query.from_(_members)
    .select(_members.user_id, _members.name)
    .where(_members.user_id == param("user_id"))
    .orderby(_members.stored, order=Order.desc)
    .limit(1)
)
