"""Responses delayed by a storage lookup contain nothing of a room that the user has lost access to."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from chat.chat import Chat
from chat.ports import Identity
from chat.queries.history import NOTHING, export_page, find_message, read_history, search_messages
from chat.queries.listing import Inside, describe_room, find_members, list_rooms
from chat.queries.online import list_online
from model.commands import ListMembers, ListRooms, ReadHistory, Search
from model.errors import ParleyError
from model.room import User
from tests.support.chatting import Person, chatting
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, ask, code_of, created, id_of, mine, said, staffed

# --- lists -----------------------------------------------------------------------------------------------------------


def change(kind: str, people: dict[str, Person]) -> None:
    """Take the member's role in the room away."""
    owner, user = people["owner"], id_of(people["member"])
    match kind:
        case "kick" | "ban":
            owner.send(kind, room="lobby", user=user)
        case "delete_room":
            owner.send("delete_room", room="lobby")
        case "quit":
            people["twin"].send("leave", room="lobby", quit=True)


LOSSES = ("kick", "ban", "quit", "delete_room")


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("point", ["rooms_of", "count_members"])
async def test_a_room_lost_during_the_read_is_not_in_the_list(kind: str, point: str) -> None:
    repository = FaultyRepository()
    async with chatting(repository) as chat:
        repository.early.add(point)
        people = await staffed(chat)
        people["twin"] = account(chat, "member")
        await ask(people["twin"], "join", room="lobby")
        member = people["member"]
        repository.delay(point)
        member.send("rooms", mine=True)
        await passes()
        change(kind, people)
        await passes(0.1)
        assert member.of("left")
        repository.go(point)
        await passes(0.1)
        assert member.last("rooms")["rooms"] == []


@pytest.mark.parametrize("kind", LOSSES)
async def test_a_lost_room_is_in_no_response_before_storage_confirms(kind: str) -> None:
    repository = FaultyRepository()
    async with chatting(repository) as chat:
        people = await staffed(chat)
        people["twin"] = account(chat, "member")
        await ask(people["twin"], "join", room="lobby")
        await said(people["owner"], "apple")
        member = people["member"]
        repository.hold("write")
        change(kind, people)
        await passes(0.1)
        assert member.of("left")
        assert await mine(member) == {}
        await ask(member, "search", q="apple")
        assert member.last("search")["messages"] == []


async def test_a_member_list_is_never_older_than_the_events_sent_before_it(
    chat: Chat, repository: FaultyRepository
) -> None:
    """A member who left is not in it, and their page still has a cursor to the next one."""
    ann, ada = account(chat, "ann"), account(chat, "ada", "admin")
    await created(chat, ann)
    await ask(ada, "join", room="lobby")
    people = [account(chat, f"p{number}") for number in range(6)]
    for person in people:
        await ask(person, "join", room="lobby")
    for person in people[2:]:
        await ask(person, "leave", room="lobby")
    await ask(ann, "set_role", room="lobby", user="u_p3", role="moderator")
    await passes(1)
    repository.early.add("members")
    repository.delay("members")
    ann.send("members", room="lobby", limit=2, cursor="u_ann")
    await passes()
    for number in (0, 1):
        await ask(people[number], "leave", room="lobby", quit=True)
    await ask(ada, "set_role", room="lobby", user="u_p2", role="moderator")
    await ask(ada, "set_role", room="lobby", user="u_p2", role="readonly")
    await passes(1)
    repository.go("members")
    await passes(0.1)
    found = []
    while True:
        page = ann.last("members")
        found += [(member["id"], member["role"]) for member in page["members"]]
        if "cursor" not in page:
            break
        await ask(ann, "members", room="lobby", limit=2, cursor=page["cursor"])
    assert found == [("u_p2", "readonly"), ("u_p3", "moderator"), ("u_p4", "member"), ("u_p5", "member")]


@pytest.mark.parametrize(("kind", "fields"), [("update_room", {"private": True}), ("delete_room", {})])
async def test_a_hidden_room_is_not_listed_as_public_before_storage_confirms(
    chat: Chat, repository: FaultyRepository, kind: str, fields: dict[str, bool]
) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    await created(chat, ann)
    repository.hold("write")
    await ask(ann, kind, room="lobby", **fields)
    await ask(ben, "rooms")
    assert ben.last("rooms")["rooms"] == []


