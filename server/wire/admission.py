"""Limit the work that begins in one turn of the event loop: HTTP requests, and frames of WebSocket clients."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from functools import partial

# The weight of a response with all metrics: it takes about a millisecond.
METRICS = 20
# The weight of a request that asks for a change: with its body, a refused login takes 0.25 ms (measured).
CHANGE = 4
# Units of work in one turn: a read from a connection between two requests, or a request. A short one takes about
# 0.05 ms, so they delay WebSocket clients by 2 to 3 ms, however many connections send requests at the same time.
A_TURN = 48
# Frames of all WebSocket clients in one turn, if each is small and arrives alone. Frames that arrive together count
# `TOGETHER` each, so that a flood is handled in turns of 6 ms; in turns of 3 ms, a busy server carried 7 % fewer
# messages. The frames of two thousand clients that send at the same time are handled in one turn, because a room
# broadcasts the messages of a turn together. A KiB counts as a frame.
FRAMES = 2048
TOGETHER = 4
# After this many frames of one network, the next one is served.
FRAMES_AT_ONCE = 256


class Share:
    """A share of each turn of the event loop, in units of work. More of it is queued, and parties are served in turn.

    Its callers bound the queue: each connection waits for one turn at a time.

    Attributes:
        left: the units that are left. Its users subtract what they use, even if that is more.

    Args:
        units: the share. The first turn above it may use twice as many.
        at_once: units after which the next party is served.
    """

    def __init__(self, units: int, at_once: int = 1) -> None:
        self.left = units
        self._units = units
        self._at_once = at_once
        self._counting = False
        self._waiting: OrderedDict[Hashable, deque[Callable[[], None]]] = OrderedDict()

    def begin(self) -> None:
        """Count the units of this turn from now on. Idempotent."""
        if not self._counting:
            self._counting = True
            self.left = self._units
            asyncio.get_running_loop().call_soon(self._next_turn)

    def is_over(self) -> bool:
        """Return whether this turn has no units left.

        Turns are counted only after the share was used up once, in however many turns: an idle server pays nothing
        but the subtractions.
        """
        if self.left > 0:
            return False
        if self._counting:
            return True
        self.begin()
        return False

    def wait(self, party: Hashable, resume: Callable[[], None]) -> None:
        """Call ``resume`` in a turn that has units left. It subtracts what it uses."""
        self._waiting.setdefault(party, deque()).append(resume)

    def _next_turn(self) -> None:
        self.left = self._units
        try:
            while self._waiting and self.left > 0:
                party, queue = next(iter(self._waiting.items()))
                self._waiting.move_to_end(party)
                until = self.left - self._at_once
                while queue and self.left > max(0, until):
                    queue.popleft()()
                if not queue:
                    del self._waiting[party]
        finally:
            self._counting = self.left < self._units or bool(self._waiting)
            if self._counting:
                asyncio.get_running_loop().call_soon(self._next_turn)


class Admission(Share):
    """Admits `A_TURN` units of HTTP per turn of the event loop; queues the others, whose networks take turns."""

    def __init__(self) -> None:
        super().__init__(A_TURN)

    def admit(self, network: str, resume: Callable[[], None], weight: int = 1) -> bool:
        """Return whether the work may begin now; otherwise call ``resume`` when it may.

        Args:
            network: the client's network, "" if it is unknown.
            resume: must not raise.
            weight: of the work, in units. All of it is done in one turn, so the next one may have to wait for longer.
        """
        self.begin()
        if self.left > 0:
            self.left -= weight
            return True
        self.wait(network, partial(self._resume, resume, weight))
        return False

    def _resume(self, resume: Callable[[], None], weight: int) -> None:
        self.left -= weight
        resume()

    async def enter(self, network: str, weight: int = 1) -> None:
        """Wait until work of this weight may begin."""
        admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def resume() -> None:
            if not admitted.done():  # otherwise it was cancelled
                admitted.set_result(None)

        if not self.admit(network, resume, weight):
            await admitted
