"""Watches the event loop: how late it is."""

import asyncio
import logging

from server.metrics.counts import ServerCounts

log = logging.getLogger(__name__)

# Seconds between two looks. A stall that is shorter is seen in part of the cases: the histogram shows how often.
BEAT_SECONDS = 0.25
# A stall of this many seconds is logged: clients notice it.
STALL_SECONDS = 1.0


async def watch_loop(counts: ServerCounts) -> None:
    """Measure how late the event loop runs a timer, forever."""
    now = asyncio.get_running_loop().time
    due = now() + BEAT_SECONDS
    while True:
        await asyncio.sleep(max(0.0, due - now()))
        lag = max(0.0, now() - due)
        counts.loop_lag.observe(lag)
        if lag >= STALL_SECONDS:
            log.warning("the event loop stood still for %.1f s: too little CPU, or something blocks it", lag)
        due = now() + BEAT_SECONDS
