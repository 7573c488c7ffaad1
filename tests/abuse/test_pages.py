"""Memory of responses: pages that are not read or abandoned, and pages of maximum size."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.abuse.peers import Peer, bearer, dawdle, get
from tests.abuse.victim import Victim
from tests.support.process import PATIENCE

MESSAGES = 120  # of 16 KB each: a page of everything is 2 MB
GROWTH = 60  # MB
PAGES = [
    "/history?r=big&limit=500",
    "/api/rooms/big/messages?limit=500",
    "/api/chat/messages?room=big",
    "/search?q=needle&limit=500",
    "/api/rooms/big/export",
]
ANN = bearer("ann")


@pytest.fixture(scope="module")
def filled(victim: Victim) -> Victim:
    """Create a room of Ann's that is full of long messages."""
    asyncio.run(fill(victim))
    return victim


async def fill(victim: Victim) -> None:
    async with await Peer.open(victim.port, "/chat", headers=[ANN]) as ann:
        assert (await ann.ask(type="create_room", room="big"))["type"] != "error"
        for number in range(MESSAGES):
            content = f"needle {number} " + "\U0001f4a3" * 3980
            while (answer := await ann.ask(type="message", room="big", content=content))["type"] == "error":
                assert answer["code"] == "rate_limited", answer
                await asyncio.sleep(answer["retry_after"])  # the response says how long


@pytest.mark.parametrize("page", PAGES)
async def test_abandoned_pages_are_freed(filled: Victim, page: str) -> None:
    before = filled.memory()
    for _ in range(60):
        assert await answered(filled, page, 1000)
    filled.settles_below(before + GROWTH)


@pytest.mark.parametrize("page", PAGES)
async def test_unread_pages_are_not_kept_in_memory(filled: Victim, page: str) -> None:
    """Not even while their connections are open: only the part being sent is in memory."""
    before = filled.memory()
    held = [await dawdle(filled.port, page, [ANN]) for _ in range(60)]
    filled.settles_below(before + GROWTH)
    for raw in held:
        raw.close()


async def answered(victim: Victim, page: str, size: int = -1) -> bytes:
    """Return the page, or some of its first `size` bytes, once Ann's earlier requests do not count any longer.

    Until then it is refused: 429 for her rate, 503 for two exports, of which an abandoned one ends at its next write.
    """
    async with asyncio.timeout(PATIENCE):
        while (answer := await get(victim.port, page, [ANN], size))[0] in (429, 503):  # noqa: ASYNC110  # no event
            # Shorter than Retry-After, which is meant for exports that are read. It leaves the server the CPU.
            await asyncio.sleep(0.05)
    assert answer[0] == 200, answer
    return answer[1]


@pytest.mark.parametrize("page", PAGES[:4])
async def test_a_page_is_bounded_in_bytes(filled: Victim, page: str) -> None:
    """No requested limit makes it larger."""
    body = await answered(filled, page)
    assert len(body) < 850_000
    found = json.loads(body)
    assert len(found if isinstance(found, list) else found["messages"]) >= 25


@pytest.mark.parametrize("command", [{"type": "search", "q": "needle"}, {"type": "history", "room": "big"}])
async def test_a_page_over_websocket_does_not_disconnect_its_reader(filled: Victim, command: dict[str, str]) -> None:
    """A slow reader gets the whole page, which says that there is more."""
    await answered(filled, PAGES[0])
    async with await Peer.open(filled.port, "/chat?r=big", headers=[ANN]) as ann:
        page = await ann.ask(**command, limit=500)
        assert page["type"] == command["type"], page
        assert len(json.dumps(page, ensure_ascii=False).encode()) < 600_000
        assert page["has_older"] is True
        assert (await ann.ask(type="ping"))["type"] == "pong"
