"""What operators decide, as users see it on the page: suspensions, ended logins, bots."""

import re
import secrets

from playwright.async_api import expect

from tests.browser.account_page import REFUSED, AccountPage, home, new_username
from tests.browser.chat_page import SECRET, SERVER_AWAY, Enter
from tests.browser.peer import peer
from tests.support.browser import Pages
from tests.support.server import ServerProcess
from tests.support.web import Web


async def test_a_suspended_user_is_told_why(server: ServerProcess, new_page: Pages, room: str) -> None:
    """At once, and after a reload; the account can be signed out, and its user goes on as a guest."""
    new_page.expect_error(REFUSED)
    new_page.expect_error(SERVER_AWAY)
    root = Web(server.port, "root", "admin", secret=SECRET)
    username = new_username()
    ann = AccountPage(await new_page(home(server, room)))
    await ann.page.get_by_role("button", name="Create an account").click()
    await ann.register(username)
    await ann.connected()
    (account,) = [each for each in (await root.json("/api/accounts"))["accounts"] if each["username"] == username]
    assert (await root.put(f"/api/suspensions/{account['id']}", {"reason": "spam", "seconds": 600})).status == 204
    await expect(ann.page.get_by_role("alert").filter(has_text="suspended: spam").first).to_be_visible()
    await expect(ann.status).to_have_text("Not connected")
    await ann.page.reload()
    await ann.at("You cannot enter")
    await expect(ann.panel.get_by_text("suspended: spam")).to_be_visible()
    await ann.press("Sign out")
    await ann.at_entry()
    await ann.page.get_by_label("Your name").fill("ann")
    await ann.page.keyboard.press("Enter")
    await ann.connected()


async def test_bots_are_marked(server: ServerProcess, enter: Enter, room: str) -> None:
    """An API key acts as a bot, which is marked in the list of people and at its messages."""
    root = Web(server.port, "root", "admin", secret=SECRET)
    name = f"Helper {secrets.token_hex(3)}"
    made = await root.post("/api/keys", {"name": name, "scope": "write", "days": 1})
    assert made.status == 201, made
    ann = await enter("ann")
    async with peer(server, room, token=made.json()["secret"]) as bot:
        await bot.say(["beep"])
        await expect(ann.people.filter(has_text=name)).to_have_text(re.compile(f"{name}bot$"))
        await expect(ann.message("beep").locator(".mark")).to_have_text("bot")
