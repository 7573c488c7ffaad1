"""What every bus between nodes does: NATS with a real server, and the one of the tests on virtual time."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from chat.link.bus import Bus
from server.bus.nats import NatsBus
from tests.contract.ears import PREFIXES, Ear, is_up
from tests.contract.records import until
from tests.support.cluster import FaultyBus, NodeBus
from tests.support.nats import NatsServer

Node = Callable[[str], Awaitable["Ear"]]


@pytest.fixture(params=["faulty", "nats"])
async def node(request: pytest.FixtureRequest) -> AsyncIterator[Node]:
    """Starts a node of one installation, by its name, and waits until it is up."""
    middle, prefix, ears = FaultyBus(), next(PREFIXES), list[Ear]()

    async def start(name: str) -> Ear:
        url = request.getfixturevalue("nats_server").url if request.param == "nats" else ""
        ears.append(Ear(name, NatsBus([url], prefix) if url else NodeBus(middle)))
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


async def test_a_bus_that_connected_anew_hears_again(node: Node) -> None:
    ann, ben = await node("ann"), await node("ben")
    for ups in (2, 3):
        ben.bus.reconnect()
        await until(lambda ups=ups: ben.ups == ups)  # type: ignore[misc]
    assert ben.bus.up
    ann.bus.send("ben", b"again")
    ann.bus.send_all(b"to all")
    await until(lambda: ben.heard == [b"again", b"to all"])
    await ben.bus.close()
    ben.bus.reconnect()
    assert not ben.bus.up


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
    middle = FaultyBus()
    ann = Ear("ann", NodeBus(middle))
    await ann.start()
    buses: tuple[Bus, ...] = (NatsBus([nats_server.url], next(PREFIXES)), NodeBus(middle))
    for bus in buses:
        assert not bus.up
        bus.send("ann", b"lost")
        bus.send_all(b"lost")
        await bus.close()
    assert middle.carried == 0
