"""Fan-in: what storage answered, told to authors and rooms."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from model.errors import EPOCH_CHANGED, ParleyError
from model.events import AckItem, Retracted
from model.message import Message
from storage.repository import Duplicate, InsertRoom, Outcome, Refused, Stored

if TYPE_CHECKING:
    from chat.hub import Hub
    from chat.room import Room
    from chat.workers import Job

log = logging.getLogger(__name__)


def settle(hub: Hub, job: Job, outcome: Outcome) -> None:
    """Ack a message that is stored; take back one that is not and say why."""
    room = job.room
    if isinstance(job.write, InsertRoom):
        if isinstance(outcome, Refused):
            _room_refused(room, outcome)
    else:
        message = job.write.message
        if message.id is not None:
            del room.pending[message.seq]
        if isinstance(outcome, Stored):
            _ack(hub, job, room, message, message.seq)
        else:
            _retract(hub, room, message)
            if isinstance(outcome, Duplicate) and outcome.same_body:
                _ack(hub, job, room, message, outcome.seq)
            else:
                code = "conflict" if isinstance(outcome, Duplicate) else "not_stored"
                for author in job.authors:
                    author.refuse(ParleyError(code), message.id)
    if not room.unsettled:
        hub.free(room)


def _ack(hub: Hub, job: Job, room: Room, message: Message, seq: int) -> None:
    if message.id is not None:
        item = AckItem(message.id, room.name, seq)
        for author in job.authors:
            author.ack(item, room)
        hub.counters.acks += 1


def _retract(hub: Hub, room: Room, message: Message) -> None:
    log.info("room %r: message %d is retracted", room.name, message.seq)
    hub.counters.retractions += 1
    room.tail.remove(message)
    hub.new_epoch_of(room)
    room.broadcast(Retracted(room=room.name, seq=message.seq, sender=message.sender))


def _room_refused(room: Room, outcome: Refused) -> None:
    # One server writes, so only a hand in the database can have made another room of this name meanwhile.
    log.error("room %r cannot be stored: %s; its clients are told to come again", room.name, outcome.reason)
    for session in tuple(room.presence.sessions):
        session.close(EPOCH_CHANGED)
