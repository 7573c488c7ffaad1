"""Fair turns at a resource that only a few may use at once."""

import asyncio
import itertools
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from heapq import heappop, heappush
from typing import NamedTuple


class Party(NamedTuple):
    """The owner of a turn: a member of a group. Groups take turns, and so do the members within a group."""

    group: str
    member: str = ""


class _Group:
    __slots__ = ("queues", "under_way", "waiting")

    def __init__(self) -> None:
        self.under_way = 0
        self.waiting = 0
        self.queues: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()


class FairQueue:
    """A limited number of concurrent turns, in total and per group; the others wait in bounded queues.

    The next turn goes to the group whose last turn is longest ago, whatever the length of its queue: a party that
    requests a thousand turns delays another only by the turns that are running. Belongs to one event loop.

    Attributes:
        waiting: number of queued turns.

    Args:
        at_once: maximum number of concurrent turns.
        each: maximum number of concurrent turns of one group.
        waiting: maximum number of queued turns of one member; four times that for a group, forty times in total.
        full: makes the exception that a full queue raises, of ``own``: whether this party itself, rather than all
            parties together, has too many entries.
    """

    def __init__(self, at_once: int, *, each: int, waiting: int, full: Callable[..., Exception]) -> None:
        self._at_once = at_once
        self._each = each
        self._limit = waiting
        self._full = full
        self._under_way = 0
        self.waiting = 0
        self._groups: dict[str, _Group] = {}
        self._ring: OrderedDict[str, _Group] = OrderedDict()  # groups that may take a turn now, in order

    @asynccontextmanager
    async def turn(self, party: Party) -> AsyncIterator[None]:
        """Wait for a turn and hold it.

        Raises:
            Exception: immediately, what ``full`` made, if the queue is full.
        """
        await self._take(party)
        try:
            yield
        finally:
            self._give_back(party.group)

    def check(self, party: Party) -> None:
        """Refuse a party that could not be queued now, before work that leads to a turn.

        Raises:
            Exception: what ``full`` made.
        """
        own = self._has_too_many(party)
        if own or self.waiting >= 40 * self._limit:
            raise self._full(own=own)

    def _has_too_many(self, party: Party) -> bool:
        group = self._groups.get(party.group)
        if group is None:
            return False
        queue = group.queues.get(party.member)
        return (queue is not None and len(queue) >= self._limit) or group.waiting >= 4 * self._limit

    async def _take(self, party: Party) -> None:
        group = self._groups.get(party.group)
        if group is None:
            group = self._groups[party.group] = _Group()
        if self._under_way < self._at_once and group.under_way < self._each and not group.waiting:
            self._under_way += 1
            group.under_way += 1
            return
        own = self._has_too_many(party)
        if own or self.waiting >= 40 * self._limit:
            self._forget(party.group, group)
            raise self._full(own=own)
        queue = group.queues.get(party.member)
        if queue is None:
            queue = group.queues[party.member] = deque()
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(granted)
        group.waiting += 1
        self.waiting += 1
        if group.under_way < self._each:
            self._ring.setdefault(party.group, group)
        try:
            await granted
        except asyncio.CancelledError:
            if granted in queue:
                queue.remove(granted)
                if not queue:
                    del group.queues[party.member]
                group.waiting -= 1
                self.waiting -= 1
                if not group.waiting:
                    self._ring.pop(party.group, None)
                self._forget(party.group, group)
            else:
                self._give_back(party.group)  # granted and cancelled in the same loop iteration
            raise

    def _give_back(self, name: str) -> None:
        group = self._groups[name]
        group.under_way -= 1
        self._under_way -= 1
        if group.waiting:
            self._ring.setdefault(name, group)
        while self._ring and self._under_way < self._at_once:
            self._grant(*self._ring.popitem(last=False))
        self._forget(name, group)

    def _grant(self, name: str, group: _Group) -> None:
        member, queue = group.queues.popitem(last=False)
        granted = queue.popleft()
        if queue:
            group.queues[member] = queue  # after the other members
        group.waiting -= 1
        group.under_way += 1
        self.waiting -= 1
        self._under_way += 1
        if not granted.cancelled():  # else its cancelled task gives the turn back
            granted.set_result(None)
        if group.waiting and group.under_way < self._each:
            self._ring[name] = group

    def _forget(self, name: str, group: _Group) -> None:
        if not group.waiting and not group.under_way:
            self._groups.pop(name, None)


class RankedTurns:
    """A limited number of concurrent turns: the next one goes to the lowest rank, among equal ones to the first.

    Belongs to one event loop. It queues as many as it is asked for.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._queue: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = itertools.count()

    @asynccontextmanager
    async def turn(self, rank: int) -> AsyncIterator[None]:
        """Wait for a turn and hold it."""
        if self._free:
            self._free -= 1
        else:
            granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heappush(self._queue, (rank, next(self._count), granted))
            try:
                await granted
            except asyncio.CancelledError:
                if not granted.cancelled():  # granted and cancelled in the same loop iteration
                    self._give_back()
                raise
        try:
            yield
        finally:
            self._give_back()

    def _give_back(self) -> None:
        while self._queue:
            _, _, granted = heappop(self._queue)
            if not granted.done():
                granted.set_result(None)
                return
        self._free += 1
