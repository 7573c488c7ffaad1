"""Floods from one connection: invalid frames, and constant commands."""

from __future__ import annotations

import asyncio

import pytest

from tests.abuse.peers import Peer, bearer, dial, get
from tests.abuse.victim import Victim
from tests.support.rawws import NATIVE, frame, upgrade

GROWTH = 60  # MB
DIALECTS = {
    "native": ("/chat", NATIVE),
    "plain": ("/chat?u=m&r=r", ()),
    "rooms": ("/ws", ()),
    "events": ("/api/chat?room=r", (bearer("ann"),)),
}
JUNK = {
    "nested": b"[" * 60_000,
    "no object": b"1" * 60_000,
    "long key": b'{"' + b"k" * 59_000 + b'":1}',
    "wrong field": b'{"type":"join","room":[' + b"1," * 29_000 + b"1]}",
    "half a surrogate": b'{"type":"message","payload":"' + b"\\ud800" * 9_900 + b'"}',
    "unknown type": b'{"type":"' + b"t" * 59_000 + b'"}',
}


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_invalid_frames_are_not_kept_in_memory(memory_victim: Victim, dialect: str) -> None:
    """Frames of 60 KB, of each kind, on one connection after the other: 70 MB in total."""
    target, headers = DIALECTS[dialect]
    before = memory_victim.memory()
    for junk in JUNK.values():
        data = frame(1, junk)
        for _ in range(4):
            _, writer = await asyncio.open_connection(sock=await dial(memory_victim.port))
            writer.write(upgrade(target, headers))
            try:
                for _ in range(50):
                    writer.write(data)
                    await writer.drain()
            except ConnectionError:
                pass  # closed as a flood
            writer.transport.abort()
    memory_victim.settles_below(before + GROWTH)
    assert (await get(memory_victim.port, "/health"))[0] == 200


async def test_churn_sends_a_bounded_number_of_frames_to_a_plain_client(
    memory_victim: Victim,
) -> None:
    """20 guests join and leave 40 times each: 1,600 commands, and a bounded number of frames."""
    async with await Peer.open(memory_victim.port, "/chat?u=page&r=busy", native=False) as page:
        guests = [await Peer.open(memory_victim.port, f"/chat?u=g{number}") for number in range(20)]
        before = memory_victim.cpu()
        for guest in guests:
            for _ in range(40):
                guest.send(type="join", room="busy")
                guest.send(type="leave", room="busy")
        for guest in guests:
            while (answer := await guest.ask(type="ping"))["type"] != "pong":  # noqa: ASYNC110  # no event
                await asyncio.sleep(answer["retry_after"])  # asking again at once would cost CPU time, too
        assert memory_victim.cpu() - before < 2
        async with await Peer.open(memory_victim.port, "/chat?u=last&r=busy", native=False):
            names = []
            while "last" not in (said := (await page.message())["content"]):
                names.append(said)
        for guest in guests:
            await guest.close()
    assert len(names) <= 20 * 2 * 3
