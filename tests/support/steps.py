"""How long one turn of the event loop takes, in time of the processor: other programs do not count."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable


async def longest_step(work: Awaitable[object]) -> float:
    """Seconds of the longest turn of the loop while ``work`` is done."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    longest, before, done = 0.0, time.thread_time(), False

    def look() -> None:
        nonlocal longest, before
        now = time.thread_time()
        longest, before = max(longest, now - before), now
        if not done:
            loop.call_soon(look)

    loop.call_soon(look)
    try:
        await task
    finally:
        done = True
        await asyncio.sleep(0)  # the last look
    return longest
