"""The page under a path, behind a real proxy that strips the path."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.browser.account_page import REFUSED, AccountPage, new_username
from tests.browser.chat_page import ChatPage
from tests.support.browser import Pages
from tests.support.client import Client
from tests.support.marks import slow
from tests.support.proxies import PATH, ProxyProcess, example
from tests.support.server import ServerProcess


@pytest_asyncio.fixture(params=["nginx", slow("caddy")], loop_scope="session")
async def base(request: pytest.FixtureRequest, server: ServerProcess) -> AsyncIterator[str]:
    """The address of the page under a path, with its slash."""
    proxy = ProxyProcess(request.param, example(request.param, below_a_path=True), server.port)
    await asyncio.to_thread(proxy.start)
    yield f"{proxy.http_url}{PATH}/"
    await asyncio.to_thread(proxy.remove)


async def test_the_page_works_under_a_path(base: str, new_page: Pages, server: ServerProcess, room: str) -> None:
    """It loads with all of its modules, posts, scrolls back, and shares an address that joins again."""
    async with Client(server.ws_url, "eve", room) as eve:
        for number in range(70):
            await eve.say(f"line {number}", id=str(number), room=room)
        await eve.all_acked("69")
    page = await new_page(f"{base}?r={quote(room)}&u=ann")
    ann = ChatPage(page)
    await ann.connected()
    assert page.url == f"{base}client.html?r={quote(room)}", "an address without the name"
    ben = ChatPage(await new_page(f"{base}client.html?r={quote(room)}&u=ben"))
    await ben.connected()
    await ann.say("from below")
    await ann.delivered("from below")
    await expect(ben.message("from below")).to_have_count(1)
    await ann.log.evaluate("log => { log.scrollTop = 0; }")
    await expect(ann.message("line 0")).to_have_count(1)
    keys: list[str] = await page.evaluate("Object.keys(sessionStorage)")
    assert keys
    assert all(key.startswith("parley:/parley/.") for key in keys), "another server of this host has its own"
    await page.reload()
    await ann.connected()
    await expect(ann.message("from below")).to_have_count(1)


@pytest.mark.slow
async def test_the_form_leads_into_a_room_under_a_path(base: str, new_page: Pages, room: str) -> None:
    page = await new_page(base)
    await page.get_by_label("Your name").fill("ann")
    await page.get_by_label("Room", exact=True).fill(room)
    await page.get_by_role("button", name="Enter", exact=True).click()
    await page.get_by_role("button", name=f"Create {room}").click()
    ann = ChatPage(page)
    await ann.connected()
    await ann.say("hello")
    await ann.delivered("hello")


@pytest.mark.slow
async def test_an_account_works_under_a_path(base: str, new_page: Pages, room: str) -> None:
    """Requests, cookies and the connection of an account: registering, an expired token, signing out."""
    new_page.expect_error(REFUSED)
    ann = AccountPage(await new_page(f"{base}client.html?r={room}"))
    await ann.page.get_by_role("button", name="Create an account").click()
    await ann.register(new_username())
    await ann.connected()
    await ann.page.context.clear_cookies(name="parley")
    await ann.page.reload()
    await ann.connected()
    await ann.account()
    await ann.sign_out()
    await ann.at_entry()
    assert ann.page.url == f"{base}client.html"
