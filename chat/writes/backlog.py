"""The writes of one owner that storage has not answered for."""

from __future__ import annotations

import asyncio
from collections import deque


class _Waiter:
    """Callers that wait for the same write: ``left`` answers from storage after what the waiter before it waits for."""

    __slots__ = ("done", "left")

    def __init__(self, left: int) -> None:
        self.left = left
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Backlog:
    """Writes of one owner that were submitted to its worker and are not confirmed.

    A write is confirmed when storage has answered for it, whatever the answer is.

    Attributes:
        unconfirmed: how many writes.
        size: their bytes, for the bound on one owner's share of a queue.
    """

    __slots__ = ("_awaited", "_waiters", "size", "unconfirmed")

    def __init__(self) -> None:
        self.unconfirmed = 0
        self.size = 0
        self._waiters: deque[_Waiter] = deque()
        self._awaited = 0

    def confirmed(self, size: int) -> None:
        """Count the oldest write, of ``size`` bytes, as answered."""
        self.unconfirmed -= 1
        self.size -= size
        if self._waiters:
            first = self._waiters[0]
            first.left -= 1
            self._awaited -= 1
            if not first.left:
                self._waiters.popleft().done.set_result(None)

    async def written(self) -> None:
        """Wait until storage has answered for every write submitted so far. Unbounded: give it a timeout."""
        if self.unconfirmed:
            # Callers that wait for the same write share a future: while storage is away, any number come and time out.
            if self._awaited < self.unconfirmed:
                self._waiters.append(_Waiter(self.unconfirmed - self._awaited))
                self._awaited = self.unconfirmed
            await asyncio.shield(self._waiters[-1].done)
