"""Limit the HTTP requests that begin in one turn of the event loop, with a fair turn for each network."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable

# The weight of a response with all metrics: it takes about a millisecond.
METRICS = 20
# Units of work in one turn: a read from a connection between two requests, or a request. A short one takes about
# 0.05 ms, so they delay WebSocket clients by 2 to 3 ms, however many connections send requests at the same time.
A_TURN = 48


class Admission:
    """Admits `A_TURN` units of work per turn of the event loop; queues the others, and serves their networks in turn.

    Its callers bound the queue: each connection waits for one unit at a time.
    """

    def __init__(self) -> None:
        self._left = A_TURN
        self._counting = False
        self._waiting: OrderedDict[str, deque[Callable[[], None]]] = OrderedDict()

    def admit(self, network: str, resume: Callable[[], None]) -> bool:
        """Return whether the work may begin now; otherwise call ``resume`` when it may.

        Args:
            network: the client's network, "" if it is unknown.
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
        """Wait until work of this weight may begin."""
        for _ in range(pieces):
            await self._enter(network)

    async def _enter(self, network: str) -> None:
        admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def resume() -> None:
            if not admitted.done():  # otherwise it was cancelled
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
