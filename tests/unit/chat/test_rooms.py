"""Rooms: loaded once, freed when no session and no write needs them."""

import gc
import weakref

import pytest

from chat.chat import Chat
from chat.rooms.storing import READ_SECONDS
from model.room import RoomRecord
from storage.ports.rooms import InsertRoom
from tests.support.chatting import Person, VirtualClock, chatting, limits
from tests.support.cluster import clustered
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, ask, created, id_of


async def test_concurrent_joins_of_an_unloaded_room_cause_one_load(chat: Chat, repository: FaultyRepository) -> None:
    repository.hold("find_room")
    people = [Person(chat, room="general") for _ in range(50)]
    await passes()
    assert [person.types() for person in people] == [["welcome"]] * 50
    repository.go("find_room")
    await passes()
    assert repository.calls["find_room"] == 1
    assert [person.of("joined")[0]["head"] for person in people] == [0] * 50


async def test_a_failed_load_answers_every_join(chat: Chat, repository: FaultyRepository) -> None:
    repository.hold("find_room")
    people = [Person(chat) for _ in range(5)]
    for number, person in enumerate(people):
        person.send("join", id=f"j{number}", room="general")
    await passes()
    repository.away = "unplugged"
    repository.go("find_room")
    await passes()
    for number, person in enumerate(people):
        error = person.last("error")
        assert (error["id"], error["code"], error["retryable"]) == (f"j{number}", "unavailable", True)
        assert error["retry_after"] > 0
    assert not chat.parts.hub.rooms
    assert repository.calls["find_room"] == 1
    repository.away = None
    people[0].send("join", room="general")
    await passes()
    assert people[0].of("joined")


@pytest.mark.parametrize("point", ["find_room", "head"])
async def test_a_load_that_takes_too_long_is_cancelled(chat: Chat, repository: FaultyRepository, point: str) -> None:
    Person(chat, "ann", "general").say("so that there is a log")
    await passes()
    for person in tuple(chat.parts.hub.sessions):
        chat.disconnect(person)
    repository.hold(point)
    ann = Person(chat, "ann", "general")
    await passes(READ_SECONDS - 0.1)
    assert not ann.of("error")
    await passes(0.2)
    assert ann.last("error")["code"] == "unavailable"
    assert not chat.parts.hub.rooms


async def test_an_unforeseen_fault_in_a_load_is_an_internal_error(chat: Chat, repository: FaultyRepository) -> None:
    repository.faults["find_room"].append(KeyError("a bug"))
    repository.hold("find_room")
    ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
    await passes()
    repository.go("find_room")
    await passes()
    assert ann.last("error")["code"] == "internal"
    assert ben.last("error")["code"] == "unavailable"
    assert not chat.parts.hub.rooms


async def test_a_standby_does_not_ask_storage(chat: Chat, repository: FaultyRepository) -> None:
    repository.standby = "another server is writing"
    ann = Person(chat, "ann", "general")
    await passes()
    assert ann.last("error")["code"] == "unavailable"
    assert not repository.calls["find_room"]


async def test_a_session_that_disconnects_while_its_room_loads_leaves_nothing(
    chat: Chat, repository: FaultyRepository
) -> None:
    repository.hold("find_room")
    ann = Person(chat, "ann", "general")
    await passes()
    ann.disconnect()
    gone = weakref.ref(ann.connection)  # which the session holds
    del ann
    repository.go("find_room")
    await passes()
    assert not chat.parts.hub.rooms
    assert not chat.parts.hub.sessions
    assert not len(chat.parts.tasks)
    gc.collect()
    assert gone() is None


async def test_a_load_continues_for_others_when_the_first_session_disconnects(
    chat: Chat, repository: FaultyRepository
) -> None:
    repository.hold("find_room")
    ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
    await passes()
    ann.disconnect()
    repository.go("find_room")
    await passes()
    assert ben.last("joined")["count"] == 1


async def test_an_empty_room_is_freed(chat: Chat) -> None:
    ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
    await passes()
    ann.send("leave", id="l", room="general")
    assert ann.last("left") == {"type": "left", "id": "l", "room": "general"}
    assert list(chat.parts.hub.rooms) == ["general"]
    ben.disconnect()
    assert not chat.parts.hub.rooms
    ben.disconnect()  # a second time has no effect


async def test_a_room_with_pending_writes_is_never_freed(chat: Chat, repository: FaultyRepository) -> None:
    repository.hold("write")
    ann = Person(chat, "ann", "general")
    await passes()
    ann.say("one", "1")
    ann.disconnect()
    await passes(3600)
    room = chat.parts.hub.rooms["general"]
    ben = Person(chat, "ben", "general")
    assert ben.last("joined")["head"] == room.head > 0
    assert chat.parts.hub.rooms["general"] is room
    ben.disconnect()
    repository.go("write")
    await passes()
    assert not chat.parts.hub.rooms
    assert await repository.stored() == ["one"]


async def test_a_room_is_freed_when_storage_rejects_its_last_message(chat: Chat, repository: FaultyRepository) -> None:
    repository.hold("write")
    ann = Person(chat, "ann", "general")
    await passes()
    ann.say("one", "1")
    ann.disconnect()
    repository.refused = lambda write: True
    repository.go("write")
    await passes()
    assert not chat.parts.hub.rooms


