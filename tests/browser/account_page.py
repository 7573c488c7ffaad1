"""The pages about accounts as their users see them."""

import re
import secrets
from typing import Any

from playwright.async_api import Locator, Page, expect

from tests.browser.chat_page import ChatPage
from tests.support.browser import Pages
from tests.support.server import ServerProcess

PASSWORD = "a tall giraffe in a small garden"
# What Chromium logs itself for answers such as 401 to a wrong password.
REFUSED = r"Failed to load resource: the server responded with a status of 4\d\d"


def new_username() -> str:
    """Return a username that no other test uses: tests share a server."""
    return f"user{secrets.token_hex(5)}"


class AccountPage(ChatPage):
    """One tab with the client in it, on the pages about accounts."""

    def __init__(self, page: Page) -> None:
        super().__init__(page)
        self.panel = page.locator("#account-panel")

    def part(self, name: str) -> Locator:
        """Find a section of the user's own account."""
        return self.panel.get_by_role("region", name=name)

    async def at(self, heading: str) -> None:
        """Wait until a page about accounts is in front."""
        await expect(self.panel.get_by_role("heading", level=1, name=heading)).to_be_visible()

    async def press(self, name: str) -> None:
        """Press a button of the page about accounts in front."""
        await self.panel.get_by_role("button", name=name, exact=True).click()

    async def register(self, username: str, password: str = PASSWORD, *, email: str = "") -> None:
        """Create an account on the page in front, until it is signed in."""
        await self.at("Create an account")
        await self.panel.get_by_label("Username", exact=True).fill(username)
        await self.panel.get_by_label("Password").fill(password)
        if email:
            await self.panel.get_by_label("E-mail").fill(email)
        await self.press("Create account")

    async def sign_in(self, username: str, password: str = PASSWORD) -> None:
        """Fill and send the form in front."""
        await self.at("Sign in")
        await self.panel.get_by_label(re.compile("^Username( or e-mail)?$")).fill(username)
        await self.panel.get_by_label("Password").fill(password)
        await self.press("Sign in")

    async def sign_out(self) -> None:
        """Sign out on the page of the account, which asks first."""
        await self.press("Sign out")
        await self.page.get_by_role("dialog").get_by_role("button", name="Sign out").click()

    async def keep_later(self) -> None:
        """Put away the question that follows signing in where the browser knows a guest."""
        question = self.page.get_by_role("dialog", name="Your rooms and messages as a guest")
        await question.get_by_role("button", name="Not now").click()
        await expect(question).to_be_hidden()

    async def account(self) -> None:
        """Open the user's own account, from the chat or from the entry page."""
        entry, me, drawer = (self.page.locator(at) for at in ("#entry-account", "#me", "#menu"))
        # On a narrow page the drawer covers `me`; a page that is being loaded shows none of them.
        await expect(entry.or_(me).or_(drawer).filter(visible=True).first).to_be_visible()
        if await entry.is_visible():
            await entry.click()
        else:
            if not await me.is_visible():
                await drawer.click()
            await me.click()
            await self.page.get_by_role("menuitem", name="Account").click()
        await self.at("Your account")

    async def at_entry(self) -> None:
        """Wait until the page asks for a name: a page that is being loaded has the field, but does not listen yet."""
        await expect(self.page.locator("body")).to_have_attribute("data-view", "entry")
        await expect(self.page.get_by_label("Your name")).to_be_visible()

    async def back(self) -> None:
        """Leave the pages about accounts."""
        await self.page.get_by_role("button", name="Back", exact=True).click()


async def join_room(
    new_page: Pages,
    server: ServerProcess,
    room: str,
    username: str,
    *,
    new: bool = True,
    email: str = "",
    **options: Any,
) -> AccountPage:
    """Open a page, and enter a room as a new account, or as one that exists."""
    page = AccountPage(await new_page(home(server, room), **options))
    await page.page.get_by_role("button", name="Create an account" if new else "Sign in", exact=True).click()
    await (page.register(username, email=email) if new else page.sign_in(username))
    await page.connected()
    return page


def home(server: ServerProcess, room: str, fragment: str = "") -> str:
    """Return the address of a room, without a name, with a fragment."""
    return f"{server.http_url}/client.html?r={room}{fragment}"
