"""Long work on the event loop, in slices: everybody else has a turn between them."""

from __future__ import annotations

import asyncio
from time import perf_counter

SLICE_SECONDS = 0.002


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
