"""Commands that arrive before storage was first reached wait for it for a few seconds."""

import asyncio

import pytest

from chat.chat import Chat
from chat.one_shot import CommandRunner
from chat.queries.listing import list_rooms
from chat.rooms.storing import FIRST_SECONDS
from model.commands import CreateRoom, ListRooms
from model.errors import ParleyError
from model.events import RoomState
from tests.support.chatting import Person
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes


@pytest.fixture
def repository() -> FaultyRepository:
    """Return storage that has not connected yet."""
    repository = FaultyRepository()
    repository.starting()
    return repository


async def test_a_command_and_those_queued_after_it_wait_for_storage(chat: Chat, repository: FaultyRepository) -> None:
    ann = Person(chat, "ann", "general")
    ann.say("hello", "m", "general")
    await passes(FIRST_SECONDS - 0.1)
    assert not ann.of("joined", "error")
    repository.started()
    await passes(0.1)
    told = [frame["type"] for frame in ann.frames if frame["type"] != "presence"]
    assert told == ["welcome", "joined", "message", "ack"]


async def test_a_command_waits_only_a_few_seconds_for_storage(chat: Chat, repository: FaultyRepository) -> None:
    ann = Person(chat, "ann", "general")
    ann.send("rooms", id="r")
    await passes(FIRST_SECONDS + 0.1)
    assert [frame["code"] for frame in ann.of("error")] == ["unavailable"]
    await passes(FIRST_SECONDS)
    assert [frame["code"] for frame in ann.of("error")] == ["unavailable"] * 2
    ann.send("join", id="j", room="general")
    await passes(1)
    repository.started()
    await passes(0.1)
    assert "general" in ann.session.rooms


async def test_a_later_outage_is_refused_at_once(chat: Chat, repository: FaultyRepository) -> None:
    repository.started()
    ann = Person(chat, "ann", "general")
    await passes()
    assert ann.of("joined")
    repository.starting()
    ann.send("join", id="j", room="den")
    await passes()
    assert ann.errors() == {"j": "unavailable"}


async def test_an_http_request_also_waits_for_storage(chat: Chat, repository: FaultyRepository) -> None:
    ann = Person(chat, "ann")
    assert ann.session.identity is not None
    command = CreateRoom(id="c", room="den")
    made = asyncio.ensure_future(CommandRunner(chat).run(ann.session.identity, command, RoomState))
    listed = asyncio.ensure_future(list_rooms(chat.parts, None, ListRooms(), list))
    given_up = asyncio.ensure_future(list_rooms(chat.parts, None, ListRooms(), list))
    await passes(1)
    given_up.cancel()  # with a read that never started
    repository.started()
    assert (await made).room == "den"
    assert (await listed).rooms == []
    with pytest.raises(asyncio.CancelledError):
        await given_up


async def test_an_http_request_is_refused_once_the_wait_is_over(chat: Chat, repository: FaultyRepository) -> None:
    with pytest.raises(ParleyError) as refused:
        await list_rooms(chat.parts, None, ListRooms(), list)
    assert refused.value.code == "unavailable"
    assert chat.parts.clock.monotonic() >= FIRST_SECONDS
