"""What the page shows during a storage outage, and after it."""

import asyncio
import re
from collections.abc import Callable, Mapping

from playwright.async_api import expect

from tests.browser.chat_page import ChatPage, link, new_room
from tests.faults.conftest import SECRET
from tests.support.browser import Pages
from tests.support.postgres import PostgresCluster
from tests.support.process import poll_until
from tests.support.server import ServerProcess

Start = Callable[[Mapping[str, str]], ServerProcess]
# Milliseconds. The page waits up to 30 seconds between two attempts.
PATIENCE = 60_000


async def test_the_page_recovers_from_a_database_outage(
    new_page: Pages, start_server: Start, cluster: PostgresCluster, url: str
) -> None:
    """Unstored messages are marked; refused ones show the reason and are retried; at the end all are acked."""
    settings = {"DATABASE_URL": url, "JWT_SECRET": SECRET, "RATE_LIMIT_MESSAGES": "0", "QUEUE_MESSAGES": "4"}
    server = await asyncio.to_thread(start_server, settings)
    await asyncio.to_thread(poll_until, lambda: server.get_status("/ready") == 200, what="/ready is 200")
    room = new_room()
    ann, bob = ChatPage(await new_page(link(server, room, "ann"))), ChatPage(await new_page(link(server, room, "bob")))
    for page in (ann, bob):
        await page.connected()
    await ann.say("before")
    await ann.delivered("before")

    await asyncio.to_thread(cluster.stop, "immediate")
    await ann.say("one", "two", "three")
    for text in ("one", "two"):  # as many as the queue takes: all clients see them
        await expect(ann.message(text).get_by_role("img", name="Sent, not stored yet")).to_be_visible(timeout=PATIENCE)
        await expect(bob.message(text)).to_have_count(1)
    waiting = ann.message("three")
    await expect(waiting.get_by_role("img", name="Waiting to be sent")).to_be_visible(timeout=PATIENCE)
    refused = re.compile(r"^The server (is overloaded|cannot reach its storage)\. Trying again( in \d+ seconds?\.|…)$")
    await expect(waiting.locator(".reason")).to_have_text(refused, timeout=PATIENCE)
    await expect(bob.message("three")).to_have_count(0)
    banner = ann.page.locator("#banner-text")
    await expect(banner).to_have_text(
        "The server cannot store messages right now. Your messages are kept and will be stored later.", timeout=PATIENCE
    )
    await expect(banner).to_be_visible()
    late = await new_page(link(server, new_room(), "cat"))
    await expect(late.locator("#banner-text")).to_have_text(
        "The server cannot reach its storage. Trying again…", timeout=PATIENCE
    )

    await asyncio.to_thread(cluster.start)
    for text in ("one", "two", "three"):
        await expect(ann.message(text)).to_have_attribute("data-state", "sent", timeout=PATIENCE)
        await expect(bob.message(text)).to_have_count(1)
    await expect(waiting.locator(".reason")).to_have_count(0)
    await expect(banner).to_be_hidden(timeout=PATIENCE)
    await expect(late.locator("#banner")).to_be_hidden(timeout=PATIENCE)
    assert await ann.texts() == await bob.texts() == ["before", "one", "two", "three"]
    assert await ann.outbox() == []