async def test_a_room_is_freed_when_a_resume_cannot_be_counted(chat: Chat, repository: FaultyRepository) -> None:
    ann = Person(chat, "ann", "general")
    await passes()
    ann.say("one")
    ann.say("two")
    await passes()
    ann.disconnect()
    assert not chat.parts.hub.rooms
    first, epoch = ann.of("message")[0]["seq"], ann.last("joined")["epoch"]
    for fault in (KeyError("a bug"), None):
        ben = Person(chat, "ben")
        repository.hold("count_changed")
        ben.send("join", room="general", since=first, epoch=epoch)
        await passes()
        assert list(chat.parts.hub.rooms) == ["general"]
        if fault:
            repository.faults["count_changed"].append(fault)
        else:
            repository.away = "unplugged"
        repository.go("count_changed")
        await passes()
        assert ben.last("error")["code"] == ("internal" if fault else "unavailable")
        assert not chat.parts.hub.rooms


async def test_sequence_numbers_keep_rising_when_the_clock_steps_back(repository: FaultyRepository) -> None:
    clock = VirtualClock()
    async with chatting(repository, clock) as chat:
        ann = Person(chat, "ann", "general")
        await passes()
        ann.say("one")
        await passes()
        ann.disconnect()
        assert not chat.parts.hub.rooms
        clock.offset_us -= 3_600_000_000
        ben = Person(chat, "ben", "general")
        await passes()
        assert ben.last("joined")["head"] == ann.last("message")["seq"]
        ben.say("two")
        ben.say("three")
        await passes()
        assert [m["seq"] - ann.last("message")["seq"] for m in ben.of("message")] == [1, 2]
        assert await repository.stored() == ["one", "two", "three"]


async def test_a_session_may_join_a_limited_number_of_rooms() -> None:
    """A room that was already joined does not count again; leaving one allows another."""
    async with chatting(limits=limits(max_rooms=2)) as chat:
        ann = Person(chat, "ann")
        for room in ("a", "b", "c", "b"):
            ann.send("join", id=room, room=room)
        await passes()
        assert [frame["room"] for frame in ann.of("joined")] == ["a", "b", "b"]
        assert ann.errors() == {"c": "too_many_rooms"}
        assert "c" not in chat.parts.hub.rooms
        ann.send("leave", room="a")
        ann.send("join", id="c", room="c")
        await passes()
        assert ann.last("joined")["room"] == "c"


async def test_commands_for_a_room_not_joined_are_refused(chat: Chat) -> None:
    ann = Person(chat, "ann")
    ann.say("hi", "m", room="elsewhere")
    ann.send("leave", id="l", room="elsewhere")
    ann.send("history", id="h", room="elsewhere")
    ann.send("leave", id="x", room="\u202eevil")
    await passes()
    assert ann.errors() == {"m": "not_joined", "l": "not_joined", "h": "not_joined", "x": "bad_field"}


async def test_equivalent_spellings_of_a_name_find_the_same_room(chat: Chat) -> None:
    """White space around a name and decomposed characters do not make it a different room."""
    ann = Person(chat, "ann")
    ann.send("join", room="  caf\u00e9 ")
    await passes()
    assert ann.last("joined")["room"] == "caf\u00e9"
    ann.say("hi", "1", room="cafe\u0301")
    await passes()
    assert ann.last("message")["room"] == "caf\u00e9"
    assert list(chat.parts.hub.rooms) == ["caf\u00e9"]


async def test_the_room_in_storage_wins_a_name_conflict(chat: Chat, repository: FaultyRepository) -> None:
    """The room was inserted by hand in the database: the clients reconnect and find it."""
    ann = Person(chat, "ann", "general")
    await passes()
    other = repository.inner.writer()
    await other.write([InsertRoom(RoomRecord(1, "general", "2023-11-14T22:13:20.000000Z"))])
    ann.say("one", "1")
    await passes()
    assert ann.connection.closed is not None
    assert ann.connection.closed.code == 4002
    ann.disconnect()
    assert not chat.parts.hub.rooms
    again = Person(chat, "ann", "general")
    await passes()
    again.say("two", "2")
    await passes()
    assert "2" in again.acked()
    assert await repository.stored() == ["two"]


async def test_a_room_remembers_a_bounded_number_of_removed_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.rooms.room.REMOVED", 2)
    async with clustered(1) as cluster:
        chat = cluster.nodes[0].chat
        people = [account(chat, name) for name in ("ann", "bob", "cyd", "dan")]
        await created(chat, people[0])
        for person in people[1:]:
            await ask(person, "join", room="lobby")
        await ask(people[0], "set_role", room="lobby", user="u_dan", role="owner")
        for person in people[:3]:
            await ask(person, "leave", room="lobby", quit=True)
        room = chat.parts.hub.rooms["lobby"]
        assert [room.was_removed(id_of(person)) for person in people] == [False, True, True, False]
        await ask(people[2], "join", room="lobby")
        assert not room.was_removed(id_of(people[2]))


async def test_a_single_server_remembers_no_removed_user(chat: Chat) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    await created(chat, ann)
    await ask(ben, "join", room="lobby")
    await ask(ben, "leave", room="lobby", quit=True)
    assert not chat.parts.hub.rooms["lobby"].was_removed(id_of(ben))
