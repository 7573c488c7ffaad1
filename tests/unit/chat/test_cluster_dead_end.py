"""Nodes whose bus is up and does not carry anything of the others: they connect to it anew."""

import itertools

import pytest

from chat.cluster.dead_end import DEAF_SECONDS, LONELY_SECONDS, LOST_SECONDS, DeadEnd
from chat.link.envelope import Envelope
from tests.support.cluster import INSTALLATION, Cluster, ClusterNode, FaultyBus, NodeBus, clustered
from tests.support.virtual import passes
from tests.unit.chat.nodes import assert_all_the_same, assert_unnoticed, one_at_each, talk


def reconnects(cluster: Cluster) -> list[int]:
    """Return how often each node has connected anew."""
    return [cluster.bus.nodes[node.storage.node].reconnects for node in cluster.nodes]


async def test_an_edge_leaves_a_server_on_which_it_does_not_hear_the_owner() -> None:
    """Before its clients are sent away, who miss nothing."""
    async with clustered(3) as cluster:
        people = await one_at_each(cluster)
        cluster.bus.stranded.add(cluster.nodes[2].storage.node)
        sent = await talk(people, LOST_SECONDS + 3.0, "stranded")
        assert reconnects(cluster) == [0, 0, 1]
        await passes(3.0)
        assert_unnoticed(people[:2])
        assert people[2].connection.closed is None
        assert len(people[2].of("joined")) == 1
        assert len(people[2].acked()) + len(people[2].errors()) == sent
        await assert_all_the_same(cluster, people)
        await passes(60.0)
        assert reconnects(cluster) == [0, 0, 1]


async def test_an_owner_that_hears_nothing_leaves_last() -> None:
    """First the edges try; if they all hear nothing of it afterwards either, it is the owner that is at a dead end."""
    async with clustered(3) as cluster:
        cluster.bus.stranded.add(cluster.nodes[0].storage.node)
        await passes(LONELY_SECONDS - 1.0)
        assert reconnects(cluster) == [0, 2, 2]
        await passes(6.0)
        assert reconnects(cluster)[0] == 1
        assert all(node.node.edge.problem() is None for node in cluster.nodes)
        assert all(len(node.node.peers) == 2 for node in cluster.nodes)


async def test_a_new_node_finds_the_owner_although_its_first_server_is_cut_off() -> None:
    async with clustered(1) as cluster:
        cluster.identities = itertools.count(5)
        cluster.bus.stranded.add((5).to_bytes(8).hex())
        node = await cluster.add("n2")
        await passes(LOST_SECONDS - 1.0)
        assert not node.node.peers
        await passes(2.0)
        assert node.node.edge.owner is not None


@pytest.mark.parametrize("fault", ["no bus", "no storage", "other settings", "another secret", "alone"])
async def test_a_node_stays_where_another_server_would_be_no_help(fault: str) -> None:
    async with clustered(1 if fault == "alone" else 2) as cluster:
        last = cluster.nodes[-1]
        match fault:
            case "no bus":  # it connects anyway
                cluster.bus.cut.add(last.storage.node)
            case "no storage":  # nothing says that the others reach the bus
                cluster.bus.stranded.add(last.storage.node)
                for node in cluster.nodes:
                    node.storage.reachable = False
            case "other settings":
                await cluster.add("n3", terms={"EDIT_WINDOW": "60"})
            case "another secret":
                last = ClusterNode(cluster, "n3", {})
                cluster.nodes.append(last)
                last.chat.start()
                last.node.start("n3")
                await last.node.join_bus(NodeBus(cluster.bus), Envelope(INSTALLATION, b"K" * 32))
        await passes(25.0)
        tries = [int(fault == "no bus"), *[0] * (len(cluster.nodes) - 1)]  # the owner cannot know whose fault it is
        assert reconnects(cluster) == tries


def test_a_node_that_was_paused_has_not_listened_in_the_meantime() -> None:
    minutes = itertools.count(0.0, 60.0)
    dead_end = DeadEnd(lambda: next(minutes))
    looks = 1
    while not dead_end.look(misses=True, silent=False, hears_owner=False, owner=False):
        looks += 1
    assert looks == pytest.approx(LOST_SECONDS / 0.2, abs=1)


async def test_an_owner_that_hangs_is_replaced_and_not_searched_for() -> None:
    async with clustered(2) as cluster:
        owner = cluster.nodes[0]
        cluster.bus.deaf.append((owner.storage.node, cluster.nodes[1].storage.node))
        await passes(LOST_SECONDS)  # 1.5 s of it are no silence yet
        cluster.referee.owner = None
        await passes(20.0)
        assert not any(reconnects(cluster))


