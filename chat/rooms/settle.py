"""Fan-in: what storage answered, told to authors and rooms."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from chat.writes.workers import ChangeJob, RoomJob
from model.errors import EPOCH_CHANGED, ParleyError
from model.events import AckItem, Retracted
from model.message import Message
from storage.ports.messages import InsertMessage
from storage.ports.outcomes import Duplicate, Outcome, Stored

if TYPE_CHECKING:
    from chat.rooms.hub import Hub
    from chat.rooms.room import Room
    from chat.writes.workers import Job

log = logging.getLogger(__name__)


def settle(hub: Hub, job: Job, outcome: Outcome) -> None:
    """Ack a message that is stored; take back one that is not and say why."""
    room, write = job.room, job.write
    if isinstance(write, InsertMessage):
        message = write.message
        if message.id is not None:
            del room.pending[message.seq]
        if not isinstance(outcome, Stored):
            _not_stored(hub, job, message, outcome)
        elif message.id is not None:
            _ack(hub, job, room, message.id, message.seq)
    elif isinstance(job, ChangeJob):
        if not isinstance(outcome, Stored):
            _change_refused(hub, job, outcome)
        elif job.id is not None:
            _ack(hub, job, room, job.id, job.write.seq)
    elif isinstance(job, RoomJob):
        if not isinstance(outcome, Stored):
            _room_refused(hub, job, outcome)
        elif job.id is not None and job.last:
            _ack(hub, job, room, job.id, room.head)
    if not room.unsettled:
        room.tail.trim(1)  # an outage fills it far beyond its bounds, and nobody may speak here for a long time
        hub.free(room)


def _ack(hub: Hub, job: Job, room: Room, id: str, seq: int) -> None:
    item = AckItem(id, room.name, seq)
    for author in job.authors:
        author.ack(item, room.audience)
    hub.counters.acks += 1


def _not_stored(hub: Hub, job: Job, message: Message, outcome: Outcome) -> None:
    _retract(hub, job.room, message)
    if isinstance(outcome, Duplicate) and outcome.same_body and message.id is not None:
        _ack(hub, job, job.room, message.id, outcome.seq)
    else:
        code = "conflict" if isinstance(outcome, Duplicate) else "not_stored"
        for author in job.authors:
            author.refuse(ParleyError(code), message.id, message.room)


def _retract(hub: Hub, room: Room, message: Message) -> None:
    log.info("room %r: message %d is retracted", room.name, message.seq)
    hub.counters.retractions += 1
    room.tail.remove(message)
    hub.new_epoch_of(room)
    room.broadcast(Retracted(room=room.name, seq=message.seq, sender=message.sender))


def _change_refused(hub: Hub, job: ChangeJob, outcome: Outcome) -> None:
    """Tell the author; and everybody who was shown the change to read the room again, as storage has it.

    Unless the message itself was taken back, which they were told: then it is in the tail no more.
    """
    room = job.room
    hub.faithful = False
    for author in job.authors:
        author.refuse(ParleyError("not_stored"), job.id, room.name)
    if room.tail.undo(job.write.version):
        log.error("room %r: a change of message %d cannot be stored: %s", room.name, job.write.seq, outcome)
        hub.new_epoch_of(room)
        for session in tuple(room.presence.sessions):
            session.close(EPOCH_CHANGED)


def _room_refused(hub: Hub, job: RoomJob, outcome: Outcome) -> None:
    """Nobody can trust what they were told of the room: it is read from storage again when they come back."""
    # One server writes, so it takes a hand in the database, such as another room of this name made by it.
    room = job.room
    log.error("room %r: what it is cannot be stored: %s; its clients are told to come again", room.name, outcome)
    for author in job.authors:
        author.refuse(ParleyError("not_stored"), job.id, room.name)
    hub.new_epoch_of(room)
    for session in tuple(room.presence.sessions):
        session.close(EPOCH_CHANGED)
