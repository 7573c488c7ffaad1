"""Input that never ends: its memory is freed with its connection, and returned to the system."""

from __future__ import annotations

import asyncio

import pytest

from tests.abuse.peers import bearer, dial
from tests.abuse.victim import Victim
from tests.support.process import poll_until
from tests.support.rawws import frame, request, upgrade

CONNECTIONS = 900
WAVES = 2
GROWTH = 40  # MB
LENGTH = ("Content-Length", "65000")
BODY = b"a" * 60_000
INPUTS = {
    "bodies of an account": request("/api/rooms", [LENGTH, bearer("ann")], method="POST") + BODY,
    "bodies of nobody": request("/api/rooms", [LENGTH], method="POST") + BODY,
    "bodies that nobody reads": request("/health", [LENGTH]) + BODY,
    "heads": request("/", [("X", "a" * 15_000)])[:-2],
    "heads that are too large": request("/", [("X", "a" * 100_000)]),
    "frames": upgrade() + frame(1, BODY)[:-1],
    "fragments": upgrade() + frame(1, BODY[:30_000], fin=False) + frame(0, BODY[:20_000])[:-1],
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", INPUTS)
async def test_interrupted_input_leaves_nothing_in_memory(memory_victim: Victim, kind: str) -> None:
    """Send 50 MB of it twice."""
    before = memory_victim.memory()
    loop = asyncio.get_running_loop()
    for _ in range(WAVES):
        held = [await dial(memory_victim.port) for _ in range(CONNECTIONS)]
        for raw in held:
            try:
                await loop.sock_sendall(raw, INPUTS[kind])
            except ConnectionError:
                pass  # refused
        for raw in held:
            raw.close()
        poll_until(lambda: not memory_victim.connections(), timeout=15, what="all connections are gone")
    memory_victim.settles_below(before + GROWTH)
