"""Long work on the event loop in slices, with other work in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Self

# Of each loop iteration, for all work of one kind together.
SHARED_SECONDS = 0.001


class SharedTurns:
    """Concurrent work that together takes `SHARED_SECONDS` of each loop iteration, plus at most one step.

    Work that starts while there is time left in this iteration runs immediately. Of the paused work, the piece that has
    not run for longest continues; a `utils.fairness.FairQueue` limits how many there are. Belongs to one event loop.

    Args:
        share: what all work together may spend of each loop iteration, in seconds; in another unit, if the callers only
            use :meth:`next_share` and :meth:`spend`.
    """

    def __init__(self, share: float = SHARED_SECONDS) -> None:
        self._share = share
        self._paused: list[tuple[float, asyncio.Future[None]]] = []  # with the time when each last ran
        self._renewing = False
        self._spent = 0.0  # in this loop iteration, before the slice that is running
        self._began = 0.0  # when the slice that is running began: there is only one, as work awaits only `pause`

    @asynccontextmanager
    async def work(self) -> AsyncIterator[Self]:
        """Count the work in this block, which may await only :meth:`pause`."""
        await self.next_share()
        self._began = perf_counter()
        try:
            yield self
        finally:
            self.spend(self.ran())

    def is_free(self) -> bool:
        """Return whether work may start in this loop iteration."""
        return not self._paused and self._spent < self._share

    async def next_share(self) -> None:
        """Wait until work may start."""
        if not self.is_free():
            await self._next_slice()

    def ran(self) -> float:
        """Return the seconds since this slice of the work began."""
        return perf_counter() - self._began

    def over(self) -> bool:
        """Return whether this loop iteration has used its share, so that the work should `pause`."""
        return self._spent + self.ran() >= self._share

    async def pause(self) -> None:
        """Let other work run."""
        self.spend(self.ran())
        try:
            await self._next_slice()
        finally:
            self._began = perf_counter()

    def spend(self, seconds: float) -> None:
        """Count work of this loop iteration, including work that is about to be done outside of :meth:`work`."""
        self._spent += seconds
        self._renew_soon()

    async def _next_slice(self) -> None:
        """Wait until a later loop iteration has time left, after the work that has not run for longer."""
        since = perf_counter()
        while True:
            paused = since, asyncio.get_running_loop().create_future()
            self._paused.append(paused)
            self._renew_soon()
            try:
                await paused[1]
            finally:
                self._paused.remove(paused)
            if self._spent < self._share:
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
