"""NATS fails, as a whole or for one node, under a load that is spread over the nodes of a cluster."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.faults.conftest import Play, Settle
from tests.faults.stage import cluster_under_load, without
from tests.support import rawws
from tests.support.nats import NatsCluster, NatsServer
from tests.support.postgres import PostgresCluster
from tests.support.process import free_port
from tests.support.proxy import Network

HOWS = ["cut", "frozen"]
# More than `LOST_SECONDS` of an edge, see `chat.cluster.dead_end`.
LESS_PATIENCE = {"ODD_LONELY_SECONDS": "7", "ODD_DEAF_SECONDS": "10"}


@pytest.mark.slow
async def test_nats_is_killed_and_restarted(stage: Play, nats: list[NatsServer]) -> None:
    """For a second, and for four: the rooms stay where they are, and so do all connections."""
    async with stage() as here:
        owner, before = await here.goes_on(), here.closes()
        for seconds in (1, 4):
            nats[0].kill()
            await here.load.lasts(seconds)
            await asyncio.to_thread(nats[0].start)
            assert await here.goes_on() is owner
        await here.settled_in_place(owner, before)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [2, 8])
async def test_nats_hangs(stage: Play, nats: list[NatsServer], seconds: int) -> None:
    """Nodes notice it after three seconds, and go on when it does."""
    async with stage() as here:
        owner, before = await here.goes_on(), here.closes()
        nats[0].freeze()
        try:
            await here.load.lasts(seconds)
        finally:
            nats[0].thaw()
        await here.settled_in_place(owner, before)


@pytest.mark.slow
async def test_one_of_three_nats_servers_is_lost(url: str, cluster: PostgresCluster, settle: Settle) -> None:
    """Killed, and hanging: its nodes go on with another one."""
    with NatsCluster() as nats:
        async with cluster_under_load(url, nats.servers, cluster, settle) as here:
            owner, before = await here.goes_on(), here.closes()
            for server in nats.servers:
                server.kill()
                await here.load.lasts(2)
                await here.load.more()
                await asyncio.to_thread(server.start)
                await asyncio.to_thread(nats.wait)
            nats.servers[0].freeze()
            await here.load.lasts(5)
            nats.servers[0].thaw()
            await here.settled_in_place(owner, before)


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_nats_is_away_for_a_minute(stage: Play, nats: list[NatsServer]) -> None:
    """The owner serves its own clients throughout. The edges are not ready, and send theirs away little by little."""
    async with stage() as here:
        owner, edges = await here.goes_on(), await here.nodes.edges()
        nats[0].kill()
        for edge in edges:
            await here.nodes.until_not_ready(edge, "owner")
        assert await owner.not_ready() is None
        for _ in range(14):
            acks = {person: len(person.acked) for person in here.people_at(owner) if person.settled}
            await here.load.lasts(4)
            assert all(len(person.acked) > acks[person] for person in acks if person in here.people_at(owner))
        await asyncio.to_thread(nats[0].start)
        assert await here.goes_on() is owner
        await here.settled(f"{dict(here.load.refusals)}, {here.reloads} reloads")
        assert here.load.refusals.keys() <= {"unavailable"}, dict(here.load.refusals)


@pytest.mark.slow
@pytest.mark.parametrize("how", HOWS)
async def test_an_edge_is_cut_off_nats(stage: Play, how: str) -> None:
    """Its clients are refused for a while, and then receive all that they missed. No other client notices."""
    async with stage(networks=True) as here:
        owner, (edge, other) = await here.goes_on(), await here.nodes.edges()
        before = here.closes()
        with without(edge.nats, how):
            await here.nodes.until_not_ready(edge, "owner")
            await here.load.more()
        assert await other.not_ready() is None
        await here.settled_in_place(owner, before)


@pytest.mark.slow
@pytest.mark.parametrize("how", HOWS)
async def test_the_owner_is_cut_off_nats(stage: Play, how: str) -> None:
    """It gives the rooms to a node that reaches the others, in good order, and is an edge when it is back."""
    async with stage(networks=True) as here:
        owner = await here.goes_on()
        with without(owner.nats, how):
            new = await here.nodes.until_another_owns(owner)
            await here.load.more()
        assert await here.goes_on() is new
        await here.settled(f"{dict(here.load.refusals)}, {here.reloads} reloads")
        assert here.load.refusals.keys() <= {"unavailable"}, dict(here.load.refusals)


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_clients_of_an_edge_without_nats_are_sent_away_little_by_little(stage: Play) -> None:
    """From ten seconds on, over thirty, because the owner lives: a balancer that ignores `/ready` sends some back."""
    async with stage(networks=True) as here:
        owner, (edge, other) = await here.goes_on(), await here.nodes.edges()
        loop = asyncio.get_running_loop()
        there = here.people_at(edge)
        with without(edge.nats, "cut"):
            since = loop.time()
            before = here.closes()
            away: dict[str, float] = {}

            def gone() -> bool:
                for person in there:
                    if person.closes != before[person.name]:
                        away.setdefault(person.name, loop.time() - since)
                return len(away) == len(there)

            await here.load.until(gone, "all clients of the node are sent away")
            async with await rawws.RawClient.connect(edge.port) as client:
                client.send(rawws.upgrade())
                assert (await client.reply()).status == 503  # a balancer may try another node
        assert min(away.values()) > 9
        assert max(away.values()) < 45
        # Spread evenly over 30 s, five or more leave within 5 s of each other once in 250 runs at most.
        assert len(there) < 5 or max(away.values()) - min(away.values()) > 5
        assert await here.goes_on() is owner
        assert all(not person.closes or person in there for person in here.people_at(owner, other))
        await here.settled(f"{dict(here.load.refusals)}, {here.reloads} reloads")


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_clients_stay_where_they_are_if_no_node_serves_them(stage: Play, nats: list[NatsServer]) -> None:
    """With NATS and the database away no node is better than another: no connection is closed."""
    async with stage() as here:
        await here.goes_on()
        before = here.closes()
        nats[0].kill()
        await asyncio.to_thread(here.postgres.stop, "immediate")
        await here.load.lasts(45)
        assert here.closes() == before
        await asyncio.to_thread(here.postgres.start)
        await asyncio.to_thread(nats[0].start)
        await here.settled(f"{dict(here.load.refusals)}, {here.reloads} reloads")


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_nats_is_away_while_an_edge_hangs(stage: Play, nats: list[NatsServer]) -> None:
    """The database shows that the edge reaches NATS, and so it is offered the rooms: another node has them then."""
    async with stage() as here:
        owner, (edge, _) = await here.goes_on(), await here.nodes.edges()
        edge.freeze()
        try:
            nats[0].kill()
            await here.load.until(lambda: "giving the rooms away" in owner.log_text(), "the owner is off the bus")
            await here.load.more()
            assert await here.nodes.any_owner() is not None
        finally:
            edge.thaw()
        await asyncio.to_thread(nats[0].start)
        await here.goes_on()
        assert owner.log_text().count("giving the rooms away") <= 2
        await here.settled(f"{dict(here.load.refusals)}, {here.reloads} reloads")


class Split:
    """Three NATS servers, one for each node, with a network of its own between any two of them."""

    def __init__(self) -> None:
        self.servers: list[NatsServer] = []
        self._routes: dict[frozenset[int], Network] = {}

    async def start(self, stack: AsyncExitStack) -> None:
        ports = [free_port() for _ in range(3)]
        for number, port in enumerate(ports):
            routes = []
            for earlier in range(number):
                network = await stack.enter_async_context(Network(f"nats://127.0.0.1:{ports[earlier]}"))
                self._routes[frozenset((earlier, number))] = network
                routes.append(network.url)
            # They tell each other an address at which no one is: otherwise they would connect directly.
            server = NatsServer(
                f"server_name: n{number}\n"
                f"cluster {{ name: test, listen: 127.0.0.1:{port}, advertise: 127.0.0.1:1, no_advertise: true, "
                f"pool_size: -1, routes: [{', '.join(routes)}] }}"
            )
            await asyncio.to_thread(server.start)
            stack.callback(server.remove)
            self.servers.append(server)

    def between(self, one: int, other: int) -> Network:
        return self._routes[frozenset((one, other))]


@pytest.fixture
async def split() -> AsyncIterator[Split]:
    async with AsyncExitStack() as stack:
        opened = Split()
        await opened.start(stack)
        yield opened


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("ends", ["an edge and the owner", "two edges"])
async def test_two_nodes_do_not_hear_each_other(
    url: str, split: Split, cluster: PostgresCluster, settle: Settle, ends: str
) -> None:
    """Each of them hears the third one. The owner stays; an edge that does not hear it refuses, and catches up."""
    odd = {number: {"NATS_URL": server.url} for number, server in enumerate(split.servers)}
    async with cluster_under_load(url, split.servers, cluster, settle, odd=odd) as here:
        owner, edges = await here.goes_on(), await here.nodes.edges()
        before = here.closes()
        pair = edges if ends == "two edges" else [edges[0], owner]
        with without(split.between(*(here.nodes.all.index(node) for node in pair)), "cut"):
            if ends == "two edges":
                await here.load.lasts(6)
                assert not here.load.refusals
            else:
                await here.nodes.until_not_ready(edges[0], "owner")
            await here.load.more()
        await here.settled_in_place(owner, before)


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("which", ["an edge", "the owner"])
async def test_a_node_is_at_a_server_that_the_others_do_not_reach(stage: Play, which: str) -> None:
    """As one that has come back without its routes. It is up, so the node itself must see that it is at a dead end."""
    with NatsServer() as lonely:
        async with stage(networks=True) as here:
            owner, (edge, _) = await here.goes_on(), await here.nodes.edges()
            node = edge if which == "an edge" else owner
            node.nats.lead_to(lonely.url)
            node.nats.cut()
            while not lonely.ask("connz")["num_connections"]:  # noqa: ASYNC110  # it is another program's condition
                await asyncio.sleep(0.05)
            node.nats.lead_to(here.nats[0].url)
            assert await here.goes_on() is owner  # on a busy machine some clients may have been sent away
            await here.settled(f"{dict(here.load.refusals)}, {here.reloads} reloads")
            assert here.load.refusals.keys() <= {"unavailable"}, dict(here.load.refusals)
            assert "are not heard here" in node.log_text()


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_the_owner_finds_only_a_server_that_the_others_do_not_reach(stage: Play) -> None:
    """It is up, and no other node hears it: it gives the rooms away, and takes none until it is back.

    It does so after 10 s instead of 30, and has looked for another server once: later than the edges, as always. It
    counts only the time in which it listens, which is a fraction of that of a busy machine.
    """
    with NatsServer() as lonely:
        async with stage(networks=True, odd=dict.fromkeys(range(3), LESS_PATIENCE)) as here:
            owner = await here.goes_on()
            owner.nats.lead_to(lonely.url)
            owner.nats.cut()
            other = await here.nodes.until_another_owns(owner)
            await here.nodes.until_not_ready(owner, "owner")
            status = await owner.status()
            assert status is not None
            assert not status.bus
            owner.nats.lead_to(here.nats[0].url)
            owner.nats.cut()
            assert await here.goes_on() is other
            await here.settled(f"{dict(here.load.refusals)}, {here.reloads} reloads")
            assert here.load.refusals.keys() <= {"unavailable"}, dict(here.load.refusals)
            assert "no other node is heard over NATS" in owner.log_text()
