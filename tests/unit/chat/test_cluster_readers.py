"""Clients of an edge that do not read, and links that carry too much: no other client waits, and memory is bounded."""

import pytest

from chat.delivery.session import STALL_SECONDS
from model.errors import SLOW_CONSUMER
from tests.support.chatting import Person
from tests.support.cluster import Cluster, account, clustered
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.nodes import assert_empty, entered
from tests.unit.chat.people import ask, said

SLOW_HIGH = 16_000
LONG = "x" * 900


def size_of(person: Person) -> int:
    return sum(map(len, person.connection.writes))


async def two(cluster: Cluster, *, low: int = 500) -> tuple[Person, Person]:
    """A user at the owner, and one at the edge who will not read."""
    ann, bob = account(cluster.nodes[0], "ann"), account(cluster.nodes[1], "bob", low=low)
    await entered(ann, bob)
    await passes(2.0)
    return ann, bob


async def resumes_without_reading(cluster: Cluster, ann: Person, bob: Person) -> Person:
    """Let a user at the edge miss 60 messages and resume, without reading. Returns the new client."""
    head, epoch = bob.last("joined")["head"], bob.last("joined")["epoch"]
    bob.disconnect()
    for number in range(60):
        ann.say(LONG, f"m{number}")
    await passes(0.1)
    bob = account(cluster.nodes[1], "bob", low=500)
    bob.connection.stalled = True
    await entered(bob, since=head, epoch=epoch)
    return bob


async def test_a_slow_reader_misses_ephemeral_events_and_delays_no_one() -> None:
    async with clustered(2, slow_high=SLOW_HIGH) as cluster:
        ann, bob = await two(cluster)
        bob.connection.stalled = True
        for number in range(3):
            ann.say(LONG, f"m{number}")
            await passes(0.01)
        ann.send("typing", room="general")
        await passes(0.01)
        assert len(ann.of("typing")) == 1
        assert bob.of("typing") == []
        bob.connection.drain()
        assert len(bob.heard()) == 3
        await passes(2.0)
        ann.send("typing", room="general")
        await passes(0.01)
        assert len(bob.of("typing")) == 1


async def test_a_reader_that_is_too_slow_is_disconnected() -> None:
    async with clustered(2, slow_high=SLOW_HIGH) as cluster:
        ann, bob = await two(cluster)
        bob.connection.stalled = True
        for number in range(30):
            ann.say(LONG, f"m{number}")
            await passes(0.01)
        assert bob.connection.closed == SLOW_CONSUMER
        assert size_of(bob) < SLOW_HIGH + 5000
        bob.disconnect()
        await passes(2.0)
        assert cluster.nodes[0].node.owner.stubs == 0
        assert len(ann.acked()) == 30


async def test_a_long_resume_is_sent_at_the_pace_of_its_reader() -> None:
    async with clustered(2, slow_high=SLOW_HIGH) as cluster:
        ann, bob = await two(cluster)
        bob = await resumes_without_reading(cluster, ann, bob)
        ann.say("live", "live")
        await passes(1.0)
        assert len(bob.heard()) < 5
        bob.send("rooms", id="later")
        for _ in range(100):
            bob.connection.drain()
            await passes(0.01)
        assert len(bob.heard()) == 61
        assert bob.heard()[-1] == "live"
        order = [kind for kind in bob.types() if kind in ("joined", "synced", "rooms")]
        assert order == ["joined", "synced", "rooms"]
        assert bob.connection.closed is None


async def test_a_slow_resume_at_the_owner_does_not_delay_a_move() -> None:
    """Its client loads the room again, because the next owner does not know what it has read."""
    async with clustered(2, slow_high=SLOW_HIGH) as cluster:
        first, second = cluster.nodes
        ann, bob = await two(cluster)
        head, epoch = bob.last("joined")["head"], bob.last("joined")["epoch"]
        for number in range(60):
            ann.say(LONG, f"m{number}")
        await passes(0.1)
        eve = account(first, "eve", low=500)
        eve.connection.stalled = True
        await entered(eve, since=head, epoch=epoch)
        bob.disconnect()
        await cluster.move(first, second)
        eve.connection.stalled = False
        eve.connection.drain()
        await passes(2.0)
        assert [frame["recovered"] for frame in eve.of("joined")] == [True, False]
        assert eve.of("synced") == []
        ann.say("live", "live")
        await passes(0.1)
        assert eve.heard()[-1] == "live"


async def test_a_resume_that_is_never_read_ends_with_the_connection() -> None:
    async with clustered(2, slow_high=SLOW_HIGH) as cluster:
        ann, bob = await two(cluster)
        bob = await resumes_without_reading(cluster, ann, bob)
        await passes(2 * STALL_SECONDS + 1)
        assert bob.connection.closed == SLOW_CONSUMER
        bob.disconnect()
        ann.disconnect()
        await passes(2.0)
        assert_empty(*cluster.nodes)


async def test_a_page_larger_than_the_high_mark_disconnects_no_one() -> None:
    async with clustered(2, slow_high=2000) as cluster:
        ann, bob = await two(cluster)
        bob.disconnect()
        ann.say("y" * 3900, "m")
        await passes(0.1)
        bob = account(cluster.nodes[1], "bob", low=500)
        bob.connection.stalled = True
        await entered(bob)
        bob.connection.drain()
        bob.send("history", id="h", room="general")
        bob.send("ping", id="p")
        await passes(1.0)
        assert bob.last("history")["id"] == "h"
        assert bob.of("pong") == []
        assert bob.connection.closed is None
        bob.connection.drain()
        await passes(0.1)
        assert bob.last("pong")["id"] == "p"


