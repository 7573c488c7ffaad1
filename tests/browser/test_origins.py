"""`ALLOWED_ORIGINS` in a browser: only the server's own page and those of allowed origins can read and connect."""

from collections.abc import Callable, Mapping

import pytest
from playwright.async_api import Page, Route

from tests.browser.chat_page import ChatPage, link
from tests.browser.conftest import PLAIN
from tests.support.browser import Pages
from tests.support.server import ServerProcess

READ = "(url) => fetch(url).then((reply) => reply.status, () => 'refused')"
CONNECT = """(url) => new Promise((resolve) => {
  const socket = new WebSocket(url);
  socket.onopen = () => { resolve('open'); socket.close(); };
  socket.onerror = () => resolve('refused');
})"""


async def page_of(new_page: Pages, origin: str) -> Page:
    """Return an empty page of this origin."""
    page = await new_page(permissions=["local-network-access"])  # what Chromium itself would ask the user for

    async def empty(route: Route) -> None:
        await route.fulfill(content_type="text/html", body="<!doctype html><link rel=icon href=data:,>")

    await page.route(f"{origin}/", empty)
    await page.goto(f"{origin}/")
    return page


@pytest.mark.slow
async def test_only_allowed_pages_and_the_servers_own_may_connect(
    new_page: Pages, start_server: Callable[[Mapping[str, str]], ServerProcess], room: str
) -> None:
    server = start_server({**PLAIN, "ALLOWED_ORIGINS": "http://BÜCHER.localhost:80/"})
    own = ChatPage(await new_page(link(server, room, "ann")))
    await own.connected()
    await own.say("from my own page")
    await own.delivered("from my own page")
    history, chat = f"{server.http_url}/history?r={room}", f"{server.ws_url}/chat?r={room}&u=ben"
    allowed = await page_of(new_page, "http://bücher.localhost")
    assert await allowed.evaluate(READ, history) == 200
    assert await allowed.evaluate(CONNECT, chat) == "open"
    other = await page_of(new_page, "http://other.localhost")
    new_page.expect_error(r"CORS policy|net::ERR_FAILED|WebSocket connection to .* failed")
    assert await other.evaluate(READ, history) == "refused"
    assert await other.evaluate(CONNECT, chat) == "refused"
