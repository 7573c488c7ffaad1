"""Guests with a name like that of a user who has a role in the room."""

import json

import pytest
from msgspec.structs import replace

from chat.chat import Chat
from chat.handlers.sessions import identify
from chat.one_shot import CommandRunner
from chat.ports import Identity
from model.commands import PostMessage
from model.errors import ParleyError
from model.events import Ack
from model.room import User
from tests.support.chatting import BY_PATH, Person
from tests.support.virtual import passes
from tests.unit.chat.people import account, ask, code_of, created, id_of, staffed

LIKE = ("Boss", "boss", "BOSS", "Ｂoss", "B0ss", "Bоss")  # full width, a zero, a Cyrillic o


def guest(chat: Chat, name: str, token: str | None = None) -> Person:
    return Person(chat, name, token=token)


@pytest.mark.parametrize("role", ["owner", "moderator", "organizer", "admin"])
@pytest.mark.parametrize("name", LIKE)
async def test_a_guest_cannot_join_under_a_name_like_that_of_a_user_with_a_role(
    chat: Chat, role: str, name: str
) -> None:
    owner = account(chat, "Boss" if role == "owner" else "other")
    await created(chat, owner, "lobby")
    boss = owner if role == "owner" else account(chat, "Boss", role if role in ("organizer", "admin") else "user")
    if boss is not owner:
        assert await code_of(boss, "join", room="lobby") == ""
    if role == "moderator":
        assert await code_of(owner, "set_role", room="lobby", user=id_of(boss), role="moderator") == ""
    impostor = guest(chat, name)
    assert await code_of(impostor, "join", room="lobby") == "reserved_name"
    assert "lobby" not in impostor.session.rooms
    assert await code_of(impostor, "join", room="elsewhere") == ""
    assert await code_of(guest(chat, "Bossy"), "join", room="lobby") == ""
    boss.disconnect()
    await passes(0.1)
    kept = role in ("owner", "moderator")  # an admin or organizer counts while present
    assert await code_of(guest(chat, name), "join", room="lobby") == ("reserved_name" if kept else "")


@pytest.mark.parametrize("way", ["enters", "gets a role", "organizer enters"])
async def test_a_guest_is_removed_when_a_user_with_a_role_has_their_name(chat: Chat, way: str) -> None:
    owner, other = account(chat, "owner"), guest(chat, "Bob")
    await created(chat, owner, "lobby")
    boss = account(chat, "Boss", "organizer" if way == "organizer enters" else "user")
    if way == "enters":
        assert await code_of(boss, "join", room="lobby") == ""
        boss.disconnect()
        await passes(0.1)
    impostor, plain = guest(chat, "bоss"), Person(chat, "boss", "lobby", dialect=BY_PATH["/chat"])
    for person in (impostor, other):
        assert await code_of(person, "join", room="lobby") == ""
    await passes(2)
    if way == "enters":
        assert await code_of(owner, "set_role", room="lobby", user="u_Boss", role="moderator") == ""
    else:
        assert await code_of(boss, "join", room="lobby") == ""
    if way == "gets a role":
        assert "lobby" in impostor.session.rooms, "a member is not more than a guest"
        assert await code_of(owner, "set_role", room="lobby", user="u_Boss", role="owner") == ""
    assert impostor.last("left") == {"type": "left", "room": "lobby", "reason": "name"}
    assert plain.frames[-1]["content"] == 'your name looks like that of a moderator of "lobby"'
    assert plain.connection.closed is not None
    assert "lobby" in other.session.rooms
    await passes(2)
    assert id_of(impostor) in {user["id"] for frame in other.of("presence") for user in frame.get("left", [])}


async def test_a_guest_is_removed_when_a_user_with_a_role_takes_their_name(chat: Chat) -> None:
    people = await staffed(chat)
    impostor = guest(chat, "zoe")
    await ask(impostor, "join", room="lobby")
    member, owner = people["member"].session.identity, people["owner"].session.identity
    assert member is not None
    assert owner is not None
    identify(chat.parts, people["member"].session, replace(member, user=User(member.user.id, "Zoe")))
    await passes()
    assert "lobby" in impostor.session.rooms, "a member is not more than a guest"
    identify(chat.parts, people["owner"].session, replace(owner, user=User(owner.user.id, "ZOE")))
    await passes()
    assert impostor.last("left") == {"type": "left", "room": "lobby", "reason": "name"}


async def test_accounts_and_guests_with_a_role_keep_their_names(chat: Chat) -> None:
    people = await staffed(chat)
    namesake = account(chat, "other")
    identify(chat.parts, namesake.session, Identity(User("u_2", "OWNER"), guest=False, role="user"))
    assert await code_of(namesake, "join", room="lobby") == ""
    trusted = guest(chat, "trusted")
    await ask(trusted, "join", room="lobby")
    assert await code_of(people["owner"], "set_role", room="lobby", user=id_of(trusted), role="moderator") == ""
    again = Person(chat, "Owner", token=trusted.token)
    assert await code_of(again, "join", room="lobby") == ""
    assert await code_of(people["owner"], "join", room="lobby") == ""
    assert "lobby" in again.session.rooms


async def test_a_guest_cannot_take_such_a_name_after_joining(chat: Chat) -> None:
    admin = account(chat, "Boss", "admin")
    await ask(admin, "join", room="general")
    token = guest(chat, "boss").token
    inside = Person(chat, None, "general")
    await passes()
    assert "general" in inside.session.rooms
    await ask(inside, "hello", token=token)
    assert inside.last("left") == {"type": "left", "room": "general", "reason": "identity"}


async def test_the_name_check_covers_http_and_the_other_dialects(chat: Chat) -> None:
    owner = account(chat, "Boss")
    await created(chat, owner, "lobby")
    claimed = Person(chat, dialect=BY_PATH["/ws"])
    payload = {"room_id": "lobby", "user_id": "7", "user_name": "b0ss"}
    chat.receive(claimed.session, json.dumps({"type": "join", "payload": payload}))
    plain = Person(chat, "boss", "lobby", dialect=BY_PATH["/chat"])
    await passes(0.1)
    assert [frame["payload"]["code"] for frame in claimed.frames if frame["type"] == "error"] == ["reserved_name"]
    assert plain.connection.closed is not None
    impostor = Identity(User("g_1", "boss"), guest=True)
    with pytest.raises(ParleyError, match="reserved_name"):
        await CommandRunner(chat).run(impostor, PostMessage(id="m", room="lobby", content="hi"), Ack)
    await created(chat, owner, "hidden", private=True)
    with pytest.raises(ParleyError, match="no_such_room"):
        await CommandRunner(chat).run(impostor, PostMessage(id="m", room="hidden", content="hi"), Ack)
