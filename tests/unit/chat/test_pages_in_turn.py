"""Many connections of one user request large pages at once: another user's page is still among the first."""

import asyncio
from typing import Any

import pytest

from chat.chat import Chat
from tests.support.chatting import Person
from tests.support.virtual import passes
from tests.unit.chat.people import account, created

CONNECTIONS = 30


async def crowd(chat: Chat) -> tuple[list[Person], Person]:
    """Connect guests of one address, and one of another, to a room with long messages."""
    ann = account(chat, "ann")
    await created(chat, ann, "long")
    for n in range(40):
        ann.say("\U0001f4a3" * 3000, f"m{n}", "long")
        await passes(0.1)
    guests = [Person(chat, f"g{n}", "long", network="192.0.2.7") for n in range(CONNECTIONS)]
    ben = Person(chat, "ben", "long", network="192.0.2.8")
    await passes(0.1)
    return guests, ben


@pytest.mark.parametrize(
    "question",
    [
        {"type": "history", "room": "long", "limit": 500},
        {"type": "history", "room": "long", "q": "nothing"},
        {"type": "search", "q": "nothing"},
        {"type": "rooms"},
        {"type": "members", "room": "long"},
    ],
    ids=["history", "words", "search", "rooms", "members"],
)
async def test_clients_take_turns_building_pages(chat: Chat, question: dict[str, Any]) -> None:
    guests, ben = await crowd(chat)
    everybody = [*guests, ben]
    # Much of this work was already done in the loop turn of their requests.
    asyncio.get_running_loop().call_soon(chat.parts.pages.spend, 1.0)
    for person in everybody:
        person.forget()
        person.send(**question)
    await passes(1)
    answers = {person: len(person.of(question["type"])) for person in everybody}
    assert set(answers.values()) == {1}
    first = sorted(everybody, key=lambda person: person.connection.order[0])
    assert first.index(ben) <= 4


async def test_each_large_page_is_encoded_in_its_own_turn(chat: Chat) -> None:
    guests, _ = await crowd(chat)
    for person in guests:
        person.forget()
        person.send("history", room="long", limit=500)
    made, most, turns = 0, 0, 0
    while made < CONNECTIONS:
        await asyncio.sleep(0)
        now = sum(bool(person.connection.writes) for person in guests)
        most, made, turns = max(most, now - made), now, turns + 1
        assert turns < 10_000
    assert most <= 4
