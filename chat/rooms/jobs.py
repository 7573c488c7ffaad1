"""The writes of a room: what an author and the room receive when storage has answered."""

from __future__ import annotations

import logging

from chat.rooms.hub import Hub
from chat.rooms.room import Room, Session
from chat.writes.jobs import Job
from model.errors import EPOCH_CHANGED, ParleyError
from model.events import AckItem, Retracted
from storage.ports.messages import ChangeMessage, InsertMessage
from storage.ports.rooms import RemoveMember
from storage.ports.storage import Duplicate, Outcome, Stored, Write

log = logging.getLogger(__name__)


class RoomJob(Job):
    """A write of a room. ``id`` is the one its author gave the command, None when the author receives no ack."""

    __slots__ = ("hub", "id")

    owner: Room

    def __init__(
        self, hub: Hub, room: Room, write: Write, size: int = 0, author: Session | None = None, id: str | None = None
    ) -> None:
        super().__init__(room, write, size, author)
        self.hub = hub
        self.id = id

    def on_outcome(self, outcome: Outcome) -> None:
        """Ack a write that is stored; take back one that is not and say why."""
        room = self.owner
        if isinstance(outcome, Stored):
            self.stored()
        else:
            self.refused(outcome)
        if not room.backlog.unconfirmed:
            room.tail.trim(1)  # an outage fills it far beyond its bounds, and the room may stay silent for a long time
            self.hub.free(room)

    def stored(self) -> None:
        """Ack the write."""
        raise NotImplementedError

    def refused(self, outcome: Outcome) -> None:
        """Take the write back."""
        raise NotImplementedError

    def ack(self, seq: int) -> None:
        """Answer the authors with an ack."""
        if self.id is not None:
            item, audience = AckItem(self.id, self.owner.name, seq), self.owner.audience
            for author in self.authors:
                author.ack(item, audience)
            self.hub.counters.acks += 1

    def refuse(self, code: str) -> None:
        """Answer the authors with an error."""
        for author in self.authors:
            author.refuse(ParleyError(code), self.id, self.owner.name)

    def start_afresh(self) -> None:
        """Disconnect everybody in the room: what they were shown cannot be trusted, so they must load it again."""
        self.hub.new_epoch_of(self.owner)
        for session in tuple(self.owner.presence.sessions):
            session.close(EPOCH_CHANGED)


class MessageJob(RoomJob):
    """A message. ``id`` is that of the message."""

    __slots__ = ()

    write: InsertMessage

    def stored(self) -> None:
        seq = self.write.message.seq
        if self.id is not None:
            del self.owner.pending_posts[seq]
            self.ack(seq)

    def refused(self, outcome: Outcome) -> None:
        """Retract the message, unless storage has the same one: then its author gets an ack of that one."""
        room, message = self.owner, self.write.message
        if self.id is not None:
            del room.pending_posts[message.seq]
        log.info("room %r: message %d was retracted", room.name, message.seq)
        self.hub.counters.retractions += 1
        room.tail.remove(message)
        self.hub.new_epoch_of(room)
        room.publish(Retracted(room=room.name, seq=message.seq, sender=message.sender))
        if isinstance(outcome, Duplicate) and outcome.same_body:
            self.ack(outcome.seq)
        else:
            self.refuse("conflict" if isinstance(outcome, Duplicate) else "not_stored")


class ChangeJob(RoomJob):
    """A change of a message."""

    __slots__ = ()

    write: ChangeMessage

    def stored(self) -> None:
        self.ack(self.write.seq)

    def refused(self, outcome: Outcome) -> None:
        """Have everybody who was shown the change load the room as storage has it.

        A message that was retracted is no longer in the tail; everybody was told about that already.
        """
        room, write = self.owner, self.write
        self.hub.faithful = False
        self.refuse("not_stored")
        if room.tail.undo(write.version):
            log.error("room %r: a change to message %d could not be stored: %s", room.name, write.seq, outcome)
            self.start_afresh()


class RecordJob(RoomJob):
    """The room's own record, or a member's row.

    A command may need several of these: only the last one has its ``id`` acked, and any of them may be refused.
    """

    __slots__ = ("last",)

    def __init__(
        self,
        hub: Hub,
        room: Room,
        write: Write,
        author: Session | None = None,
        id: str | None = None,
        *,
        last: bool = True,
    ) -> None:
        super().__init__(hub, room, write, 0, author, id)
        self.last = last

    def on_outcome(self, outcome: Outcome) -> None:
        """Let the room forget a row that storage has removed."""
        if isinstance(self.write, RemoveMember):
            self.owner.forget(self.write.user_id, removed=True)
        super().on_outcome(outcome)

    def stored(self) -> None:
        if self.last:
            self.ack(self.owner.head)

    def refused(self, outcome: Outcome) -> None:
        """Have everybody in the room load it again, as storage has it."""
        # One server writes, so it takes a change by hand in the database, such as another room of this name.
        name = self.owner.name
        log.error(
            "room %r: a change to the room could not be stored: %s; disconnecting its clients, to reload", name, outcome
        )
        self.refuse("not_stored")
        self.start_afresh()
