"""A bus between nodes that loses, reorders and is cut: nothing acked is lost, and all see the same."""

import itertools
import random
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import pytest

from model.errors import GOING_AWAY
from tests.support.cluster import account, clustered
from tests.support.virtual import passes
from tests.unit.chat.nodes import assert_all_the_same, assert_unnoticed, entered, one_at_each, people_in, talk
from tests.unit.chat.people import said


@pytest.mark.parametrize("cut", [0, 1, 2])
async def test_half_a_second_without_the_bus_is_not_noticed(cut: int) -> None:
    async with clustered(3) as cluster:
        people = await one_at_each(cluster)
        cluster.bus.cut.add(cluster.nodes[cut].storage.node)
        sent = await talk(people, 0.5, "cut")
        cluster.bus.mend()
        await passes(3.0)
        assert_unnoticed(people)
        assert [len(person.acked()) for person in people] == [sent] * 3
        await assert_all_the_same(cluster, people)


async def test_three_seconds_without_the_bus() -> None:
    """Clients of the owner go on; those of edges are refused after 1.5 s, and have everything when the bus is back."""
    async with clustered(3) as cluster:
        people = await one_at_each(cluster)
        cluster.bus.cut |= {node.storage.node for node in cluster.nodes}
        sent = await talk(people, 3.0, "cut")
        assert len(people[0].acked()) == sent
        assert people[1].acked() == {}
        assert set(people[1].errors().values()) == {"unavailable"}
        assert cluster.nodes[1].chat.problem() is not None or len(people[1].errors()) > 10
        cluster.bus.mend()
        await passes(3.0)
        for person in people[1:]:
            assert len(person.acked()) + len(person.errors()) == sent
            assert len(person.acked()) >= 13
            assert len(person.of("joined")) == 1
        await assert_all_the_same(cluster, people)


@pytest.mark.parametrize("told", [True, False])
async def test_forty_seconds_without_the_bus(told: bool) -> None:
    """The nodes give each other up. Clients of edges are sent away if the owner is known to live, else they stay."""
    async with clustered(3) as cluster:
        people = await one_at_each(cluster)
        for node in cluster.nodes:
            node.storage.reachable = told
        cluster.bus.cut |= {node.storage.node for node in cluster.nodes}
        for number in range(40):
            people[0].say(f"{number}", f"{number}")
            await passes(1.0)
        assert not any(node.node.peers for node in cluster.nodes)
        cluster.bus.mend()
        await passes(8.0)
        if told:
            assert [person.connection.closed for person in people[1:]] == [GOING_AWAY] * 2
            return
        assert [person.errors() for person in people] == [{}] * 3
        assert [person.last("joined")["recovered"] for person in people] == [True] * 3
        await assert_all_the_same(cluster, people)
        await said(people[2], "back")
        assert people[0].heard()[-1] == "back"


@pytest.mark.parametrize("shuffles", [False, True])
async def test_a_bus_that_loses_and_reorders(shuffles: bool) -> None:
    async with clustered(3) as cluster:
        people = await one_at_each(cluster)
        chance = random.Random(7)
        cluster.bus.lose = lambda sender, receiver: chance.random() < 0.1
        cluster.bus.delay = lambda: chance.choice((0.0, 0.0, 0.0, 0.01))
        cluster.bus.shuffles = shuffles
        sent = await talk(people, 10.0, "lossy")
        cluster.bus.mend()
        await passes(5.0)
        assert_unnoticed(people)
        assert [len(person.acked()) for person in people] == [sent] * 3
        await assert_all_the_same(cluster, people)


async def test_two_nodes_that_do_not_reach_each_other_give_each_other_up() -> None:
    """Although both live. Both begin again when they meet, and nothing is missing."""
    async with clustered(3) as cluster:
        people = await one_at_each(cluster)
        for node in cluster.nodes:
            node.storage.reachable = False
        pair = {cluster.nodes[0].storage.node, cluster.nodes[1].storage.node}
        cluster.bus.lose = lambda sender, receiver: {sender, receiver} == pair
        for number in range(35):
            people[number % 2 * 2].say(f"{number}", f"{number}")
            await passes(1.0)
        first, second, _ = (node.node for node in cluster.nodes)
        assert second.id not in first.peers
        assert next(sample.value for sample in first.samples() if sample.name == "link_repeats"), (
            "although it has ended"
        )
        assert people[1].heard() == []
        cluster.bus.mend()
        await passes(5.0)
        assert all(len(node.node.peers) == 2 for node in cluster.nodes)
        assert people[1].last("joined")["recovered"] is True
        await assert_all_the_same(cluster, people)
        for person in people:
            await said(person, f"back {person.session.user.name}")
        await assert_all_the_same(cluster, people)
        await passes(10.0)
        assert all(node.node.edge.problem() is None for node in cluster.nodes[1:])


@pytest.mark.parametrize("giver", ["edge", "owner"])
async def test_one_link_that_is_given_up_does_not_concern_the_others(giver: str) -> None:
    """Of two nodes, one does not hear the other. The clients of a third notice nothing, not even a pause."""
    async with clustered(3) as cluster:
        people = await one_at_each(cluster)
        first, second, third = (node.node for node in cluster.nodes)
        for node in cluster.nodes:
            node.storage.reachable = False  # so that no client is sent away
        silent = (first, third) if giver == "edge" else (third, first)
        names = tuple(node.id.hex() for node in silent)
        cluster.bus.lose = lambda sender, receiver: (sender, receiver) == names
        before = second.peers[first.id], second.peers[third.id]
        for number in range(35):
            for person in people[:2]:
                person.say(f"{number} {person.session.user.name}", f"{number}")
            await passes(1.0)
        assert silent[0].id not in silent[1].peers
        cluster.bus.mend()
        await passes(5.0)
        assert all(len(node.node.peers) == 2 for node in cluster.nodes)
        assert (second.peers[first.id], second.peers[third.id]) == before
        assert second.statistics.owner_changes == 1
        assert [len(person.acked()) for person in people[:2]] == [35, 35]
        assert_unnoticed(people[:2])
        assert people[2].last("joined")["recovered"] is True
        for person in people:
            await said(person, f"back {person.session.user.name}")
        await assert_all_the_same(cluster, people)
        assert [people_in(person) for person in people] == [{"of-n1", "of-n2", "of-n3"}] * 3


