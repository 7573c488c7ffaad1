"""The resolver: memory first and synchronously; after a storage lookup, access is checked again."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from chat.chat import Chat
from chat.handlers.resolve import ASK, Ask, Handler, Need, in_room
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from model.commands import Typing
from model.errors import ParleyError
from model.permissions import Action
from tests.support.chatting import Person
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, code_of

COMMAND = Typing(room="general")


class Fetched(Need[str]):
    """Storage that calls ``meanwhile`` before it answers; its first ``late`` answers are outdated."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None, late: int = 0) -> None:
        self.meanwhile = meanwhile
        self.late = late
        self.released: list[str] = []

    async def fetch(self, parts: Parts, session: Session, room: Room, command: Any, held: AsyncExitStack) -> str | Ask:
        held.callback(lambda: self.released.append(room.name))
        self.meanwhile()
        self.late -= 1
        return ASK if self.late >= 0 else "found"


class InMemory(Need[str]):
    def find(self, parts: Parts, session: Session, room: Room, command: Any, stored: str | Ask) -> str:
        return "known"


async def resolve(chat: Chat, person: Person, need: Need[str]) -> list[str]:
    """Return the arguments of the handler."""
    decided: list[str] = []

    def decide(parts: Parts, session: Session, room: Room, found: str, command: Typing) -> None:
        decided.append(found)

    waits = Handler(decide, in_room(Action.TYPE), need)(chat.parts, person.session, COMMAND)
    if waits is None:
        return decided
    assert not decided
    await waits
    return decided


@pytest.fixture
async def ann(chat: Chat) -> Person:
    ann = Person(chat, "ann", "general")
    await passes()
    return ann


async def test_a_command_whose_state_is_in_memory_is_decided_at_once(chat: Chat, ann: Person) -> None:
    decided: list[str] = []
    row = Handler(lambda *args: decided.append(args[3]), in_room(Action.TYPE), InMemory())
    assert row(chat.parts, ann.session, COMMAND) is None
    assert decided == ["known"]


async def test_pins_are_released_after_the_decision(chat: Chat, ann: Person) -> None:
    need = Fetched()
    assert await resolve(chat, ann, need) == ["found"]
    assert need.released == ["general"]


async def test_an_outdated_storage_answer_is_queried_again(chat: Chat, ann: Person) -> None:
    need = Fetched(late=2)
    assert await resolve(chat, ann, need) == ["found"]
    assert need.released == ["general"] * 3


async def test_access_is_checked_after_the_storage_lookup(chat: Chat, ann: Person) -> None:
    room = ann.session.rooms["general"]
    with pytest.raises(ParleyError, match="not_joined"):
        await resolve(chat, ann, Fetched(lambda: room.exit(ann.session)))


async def test_a_session_that_ends_during_the_storage_lookup_gets_nothing(chat: Chat, ann: Person) -> None:
    assert await resolve(chat, ann, Fetched(ann.disconnect)) == []


async def test_a_room_is_pinned_only_as_long_as_it_is_needed(chat: Chat, ann: Person) -> None:
    assert await code_of(ann, "decline", room="elsewhere") == "no_such_invitation"
    assert "elsewhere" not in chat.parts.hub.rooms


async def test_a_failed_create_does_not_take_the_name(chat: Chat, repository: FaultyRepository) -> None:
    ann, ben, cem = (account(chat, name) for name in ("ann", "ben", "cem"))
    repository.hold("kept_like")
    ann.send("create_room", room="Lobby")
    await passes()
    ben.send("join", room="Lobby")
    await passes()
    ann.disconnect()
    repository.go("kept_like")
    await passes()
    assert await code_of(cem, "create_room", room="lobby") == ""
