"""A guest whose name gets registered stays the same user, under another name or as the account."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.account_page import REFUSED, AccountPage, join_room, new_username
from tests.browser.chat_page import OWN, SECRET, ChatPage, Enter, link
from tests.support.browser import Pages
from tests.support.server import ServerProcess
from tests.support.web import Web


@pytest.mark.slow
@pytest.mark.parametrize("away", [False, True], ids=["while it is here", "while its tab was closed"])
async def test_a_guest_whose_name_is_registered_by_another_user_stays_who_it_is(
    enter: Enter, new_page: Pages, server: ServerProcess, room: str, away: bool
) -> None:
    """It is asked for another name, and keeps its id, its messages and its rooms under it."""
    name = new_username()
    walter = await enter(name)
    await walter.go_to(f"{room}-2")
    await walter.say("by walter")
    await walter.delivered("by walter")
    who = await walter.identity()
    address = walter.page.url
    if away:
        await walter.page.goto("about:blank")
    await join_room(new_page, server, "elsewhere", name)
    if away:
        await walter.page.goto(address)
    else:
        await expect(walter.closed).to_contain_text("This name belongs to an account; choose another one.")
        await walter.closed.get_by_role("button", name="Choose another name").click()
    field = walter.page.get_by_label("Your name")
    await expect(field).to_have_accessible_description("This name belongs to an account; choose another one.")
    await expect(walter.page.get_by_role("alert", name="Problems")).to_have_text("")
    await field.fill("SYSTEM")
    await field.press("Enter")
    await expect(walter.page.get_by_role("alert").filter(has_text="reserved")).to_be_visible()
    await field.fill("Walt")
    await field.press("Enter")
    await walter.connected()
    assert await walter.identity() == who
    await expect(walter.message("by walter")).to_have_class(OWN)
    await expect(walter.page.locator("#me")).to_contain_text("Walt")
    if not away:
        await expect(walter.page.get_by_role("list").get_by_role("link", name=room, exact=True)).to_be_visible()
    await walter.page.reload()
    await walter.connected()
    assert await walter.identity() == who


@pytest.mark.slow
async def test_a_guest_whose_name_is_registered_goes_on_typing_into_nothing(
    enter: Enter, new_page: Pages, server: ServerProcess, room: str
) -> None:
    """What was typed stays in its room, and Enter enters nothing."""
    name = new_username()
    ann, walter = await enter("ann"), await enter(name)
    await walter.box.press_sequentially("the password ")
    await join_room(new_page, server, "elsewhere", name)
    await expect(walter.closed).to_contain_text("Your draft is kept.")
    await walter.page.keyboard.type("of the vault is 4711")
    await walter.page.keyboard.press("Enter")
    await expect(ann.people).to_have_count(1)
    await expect(walter.page.get_by_role("heading", level=1, name=room)).to_be_visible()
    await walter.closed.get_by_role("button", name="Choose another name").click()
    await expect(walter.page.get_by_label("Your name")).to_have_value(name)
    await walter.page.get_by_label("Your name").fill("Walt")
    await walter.page.keyboard.press("Enter")
    await walter.connected()
    await expect(walter.box).to_have_value("the password ")


@pytest.mark.slow
async def test_a_guest_who_registers_its_own_name_keeps_what_it_wrote(enter: Enter, new_page: Pages) -> None:
    new_page.expect_error(REFUSED)
    username = new_username()
    bob = await enter("bob")
    dora = AccountPage((await enter(username.title())).page)
    await dora.say("by dora")
    await dora.delivered("by dora")
    await dora.choose("You and your account", "Create an account")
    await dora.register(username)
    await dora.keep_later()
    await dora.account()
    await dora.press("Keep what I wrote")
    await expect(dora.panel.get_by_text("What you wrote as this guest is yours now.")).to_be_focused()
    await expect(dora.panel.get_by_role("button", name="Keep what I wrote")).to_have_count(0)
    await dora.back()
    await dora.connected()
    await expect(dora.message("by dora")).to_have_class(OWN)
    await bob.page.reload()
    await expect(bob.message("by dora").locator(".name")).to_have_text(username.title())


async def test_a_guest_whose_name_a_room_refuses_is_asked_for_another_one(
    new_page: Pages, server: ServerProcess, room: str
) -> None:
    """It looks like that of a moderator there. The guest stays who it is."""
    await Web(server.port, "Mod", secret=SECRET).create(room)
    page = await new_page(link(server, room, "M0d"))
    field = page.get_by_label("Your name")
    await expect(field).to_have_accessible_description(re.compile("looks like that of a moderator of this room"))
    guest = ChatPage(page)
    who = await guest.identity()
    await field.fill("ann")
    await field.press("Enter")
    await guest.connected()
    assert await guest.identity() == who


@pytest.mark.slow
async def test_a_guest_who_chooses_another_name_by_itself_is_another_guest(enter: Enter) -> None:
    ann = await enter("ann")
    who = await ann.identity()
    await ann.leave_for_good()
    await ann.page.get_by_label("Your name").fill("eve")
    await ann.page.keyboard.press("Enter")
    await ChatPage(ann.page).connected()
    assert await ann.identity() != who
