"""Attacks by the content of texts."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from tests.abuse.attacks.table import attack
from tests.abuse.peers import Peer, keep_asking

# Normalizing sorts the marks after a letter: two classes of them, in the wrong order, are the worst case.
MARKS = "\u0345", "\u0334"


def marks(count: int) -> str:
    """Return a letter with this many combining marks."""
    return "a" + MARKS[0] * (count // 2) + MARKS[1] * (count // 2)


@attack(databases=("memory", "postgres"))
async def combining_marks_in_every_field(port: int, ready: Callable[[], None]) -> None:
    """Send frames of 64 KB, each with one field of 32,000 marks, as fast as the server reads them."""
    text = marks(32_000)
    fields: list[dict[str, Any]] = [
        {"type": "join", "room": text},
        {"type": "message", "room": "general", "content": text},
        {"type": "search", "q": text},
        {"type": "rooms", "q": text},
        {"type": "history", "room": "general", "q": text},
        {"type": "history", "room": "general", "sender": text},
        {"type": "create_room", "room": "r", "topic": text},
        {"type": "create_room", "room": "r", "password": text},
        {"type": "react", "room": "general", "seq": 1, "emoji": text},
        {"type": "kick", "room": "general", "user": text, "reason": text},
    ]
    ready()
    while True:
        try:
            async with await Peer.open(port, "/chat?u=m&r=general") as peer:
                for field in itertools.islice(itertools.cycle(fields), 200):
                    await peer.ask(**field)
        except ConnectionError:
            await asyncio.sleep(0.01)


@attack(databases=("memory", "postgres"))
async def marks_in_addresses(port: int, ready: Callable[[], None]) -> None:
    """Request rooms with names of 2,600 marks, and search for such words, from eight clients."""
    encoded = "a" + "%CD%85%CC%B4" * 1300
    ready()

    await asyncio.gather(
        *(keep_asking(port, f"/{path}={encoded}") for path in ("history?r", "api/rooms?q", "history?q") * 3)
    )


@attack(databases=("memory", "postgres"))
async def legal_messages_of_marks(port: int, ready: Callable[[], None]) -> None:
    """Post within the rate as six guests: as many marks, or words, as a message may have."""
    texts = (
        marks(3998),
        ("b" + MARKS[0] * 15 + MARKS[1] * 15) * 129,
        "\ufdfa" * 4000,
        "".join(chr(0x4E00 + n * 7 % 20000) for n in range(4000)),
        " ".join(f"{n:x}" for n in range(900)),
    )

    async def talk(number: int) -> None:
        peer = await Peer.open(port, f"/chat?u=m{number}&r=z{number}")
        peer.eat()
        for text in itertools.cycle(texts):
            peer.send(type="message", room=f"z{number}", content=text)
            await asyncio.sleep(1 / 19)

    ready()
    await asyncio.gather(*map(talk, range(6)))


@attack()
async def searches_of_what_must_be_cut(port: int, ready: Callable[[], None]) -> None:
    """Post messages whose words become many times longer when folded, and search among them."""
    peer = await Peer.open(port, "/chat?u=m&r=big")
    peer.eat()
    for _ in range(150):
        peer.send(type="message", room="big", content="\ufdfa" * 1300 + " needle")
        await asyncio.sleep(1 / 19)
    ready()

    target = "/history?r=big&q=needle+%EF%B7%BA&limit=500"
    await asyncio.gather(*(keep_asking(port, target) for _ in range(8)))
