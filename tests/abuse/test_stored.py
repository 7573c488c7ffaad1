"""Stored messages take at most the configured memory."""

from tests.abuse.peers import Peer, get
from tests.abuse.victim import MB, SECRET, Victim

KEPT = 16


async def test_memory_storage_stays_within_its_byte_limit() -> None:
    """100 MB of text, and the same again in edits; the bound holds and the room can still be read."""
    settings = {"JWT_SECRET": SECRET, "RATE_LIMIT_MESSAGES": "0", "MEMORY_BYTES": str(KEPT * MB), "ROOM_TAIL": "10"}
    text = "\U0001f4a3" * 4000
    with Victim(settings) as victim:
        async with await Peer.open(victim.port, "/chat?u=m&r=quiet") as peer:
            await peer.ask(type="message", room="quiet", content="still here")
            before = victim.memory()
            for number in range(20):
                room = f"r{number}"
                await peer.ask(type="join", room=room)
                for _ in range(16):  # and reads the responses, as otherwise it would be disconnected
                    for _ in range(10):
                        peer.send(type="message", room=room, content=text)
                    said = await peer.ask(type="message", room=room, content=text)
                    for _ in range(10):
                        peer.send(type="edit", room=room, seq=said["ids"][0]["seq"], content=text)
                    await peer.ask(type="ping")
        victim.settles_below(before + KEPT + 60)
        assert b"still here" in (await get(victim.port, "/history?r=quiet"))[1]
        assert len((await get(victim.port, "/history?r=r19"))[1]) > 100_000
