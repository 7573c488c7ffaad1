"""One client cannot fill the audit log: what gets an entry there is counted before anything is changed."""

from typing import Any

import pytest

from chat.chat import Chat
from chat.delivery.ratelimit import Allowances
from chat.safety import block_user, unblock_user
from model.errors import ParleyError
from tests.support.chatting import Person
from tests.unit.chat.people import account, ask, code_of, created, id_of, said

COMMANDS = [
    ("ban", {"user": "u_bob"}),
    ("unban", {"user": "u_eve"}),
    ("mute", {"user": "u_bob"}),
    ("unmute", {"user": "u_eve"}),
    ("kick", {"user": "u_bob"}),
    ("set_role", {"user": "u_bob", "role": "moderator"}),
    ("update_room", {"private": True}),
    ("delete_room", {}),
    ("delete", {"seq": 0}),
]


@pytest.mark.parametrize(("kind", "fields"), COMMANDS, ids=[kind for kind, _ in COMMANDS])
async def test_nothing_is_changed_without_room_in_the_log(chat: Chat, kind: str, fields: dict[str, Any]) -> None:
    ann, bob, eve = account(chat, "ann"), account(chat, "bob"), account(chat, "eve")
    await created(chat, ann)
    for other in (bob, eve):
        await ask(other, "join", room="lobby")
    seq = await said(bob, "hello")
    for what in ("mute", "ban"):
        await ask(ann, what, room="lobby", user="u_eve")
    chat.parts.audited = Allowances(0.001, 1.0)
    assert await code_of(ann, "mute", room="lobby", user="u_bob", seconds=0.001) == ""
    ann.forget()
    bob.forget()
    if kind == "delete":
        fields = {"seq": seq}
    assert await code_of(ann, kind, room="lobby", **fields) == "rate_limited"
    assert ann.last("error")["retry_after"] > 1
    assert (ann.types(), bob.types()) == (["error"], [])
    row = chat.parts.hub.rooms["lobby"].members["u_bob"]
    assert (row.role, row.banned_until) == ("member", 0)
    assert await code_of(bob, "message", room="lobby", content="as before") == ""
    await said(ann, "what has no entry is not concerned")


async def test_guests_of_one_address_are_counted_together(chat: Chat) -> None:
    chat.parts.audited_guests = Allowances(0.001, 2.0)
    owners = [Person(chat, f"guest{n}", network=f"192.0.2.{n // 3}") for n in range(6)]
    codes = []
    for n, owner in enumerate(owners):
        await ask(owner, "create_room", room=f"room{n}")
        codes.append(await code_of(owner, "delete_room", room=f"room{n}"))
    assert codes == ["", "", "rate_limited"] * 2


async def test_blocks_of_users_are_counted(chat: Chat) -> None:
    ann, bob = account(chat, "ann"), account(chat, "bob")
    chat.parts.audited = Allowances(0.001, 2.0)
    await block_user(chat.parts, ann.session.actor, id_of(bob), "")
    await unblock_user(chat.parts, ann.session.actor, id_of(bob), "")
    with pytest.raises(ParleyError) as refused:
        await block_user(chat.parts, ann.session.actor, id_of(bob), "")
    assert refused.value.code == "rate_limited"
    assert not await chat.parts.storage.safety.blocked_by(id_of(ann))
