"""What the page shows when the node that has its room dies."""

import asyncio

from playwright.async_api import WebSocket, expect

from tests.browser.chat_page import SERVER_AWAY, ChatPage, link, new_room
from tests.faults.nodes import running
from tests.support.browser import Pages
from tests.support.nats import NatsServer

# Milliseconds. The page waits up to 30 seconds between two attempts.
PATIENCE = 60_000


async def test_the_page_stays_connected_when_the_owner_dies(new_page: Pages, url: str, nats: list[NatsServer]) -> None:
    """Two pages at other nodes: what is said in the outage appears once on both, and no connection is closed."""
    new_page.expect_error(SERVER_AWAY)  # at the end
    async with running(url, nats[0].url) as nodes:
        owner, edges = await nodes.owner(), await nodes.edges()
        room = new_room()
        ann, bob = ChatPage(await new_page()), ChatPage(await new_page())
        sockets: list[WebSocket] = []
        for page, edge, name in ((ann, edges[0], "ann"), (bob, edges[1], "bob")):
            page.page.on("websocket", lambda socket: sockets.append(socket))
            await page.page.goto(link(edge, room, name))
        for page in (ann, bob):
            await page.connected()
        await ann.say("before")
        await ann.delivered("before")
        await expect(bob.message("before")).to_have_count(1)

        await asyncio.to_thread(owner.kill)
        await ann.say("said in the outage")
        await bob.say("said by bob")
        for page in (ann, bob):
            for text in ("said in the outage", "said by bob"):
                await expect(page.message(text)).to_have_count(1, timeout=PATIENCE)
        for page, text in ((ann, "said in the outage"), (bob, "said by bob")):
            await expect(page.message(text)).to_have_attribute("data-state", "sent", timeout=PATIENCE)
        await ann.say("after")
        await ann.delivered("after")
        await expect(bob.message("after")).to_have_count(1)
        assert await ann.texts() == await bob.texts()
        assert sorted(await ann.texts()) == ["after", "before", "said by bob", "said in the outage"]
        assert len(sockets) == 2, "a page has connected again"
        assert await ann.outbox() == []
        await asyncio.to_thread(owner.start)
