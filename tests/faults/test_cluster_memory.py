"""Nodes that hang while much is said: the others keep a bounded amount for them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psutil
import pytest

from chat.cluster.edge import PAUSE_BYTES
from chat.link.link import WINDOW_BYTES
from tests.faults.nodes import Node, running
from tests.support import rawws
from tests.support.client import Client
from tests.support.nats import NatsServer

MB = 1 << 20
CHARS = 50_000
# The largest read of a socket, and the packet that exceeds a bound.
MORE = 2 * MB
# A node that reads on would read more than that while it answers so many requests.
LOOKS = 100
SETTINGS: dict[str, Any] = {"MAX_CONTENT_CHARS": f"{CHARS}", "TAILS_BYTES": f"{MB}", "SLOW_BYTES_HIGH": f"{64 * MB}"}


async def unacknowledged(node: Node) -> float:
    """Return the bytes that a node has sent to others, which they have not acknowledged."""
    text = (await rawws.fetch(node.port, "/metrics")).body.decode()
    (line,) = [line for line in text.splitlines() if line.startswith("parley_link_unacknowledged_bytes ")]
    return float(line.rpartition(" ")[2])


@asynccontextmanager
async def flooding(client: Client, count: int, *, waits: bool = False) -> AsyncIterator["asyncio.Task[None]"]:
    """Let a client post long messages, as fast as they are read; ``waits`` for acks in between."""

    async def post() -> None:
        for number in range(count):
            await client.say("x" * CHARS, f"{number}")
            if waits and number % 20 == 0:
                await client.all_acked(f"{number}")

    task = asyncio.create_task(post())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.slow
async def test_the_owner_keeps_a_bounded_amount_for_an_edge_that_hangs(url: str, nats: list[NatsServer]) -> None:
    """It gives the edge up at 64 MiB; when that goes on, its client receives everything."""
    count = 2 * WINDOW_BYTES // CHARS
    async with running(url, nats[0].url, **SETTINGS) as nodes:
        owner, (edge, _) = await nodes.owner(), await nodes.edges()
        async with (
            Client(owner.ws_url, "ann", "general") as ann,
            Client(edge.ws_url, "bob", "general") as bob,
        ):
            await ann.say("first", "first")
            await ann.all_acked("first")
            before, most = psutil.Process(owner.pid).memory_info().rss, 0.0
            edge.freeze()
            try:
                async with flooding(ann, count, waits=True) as flood:
                    while not flood.done():
                        most = max(most, await unacknowledged(owner))
                    await ann.all_acked(f"{count - 1}")
                    most = max(most, await unacknowledged(owner))
            finally:
                edge.thaw()
            assert most <= WINDOW_BYTES + MORE
            grown = psutil.Process(owner.pid).memory_info().rss - before
            assert grown < 4 * WINDOW_BYTES, f"{grown / MB:.0f} MB"
            await nodes.owner()
            await ann.say("last", "last")
            await bob.holds(lambda: "last" in bob.heard(), "the last message")
            assert bob.of("joined")[-1]["recovered"] is False or len(bob.heard()) == count + 2


@pytest.mark.slow
async def test_an_edge_keeps_a_bounded_amount_for_an_owner_that_hangs(url: str, nats: list[NatsServer]) -> None:
    """It stops reading from its clients at 4 MiB; when the owner goes on, everything is stored."""
    count = 4 * PAUSE_BYTES // CHARS
    patient = {number: {"ODD_HUNG_SECONDS": "60"} for number in range(3)}  # else a slow edge refuses the rest
    async with running(url, nats[0].url, odd=patient, **SETTINGS) as nodes:
        owner, (edge, _) = await nodes.owner(), await nodes.edges()
        async with Client(edge.ws_url, "bob", "general") as bob:
            await bob.say("first", "first")
            await bob.all_acked("first")
            most = 0.0
            owner.freeze()
            try:
                async with flooding(bob, count) as flood:
                    while most <= PAUSE_BYTES and not flood.done():
                        most = await unacknowledged(edge)
                    for _ in range(LOOKS):
                        most = max(most, await unacknowledged(edge))
                    if flood.done():
                        flood.result()  # raises why it ended
                        pytest.fail("the edge reads on")
                    assert PAUSE_BYTES < most <= PAUSE_BYTES + MORE
                    owner.thaw()
                    await flood
            finally:
                if owner.frozen:
                    owner.thaw()
            await bob.holds(lambda: len(bob.acked()) > count, "acks of all")
            assert not bob.of("error")
