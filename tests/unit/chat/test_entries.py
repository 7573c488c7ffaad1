"""Many sessions join crowded rooms at once: the snapshots take turns, and those that were not needed cost more."""

import asyncio

import pytest

from chat.chat import Chat
from chat.cluster import peers
from chat.delivery.entries import SHARED_BYTES
from chat.rooms.pacing import COMMAND_BYTES, COMMANDS_BURST, COMMANDS_PER_SECOND
from model.room import User
from tests.support.chatting import Person
from tests.support.cluster import account as account_at
from tests.support.cluster import clustered
from tests.support.virtual import passes
from tests.unit.chat.nodes import entered
from tests.unit.chat.people import account, ask

HERE, THERE = "192.0.2.1", "192.0.2.2"
USERS = [User(f"g_{number:016}", f"{number:05}" + "w" * 59) for number in range(200)]


async def crowded(chat: Chat, room: str = "crowd") -> int:
    """Make a room with 200 users. Returns the bytes of a snapshot."""
    first = account(chat, f"first of {room}")
    await ask(first, "join", room=room)
    chat.parts.hub.rooms[room].presence.expect(USERS, 1e6)
    first.forget()
    await ask(first, "join", room=room)
    return len(first.connection.writes[-1])


def joins(person: Person) -> int:
    return len(person.of("joined"))


async def test_the_snapshots_of_one_loop_iteration_are_bounded_in_bytes(chat: Chat) -> None:
    size = await crowded(chat)
    guests = [Person(chat, f"g{number}", network=HERE) for number in range(60)]
    await passes(1)
    for guest in guests:
        guest.forget()
        for _ in range(3):
            guest.send("join", room="crowd")
    before, iterations = sum(len(guest.connection.writes) for guest in guests), 0
    while before < 3 * len(guests):
        await asyncio.sleep(0)
        now = sum(len(guest.connection.writes) for guest in guests)
        assert (now - before) * size <= SHARED_BYTES + size
        before, iterations = now, iterations + 1
        assert iterations < 10_000
    assert {joins(guest) for guest in guests} == {3}


async def test_addresses_take_turns(chat: Chat) -> None:
    await crowded(chat)
    guests = [Person(chat, f"g{number}", network=HERE) for number in range(100)]
    ben = Person(chat, "ben", network=THERE)
    await passes(1)
    for person in [*guests, ben]:
        person.forget()
        for _ in range(2):
            person.send("join", room="crowd")
    await passes(1)
    assert {joins(person) for person in [*guests, ben]} == {2}
    everybody = sorted([*guests, ben], key=lambda person: person.connection.order[0])
    assert everybody.index(ben) <= 50, "it came last, and was not served last"


async def test_later_commands_of_a_session_wait_for_its_turn(chat: Chat) -> None:
    await crowded(chat)
    ann = Person(chat, "ann")
    chat.parts.entries.spend(SHARED_BYTES)
    ann.send("join", id="j", room="crowd")
    ann.send("leave", id="l", room="crowd")
    ann.send("ping", id="p")
    assert not ann.of("joined")
    await passes(0.1)
    assert [frame["id"] for frame in ann.of("joined", "left", "pong")] == ["j", "l", "p"]


async def test_a_session_that_disconnects_in_the_meantime_does_not_enter(chat: Chat) -> None:
    await crowded(chat)
    ann = Person(chat, "ann")
    chat.parts.entries.spend(SHARED_BYTES)
    ann.send("join", room="crowd")
    ann.disconnect()
    await passes(0.1)
    assert ann.session not in chat.parts.hub.rooms["crowd"].presence.sessions


async def test_a_refused_join_is_refused_after_its_turn(chat: Chat) -> None:
    ann = account(chat, "ann")
    chat.parts.entries.spend(SHARED_BYTES)
    ann.send("join", id="j", room="none", create=False)
    await passes(0.1)
    assert ann.errors() == {"j": "no_such_room"}


async def test_a_snapshot_of_a_room_that_one_is_in_counts_by_its_bytes(chat: Chat) -> None:
    size = await crowded(chat)
    ann = account(chat, "ann")
    for _ in range(COMMANDS_BURST):
        ann.send("join", room="crowd")
    await passes(0.01)
    most = COMMANDS_BURST // (size // COMMAND_BYTES) + 2
    assert most - 3 <= joins(ann) <= most
    wait = ann.last("error")["retry_after"]
    assert wait <= size / COMMAND_BYTES / COMMANDS_PER_SECOND
    await passes(wait)
    ann.send("ping", id="p")
    assert ann.last("pong")["id"] == "p"


async def test_joining_a_small_room_again_counts_once(chat: Chat) -> None:
    ann = account(chat, "ann")
    for _ in range(COMMANDS_BURST - 1):
        ann.send("join", room="general")
    await passes(0.1)
    assert ann.errors() == {}


async def test_joining_and_leaving_over_and_over_counts_by_bytes(chat: Chat) -> None:
    size = await crowded(chat)
    ann = account(chat, "ann")
    for _ in range(COMMANDS_BURST // 2):
        ann.send("join", room="crowd")
        ann.send("leave", room="crowd")
    await passes(0.01)
    free = chat.parts.limits.max_rooms
    assert free <= joins(ann) <= free + COMMANDS_BURST * COMMAND_BYTES // size + 2


async def test_a_client_may_join_all_its_rooms_at_once(chat: Chat) -> None:
    """Each of them with 200 users, and read their history and a list of members."""
    rooms = [f"crowd{number}" for number in range(chat.parts.limits.max_rooms)]
    for room in rooms:
        await crowded(chat, room)
    ann = account(chat, "ann")
    for room in rooms:
        ann.send("join", room=room)
        ann.send("history", room=room)
        ann.send("members", room=room)
    await passes(10)
    assert joins(ann) == len(rooms)
    assert ann.errors() == {}


async def test_a_join_waits_while_the_link_to_the_node_of_its_client_does_not_keep_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with clustered(2) as cluster:
        ann = account_at(cluster.nodes[1], "ann")
        await entered(ann)
        with monkeypatch.context() as slow:
            slow.setattr(peers, "BEHIND_BYTES", -1)
            ann.send("join", id="again", room="general")
            ann.send("ping", id="p")
            await passes(0.5)
            assert not ann.of("pong")
        await passes(0.5)
        assert [frame["id"] for frame in ann.of("joined", "pong")] == ["j-general", "again", "p"]