async def test_an_ephemeral_room_that_another_device_quits_is_not_in_the_list(
    chat: Chat, repository: FaultyRepository
) -> None:
    ann, twin = account(chat, "ann"), account(chat, "ann")
    for device in (ann, twin):
        await ask(device, "join", room="general")
    await created(chat, ann, "lobby")  # so that there is something to count
    repository.delay("count_members")
    ann.send("rooms", mine=True)
    await passes()
    await ask(twin, "leave", room="general", quit=True)
    assert ann.of("left")
    repository.go("count_members")
    await passes(0.1)
    assert [entry["room"] for entry in ann.last("rooms")["rooms"]] == ["lobby"]


@pytest.mark.parametrize(("kind", "fields"), [("update_room", {"private": True}), ("delete_room", {})])
async def test_a_room_hidden_during_the_read_is_not_listed_as_public(
    chat: Chat, repository: FaultyRepository, kind: str, fields: dict[str, bool]
) -> None:
    """The next page continues after it."""
    ann, ben = account(chat, "ann"), account(chat, "ben")
    for name in ("one", "two"):
        await created(chat, ann, name)
    repository.early.add("listed_rooms")
    repository.delay("listed_rooms")
    ben.send("rooms", limit=1)
    await passes()
    assert await code_of(ann, kind, room="one", **fields) == ""
    repository.go("listed_rooms")
    await passes(0.1)
    page = ben.last("rooms")
    assert (page["rooms"], page["cursor"]) == ([], "one")
    await ask(ben, "rooms", limit=1, cursor=page["cursor"])
    assert [entry["room"] for entry in ben.last("rooms")["rooms"]] == ["two"]


async def test_another_user_losing_a_room_does_not_delay_a_list(chat: Chat, repository: FaultyRepository) -> None:
    people = await staffed(chat)
    member = people["member"]
    repository.delay("rooms_of")
    member.send("rooms", mine=True)
    await passes()
    await ask(people["owner"], "kick", room="lobby", user=id_of(people["readonly"]))
    repository.go("rooms_of")
    await passes(0.1)
    assert [entry["room"] for entry in member.last("rooms")["rooms"]] == ["lobby"]
    assert repository.calls["rooms_of"] == 1


async def test_an_ephemeral_room_stays_in_the_list_of_a_user_who_read_it(
    chat: Chat, repository: FaultyRepository
) -> None:
    """With the stored cursor, although the row was not needed in memory when they returned; until they quit."""
    ann, ben = account(chat, "ann"), account(chat, "ben")
    for person in (ann, ben):
        await ask(person, "join", room="general")
    seq = await said(ben, room="general")
    await ask(ann, "read", room="general", seq=seq)
    ann.disconnect()
    await passes(0.1)
    ann = account(chat, "ann")
    assert (await mine(ann))["general"]["read"] == seq
    await ask(ann, "join", room="general")
    assert (await mine(ann))["general"]["read"] == seq
    await ask(ann, "leave", room="general", quit=True)
    assert await mine(ann) == {}
    assert await code_of(ann, "join", room="general") == ""
    assert "read" not in ann.last("joined")


# --- responses in progress -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize(
    ("point", "asked"),
    [
        ("history", {"type": "history"}),
        ("members", {"type": "members"}),
        ("find_message", {"type": "react", "emoji": "x"}),
        ("find_message", {"type": "message", "content": "x", "reply_to": True}),
        ("find_posted", {"type": "message", "content": "x", "resend": True}),
        ("find_member", {"type": "kick", "user": "u_far"}),
        ("find_member", {"type": "invite", "user": "u_far"}),
    ],
)
async def test_a_removed_user_gets_no_response_from_the_room(kind: str, point: str, asked: dict[str, Any]) -> None:
    repository = FaultyRepository()
    async with chatting(repository, room_tail=0) as chat:
        people = await staffed(chat)
        people["twin"], far = account(chat, "member"), account(chat, "far")
        for person in (people["twin"], far):
            await ask(person, "join", room="lobby")
        far.disconnect()
        member, owner = people["member"], people["owner"]
        if asked["type"] in ("kick", "invite"):
            await ask(owner, "set_role", room="lobby", user=id_of(member), role="moderator")
        seq, _ = await said(owner, "secret"), await said(owner)
        place = {"reply_to": seq} if "reply_to" in asked else {"seq": seq} if asked["type"] == "react" else {}
        repository.delay(point)
        member.forget()
        member.send(**(asked | place | {"id": "q", "room": "lobby"}))
        await passes()
        change(kind, people)
        await passes(0.1)
        assert member.types()[-1] == "left"
        owner.forget()
        repository.go(point)
        await passes(0.1)
        assert member.types()[-2:] == ["left", "error"]
        assert member.errors() == {"q": "not_joined"}
        assert not owner.of("message", "reaction", "member")


