"""The statements that remove what nobody keeps any longer. See `storage.postgres.sql`.

`rooms.oldest_seq` says which rooms to look at, so that nothing is read when nothing is due. It is noted here alone: new
messages come behind the others.
"""

from __future__ import annotations

from typing import Any

from pypika import Case, Table
from pypika.functions import Min
from pypika.terms import Function

from utils.clock import DAY_US
from utils.query import Lateral, Query, array_from, equals_any, param, sql_text

_rooms = Table("rooms")
_messages = Table("messages")

# Before which seq a room's messages are due; ``cutoff`` is for rooms without a rule of their own.
_cutoff = (
    Case()
    .when(_rooms.retention_days > 0, param("now", "bigint") - _rooms.retention_days * DAY_US)
    .else_(param("cutoff", "bigint"))
)


def _rooms_due(due: Any, seq: Any) -> Any:
    """Some of them, those that are due for longest first: in order, so that the planner takes the index for it."""
    return Query.from_(_rooms).select(_rooms.room_id).where(due).orderby(seq).limit(param("rooms_at_once"))


_own_rule = _rooms.oldest_seq + _rooms.retention_days * DAY_US
ROOMS_DUE = sql_text(
    _rooms_due((_rooms.retention_days == 0) & (_rooms.oldest_seq < param("cutoff")), _rooms.oldest_seq).union_all(
        _rooms_due((_rooms.retention_days > 0) & (_own_rule < param("now")), _own_rule)
    )
)
_due = Lateral(
    Query.from_(_messages)
    .select(_messages.ctid)
    .where((_messages.room_id == _rooms.room_id) & (_messages.seq < _cutoff))
    .orderby(_messages.seq)
    .limit(param("limit")),
    "due",
)
# By their place on disk, found just before: another look into the index for each would cost as much again.
REMOVE_DUE = sql_text(
    Query.from_(_messages)
    .delete()
    .where(
        equals_any(
            _messages.ctid,
            array_from(
                Query.from_(_rooms)
                .from_(_due)
                .select(_due.ctid)
                .where(equals_any(_rooms.room_id, param("rooms", "bigint[]")))
                .limit(param("limit"))
            ),
        )
    )
)
# An empty log begins with the next message, which is numbered by the clock.
NOTE_OLDEST = sql_text(
    Query.update(_rooms)
    .set(
        _rooms.oldest_seq,
        Function(
            "COALESCE",
            Query.from_(_messages).select(Min(_messages.seq)).where(_messages.room_id == _rooms.room_id),
            param("now"),
        ),
    )
    .where(equals_any(_rooms.room_id, param("rooms", "bigint[]")))
)
