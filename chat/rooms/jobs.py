"""The writes of a room, and the reaction to their outcomes: acks, errors and retractions."""

import logging
from abc import abstractmethod

from chat.rooms.hub import Hub
from chat.rooms.room import Room, Session
from chat.writes.jobs import Job
from model.errors import EPOCH_CHANGED, ParleyError, moved
from model.events import AckItem, Retracted
from storage.ports.messages import ChangeMessage, InsertMessage
from storage.ports.rooms import RemoveMember, SetMember
from storage.ports.storage import Duplicate, Outcome, Stored, Write

log = logging.getLogger(__name__)


class RoomJob(Job):
    """A write of a room. ``id`` is the id of the author's command, None when the author receives no ack."""

    __slots__ = ("hub", "id")

    owner: Room

    def __init__(
        self, hub: Hub, room: Room, write: Write, size: int = 0, author: Session | None = None, id: str | None = None
    ) -> None:
        super().__init__(room, write, size, author)
        self.hub = hub
        self.id = id

    def on_outcome(self, outcome: Outcome) -> None:
        """Ack a stored write; undo a refused one and send its author the error."""
        room = self.owner
        if isinstance(outcome, Stored):
            self.stored()
        else:
            self.refused(outcome)
        if not room.backlog.unconfirmed:
            room.tail.trim(1)  # an outage fills it far beyond its limits, and the next message may come much later
            self.hub.free(room)

    def abandon(self) -> None:
        self.refuse(moved())

    @abstractmethod
    def stored(self) -> None:
        """Ack the write."""

    @abstractmethod
    def refused(self, outcome: Outcome) -> None:
        """Undo the write."""

    def ack(self, seq: int) -> None:
        """Answer the authors with an ack."""
        if self.id is not None:
            item, audience = AckItem(self.id, self.owner.name, seq), self.owner.audience
            for author in self.authors:
                author.ack(item, audience)
            self.hub.counters.acks += 1

    def refuse(self, error: ParleyError) -> None:
        """Answer the authors with an error."""
        for author in self.authors:
            author.refuse(error, self.id, self.owner.name)

    def start_afresh(self) -> None:
        """Disconnect all sessions in the room: their copies of it are wrong, so they must load it again."""
        self.hub.faithful = False
        self.hub.new_epoch_of(self.owner)
        for session in tuple(self.owner.presence.sessions):
            session.close(EPOCH_CHANGED)


class MessageJob(RoomJob):
    """A message; ``id`` is its id."""

    __slots__ = ()

    write: InsertMessage

    def stored(self) -> None:
        seq = self.write.message.seq
        if self.id is not None:
            del self.owner.pending_posts[seq]
            self.ack(seq)

    def refused(self, outcome: Outcome) -> None:
        """Retract the message, and send its author an error, or an ack if storage has the same message already."""
        room, message = self.owner, self.write.message
        if self.id is not None:
            del room.pending_posts[message.seq]
        log.info("room %r: message %d was retracted", room.name, message.seq, extra={"room": room.name})
        self.hub.counters.retractions += 1
        self.hub.faithful = False
        room.tail.remove(message)
        self.hub.new_epoch_of(room)
        room.publish(Retracted(room=room.name, seq=message.seq, sender=message.sender))
        if isinstance(outcome, Duplicate) and outcome.same_body:
            self.ack(outcome.seq)
        else:
            self.refuse(ParleyError("conflict" if isinstance(outcome, Duplicate) else "not_stored"))


class ChangeJob(RoomJob):
    """A change of a message."""

    __slots__ = ()

    write: ChangeMessage

    def stored(self) -> None:
        self.ack(self.write.seq)

    def refused(self, outcome: Outcome) -> None:
        """Make all clients that received the change reload the room from storage.

        A retracted message is no longer in the tail; the clients already received that.
        """
        room, write = self.owner, self.write
        self.hub.faithful = False
        self.refuse(ParleyError("not_stored"))
        if room.tail.undo(write.version):
            log.error(
                "room %r: a change to message %d could not be stored: %s",
                *(room.name, write.seq, outcome),
                extra={"room": room.name},
            )
            self.start_afresh()


class RecordJob(RoomJob):
    """The room's own record, or a member's row.

    A command may need several of these writes: only the last one acks its ``id``, and any of them may be refused.
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
        """Drop a row from the room after storage has removed it."""
        write = self.write
        if isinstance(write, SetMember):
            self.hub.changes.confirmed(write.room_id, write.member.user.id, write)
        elif isinstance(write, RemoveMember):
            self.hub.changes.confirmed(write.room_id, write.user_id, write)
            self.owner.forget(write.user_id, removed=True)
        super().on_outcome(outcome)

    def abandon(self) -> None:
        if self.last:
            super().abandon()

    def stored(self) -> None:
        if self.last:
            self.ack(self.owner.head)

    def refused(self, outcome: Outcome) -> None:
        """Make all clients in the room reload it from storage."""
        # Only this server writes, so the cause is a manual change in the database, such as another room of this name.
        name = self.owner.name
        log.error(
            "room %r: a change to the room could not be stored: %s; disconnecting its clients so that they reload it",
            *(name, outcome),
            extra={"room": name},
        )
        self.refuse(ParleyError("not_stored"))
        self.start_afresh()