async def test_a_link_that_is_given_up_again_and_again_begins_anew_each_time() -> None:
    async with clustered(2) as cluster:
        people = await one_at_each(cluster)
        first, second = (node.node for node in cluster.nodes)
        for node in cluster.nodes:
            node.storage.reachable = False
        silent = ""

        def is_lost(sender: str, receiver: str) -> bool:
            return sender == silent

        for number in range(4):
            silent = (first, second)[number % 2].id.hex()
            cluster.bus.lose = is_lost
            await passes(35.0)
            cluster.bus.mend()
            await passes(5.0)
            await said(people[number % 2], f"{number}")
            await assert_all_the_same(cluster, people)


async def test_a_packet_that_a_stranger_repeats_proves_nothing() -> None:
    """Neither that a node lives, nor that it has given up another one; not even when their link has begun anew."""
    async with clustered(2) as cluster:
        people = await one_at_each(cluster)
        recorded: list[tuple[str, bytes]] = []

        def listen(name: str, hear: Callable[[bytes], object], data: bytes) -> None:
            recorded.append((name, data))
            hear(data)

        for name, bus in cluster.bus.nodes.items():
            bus.hear = partial(listen, name, bus.hear)
        first, second = (node.node for node in cluster.nodes)
        await said(people[1], "over the first link")
        for node in cluster.nodes:
            node.storage.reachable = False
        cluster.bus.cut.add(second.id.hex())
        await passes(35.0)
        cluster.bus.mend()
        await passes(5.0)
        peers = first.peers[second.id], second.peers[first.id]
        taken = [node.statistics.link_packets_received for node in (first, second)]
        for name, data in tuple(recorded):
            cluster.bus.nodes[name].hear(data)
        assert [node.statistics.link_packets_received for node in (first, second)] == taken
        await passes(3.0)
        assert (first.peers[second.id], second.peers[first.id]) == peers
        await said(people[1], "over the second link")
        await assert_all_the_same(cluster, people)


async def test_an_owner_off_the_bus_gives_the_rooms_to_a_node_on_it() -> None:
    """Nothing is lost: the epoch stays, and its own clients miss nothing once it is back on the bus."""
    async with clustered(3) as cluster:
        cluster.referee.elects = True
        people = await one_at_each(cluster)
        epoch = cluster.nodes[0].chat.parts.hub.epoch
        cluster.bus.cut.add(cluster.nodes[0].storage.node)
        sent = await talk(people, 6.0, "cut")
        assert cluster.nodes[0].node.token == 0
        assert sum(node.node.token > 0 for node in cluster.nodes[1:]) == 1
        cluster.bus.mend()
        await passes(4.0)
        assert {node.chat.parts.hub.epoch for node in cluster.nodes} == {epoch}
        for person in people:
            assert len(person.acked()) + len(person.errors()) == sent
            assert [frame["recovered"] for frame in person.of("joined")] in ([True], [True, True])
        assert len(people[1].errors()) < sent / 2
        await assert_all_the_same(cluster, people)


async def test_two_installations_on_one_bus_ignore_each_other() -> None:
    async with clustered(2) as ours, clustered(2) as theirs:
        theirs.identities = itertools.count(100)
        for node in tuple(theirs.nodes):
            await node.kill()
            node = await theirs.add("theirs")
            await node.node.leave_bus()
            await node.join(ours.bus, installation=b"another one's id")
        theirs.nodes[1].own()
        await passes(3.0)
        assert [node.node.token for node in ours.nodes] == [1, 0]
        assert [len(node.node.peers) for node in (*ours.nodes, *theirs.nodes)] == [1] * 4
        ann, bob = account(ours.nodes[1], "ann"), account(theirs.nodes[0], "bob")
        await entered(ann, bob)
        await said(ann, "ours")
        await said(bob, "theirs")
        assert (ann.heard(), bob.heard()) == (["ours"], ["theirs"])


async def test_what_cannot_be_sent_to_one_node_ends_that_link_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Else the link would carry signs of life, and nothing more, without end."""
    async with clustered(3) as cluster:
        people = await one_at_each(cluster)
        owner, second = cluster.nodes[0].node, cluster.nodes[1].node
        owner.peers[second.id].put(cast(Any, object()))
        people[0].say("one", "1")
        await passes(0.1)
        assert "cannot be sent" in caplog.text
        assert people[2].heard() == ["one"]
        await passes(5.0)
        assert owner.statistics.peers_given_up == 1
        await assert_all_the_same(cluster, people)
        assert_unnoticed(people[2:])


async def test_a_node_that_leaves_the_bus_hears_nothing_more() -> None:
    """Else it would find the others again while it stops."""
    async with clustered(2) as cluster:
        node = cluster.nodes[1]
        bus = cluster.bus.nodes[node.storage.node]
        late: list[bytes] = []
        hear, bus.hear = bus.hear, late.append
        await passes(2.0)
        await node.node.leave_bus()
        for data in late:
            hear(data)
        assert late
        assert not node.node.peers
