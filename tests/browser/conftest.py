"""Fixtures of the browser tests: a server with one secret and no rate limit, and pages that are in a room."""

from collections.abc import Callable, Mapping

import pytest

from tests.browser.chat_page import SECRET, ChatPage, Enter, Wire, link, new_room
from tests.support.browser import Pages
from tests.support.server import ServerProcess

Start = Callable[[Mapping[str, str]], ServerProcess]


@pytest.fixture
def server(start_server: Start) -> ServerProcess:
    """A server that keeps messages in memory."""
    return start_server({"JWT_SECRET": SECRET, "RATE_LIMIT_MESSAGES": "0"})


@pytest.fixture
def room() -> str:
    return new_room()


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def enter(new_page: Pages, server: ServerProcess, room: str) -> Enter:
    """Go into the test's room: `ann = await enter("ann")`, as a person of their own unless `beside` says otherwise."""

    async def enter(
        name: str,
        *,
        room: str = room,
        server: ServerProcess = server,
        beside: ChatPage | None = None,
        wire: Wire | None = None,
        **options: object,
    ) -> ChatPage:
        page = await new_page(same_context_as=beside.page if beside else None, **options)
        if wire:
            await wire.attach(page)
        await page.goto(link(server, room, name))
        chat = ChatPage(page)
        await chat.connected()
        return chat

    return enter
