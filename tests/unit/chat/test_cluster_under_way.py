"""Commands under way when the rooms move: writes finish first, and reads start again at the next owner."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.support.chatting import Person
from tests.support.cluster import Cluster, account, clustered
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.nodes import entered, people_of


async def test_a_refused_move_carries_out_what_was_held(repository: FaultyRepository) -> None:
    async with clustered(2, repository) as cluster:
        first = cluster.nodes[0]
        people = people_of(cluster)
        await entered(*people)
        repository.hold("write")
        people[0].say("before", "b")
        await passes()
        moving = asyncio.ensure_future(first.resign())
        await passes(0.1)
        for person in people:
            for number in range(3):
                person.say(f"{number} {person.session.id}", f"m{number}")
            person.send("leave", id="l", room="general")
        await passes(1.0)
        assert [len(person.heard()) for person in people] == [1, 1]
        repository.away = "slow"
        assert not await moving
        repository.away = None
        repository.go("write")
        await passes(1.0)
        for person in people:
            assert person.acked().keys() >= {"m0", "m1", "m2"}
            assert person.last("left")["id"] == "l"
            assert person.errors() == {}
        assert first.node.token == 1


async def test_a_node_that_stops_does_not_keep_rooms_that_it_cannot_store(repository: FaultyRepository) -> None:
    """It gives them up, as if it had died: what it did not store is sent again by the other node."""
    async with clustered(2, repository) as cluster:
        first, second = cluster.nodes
        _, person = people = people_of(cluster)
        await entered(*people)
        repository.hold("write")
        person.say("once", "m")
        await passes(0.1)
        assert not await first.node.resign_to_another()
        repository.go("write")
        second.own()
        await passes(3.0)
        assert person.acked().keys() == {"m"}
        assert person.errors() == {}
        assert await repository.stored() == ["once"]


READS: dict[str, tuple[str, dict[str, str]]] = {
    "history": ("history", {"room": "general"}),
    "search": ("search", {"q": "words"}),
    "listed_rooms": ("rooms", {}),
}


@pytest.mark.parametrize("point", READS)
async def test_a_slow_read_does_not_delay_a_move(repository: FaultyRepository, point: str) -> None:
    """It is read where the rooms are then, and answered once."""
    async with clustered(2, repository) as cluster:
        first, second = cluster.nodes
        people = await reading(cluster, repository, point)
        began = asyncio.get_running_loop().time()
        assert await first.resign()
        assert asyncio.get_running_loop().time() - began < 0.5
        second.own()
        await assert_answered_once(people, repository, point)


@pytest.mark.parametrize("point", READS)
async def test_a_slow_read_is_read_again_if_the_rooms_stay(repository: FaultyRepository, point: str) -> None:
    async with clustered(2, repository) as cluster:
        people = await reading(cluster, repository, point)
        repository.hold("write")
        writer = account(cluster.nodes[0], "another")
        await entered(writer)
        writer.say("not stored yet")
        await passes(0.1)
        owner = cluster.nodes[0].node.owner
        assert not await owner.move_out(0.2)
        owner.stay()
        repository.go("write")
        await assert_answered_once(people, repository, point)


async def reading(cluster: Cluster, repository: FaultyRepository, point: str) -> list[Person]:
    """Return a client of each node that waits for storage, with a command behind it, both in a room."""
    people = people_of(cluster)
    writer = account(cluster.nodes[0], "writer")
    await entered(*people, writer)
    writer.say("a few words", "w")
    await passes(0.5)
    repository.hold(point)
    kind, fields = READS[point]
    for person in people:
        person.forget()
        person.send(kind, id="r", **fields)
        person.send("ping", id="after")
    await passes(0.1)
    assert [person.frames for person in people] == [[], []]
    return people


async def assert_answered_once(people: Sequence[Person], repository: FaultyRepository, point: str) -> None:
    await passes(0.5)
    repository.go(point)
    await passes(1.0)
    for person in people:
        assert [(frame["type"], frame["id"]) for frame in person.frames if "id" in frame] == [
            (READS[point][0], "r"),
            ("pong", "after"),
        ]
