"""Many clients are in the same rooms, at both nodes that are left when the owner is killed."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.faults.nodes import Node, running
from tests.support import rawws
from tests.support.client import Client
from tests.support.nats import NatsServer

PEOPLE = 40
"""Clients of each node."""
ROOMS = [f"room {number}" for number in range(8)]
LONG = "n" * 50


async def sent(node: Node) -> float:
    """Return the bytes that a node has sent to other nodes."""
    text = (await rawws.fetch(node.port, "/metrics")).body.decode()
    (line,) = [line for line in text.splitlines() if line.startswith("parley_link_bytes_sent_total ")]
    return float(line.rpartition(" ")[2])


async def enter(person: Client) -> None:
    for room in ROOMS:
        await person.join(room)


async def returned(person: Client) -> None:
    """Wait for a second snapshot of each room."""
    await person.holds(lambda: len(person.of("joined")) == 2 * len(ROOMS), "a second snapshot of each room")
    assert {frame["room"] for frame in person.of("joined")[len(ROOMS) :]} == set(ROOMS)


@pytest.mark.slow
async def test_many_clients_return_to_their_rooms(url: str, nats: list[NatsServer]) -> None:
    """Each is sent all of its rooms, which cross the link once for all of them; no connection is closed."""
    async with running(url, nats[0].url) as nodes, AsyncExitStack() as stack:
        owner, edges = await nodes.owner(), await nodes.edges()
        people = [
            await stack.enter_async_context(Client(edges[number % 2].ws_url, f"{LONG}{number}"))
            for number in range(2 * PEOPLE)
        ]
        await asyncio.gather(*map(enter, people))
        await people[0].say("before", "before", room=ROOMS[0])
        await people[0].all_acked("before")
        before = {edge: await sent(edge) for edge in edges}
        await asyncio.to_thread(owner.kill)
        after = await nodes.until_another_owns(owner)
        await asyncio.gather(*map(returned, people))
        snapshots = sum(len(str(frame)) for frame in people[-1].of("joined")[len(ROOMS) :])
        more = await sent(after) - before[after]
        assert snapshots > len(ROOMS) * PEOPLE * 60
        assert more < 4 * snapshots + PEOPLE * len(ROOMS) * 300, f"{more:.0f} bytes for {snapshots}"
        await people[1].say("after", "after", room=ROOMS[-1])
        await people[0].holds(lambda: "after" in people[0].heard(ROOMS[-1]), "the message")
        assert not any(person.ended for person in people)
        assert not any("does not accept" in edge.log_text() for edge in edges)
