"""A user who is blocked by another one cannot write to that one directly, invite them, or mention them."""

import asyncio

import pytest

from chat.chat import Chat
from chat.handlers.manage import direct_name
from chat.safety import block_user, unblock_user
from model.errors import ParleyError
from tests.support.chatting import Person
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import account, ask, code_of, created, mine, said


async def block(chat: Chat, who: Person, user_id: str) -> None:
    await block_user(chat.parts, who.session.actor, user_id, "")


async def unblock(chat: Chat, who: Person, user_id: str) -> None:
    await unblock_user(chat.parts, who.session.actor, user_id, "")


async def test_a_blocked_user_cannot_open_a_direct_room(chat: Chat) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    await block(chat, ann, "u_ben")
    assert await code_of(ben, "direct", user="u_ann") == "no_such_user"
    await code_of(ben, "direct", user="u_nobody")
    blocked, unknown = ben.of("error")[-2:]
    assert blocked == unknown
    await unblock(chat, ann, "u_ben")
    assert await code_of(ben, "direct", user="u_ann") == ""


async def test_the_one_who_blocks_may_write_but_gets_no_answer(chat: Chat) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    await block(chat, ann, "u_ben")
    room = direct_name("u_ann", "u_ben")
    assert await code_of(ann, "direct", user="u_ben") == ""
    await said(ann, room=room)
    assert await code_of(ben, "join", room=room) == ""
    assert await code_of(ben, "message", room=room, content="x") == "forbidden"


async def test_a_block_counts_in_a_direct_room_at_once(chat: Chat) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    room = direct_name("u_ann", "u_ben")
    assert await code_of(ben, "direct", user="u_ann") == ""
    await said(ben, room=room)
    await block(chat, ann, "u_ben")
    for command in ({"type": "message", "content": "x"}, {"type": "typing"}):
        assert await code_of(ben, room=room, **command) == "forbidden"
    assert await code_of(ann, "direct", user="u_ben") == ""
    await said(ann, room=room)
    await unblock(chat, ann, "u_ben")
    await said(ben, room=room)
    assert chat.parts.hub.rooms[room].unrestricted


async def test_a_block_is_known_when_the_direct_room_is_loaded_again(chat: Chat, repository: FaultyRepository) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    room = direct_name("u_ann", "u_ben")
    assert await code_of(ben, "direct", user="u_ann") == ""
    await ask(ben, "leave", room=room)
    await passes(30)
    assert room not in chat.parts.hub.rooms
    repository.hold("safety.blocks")
    ben.send("join", room=room)
    await passes(0.1)
    blocking = asyncio.ensure_future(block(chat, ann, "u_ben"))  # while the room is being loaded
    await passes(0.1)
    repository.go("safety.blocks")
    await blocking
    await passes(0.1)
    assert await code_of(ben, "message", room=room, content="x") == "forbidden"


async def test_a_blocked_user_cannot_invite(chat: Chat) -> None:
    ann, ben = account(chat, "ann"), account(chat, "ben")
    await created(chat, ben, "den", private=True)
    await block(chat, ann, "u_ben")
    assert await code_of(ben, "invite", room="den", user="u_ann") == "no_such_user"
    await unblock(chat, ann, "u_ben")
    assert await code_of(ben, "invite", room="den", user="u_ann") == ""


async def test_a_blocked_user_does_not_mention(chat: Chat) -> None:
    ann, ben, cal = (account(chat, name) for name in ("ann", "ben", "cal"))
    await created(chat, cal)
    for person in (ann, ben):
        assert await code_of(person, "join", room="lobby") == ""
    await ask(ann, "leave", room="lobby")
    await said(ben, "hello @ann")
    await said(cal, "hello @ann")
    assert (await mine(ann))["lobby"]["mentions"] == 2
    await block(chat, ann, "u_ben")
    after = (await mine(ann))["lobby"]
    assert (after["mentions"], after["unread"]) == (1, 2)


async def test_a_user_cannot_block_themselves(chat: Chat) -> None:
    with pytest.raises(ParleyError) as refused:
        await block(chat, account(chat, "ann"), "u_ann")
    assert (refused.value.code, refused.value.field) == ("bad_field", "user")


async def test_the_number_of_blocks_is_bounded(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.safety.USER_BLOCKS", 1)
    ann = account(chat, "ann")
    await block(chat, ann, "u_ben")
    with pytest.raises(ParleyError) as refused:
        await block(chat, ann, "u_cal")
    assert refused.value.code == "conflict"
    with pytest.raises(ParleyError) as refused:
        await unblock(chat, ann, "u_cal")
    assert refused.value.code == "no_such_user"
