"""How long users wait when the owner of the rooms dies or stops. Run alone, by `dev.py test --all`.

Each limit applies to the median of three runs, each with new nodes; two runs below it are enough. A median above it
counts only if acks are quick in a control run in which nothing happens: otherwise the machine is too busy, and
everything is repeated.
"""

import asyncio
import json
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.contract.records import until
from tests.faults.nodes import Node, running
from tests.support.counts import COUNTED
from tests.support.nats import NatsServer

Judge = Callable[..., Awaitable[None]]
PEOPLE = 24
ROOMS = 24
EVERY = 0.1
"""Seconds between two messages of one user, who is in two rooms."""
AFTERWARDS = 4.0
"""Seconds for which users go on talking after the node has died."""
CONTROL = 0.4
"""Seconds within which everything is acked in a control run."""
TRIES = 3


class Outcome(NamedTuple):
    """The longest that users waited for an ack, in seconds: the median over all memberships of rooms, and the worst."""

    median: float
    longest: float


class Member:
    """A user of two rooms at one node, who is asked for nothing but to talk.

    Attributes:
        waits: the longest wait for an ack in each room, since it was last cleared.
        troubles: errors, and rooms that had to be loaded again.
    """

    def __init__(self, number: int, node: Node) -> None:
        self.rooms = [f"room {number % ROOMS}", f"room {(number + 7) % ROOMS}"]
        self.waits: dict[str, float] = {}
        self.troubles: list[str] = []
        self.open: dict[str, tuple[str, float]] = {}
        self._name = f"p{number}"
        self._node = node
        self._joined: set[str] = set()
        self._sent = 0

    async def stay(self) -> None:
        """Connect and talk, until cancelled."""
        async with connect(
            f"ws://127.0.0.1:{self._node.port}/chat?u={self._name}",
            subprotocols=[Subprotocol("parley.v1")],
            compression=None,
            ping_interval=None,
            max_queue=None,
            proxy=None,
        ) as socket:
            for room in self.rooms:
                await socket.send(json.dumps({"type": "join", "room": room}))
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(socket))
                tasks.create_task(self._talk(socket))

    async def _talk(self, socket: ClientConnection) -> None:
        while True:
            room = self.rooms[self._sent % 2]
            if room in self._joined:
                self.open[f"{self._sent}"] = room, asyncio.get_running_loop().time()
                await socket.send(
                    json.dumps({"type": "message", "room": room, "id": f"{self._sent}", "content": f"{self._sent}"})
                )
            self._sent += 1
            await asyncio.sleep(EVERY)

    async def _listen(self, socket: ClientConnection) -> None:
        async for text in socket:
            frame = json.loads(text)
            if frame["type"] == "ack":
                for item in frame["ids"]:
                    room, since = self.open.pop(item["id"])
                    waited = asyncio.get_running_loop().time() - since
                    self.waits[room] = max(self.waits.get(room, 0.0), waited)
            elif frame["type"] == "joined":
                if frame["room"] in self._joined:
                    self.troubles.append(f"{frame['room']} must be loaded again")
                self._joined.add(frame["room"])
            elif frame["type"] == "error":
                self.troubles.append(f"{frame['code']}: {frame['message']}")
        raise AssertionError(f"the connection of {self._name} was closed")


@asynccontextmanager
async def talking(members: list[Member]) -> AsyncIterator[None]:
    """Let them talk. A closed connection is an error."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(member.stay()) for member in members]
        yield
        for task in running:
            task.cancel()


async def until_all_waited(members: list[Member], after: float) -> None:
    """Wait until users have talked for a while, and everything is acked that they have sent until then."""
    loop = asyncio.get_running_loop()
    end = loop.time() + after
    await until(
        lambda: loop.time() >= end and all(since >= end for member in members for _, since in member.open.values()), 60
    )
    assert all(len(member.waits) == 2 for member in members)


async def pauses(url: str, nats: str, fault: str) -> tuple[Outcome, list[str]]:
    """Return how long the users at the other nodes waited, and what troubles they had."""
    async with running(url, nats) as nodes:
        owner, edges = await nodes.owner(), await nodes.edges()
        members = [Member(number, edges[number % 2]) for number in range(PEOPLE)]
        async with talking(members):
            await until(lambda: all(len(member.waits) == 2 for member in members))
            await until_all_waited(members, 1.0)
            for member in members:
                member.waits.clear()
            if fault == "kill":
                await asyncio.to_thread(owner.kill)
            elif fault == "stop":
                owner.terminate()
            await until_all_waited(members, AFTERWARDS)
            longest = [wait for member in members for wait in member.waits.values()]
            troubles = [trouble for member in members for trouble in member.troubles]
    return Outcome(statistics.median(longest), max(longest)), troubles


@pytest.fixture
def judge(url: str, nats: list[NatsServer], record_property: Callable[[str, object], None]) -> Judge:
    """Return a function that measures one fault and fails if users wait too long, or have troubles."""
    return partial(_judge, url, nats[0].url, partial(record_property, COUNTED))


async def _judge(
    url: str, nats: str, say: Callable[[str], None], fault: str, bars: Outcome, *, reloads: bool = False
) -> None:
    def within(outcome: Outcome) -> bool:
        return outcome.median <= bars.median and outcome.longest <= bars.longest

    async def run() -> Outcome:
        outcome, troubles = await pauses(url, nats, fault)
        if reloads:
            troubles = [trouble for trouble in troubles if "loaded again" not in trouble]
        assert not troubles, troubles[:5]
        return outcome

    controls: list[Outcome] = []
    while len(controls) < TRIES:
        outcomes = [await run(), await run()]
        if not all(map(within, outcomes)):
            outcomes.append(await run())
        middle = Outcome(*(statistics.median(column) for column in zip(*outcomes, strict=True)))
        say(f"users waited {middle.median:.2f} s, at most {middle.longest:.2f} s")
        if within(middle):
            return
        controls.append((await pauses(url, nats, "none"))[0])
        assert controls[-1].longest > CONTROL, f"{outcomes}; when nothing happens: {controls[-1]}"
    pytest.fail(f"too busy here to measure: when nothing happens {controls}")


@pytest.mark.alone
@pytest.mark.timeout(400)
async def test_how_long_rooms_pause_when_their_owner_is_killed(judge: Judge) -> None:
    """48 memberships at the other nodes: half of them wait at most 1.5 s, all at most 3 s; no connection is closed."""
    await judge("kill", Outcome(1.5, 3.0), reloads=True)


@pytest.mark.alone
@pytest.mark.timeout(400)
async def test_how_long_rooms_pause_when_their_owner_stops(judge: Judge) -> None:
    """At most 1 s; no error, no room has to be loaded again, no connection is closed."""
    await judge("stop", Outcome(1.0, 1.0))
