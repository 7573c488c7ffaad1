"""The cost of every text from a client is in proportion to its size, over any protocol."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.abuse.attacks.text import marks
from tests.abuse.peers import Peer, bearer, get
from tests.abuse.victim import Victim

# CPU seconds of one input. Such a frame used to cost 2 to 3 s; an ordinary one costs less than a thousandth of that.
MOST = 0.1
EXPENSIVE = {
    "marks": marks(21_000),
    "runs of marks": ("b" + "\u0345" * 15 + "\u0334" * 15) * 680,
    "what folds to 18 letters": "\ufdfa" * 21_000,
    "hangul": "\u1100\u1161\u11a8" * 7_000,
    "no space": "\u4e00\u0e01" * 10_500,
    "mentions": "@" * 60_000,
    "open mentions": "@[" * 30_000,
    "joiners": "\u2764\ufe0f\u200d" * 7_000,
}

ROOM: dict[str, Any] = {"room": "general"}
FIELDS: dict[str, dict[str, Any]] = {
    "hello.token": {"type": "hello", "token": "*"},
    "join.room": {"type": "join", "room": "*"},
    "join.password": {"type": "join", **ROOM, "password": "*"},
    "join.epoch": {"type": "join", **ROOM, "since": 0, "epoch": "*"},
    "leave.room": {"type": "leave", "room": "*"},
    "message.room": {"type": "message", "room": "*", "content": "x"},
    "message.content": {"type": "message", **ROOM, "content": "*"},
    "edit.content": {"type": "edit", **ROOM, "seq": 1, "content": "*"},
    "edit.room": {"type": "edit", "room": "*", "seq": 1, "content": "x"},
    "delete.room": {"type": "delete", "room": "*", "seq": 1},
    "react.emoji": {"type": "react", **ROOM, "seq": 1, "emoji": "*"},
    "pin.room": {"type": "pin", "room": "*", "seq": 1},
    "typing.room": {"type": "typing", "room": "*"},
    "read.room": {"type": "read", "room": "*", "seq": 1},
    "history.room": {"type": "history", "room": "*"},
    "history.q": {"type": "history", **ROOM, "q": "*"},
    "history.sender": {"type": "history", **ROOM, "sender": "*"},
    "history.start": {"type": "history", **ROOM, "start": "*"},
    "search.q": {"type": "search", "q": "*"},
    "search.cursor": {"type": "search", "q": "x", "cursor": "*"},
    "create_room.room": {"type": "create_room", "room": "*"},
    "create_room.title": {"type": "create_room", "room": "r", "title": "*"},
    "create_room.topic": {"type": "create_room", "room": "r", "topic": "*"},
    "create_room.password": {"type": "create_room", "room": "r", "password": "*"},
    "update_room.title": {"type": "update_room", **ROOM, "title": "*"},
    "update_room.topic": {"type": "update_room", **ROOM, "topic": "*"},
    "delete_room.room": {"type": "delete_room", "room": "*"},
    "invite.room": {"type": "invite", "room": "*", "user": "u_x"},
    "invite.user": {"type": "invite", **ROOM, "user": "*"},
    "rooms.q": {"type": "rooms", "q": "*"},
    "rooms.cursor": {"type": "rooms", "cursor": "*"},
    "members.room": {"type": "members", "room": "*"},
    "members.cursor": {"type": "members", **ROOM, "cursor": "*"},
    "direct.user": {"type": "direct", "user": "*"},
    "kick.user": {"type": "kick", **ROOM, "user": "*"},
    "kick.reason": {"type": "kick", **ROOM, "user": "u_x", "reason": "*"},
    "ban.reason": {"type": "ban", **ROOM, "user": "u_x", "reason": "*"},
    "mute.reason": {"type": "mute", **ROOM, "user": "u_x", "reason": "*"},
    "set_role.user": {"type": "set_role", **ROOM, "user": "*", "role": "member"},
    "announce.content": {"type": "announce", "content": "*"},
    "unknown type": {"type": "*"},
}


def filled(fields: dict[str, Any], text: str) -> dict[str, Any]:
    """Return the command with the text in place of the star."""
    return {name: text if value == "*" else value for name, value in fields.items()}


@pytest.mark.parametrize("kind", EXPENSIVE)
async def test_text_in_any_field_of_any_command_is_cheap_to_check(victim: Victim, kind: str) -> None:
    costs: dict[str, float] = {}
    async with await Peer.open(victim.port, "/chat?u=m&r=general") as peer:
        for name, fields in FIELDS.items():
            before = victim.cpu()
            await peer.ask(**filled(fields, EXPENSIVE[kind]))
            costs[name] = victim.cpu() - before
    assert max(costs.values()) < MOST, {name: cost for name, cost in costs.items() if cost >= MOST}


@pytest.mark.parametrize("kind", EXPENSIVE)
async def test_a_message_of_maximum_length_is_cheap(victim: Victim, kind: str) -> None:
    """Accepted or refused: the work of storing and finding it counts too."""
    before = victim.cpu()
    async with await Peer.open(victim.port, "/chat?u=m&r=general") as peer:
        for _ in range(10):
            await peer.ask(type="message", room="general", content=EXPENSIVE[kind][:4000])
        await peer.ask(type="history", room="general", q="needle")
        await peer.ask(type="search", q="needle")
    assert victim.cpu() - before < 10 * MOST


@pytest.mark.parametrize(
    "target",
    [
        "/history?r=*",
        "/history?q=*",
        "/history?sender=*",
        "/api/rooms?q=*",
        "/search?q=*",
        "/api/rooms/*",
        "/api/rooms/*/messages",
        "/api/rooms/general/members?cursor=*",
        "/api/users?room=*",
        "/api/chat/messages?room=*",
    ],
)
async def test_text_in_an_address_is_cheap_to_check(victim: Victim, target: str) -> None:
    costs = {}
    for kind, text in EXPENSIVE.items():
        before = victim.cpu()
        await get(victim.port, target.replace("*", quote(text[:2600])), [bearer("ann")])
        costs[kind] = victim.cpu() - before
    assert max(costs.values()) < MOST, costs


@pytest.mark.parametrize(
    ("target", "frames"),
    [
        ("/chat?u=m&r=general", ["*"]),
        (
            "/ws",
            [
                '{"type":"join","payload":{"room_id":"*","user_id":"7","user_name":"Ann"}}',
                '{"type":"create_room","payload":{"room_id":"r","room_name":"*","user_id":"7","user_name":"Ann"}}',
                '{"type":"join","payload":{"room_id":"r","user_id":"*","user_name":"Ann"}}',
                '{"type":"join","payload":{"room_id":"r","user_id":"7","user_name":"*"}}',
                '{"type":"message","payload":{"room_id":"r","message":"*"}}',
            ],
        ),
        ("/api/chat?room=general", ['{"event":"message","content":"*"}', '{"event":"edit","id":"1","content":"*"}']),
    ],
    ids=["plain", "rooms", "events"],
)
async def test_text_in_any_dialect_is_cheap_to_check(victim: Victim, target: str, frames: list[str]) -> None:
    costs = {}
    for kind, text in EXPENSIVE.items():
        for shape in frames:
            async with await Peer.open(victim.port, target, native=False, headers=[bearer("ann")]) as peer:
                before = victim.cpu()
                peer.send_text(shape.replace("*", text))
                peer.eat()
                await get(victim.port, "/health")
                costs[kind, shape] = victim.cpu() - before
    assert max(costs.values()) < MOST, {name: cost for name, cost in costs.items() if cost >= MOST}
