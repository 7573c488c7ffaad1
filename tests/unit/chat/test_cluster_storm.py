"""Many clients return to many rooms: what the next owner sends them is bounded, and no user waits for the others."""

import asyncio
from typing import Any

import pytest

from chat.cluster import peers
from chat.link import link
from chat.rooms import presence
from tests.support.chatting import Person
from tests.support.cluster import Cluster, account, clustered
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.nodes import entered
from tests.unit.chat.people import ask, said

LONG = "n" * 50


class SlowRepository(FaultyRepository):
    """Every read takes a while from now on, if it is `slow`."""

    slow = False

    async def reach(self, point: str) -> None:
        if self.slow and point != "write":
            await asyncio.sleep(0.02)
        await super().reach(point)


class Carried:
    """How many bytes the bus carries."""

    def __init__(self, cluster: Cluster) -> None:
        self.bytes = 0
        self._carry = cluster.bus.carry
        cluster.bus.carry = self.carry  # type: ignore[method-assign]

    def carry(self, sender: str, receiver: str, data: bytes) -> None:
        self.bytes += len(data)
        self._carry(sender, receiver, data)


async def dies(cluster: Cluster) -> None:
    """The owner dies, and the second node gets the rooms."""
    first, second = cluster.nodes[:2]
    await first.kill()
    second.own()


def crowd(cluster: Cluster, count: int, **options: Any) -> list[Person]:
    """Clients of the third node."""
    return [account(cluster.nodes[2], f"{LONG}-{number}", **options) for number in range(count)]


async def test_a_snapshot_crosses_a_link_once_for_all_who_receive_it() -> None:
    async with clustered(3) as cluster:
        people = crowd(cluster, 150)
        await ask(people[0], "create_room", room="den")
        await entered(*people[1:], room="den")
        await passes(2.0)
        for number in range(50):  # so that snapshots differ
            people[number].send("read", room="den", seq=await said(people[0], f"{number}", "den"))
        await passes(6.0)
        snapshot = max(len(data) for data in people[-1].connection.writes)
        assert snapshot > 15_000
        for person in people:
            person.forget()
        carried = Carried(cluster)
        await dies(cluster)
        await passes(0.5)
        for person in people:
            assert [frame["type"] for frame in person.of("joined", "left")] == ["joined"]
            assert len(person.last("joined")["members"]) == 150
            assert person.last("joined")["recovered"] is False
        assert len({person.last("joined").get("read") for person in people}) > 10
        assert carried.bytes < 2 * snapshot + 150 * 700


async def test_what_clients_missed_crosses_a_link_once(repository: FaultyRepository) -> None:
    async with clustered(3, repository) as cluster:
        people = crowd(cluster, 50)
        own, late = account(cluster.nodes[1], "own"), account(cluster.nodes[0], "late")
        await entered(*people, own, late)
        await passes(2.0)
        assert await cluster.nodes[0].resign()
        repository.delay("find_members")
        repository.delay("find_members")
        cluster.nodes[1].own()
        await passes(0.5)
        carried = Carried(cluster)
        for number in range(20):
            await said(late, f"{number} " + "x" * 1000)
        repository.go("find_members")
        await passes(1.0)
        for person in (*people, own):
            assert len(person.heard()) == 20
            assert person.errors() == {}
        assert carried.bytes < 150_000


async def test_a_link_is_never_filled_with_what_its_clients_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "WINDOW_BYTES", 100_000)
    monkeypatch.setattr(peers, "BEHIND_BYTES", 20_000)
    monkeypatch.setattr(presence, "PAUSE", 1000.0)  # the lists of all users follow later
    async with clustered(3) as cluster:
        people = crowd(cluster, 20)
        rooms = [f"room {number}" for number in range(60)]
        for room in rooms:
            await entered(*people, room=room)
        await passes(2.0)
        for person in people:
            person.forget()
        await dies(cluster)
        await passes(10.0)
        for person in people:
            assert {frame["room"] for frame in person.of("joined")} == set(rooms)
        assert len(people[0].of("joined")) == len(rooms)
        assert len(cluster.nodes[0].node.peers) == 1
        assert cluster.nodes[1].node.statistics.owner_changes == 2
        await said(people[0], "on", rooms[-1])
        assert people[1].heard() == ["on"]


