"""What becomes of a user's data, on the page: what a guest wrote becomes the account's, and an account is deleted."""

import asyncio
import re
import zipfile

import pytest
from playwright.async_api import Route, expect

from tests.browser.account_page import PASSWORD, REFUSED, AccountPage, join_room, new_username
from tests.browser.chat_page import OWN, SECRET, Enter
from tests.browser.people_page import PersonPage
from tests.support.browser import Pages
from tests.support.server import ServerProcess
from tests.support.web import Web


async def registered(enter: Enter) -> tuple[AccountPage, str]:
    """Return the page of a guest who wrote something and then registered, and the username."""
    ann = AccountPage((await enter("ann")).page)
    await ann.say("written as a guest")
    await ann.delivered("written as a guest")
    username = new_username()
    await ann.choose("You and your account", "Create an account")
    await ann.at("Create an account")
    await expect(ann.panel.get_by_label("Name that others see")).to_have_value("ann")
    await ann.panel.get_by_label("Name that others see").fill(username)
    await ann.register(username)
    return ann, username


@pytest.mark.slow
async def test_what_a_guest_wrote_becomes_the_accounts(enter: Enter, new_page: Pages) -> None:
    """ "Keep what I wrote", right after registering: the messages are shown as the account's, to it and to others."""
    new_page.expect_error(REFUSED)  # of a request that is on its way when the tokens end
    bob = await enter("bob")
    ann, username = await registered(enter)
    question = ann.page.get_by_role("dialog")
    await expect(question).to_contain_text("In this browser you were the guest ann.")
    await question.get_by_role("button", name="Keep what I wrote").click()
    await expect(question).to_be_hidden()
    await ann.connected()
    await expect(ann.message("written as a guest")).to_have_class(OWN)
    await ann.say("written as an account")
    for _ in range(2):
        guests, own = bob.message("written as a guest"), bob.message("written as an account")
        await expect(guests.locator(".name")).to_have_text(username)
        await expect(guests.locator(".mark")).to_have_text("as guest")
        await expect(own.locator(".mark")).to_have_count(0)
        hue = "each => each.style.getPropertyValue('--hue')"
        assert await guests.evaluate(hue) == await own.evaluate(hue)
        await bob.page.reload()


@pytest.mark.slow
async def test_what_a_guest_wrote_is_kept_while_the_page_is_not_connected(enter: Enter) -> None:
    """Moving a guest ends the connection. The page is in its rooms again, whichever it hears of first."""
    ann, _ = await registered(enter)
    await ann.connected()
    closed, heard = asyncio.Event(), asyncio.Event()

    async def late(route: Route) -> None:
        response = await route.fetch()
        await closed.wait()
        await route.fulfill(response=response)

    async def later(route: Route) -> None:
        closed.set()
        await heard.wait()
        await route.continue_()

    await ann.page.route("**/api/me/guest", late)
    await ann.page.route("**/api/refresh", later)
    question = ann.page.get_by_role("dialog")
    await question.get_by_role("button", name="Keep what I wrote").click()
    await expect(question).to_be_hidden()
    heard.set()
    await expect(ann.message("written as a guest")).to_have_class(OWN)
    await ann.say("written as an account")
    await ann.delivered("written as an account")


async def test_a_deleted_account_is_gone(new_page: Pages, server: ServerProcess, room: str) -> None:
    """It cannot sign in again, and its page is that of a new visitor."""
    new_page.expect_error(REFUSED)
    username = new_username()
    ann = await join_room(new_page, server, room, username)
    await ann.account()
    part = ann.part("Delete the account")
    await part.get_by_label("Password").fill(PASSWORD)
    await part.get_by_role("button", name="Delete my account").click()
    await ann.at_entry()
    await ann.page.get_by_role("button", name="Sign in", exact=True).click()
    await ann.sign_in(username)
    await expect(ann.panel.get_by_role("alert").filter(has_text="wrong")).to_be_visible()


