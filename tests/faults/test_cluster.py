"""Nodes of a cluster are killed, stopped, hang and restart, under a load that is spread over them."""

import asyncio

import pytest

from tests.faults.conftest import Play, Settle
from tests.faults.stage import LOAD, Stage, cluster_under_load
from tests.support.nats import NatsServer
from tests.support.postgres import PostgresCluster
from tests.support.process import free_port

HOUR = 3600


async def the_owner_is_killed(here: Stage) -> None:
    """Another node takes over: clients of the others stay connected. On a busy machine some are refused for now."""
    owner = await here.goes_on()
    staying = [person.name for person in here.load.people if person.port != owner.port]
    before = here.closes()
    await here.kill(owner)
    await here.nodes.until_another_owns(owner)
    await here.load.more()
    after = here.closes()
    assert {name: after[name] for name in staying} == {name: before[name] for name in staying}
    assert here.load.refusals.keys() <= {"unavailable"}
    await here.start(owner)


async def test_a_short_run_of_faults(stage: Play, nats: list[NatsServer]) -> None:
    """The database's session of the owner ends, NATS is killed, the owner stops, and is killed."""
    async with stage(load={**LOAD, "people": 12, "rooms": 4}) as here:
        owner, before = await here.goes_on(), here.closes()
        assert await here.end_sessions(of_lease=True) == 1
        await here.load.more(30)
        nats[0].kill()
        await here.load.lasts(0.5)
        await asyncio.to_thread(nats[0].start)
        assert await here.goes_on() is owner
        assert here.closes() == before
        refusals = dict(here.load.refusals)
        assert refusals.keys() <= {"unavailable"}  # without NATS
        await here.stop(owner)
        await here.load.more(30)
        assert not here.reloads
        assert here.load.refusals == refusals
        await here.start(owner)
        await the_owner_is_killed(here)
        await here.settled(f"{here.reloads} reloads")


@pytest.mark.slow
async def test_the_owner_is_killed_again_and_again(stage: Play) -> None:
    """Each time another node takes over."""
    async with stage() as here:
        for _ in range(3):
            await the_owner_is_killed(here)
        await here.settled(f"{dict(here.load.refusals)}, {here.reloads} reloads")


@pytest.mark.slow
async def test_an_edge_is_killed(stage: Play) -> None:
    """Its clients resume at other nodes: no client has to load a room again, and the rooms stay where they are."""
    async with stage() as here:
        owner, (edge, other) = await here.goes_on(), await here.nodes.edges()
        staying, before = here.people_at(owner, other), here.closes()
        await here.kill(edge)
        await here.load.more()
        await here.start(edge)
        assert await here.goes_on() is owner
        assert staying
        assert all(person.closes == before[person.name] for person in staying), "only its own clients reconnect"
        await here.settled()
        assert not here.reloads


@pytest.mark.slow
async def test_a_rolling_restart(stage: Play) -> None:
    """Every node is stopped and started again: nothing is refused, no room has to be loaded again."""
    async with stage() as here:
        for node in here.nodes:
            await here.goes_on()
            await here.stop(node)
            await here.load.more(30)
            await here.start(node)
        await here.settled(f"{dict(here.load.refusals)}, {here.reloads} reloads")
        assert not here.load.refusals
        assert not here.reloads
        codes = {code for closes in here.closes().values() for code in closes}
        assert codes <= {1001, 1000}


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [2, 8, 12])
async def test_the_owner_hangs(stage: Play, seconds: int) -> None:
    """After six seconds another node ends its sessions and takes over; when it goes on, it is an edge."""
    async with stage() as here:
        owner = await here.goes_on()
        await here.hang(owner, seconds)
        if seconds > 8:
            await here.nodes.until_another_owns(owner)
        if seconds < 6:
            assert await here.goes_on() is owner
        await here.settled(f"{dict(here.load.refusals)}, {here.reloads} reloads")


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [2, 8, 12])
async def test_an_edge_hangs(stage: Play, seconds: int) -> None:
    """Its clients wait, or go to another node; when it goes on, they have missed nothing."""
    async with stage() as here:
        owner, (edge, _) = await here.goes_on(), await here.nodes.edges()
        await here.hang(edge, seconds)
        assert await here.goes_on() is owner
        await here.settled(f"{dict(here.load.refusals)}")


