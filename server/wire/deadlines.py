"""Time-outs of many connections without a timer for each."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator
from itertools import takewhile
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class Deadlines(Generic[T]):
    """A queue of things that are all due the same time after they were added: they end in the order they began.

    Args:
        delay: seconds.
        due: called with each thing when its time has come.
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
        """Let ``what``, which is not in the queue, be due ``delay`` seconds after ``now``."""
        self._queue[what] = now + self.delay

    def discard(self, what: T) -> None:
        """Let ``what`` never be due. Unknown things are fine."""
        self._queue.pop(what, None)

    def run(self, now: float) -> None:
        """Call for what is due."""
        for what in list(takewhile(lambda what: self._queue[what] <= now, self._queue)):
            if self._queue.pop(what, None) is not None:  # the calls before may have discarded it
                self._due(what)


class Expiring(Protocol):
    """Something that ends at a time of its own."""

    def expire(self) -> None:
        """The time has come."""


class Expiries:
    """Ends that each have a time of their own, and may be moved: a heap, with one entry that counts for each.

    Those that were moved or are gone stay in the heap for a while, but never as many as those that count, and a few.
    """

    def __init__(self) -> None:
        self._ends: dict[Expiring, int] = {}
        self._heap: list[tuple[int, int, Expiring]] = []
        self._number = itertools.count()

    def __len__(self) -> int:
        return len(self._ends)

    def set(self, what: Expiring, when: int) -> None:
        """Let ``what`` expire at a time, in whatever `run` is told; 0 for never. An earlier call counts no more."""
        if when:
            self._ends[what] = when
            heapq.heappush(self._heap, (when, next(self._number), what))
        else:
            self._ends.pop(what, None)
        if len(self._heap) > 2 * len(self._ends) + 64:
            self._heap = [(when, next(self._number), what) for what, when in self._ends.items()]
            heapq.heapify(self._heap)

    def run(self, now: int) -> None:
        """Call what is due."""
        while self._heap and self._heap[0][0] <= now:
            when, _, what = heapq.heappop(self._heap)
            if self._ends.get(what) == when:
                del self._ends[what]
                what.expire()
