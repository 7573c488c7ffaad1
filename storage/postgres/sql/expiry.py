"""The statements that remove rows which are no longer kept.

`rooms.oldest_seq` tells which rooms to examine, so that nothing is read when nothing is due. Only these statements
update it: new messages are above the others.
"""

from typing import Any

from pypika.functions import Min
from pypika.terms import Function, Not

from storage.postgres.sql.tables import MEMBERS, MESSAGES, ROOMS, removing, when
from utils.clock import DAY_US
from utils.query import Lateral, Query, cast_as, equals_any, param, sql_text

# The clock of the server that writes may be wrong, and what is removed is gone: nothing is that has not expired by the
# database's clock, too.
_clock_us = cast_as(Function("date_part", "epoch", Function("clock_timestamp")) * 1_000_000, "bigint")
NOW = sql_text(Query.select(Function("LEAST", param("now_us", "bigint"), _clock_us)))

# The seq below which a room's messages are due; ``cutoff`` is for rooms without a rule of their own.
_cutoff = when(
    ROOMS.retention_days > 0,
    param("now_us", "bigint") - ROOMS.retention_days * DAY_US,
    param("cutoff", "bigint"),
)


def _rooms_due(due: Any, seq: Any) -> Any:
    """Select some rooms, the longest due first: sorted, so that the planner uses the index for it."""
    return Query.from_(ROOMS).select(ROOMS.room_id).where(due).orderby(seq).limit(param("rooms_at_once"))


_own_rule = ROOMS.oldest_seq + ROOMS.retention_days * DAY_US
ROOMS_DUE = sql_text(
    _rooms_due((ROOMS.retention_days == 0) & (ROOMS.oldest_seq < param("cutoff")), ROOMS.oldest_seq).union_all(
        _rooms_due((ROOMS.retention_days > 0) & (_own_rule < param("now_us")), _own_rule)
    )
)
_in_rooms = equals_any(ROOMS.room_id, param("rooms", "bigint[]"))
_due = Lateral(
    Query.from_(MESSAGES)
    .select(MESSAGES.ctid)
    .where((MESSAGES.room_id == ROOMS.room_id) & (MESSAGES.seq < _cutoff))
    .orderby(MESSAGES.seq)
    .limit(param("limit")),
    "due",
)
REMOVE_DUE = removing(MESSAGES, Query.from_(ROOMS).from_(_due).select(_due.ctid).where(_in_rooms))
# An empty log will begin with the next message, which is numbered by the clock.
_oldest = Query.from_(MESSAGES).select(Min(MESSAGES.seq)).where(MESSAGES.room_id == ROOMS.room_id)
NOTE_OLDEST = sql_text(
    Query.update(ROOMS).set(ROOMS.oldest_seq, Function("COALESCE", _oldest, param("now_us"))).where(_in_rooms)
)

REMOVE_OLD_INVITATIONS = removing(
    MEMBERS,
    Query.from_(MEMBERS)
    .select(MEMBERS.ctid)
    .where((MEMBERS.invited_at != 0) & (MEMBERS.invited_at <= param("until")))
    .where(MEMBERS.role.isnull() & (MEMBERS.read_seq == 0))
    .where((MEMBERS.banned_until == 0) & (MEMBERS.muted_until == 0)),
)
# The first two conditions are those of the index.
REMOVE_OLD_GUESTS = removing(
    MEMBERS,
    Query.from_(MEMBERS)
    .join(ROOMS)
    .on(ROOMS.room_id == MEMBERS.room_id)
    .select(MEMBERS.ctid)
    .where(Function("left", MEMBERS.user_id, 2) == "g_")
    .where(MEMBERS.role.isnull() | (MEMBERS.role == "member"))
    .where((MEMBERS.joined_at < param("until")) & (MEMBERS.seen_at < param("until")))
    .where((MEMBERS.read_seq < param("until")) & (MEMBERS.invited_at == 0))
    .where((MEMBERS.banned_until <= param("now_us")) & (MEMBERS.muted_until <= param("now_us")))
    .where(ROOMS.kind.isin(["ephemeral", "public"]) & Not(equals_any(MEMBERS.user_id, param("present", "text[]")))),
)