@pytest.mark.parametrize("kind", LOSSES)
async def test_a_removed_user_gets_no_more_of_a_resume(kind: str) -> None:
    repository = FaultyRepository()
    async with chatting(repository, room_tail=0) as chat:
        people = await staffed(chat)
        people["twin"] = account(chat, "member")
        await ask(people["twin"], "join", room="lobby")
        first, _, _ = await said(people["owner"]), await said(people["owner"], "secret"), await said(people["owner"])
        epoch = people["member"].last("joined")["epoch"]
        people["member"].disconnect()
        people["member"] = member = account(chat, "member")
        repository.delay("changed")
        member.send("join", room="lobby", since=first, epoch=epoch)
        await passes()
        assert member.last("joined")["recovered"]
        change(kind, people)
        await passes(0.1)
        repository.go("changed")
        await passes(0.1)
        assert member.types()[-1] == "left"
        assert not member.of("message", "synced")


@pytest.mark.parametrize("kind", LOSSES)
async def test_a_search_finds_nothing_in_a_room_lost_during_the_search(kind: str) -> None:
    repository = FaultyRepository()
    async with chatting(repository) as chat:
        people = await staffed(chat)
        people["twin"] = account(chat, "member")
        await ask(people["twin"], "join", room="lobby")
        await said(people["owner"], "apple")
        member = people["member"]
        repository.delay("search")
        member.send("search", q="apple")
        await passes()
        change(kind, people)
        await passes(0.1)
        repository.go("search")
        await passes(0.1)
        assert member.last("search")["messages"] == []


async def test_a_leftover_mute_gives_no_search_access(chat: Chat) -> None:
    """Their only row in the room is a mute, in case they return."""
    people = await staffed(chat)
    owner, member = people["owner"], people["member"]
    await said(owner, "apple")
    await ask(owner, "mute", room="lobby", user=id_of(member))
    await ask(member, "leave", room="lobby", quit=True)
    await ask(member, "search", q="apple")
    assert member.last("search")["messages"] == []
    assert await mine(member) == {}


# --- reads by a user who is kicked during the lookup -----------------------------------------------------------------


async def _secret(chat: Chat) -> tuple[dict[str, Person], Identity]:
    """Create a private room with a message, with a device of a member in it, and return that member's identity."""
    people = await staffed(chat, private=True)
    await said(people["owner"], "secret apple", "lobby")
    identity = people["member"].session.identity
    assert identity is not None
    return people, identity


Read = Callable[[Chat, Person, Identity], Awaitable[object]]


def _devices(chat: Chat, identity: Identity) -> Inside:
    return lambda: [room for device in chat.parts.directory.devices(identity.user.id) for room in device.rooms.values()]


async def _search(chat: Chat, device: Person, identity: Identity) -> object:
    found = await search_messages(chat.parts, identity, Search(q="apple"), _devices(chat, identity))
    return [message.content for message in found.messages]


async def _history(chat: Chat, device: Person, identity: Identity) -> object:
    return (await read_history(chat.parts, "lobby", ReadHistory(room="lobby"), identity) or NOTHING).messages


async def _message(chat: Chat, device: Person, identity: Identity) -> object:
    room = chat.parts.hub.rooms["lobby"]
    seq = room.head
    room.tail.forget(seq + 1, 0)
    with pytest.raises(ParleyError, match="no_such_room"):
        await find_message(chat.parts, "lobby", seq, identity)
    return []


async def _described(chat: Chat, device: Person, identity: Identity) -> object:
    return await describe_room(chat.parts, "lobby", identity) or []


async def _people(chat: Chat, device: Person, identity: Identity) -> object:
    return await find_members(chat.parts, "lobby", ListMembers(room="lobby"), identity) or []


