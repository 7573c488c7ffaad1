"""NATS as the bus between nodes, with real servers: outages, a server that hangs, a cluster of servers."""

import asyncio
import contextlib
import errno
import gc
import logging
from functools import partial
from itertools import count

import msgspec
import pytest

from chat.cluster.bus_end import BusEnd
from chat.cluster.greetings import Greeting
from chat.cluster.statistics import Statistics
from chat.link.bus import LEAST_BYTES
from chat.link.envelope import MOST_BYTES_ADDED, Address, Envelope
from chat.link.freshness import Freshness
from chat.link.link import PACKET_BYTES, Link, Packet
from server.bus.nats import DEFAULT_MAX_BYTES, NatsBus
from server.bus.sealing import XChaChaSealer
from tests.contract.ears import PREFIXES, Ear, Listen, is_up
from tests.contract.records import until
from tests.support.nats import NatsCluster, NatsServer


async def test_two_installations_on_one_nats_do_not_hear_each_other(nats_server: NatsServer, listen: Listen) -> None:
    ann, ben = await listen(nats_server.url, "ann", "ben")
    (other,) = await listen(nats_server.url, "ben")
    await is_up(ann, ben, other)
    ann.bus.send("ben", b"one")
    ann.bus.send_all(b"all")
    await until(lambda: len(ben.heard) == 2)
    assert other.heard == []


