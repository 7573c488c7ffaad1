"""The statements about rooms and their members."""

from typing import Any

from pypika import Order, Table
from pypika.functions import Count
from pypika.terms import Function, Star

from model.room import RoomRecord
from storage.postgres.sql.tables import MEMBERS, MESSAGES, NOT_DELETED, ROOMS, rfc3339, rows_as
from utils.query import Query, equals_any, param, sql_text, value_of

_in_rooms = equals_any(ROOMS.room_id, param("rooms", "bigint[]"))
_of_rooms = equals_any(MEMBERS.room_id, param("rooms", "bigint[]"))

# --- writes --------------------------------------------------------------------------------------------------------

# The columns of a room that may change.
_STATE = {
    "kind": "text",
    "title": "text",
    "topic": "text",
    "password": "text",
    "slow_mode": "integer",
    "retention_days": "integer",
    "guests": "text",
    "folded_title": "text",
}
_ROOM = {"room_id": "bigint", "name": "text", "created_at": "timestamptz", "folded_name": "text", **_STATE}
_new_room = rows_as("new", _ROOM)
INSERT_ROOMS = sql_text(
    Query.into(ROOMS)
    .columns(*_ROOM)
    .from_(_new_room)
    .select(*(_new_room[column] for column in _ROOM))
    .on_conflict()
    .do_nothing()
)

_changed_room = rows_as("change", {"room_id": "bigint", **_STATE, "deleted_at": "timestamptz"})


def _update_rooms() -> bytes:
    query = Query.update(ROOMS)
    for column in _STATE:
        query = query.set(ROOMS[column], _changed_room[column])
    query = query.set(ROOMS.deleted_at, Function("COALESCE", ROOMS.deleted_at, _changed_room.deleted_at))
    return sql_text(query.from_(_changed_room).where(ROOMS.room_id == _changed_room.room_id))


# Each room once per statement: of two rows for one room, UPDATE would use either.
UPDATE_ROOMS = _update_rooms()

# To find out why a row was not written.
FIND_ROOMS = sql_text(Query.from_(ROOMS).select(ROOMS.room_id, ROOMS.name).where(_in_rooms))

REMOVE_ALL_MEMBERS = sql_text(Query.from_(MEMBERS).delete().where(_of_rooms))

