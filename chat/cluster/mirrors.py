"""The rooms of another node, for their members who are connected to this one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, cast
from weakref import ref

from chat.delivery.audience import Audience
from chat.rooms.hub import Hub
from chat.rooms.room import Room, Session
from model.room import User


class _Place(NamedTuple):
    """Up to where a session has received a room, from an owner that has the rooms no longer; see `Returning`."""

    epoch: str
    head: int
    token: int
    behind: bool


@dataclass(eq=False, slots=True)
class Returning:
    """Sessions that were in a room of a previous owner, and are to enter it again at the next one.

    Attributes:
        epoch: of the previous owner.
        head: up to where they have received the room's log; not those in ``behind``, who were resuming.
        token: of its tenure, if they have received everything else, too, that it sent to the room; else 0.
        people: see `chat.cluster.operations.Rejoin`.
    """

    room: str
    epoch: str
    head: int
    token: int
    people: list[User]
    sessions: list[Session] = field(default_factory=list)
    behind: list[Session] = field(default_factory=list)

    def everybody(self) -> list[Session]:
        """Return all of them."""
        return [*self.sessions, *self.behind]

    def readable(self) -> Returning:
        """Return those whose clients have read what they were sent, or have disconnected."""
        groups = (self.sessions, self.behind)
        sessions, behind = ([one for one in group if one.ended or not one.congested] for group in groups)
        return replace(self, sessions=sessions, behind=behind)

    def have_returned(self, there: Returning) -> None:
        """Remove some, which are in the room now, or gone."""
        gone = set(there.everybody())
        self.sessions = [session for session in self.sessions if session not in gone]
        self.behind = [session for session in self.behind if session not in gone]
        self.people = []  # known in the room now


class Mirror:
    """One room that another node has.

    A session that was in it at a previous owner receives nothing until the next one has it in the room, too.

    Attributes:
        head: up to where the members here have received the room's log.
        audience: those who receive its frames.
        sessions: all members here, and sessions that are being closed.
        people: the users in the room, by id, while a client here needs them; see `chat.cluster.operations.Present`.
    """

    __slots__ = ("__weakref__", "_waiting", "audience", "head", "name", "people", "sessions")

    def __init__(self, hub: Hub, name: str, head: int) -> None:
        self.name = name
        self.head = head
        self.audience = Audience(hub.counters, hub.flush_soon, ref(self))
        self.sessions: dict[Session, None] = {}
        self.people: dict[str, User] = {}
        self._waiting: dict[Session, _Place] = {}  # those who wait for the next owner

    def _include(self, session: Session) -> None:
        self.sessions[session] = None
        # A session flushes, moves and leaves what it is in: of a room, it uses no more than the audience.
        session.rooms[self.name] = cast(Any, self)

    def add(self, session: Session, *, syncing: bool = False) -> None:
        """Deliver the room's later frames to a session."""
        self._exclude(session)
        self._include(session)
        self.audience.add(session, syncing=syncing)

    def discard(self, session: Session) -> None:
        """Deliver nothing more to a session. An unknown session is ignored."""
        if session in self.sessions:
            self._exclude(session)
            del self.sessions[session]
            del session.rooms[self.name]
            if not session.dialect.welcomes and all(other.dialect.welcomes for other in self.sessions):
                self.people.clear()  # the owner sends no more `Present`

    def _exclude(self, session: Session) -> None:
        self.audience.flush()
        if self.audience.is_syncing(session):
            session.released()  # what was withheld is worth nothing
        self.audience.discard(session)
        self._waiting.pop(session, None)

    def note_present(self, joined: Iterable[User], left: Iterable[User], *, everyone: bool) -> None:
        """Note who has entered and left the room; with ``everyone``, who is there at all."""
        if everyone:
            self.people.clear()
        self.people |= {user.id: user for user in joined}
        for user in left:
            self.people.pop(user.id, None)

    # Between two owners.

    def wait(self, session: Session, epoch: str, head: int, token: int, *, behind: bool) -> None:
        """Keep the place of a session until there is another owner."""
        self._include(session)
        self._waiting[session] = _Place(epoch, head, token, behind)

    def wait_all(self, epoch: str, token: int) -> None:
        """Keep the places of all sessions, because the owner is lost. Replays that it had begun end here."""
        for session in [session for session in self.sessions if session not in self._waiting]:
            behind = self.audience.is_syncing(session)
            self._exclude(session)
            self.wait(session, epoch, self.head, token, behind=behind)

    def returning(self) -> Iterator[Returning]:
        """Yield those who wait."""
        found: dict[tuple[str, int, int], Returning] = {}
        for session, (epoch, head, token, behind) in self._waiting.items():
            if not session.ended:
                there = found.setdefault(
                    (epoch, head, token), Returning(self.name, epoch, head, token, list(self.people.values()))
                )
                (there.behind if behind else there.sessions).append(session)
        yield from found.values()


def mirror_of(hub: Hub, room: Room, sessions: Collection[Session], epoch: str, token: int) -> Mirror:
    """Move these sessions of this node from a room to a mirror of it, because another node gets the room."""
    room.audience.flush()
    mirror = Mirror(hub, room.name, room.head)
    if not room.presence.crowded and not all(session.dialect.welcomes for session in sessions):
        mirror.note_present([here.user for here in room.presence.people.values()], (), everyone=True)
    for session in sessions:
        behind = room.audience.is_syncing(session)
        if behind:
            session.released()
        room.audience.discard(session)
        mirror.wait(session, epoch, room.head, token, behind=behind)
    return mirror
