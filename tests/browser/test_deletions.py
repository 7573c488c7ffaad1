"""A deletion that can still be undone is sent before the person leaves; if that is not possible, the page says so."""

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import expect

from tests.browser.chat_page import ChatPage, Enter, Wire, swallow
from tests.browser.test_message_actions import menu_of
from tests.browser.test_signing_out import person, tab_beside
from tests.support.browser import Pages
from tests.support.marks import slow

__all__ = ["person"]
LOST = "A message was not deleted: the server could not be reached in time."


async def deletes(chat: ChatPage, text: str) -> None:
    await (await menu_of(chat, text)).get_by_role("menuitem", name="Delete").click()
    await expect(chat.message(text)).to_have_count(0)


async def signs_out(chat: ChatPage) -> None:
    await chat.choose("You and your account", "Sign out")
    await chat.page.get_by_role("dialog").get_by_role("button", name="Sign out").click()
    await expect(chat.page.get_by_label("Your name")).to_have_value("")


@pytest.mark.slow
@pytest.mark.parametrize("kind", [slow("guest"), "account", slow("user of an application")])
async def test_signing_out_sends_the_deletions_of_all_tabs(
    person: Callable[[str], Awaitable[ChatPage]], new_page: Pages, enter: Enter, kind: str
) -> None:
    bob, ann = await enter("bob"), await person(kind)
    tab = await tab_beside(new_page, ann)
    for text in ("here", "in the other tab", "stays"):
        await ann.say(text)
        await expect(tab.message(text)).to_have_count(1)
        await expect(bob.message(text)).to_have_count(1)
    await deletes(ann, "here")
    await deletes(tab, "in the other tab")
    await signs_out(ann)
    for text in ("here", "in the other tab"):
        await expect(bob.message(text)).to_have_count(0)
    await expect(bob.message("stays")).to_have_count(1)
    await expect(ann.page.get_by_text(LOST)).to_have_count(0)


@pytest.mark.slow
async def test_leaving_a_room_sends_its_deletions(enter: Enter, room: str) -> None:
    bob, ann = await enter("bob"), await enter("ann")
    await ann.say("hello")
    await ann.delivered("hello")
    await expect(bob.message("hello")).to_have_count(1)
    await deletes(ann, "hello")
    await ann.say("/leave")
    await expect(ann.page.get_by_role("button", name="Undo")).to_have_count(1)  # of leaving alone
    await expect(bob.message("hello")).to_have_count(0)


@pytest.mark.slow
async def test_a_deletion_that_cannot_be_sent_is_not_lost_silently(enter: Enter, wire: Wire) -> None:
    bob, ann = await enter("bob"), await enter("ann", wire=wire)
    await ann.say("hello")
    await ann.delivered("hello")
    wire.to_server = swallow("delete")
    await deletes(ann, "hello")
    await signs_out(ann)
    await expect(ann.page.locator(".toast").get_by_text(LOST)).to_be_visible()
    await expect(bob.message("hello")).to_have_count(1)