async def test_an_owner_off_the_bus_keeps_the_rooms_that_no_node_on_it_has_taken() -> None:
    """A node that hangs says that it reaches the bus. It is offered the rooms once in each outage."""
    async with clustered(2) as cluster:
        owner, hung = cluster.nodes
        for _ in range(2):
            cluster.bus.cut.add(owner.storage.node)
            await passes(4.0)
            assert owner.node.token == 0
            owner.own()  # as the lease does, when no other node takes it
            await passes(30.0)
            assert owner.node.token > 0
            cluster.bus.mend()
            await passes(3.0)
        other = await cluster.add("n3")
        cluster.bus.cut.add(owner.storage.node)
        await passes(4.0)
        assert owner.node.token == 0
        assert other.storage.on_bus
        assert hung.storage.on_bus


@pytest.mark.parametrize("edges", [1, 2])
async def test_an_owner_that_finds_no_server_with_the_others_gives_them_the_rooms(edges: int) -> None:
    """Unless there is one other node: then that one may be at the wrong server."""
    async with clustered(1 + edges) as cluster:
        owner, first = cluster.nodes[:2]
        cluster.referee.elects = True
        stranded = owner.storage.node
        cluster.bus.lose = lambda sender, receiver: stranded in (sender, receiver)
        await passes(DEAF_SECONDS - 1.0)
        assert owner.node.status().bus
        assert owner.node.token == 1
        await passes(8.0)
        if edges == 1:
            assert owner.node.status().bus
            assert owner.node.token == 1
            assert not first.node.status().bus, "so that it does not take the rooms"
        else:
            assert not owner.node.status().bus
            assert not owner.storage.on_bus
            assert first.node.token == 2
            await passes(60.0)
            assert first.node.token == 2, "the rooms do not come back"
        cluster.bus.mend()
        await passes(5.0)
        assert all(node.node.status().bus and len(node.node.peers) == edges for node in cluster.nodes)
        assert sum(node.node.token > 0 for node in cluster.nodes) == 1


async def test_a_bus_that_carries_too_little_is_named_and_counts_as_down(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also if it has carried enough before: nodes with a link may come back to another server."""
    async with clustered(2) as cluster:
        owner, edge = cluster.nodes
        monkeypatch.setattr(NodeBus, "max_bytes", 512)
        await passes(45.0)
        assert not edge.node.status().bus
        assert edge.node.edge.problem() == (
            "no node that has the rooms can be reached: NATS carries at most 512 bytes in one message, and at least "
            "32768 are needed: raise max_payload in the configuration of nats-server"
        )
        assert sum("raise max_payload" in line for line in caplog.messages) == 2
        monkeypatch.setattr(NodeBus, "max_bytes", 1 << 20)
        await passes(6.0)
        assert edge.node.edge.problem() is None
        assert owner.node.status().bus


@pytest.mark.parametrize("many", [1, 2])
async def test_nodes_at_another_bus_do_not_take_the_rooms_from_the_others(many: int) -> None:
    """They have another `NATS_PREFIX`, for example: no other node would hear them. Only if no other lives, they do."""
    async with clustered(3) as cluster:
        elsewhere = FaultyBus()
        apart = []
        for number in range(many):
            node = await cluster.add(f"apart {number}", bus=elsewhere)
            apart.append(node)
        await passes(3.0)
        cluster.referee.elects = True
        # Those at the other bus would be the first ones.
        cluster.referee.nodes = dict(sorted(cluster.referee.nodes.items(), reverse=True))
        for _ in range(3):
            owner = next(node for node in cluster.nodes if node.node.token)
            assert owner not in apart
            assert [node.storage.on_bus for node in apart] == [False] * many
            await owner.kill()
            await passes(3.0)
        assert sum(node.node.token > 0 for node in apart) == 1
        assert len(cluster.nodes) == many


async def test_an_edge_is_not_apart_because_the_owner_hangs() -> None:
    async with clustered(3) as cluster:
        owner, *edges = cluster.nodes
        for edge in edges:
            cluster.bus.deaf.append((owner.storage.node, edge.storage.node))
            cluster.bus.torn.append({owner.storage.node, edge.storage.node})
        await passes(5.0)
        assert all(edge.storage.on_bus for edge in edges)