@pytest.mark.slow
async def test_a_node_returns_from_a_pause_after_another_owner_was_there(stage: Play) -> None:
    """The rooms have moved twice while it hung: it takes part again, and nothing of its past reaches a client."""
    async with stage() as here:
        first = await here.goes_on()
        first.freeze()
        try:
            second = await here.nodes.until_another_owns(first)
            await here.load.more()
            await here.kill(second)
            await here.nodes.until_another_owns(second)
            await here.load.more()
        finally:
            first.thaw()
        await here.start(second)
        await here.settled(f"{dict(here.load.refusals)}, {here.reloads} reloads")


@pytest.mark.slow
async def test_clocks_an_hour_apart(stage: Play) -> None:
    """The rooms move to a node whose clock is two hours behind: seqs go on above the stored ones."""
    odd = {0: {"CLOCK_SECONDS": f"{HOUR}"}, 1: {"CLOCK_SECONDS": f"{-HOUR}"}, 2: {"CLOCK_SECONDS": "0"}}
    async with stage(odd=odd) as here:
        for how in (here.stop, here.kill, here.stop):
            owner = await here.goes_on()
            await how(owner)
            await here.nodes.until_another_owns(owner)
            await here.load.more()
            await here.start(owner)
        await here.settled(f"{here.reloads} reloads")


@pytest.mark.slow
async def test_a_node_of_another_link_version(stage: Play) -> None:
    """It waits and says why, whichever other node stops. When the last old node stops, all clients move to it."""
    odd = {2: {"ODD_LINK_VERSION": "1", "ADMIN_PORT": f"{free_port()}"}}
    async with stage(odd=odd, idle={2}) as here:
        first, old, new = await here.goes_on(), *(await here.nodes.edges()), here.nodes.all[2]
        here.nodes.closed.add(new)
        new.spawn()
        admin_port = int(odd[2]["ADMIN_PORT"])
        await here.nodes.until_not_ready(new, "owner", detail="link version", admin_port=admin_port)
        await here.stop(first)
        await here.nodes.until_another_owns(first)
        here.nodes.closed = {first, new}
        await here.load.more()
        status = await old.status()
        assert status is not None
        assert status.role == "owner"
        here.nodes.closed = {first, old}
        await here.stop(old)
        assert await here.goes_on() is new
        await here.settled(f"{dict(here.load.refusals)}")
        assert not here.reloads


@pytest.mark.slow
@pytest.mark.parametrize(
    "odd", [{"NATS_PREFIX": "elsewhere"}, {"NATS_URL": "", "NODE_NAME": ""}], ids=["prefix", "none"]
)
async def test_a_node_that_the_others_do_not_hear_takes_nothing(stage: Play, odd: dict[str, str]) -> None:
    """With another `NATS_PREFIX`, or without `NATS_URL`: whichever other node dies."""
    async with stage(odd={2: odd}, idle={2}) as here:
        lost = here.nodes.all[2]
        here.nodes.closed.add(lost)
        owner = await here.nodes.until_another_owns(lost)
        lost.spawn()
        await here.nodes.until_not_ready(lost, "standby" if "NATS_URL" in odd else "owner")
        await here.load.lasts(4)
        for _ in range(2):
            await here.kill(owner)
            await here.load.lasts(2)
            other = await here.nodes.until_another_owns(owner)
            assert other is not lost
            await here.load.more()
            await here.start(owner)
            owner = other
        here.nodes.all = here.nodes.all[:2]
        lost.kill()
        await here.goes_on()
        await here.settled(f"{dict(here.load.refusals)}")


@pytest.mark.slow
async def test_two_installations_on_one_nats(
    stage: Play, nats: list[NatsServer], cluster: PostgresCluster, settle: Settle
) -> None:
    """They have the same prefix, and never hear each other."""
    url = await asyncio.to_thread(cluster.create_database)
    async with stage(count=2) as here, cluster_under_load(url, nats, cluster, settle, count=2) as there:
        for one in (here, there):
            owner = await one.goes_on()
            await one.kill(owner)
            await one.nodes.until_another_owns(owner)
            await one.start(owner)
            await one.goes_on()
        for one in (here, there):
            await one.settled()
    await asyncio.to_thread(cluster.drop_database, url)
