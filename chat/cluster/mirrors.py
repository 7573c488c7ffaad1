"""The rooms of another node, for their members who are connected to this one."""

from typing import Any, cast
from weakref import ref

from chat.delivery.audience import Audience
from chat.rooms.hub import Hub
from chat.rooms.room import Room, Session


class Mirror:
    """One room that another node has.

    Attributes:
        head: up to where its members here have received the room's log.
        audience: those members.
        sessions: the same; and sessions that are being closed.
        behind: those who had not received everything when the owner was lost, because they were resuming.
    """

    __slots__ = ("__weakref__", "audience", "behind", "head", "name", "sessions")

    def __init__(self, hub: Hub, name: str, head: int) -> None:
        self.name = name
        self.head = head
        self.audience = Audience(hub.counters, hub.flush_soon, ref(self))
        self.sessions: dict[Session, None] = {}
        self.behind: set[Session] = set()

    def add(self, session: Session, *, syncing: bool = False) -> None:
        """Deliver the room's later frames to a session."""
        self.audience.flush()
        self.audience.discard(session)
        self.sessions[session] = None
        self.behind.discard(session)
        # A session flushes, moves and leaves what it is in: of a room, it uses no more than the audience.
        session.rooms[self.name] = cast(Any, self)
        if not session.ended:
            self.audience.add(session, syncing=syncing)

    def discard(self, session: Session) -> None:
        """Deliver nothing more to a session. An unknown session is ignored."""
        if session in self.sessions:
            self.audience.flush()
            self.audience.discard(session)
            self.behind.discard(session)
            del self.sessions[session]
            del session.rooms[self.name]

    def catch_up(self) -> None:
        """End the replays that the lost owner had begun: what was withheld for them is worth nothing."""
        self.audience.flush()
        for session in self.sessions:
            if self.audience.is_syncing(session):
                self.audience.release(session)
                session.released()
                self.behind.add(session)


def mirror_of(hub: Hub, room: Room) -> Mirror | None:
    """Move the sessions of this node from a room to a mirror of it; None if there are none."""
    room.audience.flush()
    mirror = Mirror(hub, room.name, room.head)
    for session in tuple(room.presence.sessions):
        if session.remote is None:
            behind = room.audience.is_syncing(session)
            room.audience.discard(session)
            if behind:
                session.released()
            mirror.add(session)
            if behind:
                mirror.behind.add(session)
    return mirror if mirror.sessions else None
