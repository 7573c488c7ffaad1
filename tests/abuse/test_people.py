"""Attacks of one user on another: invitations, claimed ids, and rooms with a password."""

from __future__ import annotations

import asyncio
import json

from tests.abuse.peers import Peer, bearer, get
from tests.abuse.victim import Victim

VIC = bearer("vic")


async def test_strangers_cannot_push_rooms_out_of_a_users_list_or_search(victim: Victim) -> None:
    """As many invitations as three guests can send; none of their rooms becomes the user's own."""
    async with await Peer.open(victim.port, "/chat", headers=[VIC]) as vic:
        await vic.ask(type="create_room", room="team")
        await vic.ask(type="message", room="team", content="needle")
        codes = set()
        for guest in range(3):
            async with await Peer.open(victim.port, "/chat?u=m", source=f"127.0.0.{guest + 2}") as mallory:
                for number in range(60):
                    room = f"!{guest} {number}"
                    await mallory.ask(type="create_room", room=room)
                    codes.add((await mallory.ask(type="invite", room=room, user="u_vic")).get("code"))
                    await mallory.ask(type="leave", room=room)
        assert "too_many_invitations" in codes
        vic.eat()
        rooms = json.loads((await get(victim.port, "/api/rooms?mine=true&limit=500", [VIC]))[1])
        assert [entry["room"] for entry in rooms["rooms"]] == ["team"]
        assert len(rooms["invitations"]) == 100
        found = json.loads((await get(victim.port, "/search?q=needle", [VIC]))[1])
        assert [message["content"] for message in found["messages"]] == ["needle"]


async def test_a_claimed_id_cannot_enter_private_or_direct_rooms(victim: Victim) -> None:
    async with (
        await Peer.open(victim.port, "/ws", native=False) as claimed,
        await Peer.open(victim.port, "/chat", headers=[bearer("eve")]) as eve,
    ):
        join = '{"type":"join","payload":{"room_id":"den","user_id":"7","user_name":"Ann"}}'
        claimed.send_text(join.replace('"join"', '"create_room"').replace('"user_id"', '"room_name":"","user_id"'))
        while (await claimed.message())["type"] != "joined":
            pass
        assert (await eve.ask(type="direct", user="w_7"))["code"] == "forbidden"
        await eve.ask(type="create_room", room="secret", private=True)
        assert (await eve.ask(type="invite", room="secret", user="w_7"))["code"] == "forbidden"
        claimed.send_text(join.replace("den", "secret"))
        while (answer := await claimed.message())["type"] in ("user_joined", "user_left"):
            pass
        assert answer["type"] == "error"


async def test_creating_password_rooms_does_not_block_joining_one(victim: Victim) -> None:
    """40 guests create such rooms constantly: a user with the right password is still admitted."""
    async with await Peer.open(victim.port, "/chat", headers=[bearer("owner")]) as owner:
        await owner.ask(type="create_room", room="club", password="open sesame")
    flood = [await Peer.open(victim.port, "/chat?u=m", source=f"127.0.1.{number + 2}") for number in range(40)]
    for number, mallory in enumerate(flood):
        for room in range(5):
            mallory.send(type="create_room", room=f"x{number} {room}", password="p")
    creating = [asyncio.create_task(mallory.ask(type="ping")) for mallory in flood]  # answered after its rooms
    async with await Peer.open(victim.port, "/chat?u=friend", source="127.0.2.1") as friend:
        assert (await friend.ask(type="join", room="club", password="open sesame"))["type"] == "joined"
    assert not all(task.done() for task in creating)
    for task in creating:
        task.cancel()
    await asyncio.gather(*creating, return_exceptions=True)
    for mallory in flood:
        await mallory.close()
