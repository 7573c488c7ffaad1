"""Commands of one client with the same id at an edge: each is carried out or refused, whatever becomes of the owner."""

from typing import Any

import pytest

from chat.delivery.session import DEFERRED_COMMANDS
from tests.support.chatting import Person
from tests.support.cluster import Cluster, account, clustered
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.nodes import entered
from tests.unit.chat.people import said

Sent = dict[str, Any]

IN_A: Sent = {"type": "message", "room": "a", "content": "in a"}
IN_B: Sent = {"type": "message", "room": "b", "content": "in b"}
EDIT: Sent = {"type": "edit", "room": "a", "content": "changed"}
READ: Sent = {"type": "history", "room": "b"}
TYPING: Sent = {"type": "typing", "room": "unknown"}
PAIRS = {
    "two rooms": (IN_A, IN_B),
    "a message and an edit": (IN_A, EDIT),
    "an edit and a message": (EDIT, IN_A),
    "twice in one room": (IN_A, IN_A),
    "two contents": (IN_A, IN_A | {"content": "another"}),
    "a read and a message": (READ, IN_A),
    "no answer and a message": (TYPING, IN_B),
    "a message and no answer": (IN_B, TYPING),
}
AFTER: Sent = {"type": "message", "room": "a", "id": "2", "content": "after"}


async def user_of_the_edge(cluster: Cluster) -> tuple[Person, int]:
    """A client in two rooms, and a message of theirs."""
    ann = account(cluster.nodes[-1], "ann")
    for room in ("a", "b"):
        await entered(ann, room=room)
    await passes(2.0)
    seq = await said(ann, "old", room="a")
    ann.forget()
    return ann, seq


def is_paused(person: Person) -> bool:
    return person.session.paused


async def stored_in(repository: FaultyRepository) -> list[str]:
    return [*await repository.stored("a"), *await repository.stored("b")]


def send(person: Person, seq: int, *commands: Sent) -> None:
    for command in commands:
        person.send(**{"id": "1", **command, **({"seq": seq} if command["type"] == "edit" else {})})


def answers(person: Person) -> list[tuple[Any, ...]]:
    """What has answered the commands: its kind, or the code of the error; the id; the room."""
    found: list[tuple[Any, ...]] = []
    for frame in person.frames:
        if frame["type"] == "ack":
            found += [("ack", item["id"], item["room"]) for item in frame["ids"]]
        elif frame["type"] in ("error", "history"):
            found.append((frame.get("code", frame["type"]), frame["id"], frame.get("room")))
    return found


def expected(command: Sent, earlier: Sent | None = None, *, lost: bool = False) -> tuple[Any, ...]:
    kind, room = command["type"], command["room"]
    if kind == "message":
        differs = earlier is not None and earlier["type"] == kind and earlier["room"] == room and earlier != command
        return ("conflict" if differs else "ack", "1", room)
    if kind == "edit":
        return ("unavailable" if lost else "ack", "1", room)
    return ("history" if kind == "history" else "no_such_room" if not lost else "unavailable", "1", room)


@pytest.mark.parametrize("pair", PAIRS)
async def test_both_are_answered_in_their_order(pair: str) -> None:
    async with clustered(2) as cluster:
        ann, seq = await user_of_the_edge(cluster)
        one, two = PAIRS[pair]
        send(ann, seq, one, two, AFTER)
        await passes(1.0)
        found = answers(ann)
        assert [answer for answer in found if answer[1] == "1"] == [
            *([] if one == TYPING else [expected(one)]),
            *([] if two == TYPING else [expected(two, one)]),
        ] or TYPING in (one, two)
        assert ("ack", "2", "a") in found
        assert cluster.nodes[1].node.edge.unanswered == 0


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("takes_over", [0, 1], ids=["this edge", "another node"])
async def test_both_are_answered_although_the_owner_dies(pair: str, takes_over: int) -> None:
    """The first one may have been carried out, so an edit is refused; the second one has not been asked."""
    async with clustered(3) as cluster:
        ann, seq = await user_of_the_edge(cluster)
        first, second, third = cluster.nodes
        cluster.bus.cut.add(first.storage.node)
        one, two = PAIRS[pair]
        send(ann, seq, one, two, AFTER)
        await passes(0.2)
        await first.kill()
        (third, second)[takes_over].own()
        await passes(3.0)
        found = answers(ann)
        if TYPING not in (one, two):
            assert {answer for answer in found if answer[1] == "1"} == {expected(one, lost=True), expected(two, one)}
        else:
            assert ("ack", "1", "b") in found
        assert ("ack", "2", "a") in found
        assert third.node.edge.unanswered == 0
        stored = await stored_in(cluster.repository)
        assert stored.count("after") == 1
        assert {"in a", "in b"} & {each.get("content") for each in (one, two)} <= set(stored)
        assert ("changed" in stored) == (two == EDIT)


@pytest.mark.parametrize("pair", PAIRS)
async def test_both_are_given_up_if_the_owner_stays_silent(pair: str) -> None:
    async with clustered(2) as cluster:
        ann, seq = await user_of_the_edge(cluster)
        cluster.bus.cut.add(cluster.nodes[1].storage.node)
        await passes(0.2)
        one, two = PAIRS[pair]
        send(ann, seq, one, two, AFTER)
        await passes(9.0)
        assert [answer[:2] for answer in answers(ann)] == [("unavailable", key) for key in ("1", "1", "2")]
        assert cluster.nodes[1].node.edge.unanswered == 0
        cluster.bus.mend()
        await passes(3.0)
        assert await stored_in(cluster.repository) == ["old"]


async def test_a_late_answer_is_not_taken_for_that_of_a_newer_command(repository: FaultyRepository) -> None:
    """The id is that of a command to another room, which was given up."""
    async with clustered(2, repository) as cluster:
        ann, seq = await user_of_the_edge(cluster)
        edge = cluster.nodes[1]
        deaf = edge.storage.node
        cluster.bus.lose = lambda sender, receiver: receiver == deaf
        send(ann, seq, IN_A)
        await passes(0.1)
        repository.hold("write")
        send(ann, 1, EDIT | {"id": "e"})
        await passes(9.0)
        assert ann.errors() == {"1": "unavailable", "e": "unavailable"}
        ann.forget()
        assert edge.node.edge.owner is not None
        edge.node.edge.owner.link.excuse()
        send(ann, seq, IN_B, IN_B | {"id": "e"})
        cluster.bus.mend()
        await passes(3.0)
        assert answers(ann) == [("ack", "1", "a")], "the refusal of the edit is late"
        assert edge.node.edge.unanswered == 2
        repository.go("write")
        await passes(1.0)
        assert answers(ann) == [("ack", "1", "a"), ("ack", "1", "b"), ("ack", "e", "b")]
        assert edge.node.edge.unanswered == 0


async def test_a_client_whose_commands_wait_is_not_read(repository: FaultyRepository) -> None:
    async with clustered(2, repository) as cluster:
        ann, seq = await user_of_the_edge(cluster)
        repository.hold("write")
        send(ann, seq, *[IN_A] * DEFERRED_COMMANDS)
        await passes(1.0)
        assert not is_paused(ann)
        send(ann, seq, IN_A)
        await passes(1.0)
        assert is_paused(ann)
        repository.go("write")
        await passes(2.0)
        assert not is_paused(ann)
        assert answers(ann) == [("ack", "1", "a")] * (DEFERRED_COMMANDS + 1)
        assert await stored_in(repository) == ["old", "in a"]
