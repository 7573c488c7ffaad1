"""Links by mail on the page: they confirm an address, and reset a password."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.browser.account_page import PASSWORD, REFUSED, AccountPage, home, join_room, new_username
from tests.browser.chat_page import SECRET
from tests.contract.records import until
from tests.support.browser import Pages
from tests.support.mail import MailServer
from tests.support.server import ServerProcess

OTHER_PASSWORD = "a small giraffe in a tall garden"


class Mailing(NamedTuple):
    """A server that sends mail, and where it sends it."""

    server: ServerProcess
    mail: MailServer

    async def link(self, address: str, kind: str) -> str:
        """Wait for the link of a kind in a mail to an address."""
        found: list[str] = []

        def arrived() -> bool:
            texts = [letter.get_content() for letter in self.mail.to(address)]
            found[:] = [link for text in texts for link in re.findall(rf"http://\S+#{kind}=\S+", text)]
            return bool(found)

        await until(arrived)
        return found[-1]


@pytest_asyncio.fixture(loop_scope="session")
async def mailing() -> AsyncIterator[Mailing]:
    with MailServer() as mail:
        server = ServerProcess({"SERVER_SECRET": SECRET, **mail.settings})
        server.env["PUBLIC_URL"] = server.http_url
        await asyncio.to_thread(server.start)
        yield Mailing(server, mail)
        await asyncio.to_thread(server.remove)


@pytest.mark.slow
async def test_an_address_is_confirmed_by_a_click(mailing: Mailing, new_page: Pages, room: str) -> None:
    """The account shows that it waits; the link, opened on another device, confirms it once."""
    new_page.expect_error(REFUSED)
    address = f"{new_username()}@example.org"
    ann = await join_room(new_page, mailing.server, room, new_username(), email=address)
    await expect(ann.page.get_by_role("status", name="Notices")).to_contain_text(f"A mail was sent to {address}: ")
    await ann.account()
    await expect(ann.part("E-mail").get_by_text(f"A mail was sent to {address}: ")).to_be_visible()
    link = await mailing.link(address, "email")
    phone = AccountPage(await new_page(link))
    await phone.at("Confirm your e-mail")
    await ann.page.reload()
    await ann.account()
    await expect(ann.part("E-mail").get_by_text("No confirmed address")).to_be_visible()
    await phone.press("Confirm")
    await phone.at("E-mail confirmed")
    await ann.page.reload()
    await ann.account()
    await expect(ann.part("E-mail").get_by_text(f"Confirmed: {address}.", exact=True)).to_be_visible()
    again = AccountPage(await new_page(link))
    await again.press("Confirm")
    await expect(again.panel.get_by_role("alert").filter(has_text="has expired, or was used")).to_be_visible()


@pytest.mark.slow
async def test_an_address_that_is_removed_is_no_longer_shown(mailing: Mailing, new_page: Pages, room: str) -> None:
    """The account says so at once, as after each change of the address."""
    address, other = (f"{new_username()}@example.org" for _ in range(2))
    ann = await join_room(new_page, mailing.server, room, new_username(), email=address)
    confirming = AccountPage(await new_page(await mailing.link(address, "email"), same_context_as=ann.page))
    await expect(confirming.panel.get_by_text(f"Confirm that {address} is yours.")).to_be_visible()
    await confirming.press("Confirm")
    await confirming.at("E-mail confirmed")
    await ann.page.reload()
    await ann.account()
    part = ann.part("E-mail")
    await part.get_by_label("New e-mail").fill(other)
    await part.get_by_label("Current password").first.fill(PASSWORD)
    await part.get_by_role("button", name="Change e-mail").click()
    await expect(part.get_by_text(f"A mail was sent to {other}: ")).to_be_focused()
    await part.get_by_label("Current password").first.fill(PASSWORD)
    await part.get_by_role("button", name="Change e-mail").click()
    await expect(part.get_by_text("New e-mail is missing.")).to_be_visible()  # to leave it empty removes nothing
    await part.get_by_text("Remove the address").first.click()
    await part.get_by_label("Current password").last.fill(PASSWORD)
    await part.get_by_role("button", name="Remove the address").click()
    await expect(part.get_by_text("The address is removed. No confirmed address")).to_be_focused()
    await expect(part.get_by_text(address)).to_have_count(0)


@pytest.mark.slow
async def test_a_link_to_reset_that_was_used_leads_to_a_new_one(mailing: Mailing, new_page: Pages) -> None:
    new_page.expect_error(REFUSED)
    page = AccountPage(await new_page(f"{mailing.server.http_url}/client.html#reset={'x' * 43}"))
    await page.at("Set a new password")
    await page.panel.get_by_label("New password").fill(OTHER_PASSWORD)
    await page.press("Set the password")
    await page.at("Reset your password")
    await expect(page.panel.get_by_text("This link has expired, or was used. Ask for a new one.")).to_be_visible()


async def test_a_forgotten_password_is_reset_by_mail(mailing: Mailing, new_page: Pages, room: str) -> None:
    """The link leads to a new password, which signs in; the old one does not, and all devices are signed out."""
    new_page.expect_error(REFUSED)
    username, address = new_username(), f"{new_username()}@example.org"
    ann = await join_room(new_page, mailing.server, room, username, email=address)
    confirming = AccountPage(await new_page(await mailing.link(address, "email")))
    await confirming.press("Confirm")
    await confirming.at("E-mail confirmed")

    phone = AccountPage(await new_page(home(mailing.server, room)))
    await phone.page.get_by_role("button", name="Sign in", exact=True).click()
    await phone.press("Forgot your password?")
    await phone.at("Reset your password")
    await phone.panel.get_by_label("Username or e-mail").fill(address)
    await phone.press("Send a link")
    await expect(phone.panel.get_by_text("a link is on its way")).to_be_visible()
    await phone.page.goto(await mailing.link(address, "reset"))
    await phone.at("Set a new password")
    await phone.panel.get_by_label("New password").fill("12345678")
    await phone.press("Set the password")
    await expect(phone.panel.get_by_label("New password")).to_have_attribute("aria-invalid", "true")
    await phone.panel.get_by_label("New password").fill(OTHER_PASSWORD)
    await phone.press("Set the password")
    await ann.closed.get_by_role("button", name="Sign in").click()
    await ann.at("Sign in")
    await phone.sign_in(username, PASSWORD)
    wrong = phone.panel.get_by_role("alert").filter(has_text="wrong")
    await expect(wrong).to_have_text("The username, the e-mail or the password is wrong.")
    await phone.sign_in(address, OTHER_PASSWORD)
    await expect(phone.page.get_by_text(f"Signed in as {username}")).to_be_visible()
