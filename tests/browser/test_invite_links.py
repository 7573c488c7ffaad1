"""Invite links on the page: to a room or to register, for accounts, guests and visitors, and those that do not work."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from playwright.async_api import Route, expect

from tests.browser.account_page import REFUSED, AccountPage, home, join_room, new_username
from tests.browser.chat_page import SECRET
from tests.support.browser import Pages
from tests.support.server import ServerProcess
from tests.support.web import Web

Start = Callable[[Mapping[str, str]], ServerProcess]
SERVER = {"JWT_SECRET": SECRET, "SERVER_SECRET": SECRET[::-1], "RATE_LIMIT_REGISTRATIONS": "0"}
DEAD = "This invite link does not work"


def admin(server: ServerProcess) -> Web:
    return Web(server.port, "root", "admin", secret=SECRET)


async def made(server: ServerProcess, **fields: Any) -> dict[str, Any]:
    """Make a link; one to register, unless `fields` name a room."""
    reply = await admin(server).post("/api/links", {"uses": 1, "seconds": 600, **fields})
    assert reply.status == 201, reply
    link: dict[str, Any] = reply.json()
    return link


async def link_to(server: ServerProcess, room: str, **fields: Any) -> dict[str, Any]:
    """Make a private room, if it is not there, and a link to it."""
    reply = await admin(server).post("/api/rooms", {"name": room, "private": True})
    assert reply.status in (201, 409), reply
    return await made(server, room=room, **fields)


def at(server: ServerProcess, link: dict[str, Any]) -> str:
    return f"{server.http_url}/client.html#invite={link['token']}"


async def uses_left(server: ServerProcess, link: dict[str, Any]) -> int:
    """Return how often a link can still be used; 0 if it is gone."""
    links = (await admin(server).json("/api/links"))["links"]
    return next((one["uses_left"] for one in links if one["id"] == link["id"]), 0)


async def follow(ann: AccountPage, server: ServerProcess, link: dict[str, Any]) -> None:
    """Open a link in the browser of a user."""
    await ann.page.goto("about:blank")  # or only the fragment would change, without a new page
    await ann.page.goto(at(server, link))


async def entered(ann: AccountPage, room: str) -> None:
    await ann.connected()
    await expect(ann.page.get_by_role("heading", level=1)).to_have_text(room)


async def test_a_guest_accepts_an_invite_link(server: ServerProcess, new_page: Pages, room: str) -> None:
    """After choosing a name, which the server may refuse."""
    new_page.expect_error(REFUSED)
    link = await link_to(server, room)
    ann = AccountPage(await new_page(at(server, link)))
    await ann.at("You are invited")
    await expect(ann.panel.get_by_text(f"To the room {room}.")).to_be_visible()
    await ann.panel.get_by_label("Your name").fill("SYSTEM")
    await ann.press("Enter as a guest")
    await expect(ann.panel.get_by_label("Your name")).to_have_attribute("aria-invalid", "true")
    await ann.panel.get_by_label("Your name").fill("ann")
    await ann.press("Enter as a guest")
    await entered(ann, room)
    await ann.say("here I am")
    await ann.delivered("here I am")


@pytest.mark.slow
async def test_a_link_to_a_room_waits_until_its_user_has_an_account(
    server: ServerProcess, new_page: Pages, room: str
) -> None:
    """It is kept while the user registers, and accepted by a click afterwards."""
    username = new_username()
    ann = AccountPage(await new_page(at(server, await link_to(server, room))))
    await ann.press("Create an account")
    await ann.register(username)
    await ann.at("You are invited")
    await expect(ann.panel.get_by_text(f"You enter the room {room} as {username}.")).to_be_visible()
    await ann.press("Accept")
    await entered(ann, room)
    await ann.page.reload()
    await ann.connected()


@pytest.mark.slow
async def test_a_link_to_a_room_waits_until_its_user_signs_in(
    server: ServerProcess, new_page: Pages, room: str
) -> None:
    username = new_username()
    await join_room(new_page, server, "general", username)
    phone = AccountPage(await new_page(at(server, await link_to(server, room))))
    await phone.press("Sign in")
    await phone.sign_in(username)
    await phone.at("You are invited")
    await phone.press("Accept")
    await entered(phone, room)


@pytest.mark.slow
async def test_a_link_to_register_opens_a_server_for_the_invited(
    start_server: Start, new_page: Pages, room: str
) -> None:
    """Without one the page says that one is needed; a link to a room does not make accounts."""
    server = start_server({**SERVER, "REGISTRATION": "invite"})
    stranger = AccountPage(await new_page(home(server, room)))
    await stranger.page.get_by_role("button", name="Create an account").click()
    await expect(stranger.panel.get_by_text("only with an invite link")).to_be_visible()
    guest = AccountPage(await new_page(at(server, await link_to(server, "plans"))))
    await expect(guest.panel.get_by_role("button", name="Enter as a guest")).to_be_visible()
    await expect(guest.panel.get_by_text("New accounts need a link of their own.")).to_be_visible()
    await expect(guest.panel.get_by_role("button", name="Create an account")).to_have_count(0)
    link = await made(server)
    ann = AccountPage(await new_page(home(server, room, f"#invite={link['token']}")))
    await ann.register(new_username())
    await entered(ann, room)
    assert await uses_left(server, link) == 0


@pytest.mark.slow
async def test_an_open_server_needs_no_link_to_register(server: ServerProcess, new_page: Pages) -> None:
    """The form is there at once, the link is not used, and nothing is left to accept, also after a reload."""
    link = await made(server)
    ann = AccountPage(await new_page(at(server, link)))
    await ann.register(new_username())
    for _ in range(2):
        await expect(ann.page.get_by_text("Signed in as")).to_be_visible()
        await expect(ann.panel).to_be_hidden()
        await ann.page.reload()
    assert await uses_left(server, link) == 1


@pytest.mark.slow
async def test_who_has_an_account_needs_no_link_to_register(server: ServerProcess, new_page: Pages, room: str) -> None:
    """Whether the link is opened by a user who is signed in, or who then signs in."""
    username = new_username()
    ann = await join_room(new_page, server, room, username)
    link = await made(server)
    await follow(ann, server, link)
    await ann.at("You are invited")
    await expect(ann.panel.get_by_text(f"you are signed in as {username}.")).to_be_visible()
    await ann.press("Continue")
    await ann.connected()
    phone = AccountPage(await new_page(at(server, link)))
    await phone.press("I have an account")
    await phone.sign_in(username)
    await expect(phone.page.get_by_text("Signed in as")).to_be_visible()
    await expect(phone.panel).to_be_hidden()
    assert await uses_left(server, link) == 1


@pytest.mark.slow
async def test_a_closed_server_without_guests_is_for_its_accounts(start_server: Start, new_page: Pages) -> None:
    """A link to register says so, and one to a room asks to sign in."""
    server = start_server({**SERVER, "REGISTRATION": "closed", "GUESTS": "off"})
    ann = AccountPage(await new_page(at(server, await made(server))))
    await ann.at("Create an account")
    await expect(ann.panel.get_by_text("This server accepts no new accounts.")).to_be_visible()
    await expect(ann.panel.get_by_role("button")).to_have_text(["I have an account"])
    await ann.page.goto("about:blank")
    await ann.page.goto(at(server, await link_to(server, "plans")))
    await ann.at("You are invited")
    await expect(ann.panel.get_by_text("Sign in to enter.")).to_be_visible()
    await expect(ann.panel.get_by_role("button")).to_have_text(["Sign in"])


@pytest.mark.slow
@pytest.mark.parametrize("signed_in", [True, False], ids=["account", "visitor"])
async def test_a_link_that_does_not_work_says_what_to_do(
    server: ServerProcess, new_page: Pages, room: str, signed_in: bool
) -> None:
    """Expired, revoked, used up or unknown; the page is as usual afterwards."""
    new_page.expect_error(REFUSED)
    ann = (
        await join_room(new_page, server, "general", new_username())
        if signed_in
        else AccountPage(await new_page(home(server, room)))
    )
    expired, revoked, used = [await link_to(server, room, seconds=s) for s in (0.001, 600, 600)]
    assert (await admin(server).delete(f"/api/links/{revoked['id']}")).status == 204
    other = Web(server.port, "zoe", secret=SECRET)
    assert (await other.post("/api/links/accept", {"token": used["token"]})).status == 200
    for link in (expired, revoked, used, {"token": "x" * 43}):
        await follow(ann, server, link)
        await ann.at(DEAD)
        await expect(ann.panel.get_by_text("ask for a new one")).to_be_visible()
    await ann.press("Continue")
    await expect(ann.panel).to_be_hidden()
    await ann.page.reload()
    await (ann.connected() if signed_in else ann.at_entry())
    await expect(ann.panel).to_be_hidden()


@pytest.mark.slow
async def test_a_link_that_is_used_up_meanwhile_says_what_to_do(
    start_server: Start, new_page: Pages, room: str
) -> None:
    """Between opening it and the click, by an account, a guest, and a user who registers with it."""
    new_page.expect_error(REFUSED)
    server = start_server({**SERVER, "REGISTRATION": "invite"})
    first = AccountPage(await new_page(at(server, await made(server))))
    await first.register(new_username())
    await expect(first.page.get_by_text("Signed in as")).to_be_visible()

    async def revoke(link: dict[str, Any]) -> None:
        assert (await admin(server).delete(f"/api/links/{link['id']}")).status == 204

    link = await link_to(server, room)
    await follow(first, server, link)
    await first.at("You are invited")
    guest = AccountPage(await new_page(at(server, link)))
    await guest.panel.get_by_label("Your name").fill("gus")
    await revoke(link)
    await first.press("Accept")
    await first.at(DEAD)
    await guest.press("Enter as a guest")
    await guest.at(DEAD)
    link = await made(server)
    ann = AccountPage(await new_page(at(server, link)))
    await ann.at("Create an account")
    await revoke(link)
    await ann.register(new_username())
    await ann.at(DEAD)


@pytest.mark.slow
async def test_a_user_whom_the_room_refuses_is_told_so(server: ServerProcess, new_page: Pages, room: str) -> None:
    """A guest whom the room does not admit, who may then use the link with an account; and a banned account."""
    new_page.expect_error(REFUSED)
    link = await link_to(server, room, uses=2)
    root = admin(server)
    assert (await root.patch(f"/api/rooms/{room}", {"guests": "no"})).status == 200
    gus = AccountPage(await new_page(at(server, link)))
    await gus.panel.get_by_label("Your name").fill("gus")
    await gus.press("Enter as a guest")
    await expect(gus.panel.get_by_role("alert").filter(has_text="not enter this room as a guest")).to_be_visible()
    await gus.press("Create an account")
    await gus.register(new_username())
    await gus.press("Accept")
    await entered(gus, room)
    username = new_username()
    ann = await join_room(new_page, server, "general", username)
    (found,) = (await root.json(f"/api/accounts?contains={username}"))["accounts"]
    assert (await root.put(f"/api/rooms/{room}/bans/{found['id']}")).status == 204
    await follow(ann, server, link)
    await ann.press("Accept")
    await expect(ann.panel.get_by_role("alert").filter(has_text="You may not enter this room.")).to_be_visible()
    assert await uses_left(server, link) == 1


@pytest.mark.slow
async def test_a_server_that_does_not_answer_is_asked_again(server: ServerProcess, new_page: Pages, room: str) -> None:
    """The link is not lost."""
    new_page.expect_error(r"Failed to load resource: net::ERR_FAILED")
    ann = await join_room(new_page, server, "general", new_username())

    async def away(route: Route) -> None:
        await route.abort()

    await ann.page.route("**/links/find", away)
    await follow(ann, server, await link_to(server, room))
    await expect(ann.panel.get_by_text("The server cannot be reached.")).to_be_visible()
    async with ann.page.expect_event("requestfailed"):  # the text is as before
        await ann.press("Try again")
    await expect(ann.panel.get_by_text("The server cannot be reached.")).to_be_visible()
    await ann.page.unroute("**/links/find", away)
    await ann.press("Try again")
    await ann.press("Accept")
    await entered(ann, room)
