"""Room limits per account, address and server; unused rooms (no messages, at most one user) are closed for new ones."""

import asyncio

import pytest

from chat.chat import Chat
from tests.support.chatting import BY_PATH, Person, chatting
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, ask, code_of

HERE, THERE = "192.0.2.1", "192.0.2.2"


def guest(chat: Chat, name: str, network: str = HERE) -> Person:
    return Person(chat, name, network=network)


async def joined(person: Person, *rooms: str) -> list[str]:
    """Join rooms and return the error codes."""
    return [await code_of(person, "join", room=room) for room in rooms]


async def talking(chat: Chat, network: str, *rooms: str) -> Person:
    """Return a guest who posted in rooms."""
    person = guest(chat, "talker", network)
    assert await joined(person, *rooms) == [""] * len(rooms)
    for room in rooms:
        person.say("hello", room=room)
    await passes()
    return person


# --- unused rooms are closed first -----------------------------------------------------------------------------------


async def test_the_oldest_unused_room_is_closed_for_a_new_one() -> None:
    async with chatting(address_rooms=3) as chat:
        first, second = guest(chat, "first"), guest(chat, "second")
        assert await joined(first, "a", "b", "c", "d") == [""] * 4
        assert first.of("left") == [{"type": "left", "room": "a", "reason": "closed"}]
        assert await joined(second, "e") == [""]
        assert [frame["room"] for frame in first.of("left")] == ["a", "b"]
        assert set(chat.parts.hub.rooms) == {"c", "d", "e"}
        assert await joined(first, "a") == [""]  # nothing is lost by it


async def test_one_guest_with_many_rooms_does_not_block_other_users() -> None:
    async with chatting(address_rooms=100) as chat:
        for connection in range(3):
            attacker = guest(chat, f"attacker {connection}")
            assert await joined(attacker, *(f"junk {connection} {number}" for number in range(90))) == [""] * 90
        victim = guest(chat, "victim")
        assert await joined(victim, "my team") == [""]
        page = Person(chat, "page", "lobby", dialect=BY_PATH["/chat"], network=HERE)
        await passes()
        assert page.connection.closed is None
        assert len(chat.parts.hub.rooms) == 100


async def test_rooms_with_other_users_or_messages_stay_open() -> None:
    async with chatting(address_rooms=4) as chat:
        await talking(chat, HERE, "said")
        ann, ben = guest(chat, "ann"), guest(chat, "ben", THERE)
        assert await joined(ann, "two", "alone") == ["", ""]
        assert await joined(ben, "two") == [""]
        assert await code_of(ann, "create_room", room="made") == ""
        assert await joined(ann, "new", "newer") == ["", ""]
        assert set(chat.parts.hub.rooms) == {"said", "two", "made", "newer"}


async def test_a_join_is_refused_for_now_only_if_no_room_is_unused() -> None:
    async with chatting(address_rooms=2) as chat:
        talker = await talking(chat, HERE, "a", "b")
        ann, far = guest(chat, "ann"), guest(chat, "far", THERE)
        assert await joined(ann, "c") == ["too_many_rooms"]
        refusal = ann.last("error")
        assert (refusal["retryable"], refusal["retry_after"] > 0) == (True, True)
        assert await joined(ann, "a") == [""]
        assert await joined(far, "c") == [""]
        for path in ("/chat", "/api/chat"):
            page = Person(chat, "page", "d", dialect=BY_PATH[path], network=HERE)
            await passes()
            assert page.connection.closed is not None
            assert page.connection.closed.code == 1013  # not 4102: it may come back
        await ask(talker, "leave", room="b")
        assert await joined(ann, "c") == [""]


@pytest.mark.parametrize("path", ["/chat", "/api/chat"])
async def test_a_client_left_without_a_room_is_disconnected_and_may_retry(path: str) -> None:
    async with chatting(address_rooms=1) as chat:
        page = Person(chat, "page", "empty", dialect=BY_PATH[path], network=HERE)
        await passes()
        assert await joined(guest(chat, "ann"), "new") == [""]
        assert page.connection.closed is not None
        assert page.connection.closed.code == 1013
        told = page.frames[-1]
        assert "closed" in str(told.get("content") or told.get("reason")), told


async def test_a_full_server_closes_unused_rooms_of_any_user() -> None:
    async with chatting(server_rooms=3) as chat:
        await talking(chat, HERE, "said")
        one, other = guest(chat, "one", HERE), account(chat, "other")
        assert await joined(one, "a", "b") == ["", ""]
        assert await joined(other, "c") == [""]
        assert set(chat.parts.hub.rooms) == {"said", "b", "c"}
        for person, room in ((one, "b"), (other, "c")):
            person.say("hello", room=room)
        assert await joined(other, "d") == ["too_many_rooms"]


