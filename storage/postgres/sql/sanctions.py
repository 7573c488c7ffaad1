"""The statements about sanctions: bans and mutes of the guests of a network."""

from pypika import Table
from pypika.terms import Function

from storage.postgres.sql.tables import ROOMS, removing, rows_as
from utils.query import Query, equals_any, param, sql_text

_SANCTIONS = Table("network_sanctions")
_TIMES = {"banned_until": "bigint", "muted_until": "bigint"}
_KEY = {"room_id": "bigint", "network": "text", "guest_id": "text"}
_COLUMNS = {**_KEY, **_TIMES}
_new = rows_as("new", _COLUMNS)
# The condition is that of the index.
_until = Function("GREATEST", *(_SANCTIONS[name] for name in _TIMES))


def _set() -> bytes:
    query = (
        Query.into(_SANCTIONS)
        .columns(*_COLUMNS)
        .from_(_new)
        .join(ROOMS)
        .on(ROOMS.room_id == _new.room_id)
        .select(*(_new[column] for column in _COLUMNS))
        .where(ROOMS.deleted_at.isnull())
        .on_conflict(*(_SANCTIONS[name] for name in _KEY))
    )
    for column in _TIMES:
        query = query.do_update(column)
    return sql_text(query)


# Each row once per statement, otherwise Postgres refuses it.
SET_SANCTIONS = _set()
_lifted = rows_as("lifted", _KEY)
REMOVE_SANCTIONS = sql_text(
    Query.from_(_SANCTIONS)
    .delete()
    .using(_lifted)
    .where((_SANCTIONS.room_id == _lifted.room_id) & (_SANCTIONS.network == _lifted.network))
    .where(_SANCTIONS.guest_id == _lifted.guest_id)
)
REMOVE_ALL_SANCTIONS = sql_text(
    Query.from_(_SANCTIONS).delete().where(equals_any(_SANCTIONS.room_id, param("rooms", "bigint[]")))
)
SANCTIONS_OF = sql_text(
    Query.from_(_SANCTIONS)
    .select(_SANCTIONS.network, _SANCTIONS.guest_id, *(_SANCTIONS[name] for name in _TIMES))
    .where(_SANCTIONS.room_id == param("room_id"))
    .orderby(_SANCTIONS.network)
    .orderby(_SANCTIONS.guest_id)
)
EXPIRE_SANCTIONS = removing(_SANCTIONS, Query.from_(_SANCTIONS).select(_SANCTIONS.ctid).where(_until <= param("until")))
