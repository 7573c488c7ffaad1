"""What operators decide, as users see it on the page: the first admin, suspensions, bots."""

import asyncio
import re
import secrets

import pytest
from playwright.async_api import expect

from tests.browser.account_page import PASSWORD, REFUSED, AccountPage, join_room, new_username
from tests.browser.chat_page import SECRET, SERVER_AWAY, Enter
from tests.browser.peer import peer
from tests.contract.records import until
from tests.support.browser import Pages
from tests.support.server import ServerProcess
from tests.support.web import Web


@pytest.mark.slow
async def test_the_first_admin_opens_the_link_in_the_file(new_page: Pages, room: str) -> None:
    """Its page makes an account with the role of an admin, once, and the file is gone."""
    server = ServerProcess({"SERVER_SECRET": SECRET})
    server.env["PUBLIC_URL"] = server.http_url
    file = server.folder / "first-admin-link.txt"
    try:
        await asyncio.to_thread(server.start)
        new_page.expect_error(SERVER_AWAY)  # it stops before the page is closed
        await until(lambda: file.exists() and file.read_text().endswith("\n"))
        ann = AccountPage(await new_page(file.read_text().strip()))
        await ann.at("Create the first admin")
        await ann.panel.get_by_label("Username", exact=True).fill("ann")
        await ann.panel.get_by_label("Password").fill(PASSWORD)
        await ann.press("Create account")
        await expect(ann.page.get_by_text("Signed in as ann")).to_be_visible()
        me = await ann.page.evaluate("fetch('api/me').then((answer) => answer.json())")
        assert me["role"] == "admin"
        await ann.account()
        await expect(ann.panel.get_by_text("Signed in as ann, an admin.")).to_be_visible()
        await until(lambda: not file.exists())
    finally:
        await asyncio.to_thread(server.remove)


async def test_a_suspended_user_is_told_why(server: ServerProcess, new_page: Pages, room: str) -> None:
    """At once, and after a reload; the account can be signed out, and its user goes on as a guest."""
    new_page.expect_error(REFUSED)
    new_page.expect_error(SERVER_AWAY)
    root = Web(server.port, "root", "admin", secret=SECRET)
    username = new_username()
    ann = await join_room(new_page, server, room, username)
    (account,) = [each for each in (await root.json("/api/accounts"))["accounts"] if each["username"] == username]
    assert (await root.put(f"/api/suspensions/{account['id']}", {"reason": "spam", "seconds": 604800})).status == 204
    said = ann.page.locator("#banner").get_by_role("status").filter(has_text="suspended: spam")
    await expect(said).to_contain_text("Try again in 7 days.")
    await expect(ann.status).to_have_text("Not connected")
    await ann.page.reload()
    await ann.at("You cannot enter")
    await expect(ann.panel.get_by_text("suspended: spam")).to_be_visible()
    await ann.press("Sign out")
    await ann.at_entry()
    await ann.page.get_by_label("Your name").fill("ann")
    await ann.page.keyboard.press("Enter")
    await ann.connected()


@pytest.mark.slow
async def test_bots_are_marked(server: ServerProcess, enter: Enter, room: str) -> None:
    """An API key acts as a bot, which is marked in the list of people, at its messages and on its card."""
    root = Web(server.port, "root", "admin", secret=SECRET)
    name = f"Helper {secrets.token_hex(3)}"
    made = await root.post("/api/keys", {"name": name, "scope": "write", "days": 1})
    assert made.status == 201, made
    ann = await enter("ann")
    async with peer(server, room, token=made.json()["secret"]) as bot:
        await bot.say(["beep"])
        await expect(ann.people.filter(has_text=name).locator(".mark")).to_have_text("bot")
        await expect(ann.message("beep").locator(".mark")).to_have_text("bot")
        await ann.people.filter(has_text=name).get_by_role("button").click()
        card = ann.page.get_by_role("complementary", name="Profile")
        await expect(card.locator(".profile-name")).to_have_text(re.compile(rf"^\s*{name}\s+bot\s*$"))
        await expect(card).to_contain_text("A bot.")