async def test_rooms_being_opened_count_toward_the_limit(repository: FaultyRepository) -> None:
    async with chatting(repository, address_rooms=3, server_rooms=5) as chat:
        here = [guest(chat, f"p{number}") for number in range(10)]
        there = [account(chat, f"q{number}") for number in range(10)]
        repository.hold("find_room")
        for number, person in enumerate(here):
            person.send("join", id="j", room=f"r{number}")
        await passes(0.01)
        assert [person.errors().get("j") for person in here] == [None] * 3 + ["too_many_rooms"] * 7
        for number, person in enumerate(there):
            person.send("join", id="j", room=f"s{number}")
        await passes(0.01)
        assert [person.errors().get("j") for person in there] == [None] * 2 + ["too_many_rooms"] * 8
        repository.go("find_room")
        await passes()
        assert len(chat.parts.hub.rooms) == 5
        for person in (*here, *there):
            person.disconnect()
        await passes()
        assert (chat.parts.hub.loaded, chat.parts.hub._not_stored, chat.parts.loading) == ({}, {}, {})


async def test_a_room_that_failed_to_open_no_longer_counts(repository: FaultyRepository) -> None:
    async with chatting(repository, address_rooms=1) as chat:
        ann = guest(chat, "ann")
        repository.hold("find_room")
        ann.send("join", id="j", room="a")
        await asyncio.sleep(30)  # virtual: longer than storage may take
        assert ann.errors()["j"] == "unavailable"
        repository.go("find_room")
        assert chat.parts.hub.loaded == {}
        assert await joined(ann, "b") == [""]


async def test_the_search_for_an_unused_room_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rooms that were checked come last the next time, so each has its turn."""
    monkeypatch.setattr("chat.rooms.hub.EXPENDABLE_LOOKS", 2)
    async with chatting(address_rooms=4) as chat:
        ann, ben = guest(chat, "ann"), guest(chat, "ben", THERE)
        assert await joined(ann, "a", "b", "c") == [""] * 3
        assert await joined(ben, "a", "b", "c") == [""] * 3
        assert await joined(ann, "d") == [""]
        assert await joined(ann, "e", "e") == ["too_many_rooms", ""]
        assert ann.last("left")["room"] == "d"


# --- accounts, and the guests of an address --------------------------------------------------------------------------


async def test_guests_do_not_use_up_an_accounts_limit() -> None:
    async with chatting(address_rooms=2) as chat:
        await talking(chat, HERE, "a", "b")
        ann, ben = account(chat, "ann"), account(chat, "ben")
        for person in (ann, ben):
            person.session.network = HERE
            name = person.session.user.name
            for number in range(2):
                assert await code_of(person, "create_room", room=f"{name} {number}") == ""
            assert await code_of(person, "create_room", room="more") == "too_many_rooms"


async def test_an_account_may_create_a_limited_number_of_rooms_a_day() -> None:
    async with chatting(address_rooms=3) as chat:
        codes = []
        for number in range(4):
            ann = account(chat, "ann")
            ann.session.network = f"192.0.2.{number}"
            codes.append(await code_of(ann, "create_room", room=f"r{number}"))
            await ask(ann, "delete_room", room=f"r{number}")
            ann.disconnect()
        assert codes == ["", "", "", "too_many_rooms"]
        await passes(8 * 3600)
        assert await code_of(account(chat, "ann"), "create_room", room="r4") == ""


async def test_creating_and_deleting_rooms_uses_only_the_users_own_daily_limit() -> None:
    async with chatting(address_rooms=20) as chat:
        maker, codes = guest(chat, "maker"), []
        for number in range(12):
            codes.append(await code_of(maker, "create_room", room=f"r{number}"))
            await ask(maker, "delete_room", room=f"r{number}")
        assert codes == [""] * 10 + ["too_many_rooms"] * 2  # a share of the limit of its address
        other = guest(chat, "other")
        assert await code_of(other, "create_room", room="mine") == ""
        assert chat.parts.makers._whole.of(HERE, chat.parts.clock.monotonic())._tokens > 18


async def test_lasting_rooms_count_for_all_guests_of_an_address() -> None:
    async with chatting(address_rooms=20) as chat:
        codes = []
        for number in range(21):
            person = guest(chat, f"p{number}")
            codes.append(await code_of(person, "create_room", room=f"r{number}"))
            person.disconnect()
            await passes()
        assert codes == [""] * 20 + ["too_many_rooms"]
        assert await code_of(guest(chat, "far", THERE), "create_room", room="far") == ""
