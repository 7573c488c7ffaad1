"""A room: who is in it, where its log stands, and what was said of late."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from chat.audience import Audience
from chat.counters import Counters
from chat.presence import Presence
from chat.tail import Tail
from model.events import AnyEvent
from model.room import RoomRecord, User

if TYPE_CHECKING:
    from chat.session import Session
    from chat.workers import Job, Worker


class _Waiter:
    """Those who wait for the same write: ``left`` answers from storage after what the ones before them wait for."""

    __slots__ = ("done", "left")

    def __init__(self, left: int) -> None:
        self.left = left
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Room:
    """One room of this server, ready for talk: its head has come from storage.

    Attributes:
        record: its id and name.
        name: the record's.
        worker: who stores what is said here.
        stored: storage has (or has been told to have) the room itself; it is told with the first message.
        head: the largest seq or version so far, 0 when nothing was ever said.
        unsettled: writes submitted and not yet answered by storage.
        pending: those of them that are messages with an id, by seq: a re-send waits for the same answer.
        queued_bytes: their size, for the bound on one room's share of a queue.
    """

    __slots__ = (
        "_awaited",
        "_mark_dirty",
        "_waiters",
        "audience",
        "head",
        "name",
        "pending",
        "presence",
        "queued_bytes",
        "record",
        "stored",
        "tail",
        "unsettled",
        "worker",
    )

    def __init__(
        self,
        record: RoomRecord,
        worker: Worker,
        *,
        stored: bool,
        head: int,
        tail_limit: int,
        counters: Counters,
        mark_dirty: Callable[[Room], None],
    ) -> None:
        self.record = record
        self.name = record.name
        self.worker = worker
        self.stored = stored
        self.head = head
        self.audience = Audience(counters)
        self.presence = Presence(record.name, self.broadcast)
        self.tail = Tail(tail_limit, head)
        self.unsettled = 0
        self.pending: dict[int, Job] = {}
        self.queued_bytes = 0
        self._waiters: deque[_Waiter] = deque()
        self._awaited = 0
        self._mark_dirty = mark_dirty

    @property
    def idle(self) -> bool:
        """Nobody is in it and nothing of it waits for storage: it may be forgotten."""
        return not self.presence.sessions and not self.unsettled

    def next_seq(self, now_us: int) -> int:
        """The next place in the log: the clock, raised where it stands still or steps back."""
        self.head = seq = now_us if now_us > self.head else self.head + 1
        return seq

    def broadcast(self, event: AnyEvent, *, ephemeral: bool = False) -> None:
        """Queue an event for everybody in the room; it is written at the end of this turn of the event loop."""
        if self.audience.broadcast(event, ephemeral):
            self._mark_dirty(self)

    # Membership. The room is flushed first, so that nobody gets what was said before they came.

    def enter(self, session: Session, *, syncing: bool = False) -> None:
        """Add a session; people are told when it is its principal's first one here."""
        self.audience.flush()
        self.audience.add(session, syncing=syncing)
        session.rooms[self.name] = self
        self.presence.enter(session, session.user)

    def exit(self, session: Session) -> None:
        """Remove a session; people are told when it was its principal's last one here."""
        self.audience.flush()
        self.audience.discard(session)
        del session.rooms[self.name]
        self.presence.exit(session)

    def rebind(self, session: Session, user: User) -> None:
        """The session speaks for somebody else from now on."""
        self.audience.flush()
        self.presence.exit(session)
        self.presence.enter(session, user)

    # What waits for storage.

    def settled(self, size: int) -> None:
        """Storage has answered for the room's oldest write."""
        self.unsettled -= 1
        self.queued_bytes -= size
        if self._waiters:
            first = self._waiters[0]
            first.left -= 1
            self._awaited -= 1
            if not first.left:
                self._waiters.popleft().done.set_result(None)

    async def written(self) -> None:
        """Wait until storage has answered for every write submitted by now. Unbounded: give it a time-out."""
        if self.unsettled:
            # Shared by all who wait for the same write: while storage is away they come and time out without end.
            if self._awaited < self.unsettled:
                self._waiters.append(_Waiter(self.unsettled - self._awaited))
                self._awaited = self.unsettled
            await asyncio.shield(self._waiters[-1].done)
