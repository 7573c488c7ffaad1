"""Invite links for people whom the browser knows, and whose name the room refuses."""

import pytest
from playwright.async_api import expect

from tests.browser.account_page import REFUSED, AccountPage, join_room, new_username
from tests.browser.chat_page import SECRET, Enter, new_room
from tests.browser.test_invite_links import at, entered, follow, link_to, uses_left
from tests.support.browser import Pages
from tests.support.server import ServerProcess
from tests.support.web import Web


async def test_a_known_guest_is_invited_as_who_it_is(
    enter: Enter, server: ServerProcess, new_page: Pages, room: str
) -> None:
    """Another name is another guest, which the page says first; the one before is offered again."""
    dan = await enter("Dan")
    who = await dan.identity()
    link = await link_to(server, f"{room}-plans", uses=2)
    tab = AccountPage(await new_page(at(server, link), same_context_as=dan.page))
    await expect(tab.panel.get_by_label("Your name")).to_have_count(0)
    await tab.press("Enter under another name")
    name = tab.panel.get_by_label("Your name")
    await expect(name).to_be_focused()
    said = "Under another name you are somebody else: the rooms and messages of Dan stay with Dan."
    await expect(name).to_have_accessible_description(said)
    await name.fill("Danny")
    await tab.press("Enter as a guest")
    await entered(tab, f"{room}-plans")
    assert await tab.identity() != who
    await follow(tab, server, link)
    await expect(tab.panel.get_by_text("already, as Danny.")).to_be_visible()
    again = AccountPage(await new_page(at(server, await link_to(server, f"{room}-b")), same_context_as=dan.page))
    await expect(again.panel.get_by_role("button", name="Enter as Danny")).to_have_class("primary ")
    await again.press("Enter as Dan")
    await expect(again.panel.get_by_role("button", name="Enter as Danny")).to_have_class("link")
    await again.press("Enter as Dan")
    await entered(again, f"{room}-b")
    assert await again.identity() == who


@pytest.mark.slow
@pytest.mark.parametrize("known", [True, False], ids=["known guest", "visitor"])
async def test_a_name_that_the_room_refuses_is_said_on_the_invitation(
    enter: Enter, server: ServerProcess, new_page: Pages, room: str, known: bool
) -> None:
    """The next name leads into the room, and a known guest stays who it is."""
    new_page.expect_error(REFUSED)
    plans, taken = f"{room}-plans", f"Ann {new_username()}"
    await Web(server.port, taken, secret=SECRET).create(plans, private=True)
    link = await link_to(server, plans)
    guest = await enter(taken) if known else None
    tab = AccountPage(await new_page(at(server, link), same_context_as=guest.page if guest else None))
    if guest:
        await tab.press(f"Enter as {taken}")
    else:
        await tab.panel.get_by_label("Your name").fill(taken)
        await tab.press("Enter as a guest")
    name = tab.panel.get_by_label("Your name")
    await expect(name).to_have_attribute("aria-invalid", "true")
    await expect(name).to_be_focused()
    await tab.at("You are invited")
    await name.fill("Annie")
    await tab.press("Enter as a guest")
    await entered(tab, plans)
    if guest:
        assert await tab.identity() == await guest.identity()


@pytest.mark.slow
@pytest.mark.parametrize("who", ["account", "guest"])
async def test_a_member_opens_the_room_of_an_invite_link(
    enter: Enter, server: ServerProcess, new_page: Pages, room: str, who: str
) -> None:
    """Without using it up, in a new tab or in the one that is open."""
    plans = new_room()
    links = [await link_to(server, plans) for _ in range(2)]
    ann = await (join_room(new_page, server, room, new_username()) if who == "account" else enter("ann"))
    first = AccountPage(await new_page(at(server, links[0]), same_context_as=ann.page))
    await first.press("Accept" if who == "account" else "Enter as ann")
    await entered(first, plans)
    tab = AccountPage(await new_page(at(server, links[1]), same_context_as=ann.page))
    await expect(tab.panel.get_by_text(f"You are in the room {plans} already")).to_be_visible()
    await tab.press("Open the room")
    await entered(tab, plans)
    await tab.page.evaluate("hash => { location.hash = hash; }", f"#invite={links[1]['token']}")
    await tab.press("Open the room")
    await entered(tab, plans)
    assert await uses_left(server, links[1]) == 1
