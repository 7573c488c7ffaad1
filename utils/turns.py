"""Long work on the event loop, in slices: everybody else has a turn between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter

SLICE_SECONDS = 0.002
# Of each turn of the loop, for all the work of one kind together.
SHARED_SECONDS = 0.001


class Turns:
    """Told between two steps of a long work; a step by itself must be short."""

    def __init__(self) -> None:
        self._until = perf_counter() + SLICE_SECONDS

    async def give(self) -> bool:
        """Let others run, if this slice is over. Returns whether they did."""
        if perf_counter() < self._until:
            return False
        await asyncio.sleep(0)
        self._until = perf_counter() + SLICE_SECONDS
        return True


class SharedTurns:
    """Work of many, of which all together take `SHARED_SECONDS` of each turn of the event loop, and one step more.

    What is begun while there is time left in this turn of the loop begins at once. Of what is under way the one goes on
    that has not run for longest; how many that are is up to a `utils.fairness.FairQueue`. Belongs to one event loop.
    """

    __slots__ = ("_paused", "_renewing", "_spent")

    def __init__(self) -> None:
        self._paused: list[tuple[float, asyncio.Future[None]]] = []  # since when each of them has not run
        self._renewing = False
        self._spent = 0.0

    @asynccontextmanager
    async def work(self) -> AsyncIterator[Slices]:
        """Work that is counted. Nothing is awaited in it but :meth:`Slices.pause`."""
        slices = Slices(self)
        if self._paused or self.over(0.0):
            await slices.pause()
        try:
            yield slices
        finally:
            self.spend(slices.ran())

    def over(self, seconds: float) -> bool:
        """Whether this turn of the loop has had enough, when so much is not counted yet."""
        return self._spent + seconds >= SHARED_SECONDS

    def spend(self, seconds: float) -> None:
        """Count work of this turn of the loop, also what is about to be done in it outside of :meth:`work`."""
        self._spent += seconds
        self._renew_soon()

    async def next_slice(self) -> None:
        """Wait until a later turn of the loop has time left, behind those that have not run for longer."""
        since = perf_counter()
        while True:
            paused = since, asyncio.get_running_loop().create_future()
            self._paused.append(paused)
            self._renew_soon()
            try:
                await paused[1]
            finally:
                self._paused.remove(paused)
            if not self.over(0.0):
                return

    def _renew_soon(self) -> None:
        if not self._renewing:
            self._renewing = True
            asyncio.get_running_loop().call_soon(self._renew)

    def _renew(self) -> None:
        self._renewing = False
        self._spent = 0.0
        for _, future in sorted(self._paused, key=lambda each: each[0]):
            if not future.done():
                future.set_result(None)


class Slices:
    """One piece of work among `SharedTurns`."""

    __slots__ = ("_began", "_turns")

    def __init__(self, turns: SharedTurns) -> None:
        self._turns = turns
        self._began = perf_counter()

    def ran(self) -> float:
        """Seconds since this slice began."""
        return perf_counter() - self._began

    def over(self) -> bool:
        """Whether this turn of the loop has had enough of such work: `pause` then."""
        return self._turns.over(self.ran())

    async def pause(self) -> None:
        """Let others run."""
        self._turns.spend(self.ran())
        try:
            await self._turns.next_slice()
        finally:
            self._began = perf_counter()