async def test_a_bus_comes_up_when_nats_does(listen: Listen, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server = NatsServer()
    try:
        ann, ben = await listen(server.url, "ann", "ben")
        await until(lambda: "NATS is out of reach" in caplog.text)
        assert not ann.bus.up
        await asyncio.to_thread(server.start)
        await is_up(ann, ben)
        ann.bus.send("ben", b"hello")
        await until(lambda: ben.heard == [b"hello"])
        for times, end in ((2, server.kill), (3, server.stop)):
            await asyncio.to_thread(end)
            await until(lambda: not ann.bus.up and not ben.bus.up)
            ann.bus.send("ben", b"lost")
            await asyncio.to_thread(server.start)
            await until(partial(have_come_up, times, ann, ben))
        ann.bus.send("ben", b"again")
        await until(lambda: ben.heard == [b"hello", b"again"])
        assert len([line for line in caplog.messages if "out of reach" in line]) < 20, caplog.text
    finally:
        server.remove()


def have_come_up(times: int, *ears: Ear) -> bool:
    return all(ear.ups == times for ear in ears)


@pytest.mark.parametrize("sent", [0, 32 << 20], ids=["idle", "with much to send"])
async def test_a_nats_that_hangs_is_noticed(listen: Listen, sent: int) -> None:
    """Also when it does not read what it was sent: neither the node nor its end waits for that."""
    with NatsServer() as server:
        ann, ben = await listen(server.url, "ann", "ben")
        await is_up(ann, ben)
        server.freeze()
        for _ in range(sent // 500_000):
            ann.bus.send("ben", bytes(500_000))
        await until(lambda: not ann.bus.up and not ben.bus.up)
        server.thaw()
        await until(partial(have_come_up, 2, ann, ben))
        assert len(ben.heard) * 500_000 < 16 << 20, "what waited for the connection that was lost is not sent late"
        ann.bus.send("ben", b"again")
        await until(lambda: b"again" in ben.heard)


@pytest.mark.parametrize("sent", [0, 32 << 20], ids=["idle", "with much to send"])
async def test_closing_does_not_wait_for_a_nats_that_hangs(listen: Listen, sent: int) -> None:
    with NatsServer() as server:
        (ann,) = await listen(server.url, "ann")
        await is_up(ann)
        server.freeze()
        for _ in range(sent // 500_000):
            ann.bus.send("ben", bytes(500_000))
        async with asyncio.timeout(10):
            await ann.bus.close()
        assert not ann.bus.up


async def test_what_was_sent_before_closing_arrives(nats_server: NatsServer, listen: Listen) -> None:
    ann, ben = await listen(nats_server.url, "ann", "ben")
    await is_up(ann, ben)
    for number in range(1000):
        ann.bus.send("ben", b"%d" % number)
    await ann.bus.close()
    await until(lambda: len(ben.heard) == 1000)


@pytest.mark.parametrize("turns", range(0, 60, 3))
async def test_a_bus_can_be_closed_while_it_connects(
    nats_server: NatsServer, caplog: pytest.LogCaptureFixture, turns: int
) -> None:
    """The client swallows a cancellation at some points of that."""
    bus = NatsBus([nats_server.url], "closed_early")
    await bus.start("ann", lambda data: None, lambda: None)
    for _ in range(turns):
        await asyncio.sleep(0)
    await bus.close()
    assert not [line for line in caplog.records if line.levelno >= logging.ERROR], caplog.text


async def test_a_connection_that_breaks_while_it_is_made_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """Two attempts of the client overlap then, and the second one finds the future of both resolved when it ends."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(b'INFO {"server_id":"x","version":"2.15.1","max_payload":1048576,"proto":1}\r\n')
        with contextlib.suppress(ConnectionError, EOFError):  # of the first connection
            for answered in count():
                await reader.readuntil(b"PING\r\n")
                if len(writers) == 2 and answered:  # the client is connected again, and flushes
                    break
                writer.write(b"PONG\r\n")
            server.close()
        writer.transport.abort()

    async def break_it() -> None:
        bus = NatsBus([f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"], "breaks")
        await bus.start("ann", lambda data: None, lambda: None)
        await until(lambda: bus.up)
        writers[0].transport.abort()
        await until(lambda: not server.is_serving())
        attempts = bus._transport.attempts
        await until(lambda: bus._transport.attempts > attempts + 1)
        await bus.close()

    server = await asyncio.start_server(serve, "127.0.0.1")
    await break_it()
    gc.collect()  # which tells of exceptions of tasks that nobody has asked for
    assert not [line for line in caplog.records if line.levelno >= logging.ERROR], caplog.text


async def test_a_message_that_cannot_be_processed_does_not_keep_the_next_ones_away(
    nats_server: NatsServer, listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    ann, ben = await listen(nats_server.url, "ann", "ben", hear=lambda data: heard.append(int(data)))
    heard: list[int] = []
    await is_up(ann, ben)
    ann.bus.send("ben", b"no number")
    ann.bus.send("ben", b"7")
    await until(lambda: heard == [7])
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.message == "a message of another node was not processed"
    assert record.exc_info
    assert ben.bus.up


# --- a cluster of three servers --------------------------------------------------------------------------------------


async def test_a_node_leaves_a_server_that_is_cut_off_from_the_others(listen: Listen) -> None:
    """Which one it gets is up to chance; each attempt ends at a server, and finally at that of the other node."""
    with NatsServer() as one, NatsServer() as two:
        (ann,) = await listen(one.url, "ann", prefix="parley.split")
        (ben,) = await listen(f"{one.url},{two.url}", "ben", prefix="parley.split")
        await is_up(ann, ben)
        while one.ask("connz")["num_connections"] != 2:
            ups = ben.ups
            ben.bus.reconnect()
            await until(lambda ups=ups: ben.ups > ups)  # type: ignore[misc]
        ann.bus.send("ben", b"found")
        await until(lambda: ben.heard == [b"found"])


async def test_nodes_at_different_servers_of_a_cluster_hear_each_other(listen: Listen) -> None:
    with NatsCluster() as cluster:
        ears = await one_at_each(cluster, listen)
        await until(lambda: _all_hear_all(ears))


@pytest.mark.parametrize("fault", ["kill", "stop", "freeze"])
async def test_one_of_three_servers_can_be_lost(listen: Listen, fault: str) -> None:
    """Each node knows one server: it learns of the others from it, and does not wait for the one that is lost."""
    with NatsCluster() as cluster:
        ears = await one_at_each(cluster, listen)
        await asyncio.to_thread(getattr(cluster.servers[0], fault))
        for _ in range(64):
            ears[0].bus.send("ben", bytes(500_000))  # a server that hangs will never read it
        await until(lambda: ears[0].ups == 2)
        await until(lambda: _all_hear_all(ears))
        assert [ear.ups for ear in ears[1:]] == [1, 1]


async def one_at_each(cluster: NatsCluster, listen: Listen) -> list[Ear]:
    """Return nodes that are up, each at a server of its own."""
    ears = [
        (await listen(server.url, name, prefix="parley.x"))[0]
        for server, name in zip(cluster.servers, ("ann", "ben", "eve"), strict=True)
    ]
    await is_up(*ears)
    return ears


def _all_hear_all(ears: list[Ear]) -> bool:
    """Whether each has heard all others lately; asks again, as interest spreads between servers in its own time."""
    complete = all(set(ear.heard) == {other.name.encode() for other in ears if other is not ear} for ear in ears)
    for ear in ears:
        if not complete:
            ear.heard.clear()
        ear.bus.send_all(ear.name.encode())
    return complete


# --- links -----------------------------------------------------------------------------------------------------------


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


async def test_a_link_respects_the_size_that_nats_accepts(listen: Listen) -> None:
    """Here 40 kB, where an operation has 200; also while NATS is away."""
    with NatsServer("max_payload: 40000") as server:
        ann, ben = await listen(server.url, "ann", "ben")
        await is_up(ann, ben)
        assert ann.bus.max_bytes == 40_000
        envelope, counts, got = Envelope(b"here", b"k" * 32, XChaChaSealer(b"s" * 32)), count(1), list[str]()
        one, other = Address(b"a" * 8, 0), Address(b"b" * 8, 0)

        def end(deliver: list[str]) -> Link:
            return Link(
                lambda packet: ann.bus.send("ben", envelope.pack(one, other, next(counts), packet)),
                deliver.extend,
                msgspec.msgpack.encode,
                msgspec.msgpack.decode,
                asyncio.get_running_loop().time,
                lambda: ann.bus.max_bytes - MOST_BYTES_ADDED,
            )

        sender, receiver = end([]), end(got)
        sender.put("x" * 200_000)
        sender.flush()
        await until(lambda: len(ben.heard) == 6)
        await asyncio.to_thread(server.kill)
        await until(lambda: not ann.bus.up and not ben.bus.up)
        sender.put("y" * 200_000)
        sender.flush()
        await asyncio.to_thread(server.start)
        await until(partial(have_come_up, 2, ann, ben))
        sender.repeat()
        await until(lambda: len(ben.heard) == 18)
        for data in ben.heard:
            receiver.receive(envelope.unpack(data)[3])
        assert got == ["x" * 200_000, "y" * 200_000]


def test_a_packet_fits_into_a_message_of_nats() -> None:
    full = Packet(1, 0, 0, b"x" * PACKET_BYTES)
    for sealer in (None, XChaChaSealer(b"s" * 32)):
        envelope = Envelope(b"here", b"k" * 32, sealer)
        assert len(envelope.pack(Address(b"a" * 8, 0), Address(b"b" * 8, 0), 1, full)) < DEFAULT_MAX_BYTES


async def test_a_nats_that_carries_too_little_is_named(listen: Listen) -> None:
    """As long as it does: another `max_payload` needs no restart of the node."""
    with NatsServer("max_payload: 512") as server:
        (ann,) = await listen(server.url, "ann")
        end = BusEnd(
            b"a" * 8,
            heard=lambda *packet: None,
            greeted=lambda *greeting: None,
            on_up=lambda: None,
            now=asyncio.get_running_loop().time,
            statistics=Statistics(),
        )
        await end.join(NatsBus([server.url], "parley.small"), Envelope(b"here", b"k" * 32))
        await until(lambda: ann.bus.max_bytes == 512)

        def warned() -> bool:
            end.greet(Greeting("ann", {}, {}, {}, {}, None))
            return "NATS carries at most 512 bytes in one message" in end.last_warning

        await until(warned)
        assert not end.up
        assert (ann.bus.up, ann.ups) == (False, 0)
        await asyncio.to_thread(server.reconfigure, f"max_payload: {LEAST_BYTES}")
        await is_up(ann)
        await until(lambda: end.up)
        await end.leave()


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["kill", "stop", "freeze"])
async def test_a_loss_of_nats_is_two_lines(listen: Listen, caplog: pytest.LogCaptureFixture, fault: str) -> None:
    """That the connection was lost, and why it does not come back."""
    with NatsServer() as server:
        (ann,) = await listen(server.url, "ann")
        await is_up(ann)
        await asyncio.to_thread(getattr(server, fault))
        await until(lambda: len(caplog.messages) >= 2)
        attempts = ann.bus._transport.attempts  # type: ignore[attr-defined]
        await until(lambda: ann.bus._transport.attempts > attempts + 2)  # type: ignore[attr-defined]
        away = f"NATS is out of reach at 127.0.0.1:{server.port}: "
        why = (
            "it does not answer"
            if fault == "freeze"
            else f"[Errno {errno.ECONNREFUSED}] Connect call failed ('127.0.0.1', {server.port})"
        )
        assert caplog.messages == [f"{away}the connection was lost", f"{away}{why}"]
        assert ann.bus.problem == f"{away}{why}"
        if fault == "freeze":
            server.thaw()
            await is_up(ann)  # the client of NATS may not be closed cleanly while it connects again
