"""Invite links on the page: to a room, as an account or as a guest, and to register."""

from collections.abc import Callable, Mapping

from playwright.async_api import expect

from tests.browser.account_page import REFUSED, AccountPage, home, new_username
from tests.browser.chat_page import SECRET
from tests.support.browser import Pages
from tests.support.server import ServerProcess
from tests.support.web import Web

Start = Callable[[Mapping[str, str]], ServerProcess]


async def link_to(server: ServerProcess, room: str, uses: int = 1) -> str:
    """Make a private room, and return the address of an invite link to it."""
    orla = Web(server.port, "orla", "organizer", secret=SECRET)
    made = await orla.post("/api/rooms", {"name": room, "private": True})
    assert made.status in (201, 409), made
    link = await orla.post("/api/links", {"room": room, "uses": uses, "seconds": 600})
    assert link.status == 201, link
    return f"{server.http_url}/client.html#invite={link.json()['token']}"


async def test_a_guest_accepts_an_invite_link(server: ServerProcess, new_page: Pages, room: str) -> None:
    """After choosing a name, which the server may refuse; the link then is used up."""
    new_page.expect_error(REFUSED)
    link = await link_to(server, room)
    ann = AccountPage(await new_page(link))
    await ann.at("You are invited")
    await ann.panel.get_by_label("Your name").fill("SYSTEM")
    await ann.press("Enter as a guest")
    await expect(ann.panel.get_by_label("Your name")).to_have_attribute("aria-invalid", "true")
    await ann.panel.get_by_label("Your name").fill("ann")
    await ann.press("Enter as a guest")
    await ann.connected()
    await expect(ann.page.get_by_role("heading", level=1)).to_have_text(room)
    await ann.say("here I am")
    await ann.delivered("here I am")
    bob = AccountPage(await new_page(link))
    await bob.panel.get_by_label("Your name").fill("bob")
    await bob.press("Enter as a guest")
    await expect(bob.panel.get_by_role("alert").filter(has_text="used up")).to_be_visible()


async def test_an_invite_link_waits_until_its_user_has_an_account(
    server: ServerProcess, new_page: Pages, room: str
) -> None:
    """It is kept while the user registers, and accepted by a click afterwards."""
    username = new_username()
    ann = AccountPage(await new_page(await link_to(server, room)))
    await ann.press("Create an account")
    await ann.register(username)
    await ann.at("You are invited")
    await expect(ann.panel.get_by_text(f"You enter the room as {username}.")).to_be_visible()
    await ann.press("Accept")
    await ann.connected()
    await expect(ann.page.get_by_role("heading", level=1)).to_have_text(room)
    await ann.page.reload()
    await ann.connected()


async def test_a_link_to_register_opens_a_server_for_the_invited(
    start_server: Start, new_page: Pages, room: str
) -> None:
    """Without one the page says that one is needed."""
    server = start_server({"REGISTRATION": "invite", "JWT_SECRET": SECRET, "SERVER_SECRET": SECRET[::-1]})
    stranger = AccountPage(await new_page(home(server, room)))
    await stranger.page.get_by_role("button", name="Create an account").click()
    await expect(stranger.panel.get_by_text("only with an invite link")).to_be_visible()
    root = Web(server.port, "root", "admin", secret=SECRET)
    link = await root.post("/api/links", {"uses": 1, "seconds": 600})
    assert link.status == 201, link
    ann = AccountPage(await new_page(home(server, room, f"#invite={link.json()['token']}")))
    await ann.press("Create an account")
    await ann.register(new_username())
    await ann.connected()
    await expect(ann.page.get_by_role("heading", level=1)).to_have_text(room)