# The user, the fields of `Member`, the invitation, the role of the account.
_MEMBER = {
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
NEW_MEMBER = {"room_id": "bigint", **_MEMBER}
_new_member = rows_as("new", {"place": "integer", **NEW_MEMBER})


def _set_members() -> bytes:
    query = (
        Query.into(MEMBERS)
        .columns(*NEW_MEMBER)
        .from_(_new_member)
        .join(ROOMS)
        .on(ROOMS.room_id == _new_member.room_id)
        .select(*(_new_member[column] for column in NEW_MEMBER))
        .where(ROOMS.deleted_at.isnull())
        .orderby(_new_member.place)  # in which `stored` is numbered, whatever order the join returns
        .on_conflict(MEMBERS.room_id, MEMBERS.user_id)
    )
    for column in (*_MEMBER, "stored"):
        if column != "user_id":
            query = query.do_update(column)
    return sql_text(query)


# Each row once per statement, otherwise Postgres refuses it.
SET_MEMBERS = _set_members()

_gone = rows_as("gone", {"room_id": "bigint", "user_id": "text"})
REMOVE_MEMBERS = sql_text(
    Query.from_(MEMBERS)
    .delete()
    .using(_gone)
    .where((MEMBERS.room_id == _gone.room_id) & (MEMBERS.user_id == _gone.user_id))
)

# --- reads of rooms ------------------------------------------------------------------------------------------------

# The columns of every read of rooms: those of the record.
ROOM_COLUMNS = RoomRecord.__struct_fields__
_record = [rfc3339(ROOMS[name]) if name.endswith("_at") else ROOMS[name] for name in ROOM_COLUMNS]
_not_deleted = ROOMS.deleted_at.isnull()
FIND_ROOM = sql_text(Query.from_(ROOMS).select(*_record).where((ROOMS.name == param("name")) & _not_deleted))
ALL_ROOMS = sql_text(
    Query.from_(ROOMS)
    .select(*_record)
    .where(ROOMS.room_id > param("after"))
    .orderby(ROOMS.room_id)
    .limit(param("limit"))
)
FIND_ROOM_BY_ID = sql_text(
    Query.from_(ROOMS).select(*_record).where((ROOMS.room_id == param("room_id")) & _not_deleted)
)
KEPT_LIKE = sql_text(
    Query.from_(ROOMS)
    .select(ROOMS.room_id)
    .where((ROOMS.folded_name == param("folded")) & (ROOMS.name != param("name")))
    .where(_not_deleted & ROOMS.kind.isin(["public", "private"]))
    .limit(1)
)


def _holds(text: Any, part: Any) -> Any:
    """Not LIKE, for which % and _ are special."""
    return Function("strpos", text, part) > 0


# Not EXISTS: for that, the planner may read the whole table of messages once for all rooms.
_newest_message = (
    Query.from_(MESSAGES)
    .select(MESSAGES.seq)
    .where((MESSAGES.room_id == ROOMS.room_id) & NOT_DELETED)
    .orderby(MESSAGES.seq, order=Order.desc)
    .limit(1)
)
LISTED_ROOMS = sql_text(
    Query.from_(ROOMS)
    .select(*_record)
    .where((ROOMS.name > param("after")) & _not_deleted & ROOMS.kind.isin(["ephemeral", "public"]))
    .where(_holds(ROOMS.folded_name, param("part")) | _holds(ROOMS.folded_title, param("part")))
    .where((ROOMS.kind == "public") | value_of(_newest_message).notnull())
    .orderby(ROOMS.name)
    .limit(param("limit"))
)

# --- reads of members ----------------------------------------------------------------------------------------------

# The columns of every read of members; the room's come first where a statement selects both.
_row = [MEMBERS[name] for name in _MEMBER]


def _belongs(row: Any) -> Any:
    """`model.room.Member.belongs`."""
    return row.role.notnull() | (row.read_seq > 0)


def _newest_first(query: Any, time: Any) -> bytes:
    return sql_text(query.orderby(time, order=Order.desc).orderby(ROOMS.name).limit(param("limit")))


_of_user = Query.from_(MEMBERS).where(MEMBERS.user_id == param("user_id"))
_with_rooms = _of_user.join(ROOMS).on(ROOMS.room_id == MEMBERS.room_id).select(*_record, *_row)
ROOMS_OF = _newest_first(
    _with_rooms.where(_belongs(MEMBERS)), Function("GREATEST", MEMBERS.joined_at, MEMBERS.seen_at, MEMBERS.read_seq)
)
ROWS_OF = sql_text(_with_rooms.where(MEMBERS.room_id > param("after")).orderby(MEMBERS.room_id).limit(param("limit")))
# The condition on 0 is that of the index.
INVITED_BY = sql_text(
    Query.from_(MEMBERS)
    .join(ROOMS)
    .on(ROOMS.room_id == MEMBERS.room_id)
    .select(*_record)
    .distinct()
    .where((MEMBERS.invited_at != 0) & equals_any(MEMBERS.inviter_id, param("users", "text[]")))
    .orderby(ROOMS.room_id)
)
_SANCTIONS = Table("network_sanctions")
SANCTIONED_FOR = sql_text(
    Query.from_(_SANCTIONS)
    .join(ROOMS)
    .on(ROOMS.room_id == _SANCTIONS.room_id)
    .select(*_record)
    .distinct()
    .where(equals_any(_SANCTIONS.guest_id, param("users", "text[]")))
    .orderby(ROOMS.room_id)
)
INVITATIONS = _newest_first(
    _with_rooms.where((MEMBERS.invited_at != 0) & (MEMBERS.invited_at > param("after"))), MEMBERS.invited_at
)

_of_room = Query.from_(MEMBERS).select(*_row).where(MEMBERS.room_id == param("room_id"))
SPECIAL_MEMBERS = sql_text(
    _of_room.where(
        (MEMBERS.role != "member")
        | (MEMBERS.banned_until != 0)
        | (MEMBERS.muted_until != 0)
        | (MEMBERS.invited_at != 0)
    ).orderby(MEMBERS.user_id)
)
FIND_MEMBER = sql_text(_of_room.where(MEMBERS.user_id == param("user_id")))
FIND_MEMBERS = sql_text(_of_room.where(equals_any(MEMBERS.user_id, param("users", "text[]"))).orderby(MEMBERS.user_id))
MEMBERS_OF = sql_text(
    _of_room.where(MEMBERS.role.notnull() & (MEMBERS.user_id > param("after")))
    .orderby(MEMBERS.user_id)
    .limit(param("limit"))
)
COUNT_MEMBERS = sql_text(
    Query.from_(MEMBERS)
    .select(MEMBERS.room_id, Count(Star()))
    .where(_of_rooms & MEMBERS.role.notnull())
    .groupby(MEMBERS.room_id)
)
_newest = _of_user.orderby(MEMBERS.stored, order=Order.desc).limit(1)
ACCOUNT_ROLE = sql_text(_newest.select(MEMBERS.account_role))
FIND_USER = sql_text(_newest.select(MEMBERS.user_id, MEMBERS.name))
_theirs = MEMBERS.as_("theirs")
# One walk through the rooms of the first user, with a key look-up for the second in each; it ends at the first hit.
SHARED_ROOM = sql_text(
    _of_user.join(_theirs)
    .on((_theirs.room_id == MEMBERS.room_id) & (_theirs.user_id == param("other_id")))
    .select(MEMBERS.room_id)
    .where(_belongs(MEMBERS) & _belongs(_theirs))
    .limit(1)
)
PEERS = sql_text(
    Query.from_(MEMBERS)
    .select(MEMBERS.room_id, MEMBERS.user_id, MEMBERS.name)
    .where(_of_rooms & (MEMBERS.user_id != param("user_id")))
)
