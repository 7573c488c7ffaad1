"""Time-outs of many connections without a timer for each: equal delays end in the order in which they began."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class Deadlines:
    """A queue of callbacks that are all due the same time after they were added.

    Args:
        delay: seconds.
    """

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self._queue: deque[tuple[float, Callable[[], None]]] = deque()

    def add(self, now: float, callback: Callable[[], None]) -> None:
        """Call back ``delay`` seconds after ``now``. It cannot be taken back; the callback looks whether it is due."""
        self._queue.append((now + self.delay, callback))

    def run(self, now: float) -> None:
        """Call what is due."""
        queue = self._queue
        while queue and queue[0][0] <= now:
            queue.popleft()[1]()
