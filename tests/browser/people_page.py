"""The panel, the cards of people, and the dialogs of moderators, as their users see them."""

import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import pytest
from playwright.async_api import Locator, expect

from tests.browser.chat_page import SECRET, ChatPage, new_room
from tests.support.browser import Pages
from tests.support.marks import slow
from tests.support.server import ServerProcess
from tests.support.web import Web

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
DESKTOP = {"viewport": {"width": 1280, "height": 800}}
SCREENS = pytest.mark.parametrize("screen", [DESKTOP, slow(PHONE)], ids=["desktop", "phone"])


class PersonPage(ChatPage):
    """One tab of a person, with what is at the edges of the log."""

    @property
    def panel(self) -> Locator:
        """What stands to the right of the log, and on a phone covers it."""
        return self.page.locator("#panel")

    @property
    def dialog(self) -> Locator:
        return self.page.get_by_role("dialog").filter(visible=True)

    async def menu(self, item: str | re.Pattern[str]) -> None:
        """Choose from the menu of the room in front."""
        await self.page.locator("#room-menu").click()
        await self.page.get_by_role("menuitem", name=item).click()

    async def open_people(self) -> None:
        """Show the people of the room, if they are not shown."""
        button = self.page.locator("#open-people")
        if await button.get_attribute("aria-expanded") != "true":
            await button.click()
        await expect(self.panel.get_by_role("heading", name="People", exact=True)).to_be_visible()

    async def card(self, name: str) -> None:
        """Open the card of somebody in the list of people."""
        await self.open_people()
        await self.panel.locator(".person-row", has_text=name).click()
        await expect(self.panel.get_by_role("heading", name="Profile")).to_be_visible()

    async def press(self, name: str) -> None:
        """Press a button of the panel."""
        await self.panel.get_by_role("button", name=name, exact=True).click()

    async def confirm(self, name: str) -> None:
        """Press the button of the dialog that does what it asks, and wait until it is closed."""
        await self.dialog.locator("button[type=submit]", has_text=re.compile(f"^{re.escape(name)}$")).click()
        await expect(self.dialog).to_have_count(0)

    async def user_id(self) -> str:
        """The id that this person's own card shows."""
        await self.card("you")
        shown = await self.panel.locator(".profile-id code").inner_text()
        await self.panel.get_by_role("button", name="Back").click()
        return shown


Visit = Callable[..., Awaitable[PersonPage]]


def web(server: ServerProcess, name: str, role: str = "user") -> Web:
    """Requests as the account of the application that has this id."""
    return Web(server.port, name, role, secret=SECRET)


def new_name() -> str:
    """A name, and an id, that no other test uses: a server remembers accounts."""
    return f"ann{secrets.token_hex(3)}"


@pytest.fixture
def owner(server: ServerProcess) -> Web:
    """The account that owns the test's room."""
    return web(server, new_name())


@pytest.fixture
async def made(owner: Web) -> str:
    """A public room that stays, with the title "Plans"."""
    room = new_room()
    await owner.create(room, title="Plans")
    return room


@pytest.fixture
def visit(new_page: Pages, server: ServerProcess, made: str) -> Visit:
    """Enter the test's room: as the account `account`, or as a guest with a name."""

    async def visit(
        name: str = "",
        *,
        account: Web | None = None,
        room: str = made,
        beside: PersonPage | None = None,
        **options: Any,
    ) -> PersonPage:
        page = await new_page(same_context_as=beside.page if beside else None, **options)
        user = f"&u={quote(name)}" if account is None else f"#token={account.token}"
        await page.goto(f"{server.http_url}/client.html?r={quote(room, safe='')}{user}")
        person = PersonPage(page)
        await person.connected()
        await expect(person.page.locator("#room-count")).not_to_be_empty()
        return person

    return visit