async def test_snapshots_of_many_rooms_are_sent_at_the_pace_of_their_reader() -> None:
    """A stub sees nothing of the buffers at the edge: the owner stops after a share of what may be queued."""
    async with clustered(2, slow_high=SLOW_HIGH) as cluster:
        people = [Person(cluster.nodes[0].chat, f"somebody with a long name {number}") for number in range(40)]
        for number in range(20):
            await entered(*people, room=f"room {number}")
        bob = account(cluster.nodes[1], "bob", low=500)
        bob.connection.stalled = True
        for number in range(20):
            bob.send("join", id=str(number), room=f"room {number}")
        await passes(1.0)
        assert bob.connection.closed is None
        assert len(bob.of("joined")) < 6
        for _ in range(40):
            bob.connection.drain()
            await passes(0.01)
        assert len(bob.of("joined")) == 20


async def test_an_edge_reads_no_more_than_its_link_carries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.cluster.edge.PAUSE_BYTES", 20_000)
    async with clustered(2) as cluster:
        ann, bob = await two(cluster)
        edge = cluster.nodes[1]
        peer = edge.node.edge.owner
        assert peer is not None
        cluster.bus.lose = lambda sender, receiver: sender == edge.storage.node
        sent = 0
        while bob.is_read():
            bob.say(LONG, f"m{sent}")
            sent += 1
            await passes(0.001)
            assert sent < 50
        assert 20_000 < peer.link.waiting_bytes < 25_000
        cluster.bus.mend()
        await passes(3.0)
        assert bob.is_read()
        assert len(bob.acked()) == sent
        assert len(ann.heard()) == sent


async def test_an_edge_that_stops_costs_the_owner_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is back, its clients have everything that they missed."""
    monkeypatch.setattr("chat.link.link.WINDOW_BYTES", 100_000)
    async with clustered(2) as cluster:
        owner, edge = cluster.nodes
        ann, bob = await two(cluster, low=256 << 10)
        peer = next(iter(owner.node.peers.values()))
        cluster.bus.cut.add(edge.storage.node)
        most = 0
        for number in range(200):
            ann.say(LONG, f"m{number}")
            await passes(0.005)
            most = max(most, peer.link.waiting_bytes)
        assert most < 110_000
        assert peer.ended
        assert owner.node.owner.stubs == 0
        assert len(ann.acked()) == 200
        cluster.bus.mend()
        await passes(5.0)
        assert bob.heard() == ann.heard()
        assert bob.last("joined")["recovered"] is True
        assert bob.connection.closed is None


async def test_a_page_comes_after_the_messages_that_were_sent_before_it(repository: FaultyRepository) -> None:
    """In the same iteration of the event loop, and in the same packet to the edge."""
    async with clustered(2, repository) as cluster:
        ann, bob = await two(cluster)
        repository.hold("history")
        bob.send("history", room="general")
        await passes(0.1)
        bob.forget()
        repository.go("history")
        ann.say("before the page", "m")
        await passes(0.1)
        assert bob.types() == ["message", "history"]


async def resume_without_end(repository: FaultyRepository, person: Person, author: Person, room: str) -> None:
    """Begin a resume that storage does not let go on, and let most of what may wait for the client be withheld."""
    repository.hold("changed")
    heard = person.heard()
    person.send("join", room=room, since=0, epoch=person.last("joined")["epoch"])
    await passes(0.1)
    for _ in range(10):
        author.say(LONG, room=room)
    await passes(0.1)
    assert person.heard() == heard


@pytest.mark.parametrize("how", ["kick", "move"])
@pytest.mark.parametrize("place", [0, 1])
async def test_what_was_withheld_for_a_resume_that_has_ended_does_not_count(
    repository: FaultyRepository, how: str, place: int
) -> None:
    """Neither at an edge, nor at the owner, nor at one that has become an edge: it would disconnect a quick reader."""
    async with clustered(2, repository, slow_high=SLOW_HIGH, room_tail=2) as cluster:
        ann, bob = account(cluster.nodes[0], "ann"), account(cluster.nodes[place], "bob")
        rooms = ["first", "second"]
        for room in rooms:
            await ask(ann, "create_room", room=room)
            await entered(bob, room=room)
            for number in range(10):
                await said(ann, f"{number}", room)
        bob.disconnect()
        bob = account(cluster.nodes[place], "bob")
        await entered(bob)
        await resume_without_end(repository, bob, ann, "first")
        if how == "kick":
            await ask(ann, "kick", room="first", user="u_bob")
        else:
            cluster.nodes[1].own()
            await passes(0.1)
            assert bob.session._withheld_bytes == 0
        repository.go("changed")
        await passes(3.0)
        for times in range(1, 3):
            before = len(bob.heard())
            await resume_without_end(repository, bob, ann, "second")
            assert bob.connection.closed is None
            repository.go("changed")
            await passes(1.0)
            assert len(bob.heard()) - before == 10 + 10 * times
