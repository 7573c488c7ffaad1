"""Rooms of two: there is one for each two people, and nobody else ever learns of it."""

import pytest

from chat.chat import Chat
from chat.handlers.manage import direct_name
from chat.history import read_history
from model.commands import ReadHistory
from tests.support.chatting import Person
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, ask, code_of, id_of

NAME = direct_name("u_ann", "u_ben")


async def test_it_opens_for_one_and_is_told_to_the_other_at_once(chat: Chat) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    frames = await ask(ann, "direct", id="d", user="u_ben")
    shown = [frame for frame in frames if frame["type"] != "presence"]
    ben_user, ann_user = {"id": "u_ben", "name": "ben"}, {"id": "u_ann", "name": "ann"}
    room = {"type": "room", "room": NAME, "action": "direct", "info": {"kind": "direct"}, "role": "member"}
    assert shown[0] == {**room, "id": "d", "peer": ben_user}
    assert (shown[1]["type"], shown[1]["peer"], shown[1]["role"]) == ("joined", ben_user, "member")
    assert shown[2]["ids"][0]["id"] == "d"
    assert ben.frames[-1] == {**room, "peer": ann_user}
    await ask(ben, "rooms", mine=True)
    entry = ben.last("rooms")["rooms"][0]
    assert (entry["room"], entry["kind"], entry["peer"], entry["members"]) == (NAME, "direct", ann_user, 2)


async def test_both_find_the_same_room(chat: Chat) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    await ask(ann, "direct", user="u_ben")
    ann.say("psst", "m", NAME)
    await ask(ben, "direct", user="u_ann")
    assert (ben.of("room")[-1]["peer"]["name"], len(ben.of("room"))) == ("ann", 2)
    await ask(ben, "history", room=NAME)
    assert [message["content"] for message in ben.last("history")["messages"]] == ["psst"]
    ben.say("what?", room=NAME)
    await passes(0.1)
    assert ann.heard() == ["psst", "what?"]


async def test_it_is_there_when_both_come_back(chat: Chat, repository: FaultyRepository) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    await ask(ann, "direct", user="u_ben")
    ann.say("psst", "m", NAME)
    await passes(0.1)
    for person in (ann, ben):
        person.disconnect()
    await passes()
    assert not chat.hub.rooms
    ben = account(chat, "ben")
    await ask(ben, "rooms", mine=True)
    entry = ben.last("rooms")["rooms"][0]
    assert (entry["room"], entry["unread"], entry["peer"]["id"]) == (NAME, 1, "u_ann")
    assert await code_of(ben, "join", room=NAME) == ""
    assert ben.last("joined")["peer"]["id"] == "u_ann"
    ben.disconnect()
    await passes()
    ben = account(chat, "ben")
    assert await code_of(ben, "direct", user="u_ann") == ""  # known, though she is not here
    assert ben.last("room")["peer"] == {"id": "u_ann", "name": "ann"}


@pytest.mark.parametrize("role", ["user", "organizer", "admin"])
@pytest.mark.parametrize("cold", [False, True])
async def test_nobody_else_sees_it(chat: Chat, role: str, cold: bool) -> None:
    ann = account(chat, "ann")
    account(chat, "ben")
    await ask(ann, "direct", user="u_ben")
    ann.say("psst", "m", NAME)
    await passes(0.1)
    if cold:
        ann.disconnect()
        await passes()
    cat = account(chat, "cat", role)
    for fields in ({}, {"create": False}, {"password": "x"}):
        assert await code_of(cat, "join", room=NAME, **fields) == "no_such_room"
    assert await code_of(cat, "create_room", room=NAME) == "reserved_name"
    await ask(cat, "rooms")
    assert cat.last("rooms")["rooms"] == []
    await ask(cat, "search", q="psst")
    assert cat.last("search")["messages"] == []
    page = await read_history(chat, NAME, ReadHistory(room=NAME), cat.session.identity)
    assert page.messages == []


async def test_a_name_like_that_makes_no_room(chat: Chat) -> None:
    assert await code_of(account(chat, "ann"), "join", room=NAME) == "no_such_room"
    assert await code_of(Person(chat, "guest"), "join", room="@") == "no_such_room"
    assert not chat.hub.rooms


async def test_with_whom(chat: Chat) -> None:
    ann = account(chat, "ann")
    assert await code_of(ann, "direct", user="u_nobody") == "no_such_user"
    assert await code_of(ann, "direct", user="u_ann") == "bad_field"
    guest = Person(chat, "guest")
    assert await code_of(ann, "direct", user=id_of(guest)) == ""


@pytest.mark.parametrize(
    ("command", "fields", "code"),
    [
        ("kick", {"user": "u_ben"}, "forbidden"),
        ("ban", {"user": "u_ben"}, "forbidden"),
        ("invite", {"user": "u_cat"}, "forbidden"),
        ("delete_room", {}, "forbidden"),
        ("update_room", {"title": "x"}, "forbidden"),
        ("leave", {"quit": True}, "forbidden"),
        ("leave", {}, ""),
    ],
)
async def test_it_belongs_to_nobody_alone(chat: Chat, command: str, fields: dict[str, object], code: str) -> None:
    ann = account(chat, "ann")
    account(chat, "ben")
    account(chat, "cat")
    await ask(ann, "direct", user="u_ben")
    assert await code_of(ann, command, room=NAME, **fields) == code


async def test_both_open_it_at_once(chat: Chat, repository: FaultyRepository) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    repository.hold("find_room")
    ann.send("direct", user="u_ben")
    ben.send("direct", user="u_ann")
    await passes()
    repository.go("find_room")
    await passes(0.1)
    for person in (ann, ben):
        assert not person.of("error")
        assert NAME in person.session.rooms