async def test_a_link_is_never_filled_with_replays(
    repository: FaultyRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with clustered(3, repository) as cluster:
        people = crowd(cluster, 30)
        late = account(cluster.nodes[0], "late")
        await entered(*people, late)
        await passes(2.0)
        repository.hold("find_members")
        await cluster.move(*cluster.nodes[:2])
        await passes(0.5)
        repository.hold("find_members")
        cluster.repository.go("find_members")
        monkeypatch.setattr(link, "WINDOW_BYTES", 400_000)
        monkeypatch.setattr(peers, "BEHIND_BYTES", 100_000)
        for number in range(300):
            late.say(f"{number} " + "x" * 1000)
        await passes(5.0)
        assert len(cluster.nodes[1].node.peers) == 2
        for person in people:
            assert len(person.heard()) == 300
            assert person.connection.closed is None


async def test_a_link_is_never_filled_with_snapshots_that_clients_ask_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "PAUSE", 1000.0)
    async with clustered(2) as cluster:
        people = [account(cluster.nodes[1], f"{LONG}-{number}") for number in range(60)]
        await entered(*people)
        monkeypatch.setattr(link, "WINDOW_BYTES", 100_000)
        monkeypatch.setattr(peers, "BEHIND_BYTES", 20_000)
        for person in people:
            person.forget()
            person.send("join", id="again", room="general")
            person.say("on", "m")
        await passes(5.0)
        for person in people:
            assert [frame["id"] for frame in person.of("joined")] == ["again"]
            assert person.acked().keys() == {"m"}
            assert person.errors() == {}
        assert cluster.nodes[0].node.statistics.peers_given_up == 0


async def test_a_user_with_one_room_does_not_wait_for_one_with_many() -> None:
    repository = SlowRepository()
    async with clustered(3, repository) as cluster:
        busy = crowd(cluster, 1)[0]
        for number in range(99):
            await entered(busy, room=f"room {number}")
        await passes(1.0)
        guests = [Person(cluster.nodes[2].chat, network="10.0.0.1") for _ in range(10)]
        for guest in guests:
            for number in range(50):
                await entered(guest, room=f"{guest.session.user.id} {number}")
        ann, bob = account(cluster.nodes[2], "ann"), account(cluster.nodes[1], "bob")
        await entered(ann, bob, room="quiet")
        await passes(2.0)
        owner = cluster.nodes[1].node.owner
        repository.slow = True
        await dies(cluster)
        await passes(0.1)
        ann.say("soon", "a", room="quiet")
        bob.say("soon", "b", room="quiet")
        await passes(0.4)
        assert ann.acked().keys() == {"a"}
        assert bob.acked().keys() == {"b"}
        assert owner.not_returned()
        await passes(5.0)
        assert not owner.not_returned()
        assert len(busy.session.rooms) == 99


async def test_a_client_that_does_not_read_delays_no_other_one_and_no_move() -> None:
    async with clustered(3, slow_high=100_000) as cluster:
        people = crowd(cluster, 60, low=8_000)
        rooms = [f"room {number}" for number in range(12)]
        for room in rooms:
            await entered(*people, room=room)
        await passes(2.0)
        stalled = people[0]
        for person in people:
            person.forget()
        stalled.connection.stalled = True
        await dies(cluster)
        await passes(3.0)
        for person in people[1:]:
            assert {frame["room"] for frame in person.of("joined")} == set(rooms)
        assert 0 < len(stalled.of("joined")) < 6
        assert stalled.connection.closed is None
        second, third = cluster.nodes
        await cluster.move(second, third)
        await passes(1.0)
        stalled.connection.stalled = False
        stalled.connection.drain()
        await passes(3.0)
        assert stalled.session.rooms.keys() == set(rooms)
        assert all(stalled.session.user.id in room.presence.people for room in third.chat.parts.hub.rooms.values())


async def test_a_link_that_does_not_keep_up_delays_no_move(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for it is carried out by the next owner."""
    async with clustered(3) as cluster:
        first, second, third = cluster.nodes
        ann, bob = account(first, "ann"), account(third, "bob")
        await entered(ann, bob)
        monkeypatch.setattr(peers, "BEHIND_BYTES", 5_000)
        cluster.bus.torn.append({first.storage.node, third.storage.node})
        for number in range(10):
            await said(ann, f"{number} " + "x" * 1000)
        cluster.bus.torn.clear()
        cluster.bus.deaf.append((first.storage.node, third.storage.node))
        bob.send("history", id="h", room="general")
        bob.send("create_room", id="c", room="den")
        await passes(0.5)
        assert first.chat.not_begun == {*first.node.owner.sessions()}
        assert await asyncio.wait_for(first.resign(), 2.0)
        second.own()
        cluster.bus.mend()
        await passes(5.0)
        assert [frame["id"] for frame in bob.of("history", "room")] == ["h", "c"]
        assert bob.errors() == {}
