"""Typing, read cursors, and unread counts."""

import pytest

from chat.chat import Chat
from chat.rooms.reading import READERS
from tests.support.chatting import Person, chatting
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, ask, code_of, created, id_of, mine, staffed


async def test_typing_is_broadcast_to_the_others_at_a_limited_rate(chat: Chat) -> None:
    ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
    await passes()
    for _ in range(10):
        ann.send("typing", room="general")
        await passes(0.5)
    shown = ben.of("typing")
    assert shown[0] == {"type": "typing", "room": "general", "user": {"id": id_of(ann), "name": "ann"}, "expires": 5.0}
    assert len(shown) == 3


async def test_typing_requires_the_right_to_post(chat: Chat) -> None:
    people = await staffed(chat)
    assert await code_of(people["readonly"], "typing", room="lobby") == "forbidden"
    assert await code_of(account(chat, "x"), "typing", room="lobby") == "not_joined"


async def test_typing_is_not_broadcast_in_a_large_room(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.rooms.presence.CROWD", 3)
    people = [Person(chat, f"p{number}", "general") for number in range(4)]
    await passes()
    await ask(people[0], "typing", room="general")
    assert not people[1].of("typing")
    people[3].disconnect()
    await ask(people[0], "typing", room="general")
    assert people[1].of("typing")


async def test_read_receipts_in_a_small_room_are_broadcast_at_most_once_a_second(chat: Chat) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    await created(chat, ann)
    await ask(ben, "join", room="lobby")
    for number in range(20):
        ann.say(f"{number}", f"m{number}", "lobby")
        await passes(0.1)
        ben.send("read", room="lobby", seq=ann.acked()[f"m{number}"])
    await passes(1.5)
    told = ann.of("read")
    assert 2 <= len(told) <= 4
    assert told[-1] == {
        "type": "read", "room": "lobby", "seq": ann.acked()["m19"], "user": {"id": "u_ben", "name": "ben"}
    }  # fmt: skip
    members = (await ask(ann, "members", room="lobby"))[-1]["members"]
    assert {member["id"]: member.get("read") for member in members} == {"u_ann": None, "u_ben": ann.acked()["m19"]}


async def test_a_read_cursor_never_moves_back_or_beyond_the_last_message(
    chat: Chat, repository: FaultyRepository
) -> None:
    ann = account(chat, "ann")
    await created(chat, ann)
    for number in range(3):
        ann.say(f"{number}", f"m{number}", "lobby")
    await passes()
    seqs = ann.acked()
    for key in ("m1", "m0"):
        await ask(ann, "read", room="lobby", seq=seqs[key])
    assert await code_of(ann, "read", room="lobby", seq=seqs["m2"] + 1) == "no_such_message"
    await passes(2)
    record = chat.parts.hub.rooms["lobby"].record
    row = await repository.inner.rooms.find_member(record.room_id, "u_ann")
    assert row is not None
    assert row.read_seq == seqs["m1"]
    ann.disconnect()
    await passes()
    back = account(chat, "ann")
    await ask(back, "join", room="lobby")
    assert back.last("joined")["read"] == seqs["m1"]


@pytest.mark.parametrize("room_tail", [500, 0])
async def test_unread_messages_are_counted_in_memory(room_tail: int) -> None:
    async with chatting(room_tail=room_tail) as chat:
        ann, ben = account(chat, "ann"), account(chat, "Ben")
        await created(chat, ann)
        await ask(ben, "join", room="lobby")
        await ask(ben, "leave", room="lobby")
        assert (await mine(ben))["lobby"].get("unread") is None
        for number in range(3):
            ann.say(f"hi @ben {number}" if number else "hi", f"m{number}", "lobby")
        await passes(0.1)
        entry = (await mine(ben))["lobby"]
        assert (entry["unread"], entry["mentions"], entry["role"]) == (3, 2, "member")
        assert "unread" not in (await mine(ann))["lobby"]  # an author has read their own message
        await ask(ann, "delete", room="lobby", seq=ann.acked()["m2"])
        entry = (await mine(ben))["lobby"]
        assert (entry["unread"], entry["mentions"]) == (2, 1)
        await ask(ben, "join", room="lobby")
        await ask(ben, "read", room="lobby", seq=ann.acked()["m0"])
        entry = (await mine(ben))["lobby"]
        assert (entry["unread"], entry["mentions"], entry["read"]) == (1, 1, ann.acked()["m0"])


@pytest.mark.parametrize("room_tail", [500, 0])
@pytest.mark.parametrize(("said", "told"), [(99, 99), (100, 100), (130, 100)])
async def test_unread_counts_are_exact_up_to_99(room_tail: int, said: int, told: int) -> None:
    async with chatting(room_tail=room_tail) as chat:
        ann, ben = account(chat, "ann"), account(chat, "ben")
        await created(chat, ann)
        await ask(ben, "join", room="lobby")
        await ask(ben, "leave", room="lobby")
        for number in range(said):
            ann.say(f"@ben {number}", room="lobby")
        await passes(0.1)
        entry = (await mine(ben))["lobby"]
        assert (entry["unread"], entry["mentions"]) == (told, told)


@pytest.mark.parametrize("room_tail", [500, 0])
async def test_other_devices_receive_the_unread_count_in_any_room(room_tail: int) -> None:
    async with chatting(room_tail=room_tail) as chat:
        ann, ben, phone = account(chat, "ann"), account(chat, "ben"), account(chat, "ben")
        await created(chat, ann)
        await ask(ben, "join", room="lobby")
        for number in range(3):
            ann.say(f"@ben {number}", f"m{number}", "lobby")
        await passes(0.1)
        await ask(ben, "read", room="lobby", seq=ann.acked()["m0"])
        await passes(1.5)
        assert not phone.session.rooms
        told = phone.last("read")
        assert (told["room"], told["seq"]) == ("lobby", ann.acked()["m0"])
        assert (told["unread"], told["mentions"]) == (2, 2)


@pytest.mark.parametrize("quits", [True, False])
async def test_a_reset_read_cursor_is_not_sent_to_its_users_devices(repository: FaultyRepository, quits: bool) -> None:
    """While the unread messages are counted in storage, the user is removed from the room and joins again."""
    async with chatting(repository, room_tail=0) as chat:
        ann, ben, phone = account(chat, "ann"), account(chat, "ben"), account(chat, "ben")
        await created(chat, ann)
        await ask(ben, "join", room="lobby")
        for key in ("m", "later", "latest"):
            ann.say("hello", key, "lobby")
            await passes(0.1)
        repository.hold("unread")
        await ask(ben, "read", room="lobby", seq=ann.acked()["m"])
        await passes(1.5)
        assert ann.last("read")["seq"] == ann.acked()["m"]
        if quits:
            await ask(ben, "leave", room="lobby", quit=True)
        else:
            await ask(ann, "kick", room="lobby", user="u_ben")
        await ask(ben, "join", room="lobby")
        await passes(0.1)
        repository.go("unread")
        await passes(0.1)
        assert ben.last("joined").get("read", 0) == 0
        assert phone.of("read") == []
        await ask(ben, "read", room="lobby", seq=ann.acked()["m"])
        await passes(1.5)
        assert [frame["unread"] for frame in phone.of("read")] == [2]


async def test_read_cursors_sent_to_other_devices_never_go_back(repository: FaultyRepository) -> None:
    """The unread messages above an older cursor are counted in storage, those above a newer one at once."""
    async with chatting(repository, room_tail=1) as chat:
        ann, ben, phone = account(chat, "ann"), account(chat, "ben"), account(chat, "ben")
        await created(chat, ann)
        await ask(ben, "join", room="lobby")
        for number in range(3):
            ann.say(f"{number}", f"m{number}", "lobby")
            await passes(0.1)
        repository.hold("unread")
        for key in ("m0", "m2"):
            await ask(ben, "read", room="lobby", seq=ann.acked()[key])
            await passes(1.5)
        repository.go("unread")
        await passes(0.1)
        assert [frame["seq"] for frame in phone.of("read")] == [ann.acked()["m2"]]


async def test_read_cursors_are_kept_in_an_ephemeral_room(chat: Chat, repository: FaultyRepository) -> None:
    ann, ben = Person(chat, "ann", "general"), Person(chat, "ben", "general")
    await passes()
    ann.say("one", "1")
    await passes(0.1)
    assert set(await mine(ben)) == {"general"}  # while he is in the room
    await ask(ben, "leave", room="general")
    assert set(await mine(ben)) == set()
    await ask(ben, "join", room="general")
    await ask(ben, "read", room="general", seq=ann.acked()["1"])
    await ask(ben, "leave", room="general")
    ann.say("two", "2")
    await passes(2)
    entry = (await mine(ben))["general"]
    assert (entry["unread"], entry["read"], entry["role"]) == (1, ann.acked()["1"], "member")
    await ask(ben, "join", room="general")
    await ask(ben, "read", room="general", seq=ann.acked()["1"])
    await passes(2)
    assert (await mine(ben))["general"]["read"] == ann.acked()["1"]
    await ask(ben, "leave", room="general", quit=True)
    assert set(await mine(ben)) == set()


async def test_read_receipts_are_not_broadcast_in_a_large_room(chat: Chat) -> None:
    owner = account(chat, "owner")
    await created(chat, owner)
    others = [Person(chat, f"p{number}") for number in range(READERS)]
    for person in others:
        await ask(person, "join", room="lobby")
    owner.say("hello", "m", "lobby")
    await passes(0.1)
    await ask(others[0], "read", room="lobby", seq=owner.acked()["m"])
    await passes(2)
    assert not owner.of("read")
    assert others[0].of("read")
    members = (await ask(owner, "members", room="lobby"))[-1]
    assert members["count"] == READERS + 1
    assert not any("read" in member for member in members["members"])


async def test_read_cursors_are_stored_when_the_server_stops(repository: FaultyRepository) -> None:
    async with chatting(repository) as chat:
        ann = account(chat, "ann")
        await created(chat, ann)
        ann.say("hello", "m", "lobby")
        await passes(0.1)
        ann.send("read", room="lobby", seq=ann.acked()["m"])
        room_id = chat.parts.hub.rooms["lobby"].record.room_id
        assert await chat.drain(5) == 0
        row = await repository.inner.rooms.find_member(room_id, "u_ann")
        assert row is not None
        assert row.read_seq == ann.acked()["m"]


async def test_read_cursors_survive_a_storage_outage(chat: Chat, repository: FaultyRepository) -> None:
    async with chatting(repository, room_tail=0) as chat:
        ann = account(chat, "ann")
        await created(chat, ann)
        for number in range(3):
            ann.say(f"{number}", f"m{number}", "lobby")
            await passes(0.1)
        repository.away = "unplugged"
        await ask(ann, "read", room="lobby", seq=ann.acked()["m0"])
        await passes(10)
        repository.away = None
        await passes(5)
        await ask(ann, "read", room="lobby", seq=ann.acked()["m1"])
        await passes(2)
        assert ann.last("read")["seq"] == ann.acked()["m1"]
