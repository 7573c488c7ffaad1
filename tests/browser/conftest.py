"""Fixtures of the browser tests: a server without limits of messages and accounts, and pages that are in a room."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.chat_page import SECRET, ChatPage, Enter, Wire, link, new_room
from tests.support.browser import Pages
from tests.support.page import static
from tests.support.server import ServerProcess

expect.set_options(timeout=15_000)  # a busy machine must not fail a test

PLAIN = {
    "JWT_SECRET": SECRET,
    "SERVER_SECRET": SECRET[::-1],
    "RATE_LIMIT_MESSAGES": "0",
    "RATE_LIMIT_REGISTRATIONS": "0",
}
Start = Callable[[Mapping[str, str]], ServerProcess]


@pytest.fixture(scope="session")
def shared_server() -> Iterator[ServerProcess]:
    with ServerProcess(PLAIN) as process:
        yield process


@pytest.fixture
def server(shared_server: ServerProcess) -> ServerProcess:
    """The shared server, with memory storage, of tests without special requirements. Tests must not stop it."""
    assert shared_server.returncode is None, f"an earlier test ended the server:\n{shared_server.log_text()[-4000:]}"
    return shared_server


@pytest.fixture(scope="session")
def scene_server() -> Iterator[ServerProcess]:
    """The server of tests that look at all of a page: no room is in its lists but those of `scene`."""
    with ServerProcess(PLAIN) as process:
        yield process


@pytest.fixture
def own_server(start_server: Start) -> ServerProcess:
    """A server for one test, which may stop, kill and restart it."""
    return start_server(PLAIN)


@pytest.fixture
def room() -> str:
    return new_room()


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def modules(browser: Browser, shared_server: ServerProcess) -> AsyncIterator[tuple[Pages, Page]]:
    """A page of the server without the client, which can import the client's modules."""
    pages = Pages(browser)
    yield pages, await pages(f"{shared_server.http_url}{static('words.js')}", bypass_csp=True)  # which denies it all
    await pages.close()


@pytest.fixture
def page(modules: tuple[Pages, Page]) -> Iterator[Page]:
    """The page that all tests of modules share: what these import from modules keeps no state. Fails on errors."""
    pages, page = modules
    yield page
    errors, pages.errors = pages.errors, []
    assert not errors, "\n".join(errors)


@pytest.fixture
def service_worker(new_page: Pages) -> None:
    """Let pages have the service worker."""
    new_page.service_worker = True


@pytest.fixture
def enter(new_page: Pages, server: ServerProcess, room: str) -> Enter:
    """Join the test's room: `ann = await enter("ann")`, as a separate user unless `beside` is given."""

    async def enter(
        name: str,
        *,
        room: str = room,
        server: ServerProcess = server,
        beside: ChatPage | None = None,
        wire: Wire | None = None,
        **options: Any,
    ) -> ChatPage:
        page = await new_page(same_context_as=beside.page if beside else None, **options)
        if wire:
            await wire.attach(page)
        await page.goto(link(server, room, name))
        chat = ChatPage(page)
        if beside and await beside.last_used() != name:
            await chat.agree_to_be(name)
        elif beside and not await beside.has_been_in(name, room):
            await chat.agree_to_enter(room)
        await chat.connected()
        await expect(page.locator("#log")).not_to_have_attribute("aria-busy", "true")  # it is in the room, too
        return chat

    return enter
