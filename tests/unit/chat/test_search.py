"""Search across the rooms of one user."""

from typing import Any

import pytest

from chat.chat import Chat
from storage.ports.errors import TooManyReads
from tests.support.chatting import Person
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, ask, code_of, created
from utils.fairness import Party


async def found(person: Person, q: str, **fields: Any) -> list[tuple[str, str]]:
    await ask(person, "search", q=q, **fields)
    return [(message["room"], message["content"]) for message in person.last("search")["messages"]]


@pytest.fixture
async def rooms(chat: Chat) -> dict[str, Person]:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    await created(chat, ann, "one")
    await created(chat, ann, "two", private=True)
    await created(chat, ben, "three")
    for number, (who, room) in enumerate([(ann, "one"), (ann, "two"), (ben, "three"), (ann, "one")]):
        who.say(f"Apple {number}", f"m{number}", room)
        await passes(0.01)
    await passes(0.1)
    return {"ann": ann, "ben": ben}


async def test_search_returns_the_newest_first_from_the_users_rooms(rooms: dict[str, Person]) -> None:
    assert await found(rooms["ann"], "apple") == [("one", "Apple 3"), ("two", "Apple 1"), ("one", "Apple 0")]
    assert await found(rooms["ben"], "APPLE") == [("three", "Apple 2")]
    assert await found(rooms["ann"], "apple 1") == [("two", "Apple 1")]
    assert await found(rooms["ann"], "pear") == []


async def test_search_results_are_paged(rooms: dict[str, Person]) -> None:
    ann = rooms["ann"]
    seen = await found(ann, "apple", limit=2)
    page = ann.last("search")
    assert page["has_older"]
    seen += await found(ann, "apple", limit=2, cursor=page["cursor"])
    assert seen == [("one", "Apple 3"), ("two", "Apple 1"), ("one", "Apple 0")]
    assert (ann.last("search")["has_older"], "cursor" in ann.last("search")) == (False, False)


@pytest.mark.parametrize("fields", [{"q": ""}, {"q": "  !? "}, {"q": "x", "cursor": "y"}, {"q": "x", "cursor": "1"}])
async def test_an_invalid_query_is_refused(chat: Chat, fields: dict[str, str]) -> None:
    assert await code_of(account(chat, "ann"), "search", **fields) == "bad_field"


async def test_search_finds_nothing_the_user_may_not_see(chat: Chat, rooms: dict[str, Person]) -> None:
    ann, ben = rooms["ann"], rooms["ben"]
    await ask(ben, "join", room="one")
    assert len(await found(ben, "apple")) == 3
    await ask(ann, "kick", room="one", user="u_ben")
    assert len(await found(ben, "apple")) == 1
    await ask(ben, "join", room="one")
    await ask(ann, "ban", room="one", user="u_ben")
    assert len(await found(ben, "apple")) == 1
    await ask(ann, "delete_room", room="two")
    assert await found(ann, "apple") == [("one", "Apple 3"), ("one", "Apple 0")]


async def test_a_guest_searches_the_room_they_are_in(chat: Chat) -> None:
    guest = Person(chat, "guest", "general")
    await passes()
    guest.say("apple", "m")
    await passes(0.1)
    assert await found(guest, "apple") == [("general", "apple")]
    await ask(guest, "leave", room="general")
    assert await found(guest, "apple") == []


async def test_search_reflects_messages_posted_or_deleted_just_before(chat: Chat, repository: FaultyRepository) -> None:
    ann = account(chat, "ann")
    await created(chat, ann, "one")
    ann.say("apple", "m", "one")
    ann.say("apple pie", "n", "one")
    assert [content for _, content in await found(ann, "apple")] == ["apple pie", "apple"]
    repository.hold("search")
    ann.send("search", q="apple")
    other = account(chat, "ann")
    await ask(other, "join", room="one")
    other.send("delete", room="one", seq=ann.acked()["m"])
    await passes(0.1)
    repository.go("search")
    await passes(0.1)
    assert [message["content"] for message in ann.last("search")["messages"]] == ["apple pie"]


async def test_searches_are_scheduled_per_account_and_per_guest_address(
    chat: Chat, repository: FaultyRepository
) -> None:
    """Each account by itself, from any address; all guests of an address together."""
    ann, guest = account(chat, "ann"), Person(chat, "gus")
    guest.session.network = "192.0.2.7"
    for person, party in ((ann, Party("u_ann")), (guest, Party("192.0.2.7", guest.session.user.id))):
        await ask(person, "search", q="apple")
        assert repository.readers["search"] == repository.readers["rooms_of"] == party
        await ask(person, "join", room=f"cold for {party.group}")
        assert repository.readers["find_room"] == party


@pytest.mark.parametrize(("own", "code"), [(True, "rate_limited"), (False, "overloaded")])
async def test_too_many_queued_reads_are_refused(
    chat: Chat, repository: FaultyRepository, own: bool, code: str
) -> None:
    ann = account(chat, "ann")
    repository.faults["search"].append(TooManyReads(own=own))
    frames = await ask(ann, "search", q="apple")
    assert [(frame["code"], frame["retryable"], frame["retry_after"]) for frame in frames] == [(code, True, 2.0)]
    assert await found(ann, "apple") == []
