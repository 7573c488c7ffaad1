"""Timeouts for many connections without a timer for each."""

import heapq
import itertools
from collections.abc import Callable, Iterator
from itertools import takewhile
from typing import Generic, TypeVar

T = TypeVar("T")


class Deadlines(Generic[T]):
    """A queue of objects that are all due the same time after they were added, so they are due in that order.

    Args:
        delay: in seconds.
        due: called with each object when it is due.
    """

    def __init__(self, delay: float, due: Callable[[T], None]) -> None:
        self.delay = delay
        self._due = due
        self._queue: dict[T, float] = {}

    def __len__(self) -> int:
        return len(self._queue)

    def __iter__(self) -> Iterator[T]:
        return iter(tuple(self._queue))

    def add(self, now: float, what: T) -> None:
        """Add ``what``, which must not be in the queue; it is due ``delay`` seconds after ``now``."""
        self._queue[what] = now + self.delay

    def discard(self, what: T) -> None:
        """Remove ``what`` from the queue, if it is there."""
        self._queue.pop(what, None)

    def run(self, now: float) -> None:
        """Remove the objects that are due, and call ``due`` for each."""
        for what in list(takewhile(lambda what: self._queue[what] <= now, self._queue)):
            if self._queue.pop(what, None) is not None:  # an earlier call may have discarded it
                self._due(what)


class Expiries(Generic[T]):
    """Expiry times that differ and may change: a heap with one valid entry for each object.

    Outdated entries stay in the heap for a while, but never many more than there are valid ones.

    Args:
        expire: called with each object when it expires.
    """

    def __init__(self, expire: Callable[[T], None]) -> None:
        self._expire = expire
        self._ends: dict[T, int] = {}
        self._heap: list[tuple[int, int, T]] = []
        self._number = itertools.count()

    def __len__(self) -> int:
        return len(self._ends)

    def set(self, what: T, when: int) -> None:
        """Let ``what`` expire at a time in the unit of `run`, or never for 0. This replaces an earlier call."""
        if when:
            self._ends[what] = when
            heapq.heappush(self._heap, (when, next(self._number), what))
        else:
            self._ends.pop(what, None)
        if len(self._heap) > 2 * len(self._ends) + 64:
            self._heap = [(when, next(self._number), what) for what, when in self._ends.items()]
            heapq.heapify(self._heap)

    def run(self, now: int) -> None:
        """Expire what is due."""
        while self._heap and self._heap[0][0] <= now:
            when, _, what = heapq.heappop(self._heap)
            if self._ends.get(what) == when:
                del self._ends[what]
                self._expire(what)
