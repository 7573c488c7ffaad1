"""The statements that erase what was deleted long ago: the text of messages, and whole rooms."""

from typing import Any

from pypika.terms import Function, NullValue, ValueWrapper

from storage.postgres.sql.tables import MESSAGES, ROOMS, removing
from utils.query import Lateral, Query, cast_as, equals_any, param, sql_text, value_of
from utils.words import WORDS_VERSION

_until = param("until", "timestamptz")

# --- messages ------------------------------------------------------------------------------------------------------

# The first two conditions are those of the index: no message is posted without content, so one without was erased.
_deleted = (
    Query.from_(MESSAGES)
    .select(MESSAGES.ctid)
    .where(MESSAGES.deleted_at.notnull() & (MESSAGES.content != ""))
    .where(MESSAGES.deleted_at < _until)
    .orderby(MESSAGES.deleted_at)
    .limit(param("limit"))
)


def _erase() -> bytes:
    query: Any = (
        Query.update(MESSAGES)
        .set(MESSAGES.content, "")
        .set(MESSAGES.words, cast_as(ValueWrapper("{}"), "text[]"))
        .set(MESSAGES.words_version, WORDS_VERSION)
    )
    # body_hash, too: it would confirm a guess of the first text.
    for column in ("body_hash", "client_id", "mentions", "reactions", "reply_to", "pinned_at", "pinned_by"):
        query = query.set(MESSAGES[column], NullValue())
    return sql_text(query.where(equals_any(MESSAGES.ctid, Function("ARRAY", _deleted))))


ERASE_MESSAGES = _erase()

# --- rooms ---------------------------------------------------------------------------------------------------------

_in_rooms = equals_any(ROOMS.room_id, param("rooms", "bigint[]"))
ROOMS_TO_ERASE = sql_text(
    Query.from_(ROOMS)
    .select(ROOMS.room_id)
    .where(ROOMS.deleted_at.notnull() & (ROOMS.deleted_at < _until))
    .orderby(ROOMS.deleted_at)
    .limit(param("rooms_at_once"))
)
_of_room = Query.from_(MESSAGES).where(MESSAGES.room_id == ROOMS.room_id).orderby(MESSAGES.seq)
_messages = Lateral(_of_room.select(MESSAGES.ctid).limit(param("limit")), "of_room")
REMOVE_MESSAGES = removing(MESSAGES, Query.from_(ROOMS).from_(_messages).select(_messages.ctid).where(_in_rooms))
# Not EXISTS: for that, the planner may read the whole table of messages.
_first = value_of(_of_room.select(MESSAGES.seq).limit(1))
REMOVE_ROOMS = sql_text(Query.from_(ROOMS).delete().where(_in_rooms & ROOMS.deleted_at.notnull() & _first.isnull()))
