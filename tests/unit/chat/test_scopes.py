"""Bots: what a key allows, whatever role the bot has in a room."""

from typing import Any

import pytest

from chat.chat import Chat
from chat.ports import Identity
from model.account import Scope
from model.permissions import MOST, RANK, Standing, within
from model.room import User
from tests.support.chatting import Person
from tests.unit.chat.people import account, code_of, id_of

SCOPES: tuple[Scope, ...] = ("read", "write", "moderate")


def bot(chat: Chat, scope: Scope) -> Person:
    """Return a client of the one bot, with a key of this scope."""
    identity = Identity(User("b_1", "bot"), guest=False, role="bot", login="k_1", scope=scope)
    return Person(chat, identity=identity)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("standing", RANK)
def test_a_key_lowers_a_standing_and_never_raises_it(scope: Scope, standing: Standing) -> None:
    assert RANK[within(standing, scope)] == min(RANK[standing], RANK[MOST[scope]])


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("role", ["member", "moderator", "owner"])
async def test_a_bot_may_do_what_its_role_and_its_key_allow(chat: Chat, scope: Scope, role: str) -> None:
    owner = account(chat, "owner")
    assert await code_of(owner, "create_room", room="lobby") == ""
    person = bot(chat, scope)
    for other in (owner, ben := account(chat, "ben"), person):
        other.send("join", room="lobby")
    assert await code_of(owner, "set_role", room="lobby", user=id_of(person), role=role) == ""
    writes, moderates = scope != "read", scope == "moderate" and role != "member"
    expected: list[tuple[str, dict[str, Any], bool]] = [
        ("history", {}, True),
        ("members", {}, True),
        ("message", {"content": "hello", "id": "1"}, writes),
        ("typing", {}, writes),
        ("mute", {"user": id_of(ben)}, moderates),
        ("update_room", {"topic": "talk"}, moderates),
        ("update_room", {"private": True}, False),
        ("set_role", {"user": id_of(ben), "role": "moderator"}, False),
    ]
    for command, fields, allowed in expected:
        code = await code_of(person, command, room="lobby", **fields)
        assert code == ("" if allowed else "forbidden"), (command, fields)
    posted = owner.of("message")
    assert len(posted) == writes


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_key_to_read_makes_nothing(chat: Chat, scope: Scope) -> None:
    """Neither where a room admits everybody, nor where no room is needed."""
    writes = scope != "read"
    ann = account(chat, "ann")
    person = bot(chat, scope)
    for other in (ann, person):
        other.send("join", room="open")
    for command, fields in (
        ("message", {"room": "open", "content": "hello"}),
        ("create_room", {"room": "own"}),
        ("direct", {"user": id_of(ann)}),
        ("leave", {"room": "open", "quit": True}),
    ):
        assert await code_of(person, command, **fields) == ("" if writes else "forbidden"), command
    assert await code_of(person, "decline", room="own") == ("no_such_invitation" if writes else "forbidden")
    assert await code_of(person, "announce", content="hello") == "forbidden"


async def test_a_bot_with_two_keys_has_what_each_allows(chat: Chat) -> None:
    ann, reads, writes = account(chat, "ann"), bot(chat, "read"), bot(chat, "write")
    for person in (ann, reads, writes):
        person.send("join", room="open")
    assert await code_of(reads, "message", room="open", content="no") == "forbidden"
    assert await code_of(writes, "message", room="open", content="yes") == ""
    assert await code_of(ann, "message", room="open", content="yes") == ""
    assert ann.heard() == reads.heard() == ["yes", "yes"]
