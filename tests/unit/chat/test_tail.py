"""The messages that rooms keep in memory are bounded in bytes, per room and in total, except unstored ones."""

from sys import getsizeof

import pytest
from msgspec.structs import replace

from chat.chat import Chat
from chat.rooms.tail import TAIL_BYTES, Tail, TailBudget, kept_bytes
from model.message import Message
from tests.support.chatting import Person, chatting
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes

BOMB = "\U0001f4a3"
LIMIT = 4 << 20


def message(seq: int, content: str) -> Message:
    return Message("general", seq, seq, "ann", "g_1", content, "2026-11-21T08:30:10.000001Z", f"{seq}")


@pytest.mark.parametrize("letter", ["x", "\u00e9", "\u4e2d", BOMB])
def test_a_tail_is_bounded_by_its_size_in_memory(letter: str) -> None:
    """Four-byte characters count as four bytes, so a million characters are more than a mebibyte."""
    budget = TailBudget(1 << 40)
    tail = Tail(10_000, 0, budget)
    for seq in range(1, 2000):
        tail.append(message(seq, letter * 4000), 0)
    held = sum(getsizeof(state.content) for state in tail.newest_states())
    assert TAIL_BYTES * 0.8 < held <= TAIL_BYTES
    assert budget.used <= TAIL_BYTES


def test_reactions_count_toward_the_size_of_a_tail() -> None:
    reactions = {f":{number}:": [f"g_{who}" for who in range(1000)] for number in range(20)}
    reacted = replace(message(1, "x"), reactions=reactions)
    assert kept_bytes(reacted) > 20 * 1000 * 8


def test_the_counted_size_is_subtracted_again() -> None:
    budget = TailBudget(1 << 40)
    tail = Tail(3, 0, budget)
    for seq in range(1, 10):
        tail.append(message(seq, "x" * seq), 0)
    tail.remove(next(iter(tail.newest_states())))
    assert budget.used == sum(map(kept_bytes, tail.newest_states()))
    tail.close()
    assert budget.used == 0
    tail.append(message(11, "x"), 0)  # of a deleted room
    assert budget.used == 0


async def talk(chat: Chat, rooms: int, messages: int) -> list[Person]:
    people = []
    for number in range(rooms):
        person = Person(chat, "ann", f"room {number}")
        await passes()
        for _ in range(messages):
            person.say(BOMB * 4000, room=f"room {number}")
        people.append(person)
    return people


async def test_all_tails_together_are_bounded(repository: FaultyRepository) -> None:
    """The rooms that keep most are trimmed, small ones are not, and evicted messages are read from storage."""
    async with chatting(repository, tails_bytes=LIMIT) as chat:
        little = Person(chat, "ben", "little")
        await passes()
        little.say("hello", room="little")
        people = await talk(chat, 20, 50)
        await passes()
        assert chat.parts.hub._tails.used <= LIMIT
        assert len(chat.parts.hub.rooms["little"].tail) == 1
        room = chat.parts.hub.rooms["room 0"]
        assert 0 < len(room.tail) < 50
        back = Person(chat, "ben")
        back.send("join", room="room 0", since=0, epoch=chat.parts.hub.epoch)
        await passes()
        assert back.of("joined")[0]["recovered"]
        assert len(back.of("message")) == 50
        for person in [*people, little, back]:
            chat.disconnect(person.session)
        await passes(10)
        assert not chat.parts.hub.rooms
        assert chat.parts.hub._tails.used == 0


async def test_unstored_messages_stay_in_the_tail(repository: FaultyRepository) -> None:
    async with chatting(repository, tails_bytes=LIMIT) as chat:
        people = [Person(chat, "ann", f"room {number}") for number in range(20)]
        await passes()
        repository.hold("write")
        for number, person in enumerate(people):
            for _ in range(20):
                person.say(BOMB * 4000, room=f"room {number}")
        assert {len(room.tail) for room in chat.parts.hub.rooms.values()} == {20}
        repository.go("write")
        await passes(1)
        assert sum(len(room.tail) for room in chat.parts.hub.rooms.values()) < 20 * 20
        assert chat.parts.hub._tails.used <= LIMIT
