"""PostgreSQL fails, for all nodes of a cluster or for one, under a load that is spread over them."""

import asyncio
from collections.abc import Iterator

import pytest
from psycopg import sql

from tests.faults.conftest import Play, Settle
from tests.faults.nodes import SECRET, running
from tests.faults.stage import cluster_under_load, without
from tests.support.client import Client
from tests.support.nats import NatsServer
from tests.support.postgres import PostgresCluster
from tests.support.web import Web

HOWS = ["cut", "frozen"]


@pytest.mark.slow
async def test_the_session_of_the_lease_is_ended(stage: Play) -> None:
    """The owner takes the lock back before another node does: nothing is refused, no room has to be loaded again."""
    async with stage() as here:
        owner = await here.goes_on()
        for of_lease in (True, False):
            assert await here.end_sessions(of_lease=of_lease)
            await here.load.more()
            assert await here.goes_on() is owner
        await here.settled()
        assert not here.load.refusals
        assert not here.reloads


@pytest.mark.slow
@pytest.mark.parametrize("how", HOWS)
async def test_the_owner_is_cut_off_the_database(stage: Play, how: str) -> None:
    """It goes on showing messages until another node takes over; what it could not store is sent to that one again."""
    async with stage(networks=True) as here:
        owner = await here.goes_on()
        with without(owner.database, how):
            new = await here.nodes.until_another_owns(owner)
            await here.load.more()
            await here.load.lasts(3)
        assert await here.goes_on() is new
        await here.settled(f"{dict(here.load.refusals)}, {here.reloads} reloads")


@pytest.mark.slow
@pytest.mark.parametrize("how", HOWS)
async def test_the_owner_is_cut_off_the_database_for_a_moment(stage: Play, how: str) -> None:
    """Shorter than another node waits: the rooms stay where they are."""
    async with stage(networks=True) as here:
        owner = await here.goes_on()
        with without(owner.database, how):
            await here.load.lasts(0.3)
        assert await here.goes_on() is owner
        await here.settled(f"{dict(here.load.refusals)}, {here.reloads} reloads")


@pytest.mark.slow
@pytest.mark.parametrize("how", HOWS)
async def test_an_edge_is_cut_off_the_database(stage: Play, how: str) -> None:
    """No client notices: an edge reads nothing."""
    async with stage(networks=True) as here:
        owner, (edge, _) = await here.goes_on(), await here.nodes.edges()
        before = here.closes()
        with without(edge.database, how):
            await here.load.lasts(12)
            await here.load.more()
        assert not here.load.refusals
        await here.settled_in_place(owner, before)


@pytest.mark.slow
@pytest.mark.parametrize("how", HOWS)
async def test_the_owner_is_cut_off_everything(stage: Play, how: str) -> None:
    """Its clients see each other, without acks, until it is back and another node has the rooms."""
    async with stage(networks=True) as here:
        owner = await here.goes_on()
        with without(owner.database, how), without(owner.nats, how):
            await here.nodes.until_another_owns(owner)
            await here.load.more()
            await here.load.lasts(3)
        await here.goes_on()
        await here.settled(f"{dict(here.load.refusals)}, {here.reloads} reloads")


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0, 3])
async def test_postgres_is_killed(stage: Play, seconds: int) -> None:
    """Messages are shown and wait; the owner takes its lock back first, so no room has to be loaded again."""
    async with stage() as here:
        owner, before = await here.goes_on(), here.closes()
        for _ in range(2):
            await asyncio.to_thread(here.postgres.kill)
            await here.load.lasts(seconds)
            await asyncio.to_thread(here.postgres.start)
            assert await here.goes_on() is owner
        await here.settled_in_place(owner, before)


@pytest.mark.slow
async def test_postgres_is_restarted(stage: Play) -> None:
    """In good order, by an administrator."""
    async with stage() as here:
        owner, before = await here.goes_on(), here.closes()
        for _ in range(2):
            await asyncio.to_thread(here.postgres.restart)
            assert await here.goes_on() is owner
        await here.settled_in_place(owner, before)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [2, 12])
