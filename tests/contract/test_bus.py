"""What every bus between nodes does: in memory, and NATS with a real server."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from itertools import count

import msgspec
import pytest

from chat.link.bus import Bus
from chat.link.envelope import Address, Envelope
from chat.link.freshness import Freshness
from chat.link.link import PACKET_BYTES, Link, Packet
from server.bus.nats import DEFAULT_MAX_BYTES, NatsBus
from server.bus.sealing import XChaChaSealer
from tests.contract.records import until
from tests.support.memory_bus import MemoryBus, MemoryHub
from tests.support.nats import NatsServer

PREFIXES = (f"parley.{number}" for number in count())
Node = Callable[[str], Awaitable["Ear"]]


class Ear:
    """A node that keeps what it hears."""

    def __init__(self, name: str, bus: Bus) -> None:
        self.name = name
        self.bus = bus
        self.heard: list[bytes] = []
        self.ups = 0

    def on_up(self) -> None:
        self.ups += 1

    async def start(self) -> None:
        await self.bus.start(self.name, self.heard.append, self.on_up)


def have_come_up(times: int, *ears: Ear) -> bool:
    return all(ear.ups == times for ear in ears)


async def is_up(*ears: Ear) -> None:
    await until(lambda: all(ear.bus.up for ear in ears))


@pytest.fixture(scope="module")
def nats_server() -> Iterator[NatsServer]:
    with NatsServer() as server:
        yield server


@pytest.fixture(params=["memory", "nats"])
async def node(request: pytest.FixtureRequest) -> AsyncIterator[Node]:
    """Starts a node of one installation, by its name, and waits until it is up."""
    hub, prefix, ears = MemoryHub(), next(PREFIXES), list[Ear]()

    async def start(name: str) -> Ear:
        url = request.getfixturevalue("nats_server").url if request.param == "nats" else ""
        ears.append(Ear(name, NatsBus([url], prefix) if url else MemoryBus(hub)))
        await ears[-1].start()
        await is_up(ears[-1])
        return ears[-1]

    yield start
    for ear in ears:
        await ear.bus.close()


async def test_a_node_hears_what_is_sent_to_it_in_order(node: Node) -> None:
    ann, ben, eve = await node("ann"), await node("ben"), await node("eve")
    sent = [b"%d" % number for number in range(1000)]
    for data in sent:
        ann.bus.send("ben", data)
    await until(lambda: len(ben.heard) == len(sent))
    assert ben.heard == sent
    assert ann.heard == eve.heard == []


async def test_all_other_nodes_hear_what_is_sent_to_all(node: Node) -> None:
    ann, ben, eve = await node("ann"), await node("ben"), await node("eve")
    ann.bus.send_all(b"hello")
    ben.bus.send("ann", b"last")
    await until(lambda: ben.heard == eve.heard == [b"hello"] and bool(ann.heard))
    assert ann.heard == [b"last"]


async def test_the_largest_message_arrives(node: Node) -> None:
    ann, ben = await node("ann"), await node("ben")
    largest = bytes(range(256)) * (ann.bus.max_bytes // 256)
    ann.bus.send("ben", largest)
    await until(lambda: ben.heard == [largest])


async def test_what_is_sent_to_a_node_that_is_not_there_is_lost_without_an_error(node: Node) -> None:
    ann, ben = await node("ann"), await node("ben")
    ann.bus.send("carl", b"lost")
    ann.bus.send("ben", b"heard")
    await until(lambda: bool(ben.heard))
    assert ben.heard == [b"heard"]


async def test_a_closed_bus_sends_and_hears_nothing(node: Node) -> None:
    ann, ben, eve = await node("ann"), await node("ben"), await node("eve")
    await ben.bus.close()
    await ben.bus.close()
    assert not ben.bus.up
    ben.bus.send("ann", b"lost")
    ben.bus.send_all(b"lost")
    ann.bus.send_all(b"heard")
    await until(lambda: bool(eve.heard))
    assert (ann.heard, ben.heard, eve.heard) == ([], [], [b"heard"])


async def test_a_bus_that_was_never_started_sends_nothing(nats_server: NatsServer) -> None:
    for bus in (NatsBus([nats_server.url], next(PREFIXES)), MemoryBus(MemoryHub())):
        assert not bus.up
        bus.send("ann", b"lost")
        bus.send_all(b"lost")
        assert bus.dropped == 2
        await bus.close()


# NATS alone.


async def started(server: NatsServer, *names: str) -> list[Ear]:
    prefix = next(PREFIXES)
    ears = [Ear(name, NatsBus([server.url], prefix)) for name in names]
    for ear in ears:
        await ear.start()
    return ears


async def test_two_installations_on_one_nats_do_not_hear_each_other(nats_server: NatsServer) -> None:
    (ann, ben), (other,) = await started(nats_server, "ann", "ben"), await started(nats_server, "ben")
    await is_up(ann, ben, other)
    ann.bus.send("ben", b"one")
    ann.bus.send_all(b"all")
    await until(lambda: len(ben.heard) == 2)
    assert other.heard == []
    for ear in (ann, ben, other):
        await ear.bus.close()


async def test_a_bus_comes_up_when_nats_does(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server = NatsServer()
    try:
        ann, ben = await started(server, "ann", "ben")
        await until(lambda: "NATS is out of reach" in caplog.text)
        assert not ann.bus.up
        await asyncio.to_thread(server.start)
        await is_up(ann, ben)
        ann.bus.send("ben", b"hello")
        await until(lambda: ben.heard == [b"hello"])
        for times in (2, 3):
            await asyncio.to_thread(server.kill)
            await until(lambda: not ann.bus.up and not ben.bus.up)
            ann.bus.send("ben", b"lost")
            await asyncio.to_thread(server.start)
            await until(partial(have_come_up, times, ann, ben))
        ann.bus.send("ben", b"again")
        await until(lambda: ben.heard == [b"hello", b"again"])
        assert len([line for line in caplog.messages if "out of reach" in line]) < 20, caplog.text
        for ear in (ann, ben):
            await ear.bus.close()
    finally:
        server.remove()


async def test_a_nats_that_hangs_is_noticed() -> None:
    with NatsServer() as server:
        (ann,) = await started(server, "ann")
        await is_up(ann)
        server.freeze()
        await until(lambda: not ann.bus.up)
        server.thaw()
        await is_up(ann)
        await ann.bus.close()


async def test_closing_does_not_wait_for_a_nats_that_hangs() -> None:
    with NatsServer() as server:
        (ann,) = await started(server, "ann")
        await is_up(ann)
        server.freeze()
        async with asyncio.timeout(10):
            await ann.bus.close()
        assert not ann.bus.up


async def test_links_over_nats_lose_nothing_while_it_is_killed_again_and_again() -> None:
    """Two nodes talk for three deaths of the server; all arrives, in order, once."""
    envelope, loop = Envelope(b"installation", b"k" * 32), asyncio.get_running_loop()
    here = {name: Address(name.encode().ljust(8), 0) for name in ("ann", "ben")}
    with NatsServer() as server:
        prefix, links, talking = next(PREFIXES), dict[str, Link](), True
        heard: dict[str, list[int]] = {"ann": [], "ben": []}
        seen = {"ann": Freshness(), "ben": Freshness()}

        def connect(name: str, peer: str) -> NatsBus:
            bus = NatsBus([server.url], prefix)
            counts = count(1)
            links[name] = Link(
                lambda packet: bus.send(peer, envelope.pack(here[name], here[peer], next(counts), packet)),
                heard[name].extend,
                msgspec.msgpack.encode,
                msgspec.msgpack.decode,
                loop.time,
            )
            return bus

        def hear(name: str, data: bytes) -> None:
            sender, receiver, counted, packet = envelope.unpack(data)
            assert (sender, receiver) == (here["ben" if name == "ann" else "ann"], here[name])
            if seen[name].accept(sender, receiver, counted):
                links[name].receive(packet)

        buses = {"ann": connect("ann", "ben"), "ben": connect("ben", "ann")}
        for name, bus in buses.items():
            await bus.start(name, partial(hear, name), links[name].repeat)

        said = 0

        async def talk() -> None:
            nonlocal said
            while talking:
                for link in links.values():
                    link.put(said)
                    link.flush()
                    link.tick()
                said += 1
                await asyncio.sleep(0.005)

        task = asyncio.create_task(talk())
        for _ in range(3):
            heard_before = len(heard["ann"])
            await until(partial(lambda before: len(heard["ann"]) > before + 50, heard_before))
            await asyncio.to_thread(server.kill)
            await until(lambda: not buses["ann"].up)
            await asyncio.to_thread(server.start)
        await until(lambda: buses["ann"].up and buses["ben"].up)
        talking = False
        await task

        def arrived() -> bool:
            for link in links.values():
                link.tick()
            return all(link.idle for link in links.values())

        await until(arrived)
        assert heard == {"ann": list(range(said)), "ben": list(range(said))}
        for bus in buses.values():
            await bus.close()


def test_a_packet_fits_into_a_message_of_nats() -> None:
    full = Packet(1, 0, 0, b"x" * PACKET_BYTES)
    for sealer in (None, XChaChaSealer(b"s" * 32)):
        envelope = Envelope(b"here", b"k" * 32, sealer)
        assert len(envelope.pack(Address(b"a" * 8, 0), Address(b"b" * 8, 0), 1, full)) < DEFAULT_MAX_BYTES
