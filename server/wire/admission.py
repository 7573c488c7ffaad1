"""How many HTTP requests begin in one turn of the event loop, and whose."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable

# What a text of all metrics counts for: it takes about a millisecond.
METRICS = 20
# Pieces of work in one turn: a read of a connection between two requests, or a request. A short one takes about
# 0.05 ms, so WebSocket clients wait 2 to 3 ms for all of them, however many connections have asked at the same time.
A_TURN = 48


class Admission:
    """Lets `A_TURN` pieces of work begin in a turn of the event loop; the others wait, and their networks come in turn.

    Bounded by its callers: each connection waits for one piece at a time.
    """

    __slots__ = ("_counting", "_left", "_waiting")

    def __init__(self) -> None:
        self._left = A_TURN
        self._counting = False
        self._waiting: OrderedDict[str, deque[Callable[[], None]]] = OrderedDict()

    def admit(self, network: str, resume: Callable[[], None]) -> bool:
        """Whether the work may begin now; else ``resume`` is called when it may.

        Args:
            network: what the client's address counts as, "" when that is not known.
            resume: must not raise.
        """
        if not self._counting:
            self._counting = True
            asyncio.get_running_loop().call_soon(self._next_turn)
        if self._left and not self._waiting:
            self._left -= 1
            return True
        self._waiting.setdefault(network, deque()).append(resume)
        return False

    async def enter(self, network: str, pieces: int = 1) -> None:
        """Wait until the work may begin, which counts for so many."""
        for _ in range(pieces):
            await self._enter(network)

    async def _enter(self, network: str) -> None:
        admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def resume() -> None:
            if not admitted.done():  # else it was cancelled
                admitted.set_result(None)

        if not self.admit(network, resume):
            await admitted

    def _next_turn(self) -> None:
        self._left = A_TURN
        granted: list[Callable[[], None]] = []
        while self._waiting and self._left:
            network, queue = self._waiting.popitem(last=False)
            granted.append(queue.popleft())
            self._left -= 1
            if queue:
                self._waiting[network] = queue
        self._counting = bool(granted)
        if granted:
            asyncio.get_running_loop().call_soon(self._next_turn)
        for resume in granted:
            resume()
