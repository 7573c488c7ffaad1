"""Anybody can send a link: until the person agrees, nobody in its room knows of them, whatever is in its address."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.account_page import PASSWORD, home, join_room, new_username
from tests.browser.chat_page import SECRET, ChatPage, Enter, link, new_room
from tests.browser.test_sign_in_links import question, signed_in, token
from tests.support.browser import Pages
from tests.support.marks import slow
from tests.support.server import ServerProcess
from tests.support.web import Web

FORGED = "x" * 40


async def trap(server: ServerProcess) -> tuple[Web, str]:
    """Make a room of somebody else."""
    owner = Web(server.port, "mod", secret=SECRET)
    await owner.create(name := new_room(), title="The trap")
    return owner, name


async def members(owner: Web, room: str) -> list[str]:
    return [each["name"] for each in (await owner.json(f"/api/rooms/{room}/members"))["members"]]


async def asks(page: Page, room: str) -> None:
    await expect(page.get_by_label("Room", exact=True)).to_have_value(room)


@pytest.mark.parametrize("fragment", ["#token=", slow("#token=a.b.c")])
@pytest.mark.parametrize("who", ["guest", slow("account")])
async def test_a_token_that_is_none_does_not_enter(
    enter: Enter, new_page: Pages, server: ServerProcess, room: str, who: str, fragment: str
) -> None:
    owner, name = await trap(server)
    ann = await (join_room(new_page, server, room, new_username()) if who == "account" else enter("ann"))
    tab = await new_page(home(server, name, fragment), same_context_as=ann.page)
    await asks(tab, name)
    assert await members(owner, name) == ["mod"]


@pytest.mark.slow
async def test_a_forged_token_does_not_enter_before_its_question_or_after(
    enter: Enter, new_page: Pages, server: ServerProcess
) -> None:
    owner, name = await trap(server)
    ann = await enter("ann")
    fragment = f"#token={token('mal', 'Mallory', secret=FORGED)}"
    tab = await new_page(home(server, name, fragment), same_context_as=ann.page)
    await expect(question(tab, "Mallory")).to_be_visible()
    assert await members(owner, name) == ["mod"]
    await question(tab, "Mallory").get_by_role("button", name="Continue").click()
    await expect(tab.get_by_text("The server did not accept the sign-in of this link.")).to_be_visible()
    await asks(tab, name)
    assert await members(owner, name) == ["mod"]


@pytest.mark.slow
async def test_a_forged_token_of_the_person_does_not_enter(new_page: Pages, server: ServerProcess, room: str) -> None:
    """Who needs no question, because ids are no secret."""
    owner, name = await trap(server)
    vic = await signed_in(new_page, server, room, token("vic", "Vic"))
    fragment = f"#token={token('vic', 'Vic', secret=FORGED)}"
    tab = await new_page(home(server, name, fragment), same_context_as=vic.page)
    await expect(tab.get_by_text("The server did not accept the sign-in of this link.")).to_be_visible()
    await asks(tab, name)
    assert await members(owner, name) == ["mod"]
    # One that the application has signed opens its room at once.
    fresh = await signed_in(new_page, server, name, token("vic", "Vic", later=60), same_context_as=vic.page)
    await expect(fresh.page.get_by_role("heading", level=1)).to_have_text("The trap")


@pytest.mark.slow
async def test_signing_in_in_another_tab_answers_no_question(
    enter: Enter, new_page: Pages, server: ServerProcess, room: str
) -> None:
    """A room that a tab shows stays in front, as the account."""
    owner, name = await trap(server)
    ann = await enter("ann")
    tab = await new_page(home(server, name), same_context_as=ann.page)
    await asks(tab, name)
    signs = await new_page(home(server, room), same_context_as=ann.page)
    await signs.get_by_role("button", name="You and your account").click()
    await signs.get_by_role("menuitem", name="Create an account").click()
    await signs.get_by_label("Username", exact=True).fill(new_username())
    await signs.get_by_label("Password").fill(PASSWORD)
    await signs.get_by_role("button", name="Create account", exact=True).click()
    for each in (ann.page, signs):
        await expect(each.locator("#me")).not_to_contain_text("Guest")
        await expect(each.get_by_role("heading", level=1)).to_have_text(room)
    await expect(tab.locator("#entry-me")).to_be_visible()
    await asks(tab, name)
    assert await members(owner, name) == ["mod"]


@pytest.mark.slow
async def test_a_link_with_the_name_of_another_guest_asks_first(
    enter: Enter, new_page: Pages, server: ServerProcess, room: str
) -> None:
    """Who else uses this browser is nobody's business: the other guest is not online before the person agrees."""
    ann = await enter("ann")
    whistle = await enter("whistle", beside=ann, room=f"{room}-b")
    who = await whistle.identity()
    await whistle.page.close()
    await ann.say("I am ann")
    await ann.delivered("I am ann")
    watcher = await enter("eve", room=f"{room}-b")
    await expect(watcher.people).to_have_count(1)
    tab = ChatPage(await new_page(link(server, f"{room}-b", "whistle"), same_context_as=ann.page))
    await expect(tab.page.get_by_label("Your name")).to_have_value("whistle")
    await expect(tab.page.locator("#name-hint")).to_have_text(
        "You were here before: your rooms and messages are still yours."
    )
    await expect(watcher.people).to_have_count(1)
    await tab.agree_to_be("whistle")
    await tab.connected()
    assert await tab.identity() == who
    await expect(watcher.people).to_have_count(2)
    await tab.page.goto(link(server, f"{room}-b", "whistle"))  # this tab's own guest
    await tab.connected()


async def test_a_link_to_a_private_room_asks_for_its_password_at_once(
    enter: Enter, new_page: Pages, server: ServerProcess
) -> None:
    """In words that do not tell whether there is such a room."""
    await Web(server.port, "mod", secret=SECRET).create(vault := new_room(), title="The vault", password="sesame")
    ann = await enter("ann")
    tab = ChatPage(await new_page(home(server, vault), same_context_as=ann.page))
    await asks(tab.page, vault)
    await expect(tab.page.locator("#room-hint")).to_have_text(
        "A link leads to this room. Others there see you come in."
    )
    await tab.agree_to_enter(vault)
    await expect(tab.page.get_by_text(f"There is no room “{vault}”, or it is private.")).to_be_visible()
    await expect(tab.page.get_by_label("Password of the room")).to_be_focused()
    await tab.page.keyboard.type("sesame")
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.get_by_role("heading", level=1)).to_have_text("The vault")