async def test_postgres_hangs(stage: Play, seconds: int) -> None:
    """No node can accuse the owner: the rooms stay where they are."""
    async with stage() as here:
        owner, before = await here.goes_on(), here.closes()
        here.postgres.freeze()
        try:
            await here.load.lasts(seconds)
        finally:
            here.postgres.thaw()
        await here.settled_in_place(owner, before)


@pytest.fixture
def standby(cluster: PostgresCluster) -> Iterator[PostgresCluster]:
    """Start a standby that has whatever was acked."""
    with PostgresCluster(durable=True, primary=cluster) as started:
        yield started
    cluster.start()
    cluster.execute(sql.Composed([sql.SQL("ALTER SYSTEM RESET synchronous_standby_names")]))
    cluster.execute(sql.Composed([sql.SQL("SELECT pg_reload_conf()")]))


@pytest.mark.slow
async def test_a_standby_is_promoted(
    url: str, nats: list[NatsServer], cluster: PostgresCluster, settle: Settle, standby: PostgresCluster
) -> None:
    """The primary dies, and all nodes reach its standby at the same address."""
    async with cluster_under_load(url, nats, cluster, settle, networks=True) as here:
        await here.goes_on()
        await asyncio.to_thread(standby.follow_synchronously)
        await here.goes_on()
        await asyncio.to_thread(cluster.kill)
        await here.load.lasts(1)
        await asyncio.to_thread(standby.promote)
        here.url = url.replace(f":{cluster.port}/", f":{standby.port}/")
        for node in here.nodes:
            node.database.lead_to(here.url)
        await here.settled(f"{dict(here.load.refusals)}, {here.reloads} reloads")


@pytest.mark.slow
@pytest.mark.parametrize("which", ["the owner", "an edge"])
async def test_a_node_without_the_database_is_given_up_although_it_lives(stage: Play, which: str) -> None:
    """It is silent for a moment, and the database shows it no longer: its clients are in the rooms again at once."""
    async with stage(networks=True) as here:
        owner, (edge, _) = await here.goes_on(), await here.nodes.edges()
        node = edge
        with without((owner if which == "the owner" else edge).database, "cut"):
            if which == "the owner":
                node = owner
                await here.nodes.until_another_owns(owner)
                await here.load.more(30)
            for _ in range(6):
                await here.hang(node, 1.6)
                await here.load.lasts(1.5)
        await here.settled(f"{dict(here.load.refusals)}, {here.reloads} reloads")
        assert "had given this node up" in node.log_text()


@pytest.mark.slow
async def test_a_backup_is_restored_under_running_nodes(nats: list[NatsServer], cluster: PostgresCluster) -> None:
    """The next owner counts its tenure from that of the backup, and all nodes follow it."""
    url = cluster.create_database()
    async with running(url, nats[0].url, count=2) as nodes:
        await nodes.owner()
    backup = cluster.copy_database(url)
    async with running(url, nats[0].url, count=2) as nodes:
        before = await nodes.owner()
        before.terminate()
        await asyncio.to_thread(before.wait)
        before.start()
        status = await (await nodes.owner()).status()
        assert status is not None
        assert status.token == 3
        await asyncio.to_thread(cluster.replace_database, url, backup)
        await nodes.until_token_below(3)
        for node in nodes:
            await Web(node.port, "ann", secret=SECRET).create(f"made at {node.name}")


@pytest.mark.slow
async def test_a_backup_that_the_owner_has_written_is_restored_under_it(
    nats: list[NatsServer], cluster: PostgresCluster
) -> None:
    """It has the rooms again, as the backup has them, and its clients and those of the other node load them."""
    url = cluster.create_database()
    async with running(url, nats[0].url, count=2) as nodes:
        owner = await nodes.owner()
        (edge,) = (node for node in nodes if node is not owner)
        async with Client(edge.ws_url, "bob", "general") as bob:
            await bob.say("before", "1")
            await bob.all_acked("1")
            backup = await asyncio.to_thread(cluster.back_up, url)
            await bob.say("after", "2")
            await bob.all_acked("2")
            await asyncio.to_thread(cluster.replace_database, url, backup)
            await bob.expect("joined", recovered=False)
        for node in nodes:
            async with Client(node.ws_url, "eve", "general") as eve:
                page = await eve.history()
                assert [message["content"] for message in page["messages"]] == ["before"]
