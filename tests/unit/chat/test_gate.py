"""Access without joining follows the current state of a room, even if storage still has an older one."""

import asyncio

import pytest

from chat.chat import Chat
from chat.ports import Identity
from chat.queries.history import ExportPlace, export_page, find_message
from chat.queries.listing import describe_room
from chat.rooms.access import RoomAccess, read_as
from model.errors import ParleyError
from model.permissions import Action
from model.room import User
from tests.support.chatting import Person
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, ask, code_of, created, id_of, look_at, staffed

ANN = Identity(User("u_ann", "ann"), guest=False, role="user")


async def test_a_deleted_room_is_gone_before_storage_confirms(chat: Chat, repository: FaultyRepository) -> None:
    ann = account(chat, "ann")
    await created(chat, ann)
    repository.hold("write")
    await ask(ann, "delete_room", room="lobby")
    looking = asyncio.ensure_future(look_at(chat, "lobby", ANN))
    await passes()
    assert not looking.done()
    repository.go("write")
    assert await looking is None


async def test_a_decision_made_during_a_storage_lookup_counts(chat: Chat, repository: FaultyRepository) -> None:
    people = await staffed(chat, private=True)
    people["member"].disconnect()
    await passes()
    repository.hold("find_member")
    looking = asyncio.ensure_future(look_at(chat, "lobby", Identity(User("u_member", "member"), guest=False)))
    await passes()
    seen = await look_at(chat, "lobby", Identity(User("u_moderator", "moderator"), guest=False))
    assert seen is not None
    assert seen.standing == "moderator"
    await ask(people["owner"], "delete_room", room="lobby")
    repository.go("find_member")
    assert await looking is None


async def test_a_late_storage_row_does_not_lift_a_ban(chat: Chat, repository: FaultyRepository) -> None:
    """Storage returns the row from before the ban: the banned user must not be able to read even once."""
    people = await staffed(chat)
    people["member"].disconnect()
    await passes()
    read: list[RoomAccess] = []

    async def look(view: RoomAccess) -> RoomAccess:
        read.append(view)
        return view

    repository.delay("find_member")  # this call waits, later ones do not
    identity = Identity(User("u_member", "member"), guest=False)
    looking = asyncio.ensure_future(read_as(chat.parts, "lobby", identity, look))
    await passes()
    assert not looking.done()
    assert await code_of(people["owner"], "ban", room="lobby", user="u_member") == ""
    repository.go("find_member")
    assert await looking is None
    assert read == []


async def test_a_moderator_of_an_ownerless_room_keeps_the_role_when_it_is_empty(chat: Chat) -> None:
    """An admin gave them the role; the room is reloaded from storage."""
    root, ann = account(chat, "root", "admin"), account(chat, "ann")
    for person in (root, ann):
        await ask(person, "join", room="general")
    ann.say("hello", "m")
    await passes(0.1)
    assert await code_of(root, "set_role", room="general", user=id_of(ann), role="moderator") == ""
    for person in (root, ann):
        person.disconnect()
    await passes()
    assert not chat.parts.hub.rooms
    assert await look_at(chat, "general", ANN, Action.EXPORT) is not None
    with pytest.raises(ParleyError, match="forbidden"):
        await look_at(chat, "general", Identity(User("u_ben", "ben"), guest=False), Action.EXPORT)


async def test_a_message_is_found_in_its_current_state(chat: Chat, repository: FaultyRepository) -> None:
    ann = Person(chat, "ann", "general")
    await passes()
    ann.say("first", "1")
    ann.say("second", "2")
    await passes(0.1)
    first, second = ann.acked()["1"], ann.acked()["2"]
    ann.say("reply", "3", reply_to=first)
    await passes(0.1)
    repository.hold("write")
    ann.send("edit", id="e", room="general", seq=first, content="edited")
    ann.send("delete", id="d", room="general", seq=second)
    assert (await find_message(chat.parts, "general", first, None)).content == "edited"
    reply = await find_message(chat.parts, "general", ann.acked()["3"], None)
    assert reply.reply_to is not None
    assert reply.reply_to.content == "edited"
    for name, seq, code in (
        ("general", second, "no_such_message"),
        ("general", first + 1, "no_such_message"),
        ("nothing", first, "no_such_room"),
    ):
        with pytest.raises(ParleyError, match=code):
            await find_message(chat.parts, name, seq, None)
    repository.go("write")
    await passes()
    room = chat.parts.hub.rooms["general"]
    room.tail.forget(room.head + 1, 0)
    assert (await find_message(chat.parts, "general", first, None)).content == "edited"
    with pytest.raises(ParleyError, match="no_such_message"):
        await find_message(chat.parts, "general", second, None)


async def test_an_export_ends_at_the_head_it_began_with(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.queries.history.EXPORT_PAGE", 3)
    ann = account(chat, "ann")
    await created(chat, ann)
    for number in range(7):
        ann.say(str(number), room="lobby")
    place: ExportPlace | None = None
    found: list[list[str]] = []
    while place is not None or not found:
        page, place = await export_page(chat.parts, "lobby", ANN, place)
        found.append([message.content for message in page])
        ann.say("after it began", room="lobby")
    assert found == [["0", "1", "2"], ["3", "4", "5"], ["6"]]


async def test_an_export_ends_when_its_room_is_deleted(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new room of the same name is a different room."""
    monkeypatch.setattr("chat.queries.history.EXPORT_PAGE", 3)
    ann = account(chat, "ann")
    await created(chat, ann)
    for number in range(7):
        ann.say(str(number), room="lobby")
    page, place = await export_page(chat.parts, "lobby", ANN, None)
    assert len(page) == 3
    assert place is not None
    await ask(ann, "delete_room", room="lobby")
    await created(chat, ann)
    with pytest.raises(ParleyError, match="no_such_room"):
        await export_page(chat.parts, "lobby", ANN, place)


async def test_a_room_has_the_same_description_alone_and_in_the_list(chat: Chat) -> None:
    people = await staffed(chat, title="The lobby")
    people["owner"].say("hello, @member", room="lobby")
    await passes(0.1)
    for name, person in people.items():
        await ask(person, "rooms", mine=True)
        assert person.session.identity is not None
        entry = await describe_room(chat.parts, "lobby", person.session.identity)
        assert entry is not None
        (line,) = person.last("rooms")["rooms"]
        assert {key: getattr(entry, key) for key in line} == line, name
    assert await describe_room(chat.parts, "nothing", ANN) is None