async def _rooms(chat: Chat, device: Person, identity: Identity) -> object:
    return (await list_rooms(chat.parts, identity, ListRooms(mine=True), _devices(chat, identity))).rooms


async def _online(chat: Chat, device: Person, identity: Identity) -> object:
    found = await list_online(chat.parts, identity, None, after="", limit=100)
    assert found is not None
    return [person.rooms for person in found if person.rooms]


async def _online_there(chat: Chat, device: Person, identity: Identity) -> object:
    return await list_online(chat.parts, identity, "lobby", after="", limit=100) or []


READS: dict[str, tuple[Read, str]] = {
    "search": (_search, "search"),
    "history": (_history, "history"),
    "one message": (_message, "find_message"),
    "one room": (_described, "count_members"),
    "members": (_people, "members"),
    "rooms": (_rooms, "count_members"),
    "online": (_online, "rooms_of"),
    "online in a room": (_online_there, "rooms_of"),
}


@pytest.mark.parametrize("kind", ["kick", "ban"])
@pytest.mark.parametrize("name", READS)
async def test_a_kicked_user_cannot_read_a_private_room_before_the_kick_is_stored(name: str, kind: str) -> None:
    read, _ = READS[name]
    repository = FaultyRepository()
    async with chatting(repository) as chat:
        people, identity = await _secret(chat)
        repository.hold("write")
        people["owner"].send(kind, room="lobby", user=id_of(people["member"]))
        await passes(0.1)
        assert await read(chat, people["member"], identity) == []


@pytest.mark.parametrize("kind", ["kick", "ban"])
@pytest.mark.parametrize("name", READS)
async def test_a_user_kicked_during_the_read_gets_nothing_of_a_private_room(name: str, kind: str) -> None:
    """As over HTTP: the reader has no session, but a device that is in the room."""
    read, point = READS[name]
    repository = FaultyRepository()
    repository.early |= {"members", "count_members", "rooms_of"}
    async with chatting(repository) as chat:
        people, identity = await _secret(chat)
        repository.delay(point)
        reading = asyncio.ensure_future(read(chat, people["member"], identity))
        await passes()
        assert not reading.done()
        assert await code_of(people["owner"], kind, room="lobby", user=id_of(people["member"])) == ""
        people["owner"].say("said behind their back", room="lobby")
        await passes(0.1)
        repository.go(point)
        assert await reading == []


async def test_a_former_moderator_gets_no_further_export_page() -> None:
    repository = FaultyRepository()
    async with chatting(repository) as chat:
        people = await staffed(chat)
        await said(people["owner"])
        identity = people["moderator"].session.identity
        repository.delay("history")
        reading = asyncio.ensure_future(export_page(chat.parts, "lobby", identity, None))
        await passes()
        moderator = id_of(people["moderator"])
        assert await code_of(people["owner"], "set_role", room="lobby", user=moderator, role="member") == ""
        repository.go("history")
        with pytest.raises(ParleyError, match="forbidden"):
            await reading


@pytest.mark.parametrize("identity", [None, Identity(User("u_far", "far"), guest=False)], ids=["nobody", "outsider"])
async def test_a_room_hidden_during_the_read_is_not_readable_by_non_members(identity: Identity | None) -> None:
    repository = FaultyRepository()
    async with chatting(repository) as chat:
        people = await staffed(chat)
        await said(people["owner"])
        repository.delay("history")
        reading = asyncio.ensure_future(read_history(chat.parts, "lobby", ReadHistory(room="lobby"), identity))
        await passes()
        assert await code_of(people["owner"], "update_room", room="lobby", private=True) == ""
        await said(people["owner"], "in private", "lobby")
        repository.go("history")
        assert await reading is None


async def test_access_is_judged_by_the_current_row_not_the_one_storage_returned() -> None:
    """Storage returns an older row than one that was decided, stored and evicted during the lookup."""
    repository = FaultyRepository()
    async with chatting(repository) as chat:
        people, identity = await _secret(chat)
        people["member"].disconnect()
        await passes(0.1)
        repository.delay("find_member")
        reading = asyncio.ensure_future(read_history(chat.parts, "lobby", ReadHistory(room="lobby"), identity))
        await passes()
        assert await code_of(people["owner"], "kick", room="lobby", user=identity.user.id) == ""
        repository.go("find_member")
        assert await reading is None