@pytest.mark.slow
async def test_a_conversation_with_a_deleted_account_says_so(new_page: Pages, server: ServerProcess, room: str) -> None:
    """In the sidebar, the heading, and in place of the message box: nobody would read it."""
    ann = await join_room(new_page, server, room, username := new_username())
    cat = Web(server.port, new_username(), secret=SECRET)
    page = await new_page()
    await page.goto(f"{server.http_url}/client.html?r={room}#token={cat.token}")
    person = PersonPage(page)
    await person.connected()
    await person.card(username)
    await person.press("Message")
    await expect(page.get_by_role("heading", level=1, name=username)).to_be_visible()
    await person.say("hello")
    await person.delivered("hello")
    await ann.account()
    part = ann.part("Delete the account")
    await part.get_by_label("Password").fill(PASSWORD)
    await part.get_by_role("button", name="Delete my account").click()
    await ann.at_entry()

    async def removed() -> bool:
        reply = await cat.get("/api/rooms?mine=true")
        return reply.status == 200 and not any("peer" in each for each in reply.json()["rooms"])

    async with asyncio.timeout(30):  # in the background
        while not await removed():
            pass
    await page.reload()
    await person.connected()
    await expect(page.get_by_role("heading", level=1, name="deleted user")).to_be_visible()
    await expect(page.get_by_role("link", name="deleted user")).to_be_visible()
    await expect(person.message("hello")).to_be_visible()
    await expect(page.locator("#hindrance")).to_contain_text("This account was deleted.")
    await expect(person.box).to_be_hidden()


@pytest.mark.slow
async def test_a_user_downloads_their_data(new_page: Pages, server: ServerProcess, room: str) -> None:
    """As a zip file with what they wrote, also when the access token has just ended."""
    new_page.expect_error(REFUSED)
    ann = await join_room(new_page, server, room, new_username())
    await ann.say("mine for ever")
    await ann.delivered("mine for ever")
    await ann.account()
    await ann.page.context.clear_cookies(name="parley")
    async with ann.page.expect_download() as downloading:
        await ann.press("Download your data")
    download = await downloading.value
    assert download.suggested_filename == "parley.zip"
    with zipfile.ZipFile(await download.path()) as archive:
        assert any(b"mine for ever" in archive.read(name) for name in archive.namelist())


@pytest.mark.slow
async def test_on_another_device_what_the_guest_wrote_is_the_users_own(enter: Enter, new_page: Pages) -> None:
    ann, username = await registered(enter)
    await ann.keep_later()
    await ann.page.reload()  # it is asked once
    await ann.choose("You and your account", "Settings")
    settings = ann.page.get_by_role("dialog", name="Settings")
    await settings.get_by_role("button", name="Account", exact=True).click()
    await settings.get_by_role("button", name="Your rooms and messages as a guest").click()
    await ann.press("Keep what I wrote")
    await expect(ann.panel.get_by_text("What you wrote as this guest is yours now.")).to_be_visible()
    await ann.back()
    await expect(settings.get_by_role("button", name="Display name")).to_be_visible()
    await expect(settings.get_by_role("button", name=re.compile("E-mail|as a guest"))).to_have_count(0)
    phone = AccountPage(await new_page(ann.page.url))
    await phone.page.get_by_role("button", name="Sign in", exact=True).click()
    await phone.sign_in(username)
    await phone.connected()
    await expect(phone.message("written as a guest")).to_have_class(OWN)


@pytest.mark.slow
async def test_a_refused_download_says_why(new_page: Pages, server: ServerProcess, room: str) -> None:
    """Three times a day are allowed."""
    new_page.expect_error(REFUSED)
    ann = await join_room(new_page, server, room, new_username())
    await ann.account()
    for _ in range(3):
        async with ann.page.expect_download():
            await ann.press("Download your data")
    await ann.press("Download your data")
    said = ann.part("Your data").get_by_role("alert")
    await expect(said).to_contain_text("Try again in ")
