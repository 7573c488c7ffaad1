"""Memory of a client that reads nothing and keeps sending."""

from __future__ import annotations

import asyncio

from tests.abuse.attacks.http import fill
from tests.abuse.peers import dial, get
from tests.abuse.victim import Victim
from tests.support.rawws import NATIVE, command, text, upgrade

CONNECTIONS = 60
GROWTH = 40  # MB, without the connections
EACH = 1.0  # MB: a page of half a megabyte, and the bytes of one read


async def test_commands_deferred_by_an_unread_page_are_bounded_in_bytes(
    memory_victim: Victim,
) -> None:
    """40 commands of 64 KB each would be 2.6 MB."""
    await fill(memory_victim.port, "big", messages=50)
    before = memory_victim.memory()
    loop = asyncio.get_running_loop()
    asked = upgrade("/chat?u=m&r=big", NATIVE) + command(type="history", room="big", limit=500) * 3
    held = [await dial(memory_victim.port, receive_buffer=2048) for _ in range(CONNECTIONS)]
    for raw in held:
        await loop.sock_sendall(raw, asked)
    flood = text('{"type":"ping","x":"' + "a" * 65_000 + '"}') * 40
    sends = [asyncio.create_task(loop.sock_sendall(raw, flood)) for raw in held]
    most = 0.0
    for _ in range(100):  # give it time to read
        assert (await get(memory_victim.port, "/health"))[0] == 200
        most = max(most, memory_victim.memory())
    assert most < before + GROWTH + EACH * CONNECTIONS
    for send in sends:
        send.cancel()
    await asyncio.gather(*sends, return_exceptions=True)
    for raw in held:
        raw.close()
    memory_victim.settles_below(before + GROWTH)
