"""Measure the CPU time of event loop iterations, which does not depend on other programs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable


async def longest_step(work: Awaitable[object]) -> float:
    """Return the CPU seconds of the longest event loop iteration during ``work``."""
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
