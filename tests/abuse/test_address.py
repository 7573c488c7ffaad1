"""The limits that all clients of one address share, and what they leave for the others there."""

from __future__ import annotations

import asyncio

from tests.abuse.peers import Peer, token
from tests.abuse.victim import Victim
from tests.support.process import PATIENCE


async def test_a_guest_who_opens_every_room_allowed_does_not_block_others(victim: Victim) -> None:
    """Ten connections join a hundred rooms each; other clients of the same address are not affected."""
    attackers = [await Peer.open(victim.port) for _ in range(10)]
    for number, attacker in enumerate(attackers):
        for room in range(100):
            attacker.send(type="join", room=f"junk {number} {room}")
    for attacker in attackers:
        await attacker.ask(type="ping")
    async with await Peer.open(victim.port, "/chat?u=ben") as guest, await Peer.open(victim.port) as ann:
        assert (await guest.ask(type="join", room="our place"))["type"] == "joined"
        assert (await ann.ask(type="hello", token=token("ann")))["type"] == "welcome"
        assert (await ann.ask(type="join", room="my team"))["type"] == "joined"
        assert (await ann.ask(type="create_room", room="made"))["type"] == "room"
    async with await Peer.open(victim.port, "/chat?u=page&r=lobby", native=False) as page:
        page.send_text("hello")
        async with asyncio.timeout(PATIENCE):
            while (await page.message())["sender"] != "page":
                pass
    for attacker in attackers:
        await attacker.close()


async def test_guests_of_one_address_share_one_message_rate(memory_victim: Victim) -> None:
    """Thirty guests post sixty messages each; an account at the same address has a rate of its own."""
    guests = [await Peer.open(memory_victim.port, f"/chat?u=p{number}") for number in range(30)]
    for number, guest in enumerate(guests):
        assert (await guest.ask(type="join", room=f"room {number}"))["type"] == "joined"
        for _ in range(59):
            guest.send(type="message", room=f"room {number}", content="x")
    answers = [
        await guest.ask(type="message", room=f"room {number}", content="x") for number, guest in enumerate(guests)
    ]
    # Not the very last one: on a busy machine the address may post again before all were asked.
    assert "rate_limited" in [answer.get("code") for answer in answers]
    async with await Peer.open(memory_victim.port) as ann:
        await ann.ask(type="hello", token=token("ann"))
        await ann.ask(type="join", room="room 0")
        assert (await ann.ask(type="message", room="room 0", content="x"))["type"] == "ack"
    for guest in guests:
        await guest.close()
