"""Idle rooms: the state of an empty room is kept for a while, for users who return soon."""

import pytest

from chat.chat import Chat
from chat.rooms.freed import FreedRooms
from storage.ports.rooms import SetMember
from tests.support.chatting import Person, chatting
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, ask, code_of, created, id_of, said, staffed

READS = ("find_room", "head", "special_members", "members")


@pytest.fixture
def freed_rooms() -> None:
    """Keep freed rooms, as a server does."""


def reads(repository: FaultyRepository) -> int:
    return sum(repository.calls[name] for name in READS)


async def all_leave(chat: Chat) -> None:
    for session in tuple(chat.parts.hub.sessions):
        chat.disconnect(session)
    await passes(0.1)
    assert not chat.parts.hub.rooms


async def test_rejoining_a_freed_room_needs_no_storage_reads(chat: Chat, repository: FaultyRepository) -> None:
    people = await staffed(chat)
    seq = await said(people["owner"])
    assert await code_of(people["owner"], "ban", room="lobby", user=id_of(people["member"])) == ""
    await all_leave(chat)
    before = reads(repository)
    owner, member = account(chat, "owner"), account(chat, "member")
    await ask(owner, "join", room="lobby")
    joined = owner.last("joined")
    assert (joined["role"], joined["head"]) == ("owner", seq)
    assert await code_of(member, "join", room="lobby") == "banned"
    assert reads(repository) == before
    assert owner.last("joined")["epoch"] == chat.parts.hub.epoch


async def test_a_freed_room_is_resumed_from_storage(chat: Chat) -> None:
    ann = Person(chat, "ann", "general")
    await passes()
    first, second = await said(ann, "one", "general"), await said(ann, "two", "general")
    epoch = ann.last("joined")["epoch"]
    await all_leave(chat)
    ben = Person(chat, "ben")
    await ask(ben, "join", room="general", since=first, epoch=epoch)
    assert ben.last("joined")["recovered"]
    assert [frame["seq"] for frame in ben.of("message")] == [second]


async def test_slow_mode_survives_an_empty_room(chat: Chat) -> None:
    people = await staffed(chat)
    assert await code_of(people["owner"], "update_room", room="lobby", slow_mode=3600) == ""
    await said(people["member"])
    await all_leave(chat)
    await passes(1800)
    member = account(chat, "member")
    await ask(member, "join", room="lobby")
    assert await code_of(member, "message", room="lobby", content="x") == "slow_mode"


async def test_a_freed_room_is_reloaded_after_ten_minutes(chat: Chat, repository: FaultyRepository) -> None:
    await created(chat, account(chat, "ann"))
    for seconds, more in ((590, False), (610, True)):
        await all_leave(chat)
        await passes(seconds)
        before = reads(repository)
        await ask(account(chat, "ann"), "join", room="lobby")
        assert (reads(repository) > before) is more


async def test_a_freed_room_is_reloaded_after_another_server_wrote(chat: Chat, repository: FaultyRepository) -> None:
    """Also a room that was loaded before and becomes empty afterwards."""
    ann = account(chat, "ann")
    await created(chat, ann)
    chat.disconnect_all("another server wrote")
    await all_leave(chat)
    before = reads(repository)
    await ask(account(chat, "ann"), "join", room="lobby")
    assert reads(repository) > before
    await all_leave(chat)
    chat.disconnect_all("another server wrote")
    before = reads(repository)
    await ask(account(chat, "ann"), "join", room="lobby")
    assert reads(repository) > before


async def test_a_freed_room_is_reloaded_after_storage_rejected_a_row(chat: Chat, repository: FaultyRepository) -> None:
    people = await staffed(chat)
    repository.refused = lambda write: isinstance(write, SetMember)
    people["owner"].send("set_role", room="lobby", user=id_of(people["member"]), role="moderator")
    await passes(0.1)
    repository.refused = None
    await all_leave(chat)
    before = reads(repository)
    await ask(account(chat, "member"), "join", room="lobby")
    assert reads(repository) > before


async def test_a_deleted_room_is_not_kept(chat: Chat) -> None:
    ann = account(chat, "ann")
    await created(chat, ann)
    await ask(ann, "delete_room", room="lobby")
    assert await code_of(account(chat, "ben"), "create_room", room="lobby") == ""


async def test_a_room_that_was_never_created_is_not_kept(chat: Chat) -> None:
    Person(chat, "ann", "nothing")
    await passes()
    await all_leave(chat)
    assert chat.parts.hub.take_freed("nothing") is None


async def test_freed_rooms_count_toward_no_limit(repository: FaultyRepository) -> None:
    async with chatting(repository, address_rooms=2, server_rooms=3) as chat:
        ann = account(chat, "ann")
        for number in range(10):
            await ask(ann, "join", room=f"room {number}")
            await said(ann, room=f"room {number}")
            await ask(ann, "leave", room=f"room {number}")
        assert not ann.of("error")
        assert chat.parts.hub.loaded[id_of(ann)] == 0


async def test_freed_rooms_are_bounded(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    """By number, and by their rows and speakers in total; the rooms that have been empty longest are dropped first."""
    ann = account(chat, "ann")
    for number in range(6):
        await created(chat, ann, f"room {number}")
    rooms = [chat.parts.hub.rooms[f"room {number}"] for number in range(6)]

    def kept(freed: FreedRooms) -> list[int]:
        for room in rooms:
            freed.keep(room, 0.0)
        return [number for number in range(6) if freed.take(f"room {number}", chat.parts.hub.epoch, 1.0) is not None]

    monkeypatch.setattr("chat.rooms.freed.ROOMS", 3)
    assert kept(FreedRooms()) == [3, 4, 5]
    monkeypatch.setattr("chat.rooms.freed.ROOMS", 1000)
    monkeypatch.setattr("chat.rooms.freed.ENTRIES", 4)  # one row each
    freed = FreedRooms()
    assert kept(freed) == [2, 3, 4, 5]
    rooms[5].last_spoke.update(dict.fromkeys(map(str, range(5)), 1.0))
    assert kept(freed) == []
    assert (freed._rooms, freed._entries) == ({}, 0)
