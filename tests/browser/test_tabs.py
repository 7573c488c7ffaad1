"""Tabs of one browser: whatever browsers copy between them, each sends what was written in it."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.chat_page import ChatPage, Enter, Wire, link, pass_on, swallow
from tests.support.server import ServerProcess

WITHOUT_LOCKS = "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })"


async def test_two_users_in_two_tabs_of_one_browser(enter: Enter, wire: Wire) -> None:
    """Each tab has its own identity and outbox, before and after a reload."""
    wire.to_server = swallow("message")
    ann = await enter("ann", wire=wire)
    bob = await enter("bob", beside=ann)
    assert await ann.identity() != await bob.identity()

    await ann.say("from ann, not sent yet")
    await expect(ann.messages).to_have_count(1)
    assert await bob.outbox() == []
    await bob.page.reload()
    await bob.say("from bob")
    await bob.delivered("from bob")
    await expect(bob.message("from ann, not sent yet")).to_have_count(0)

    wire.to_server = pass_on
    await ann.page.reload()
    await ann.delivered("from ann, not sent yet")
    await expect(bob.message("from ann, not sent yet").locator(".name")).to_have_text("ann")
    await expect(ann.message("from bob").locator(".name")).to_have_text("bob")


@pytest.mark.slow
@pytest.mark.parametrize("locks", [True, False], ids=["web locks", "plain http, no web locks"])
async def test_a_duplicated_tab_has_an_outbox_of_its_own(enter: Enter, wire: Wire, locks: bool) -> None:
    """The copy of a tab (with its `sessionStorage`) is the same guest, and sends only what was written in it."""
    wire.to_server = swallow("message")
    ann = await enter("ann", wire=wire)
    if not locks:
        await ann.page.context.add_init_script(WITHOUT_LOCKS)
        await ann.page.reload()
        await ann.connected()
        assert await ann.page.evaluate("navigator.locks === undefined")
    await ann.say("mine alone")
    await expect(ann.messages).to_have_count(1)
    who = await ann.identity()

    copy = ChatPage(await _duplicate(ann.page))
    await copy.connected()
    assert await copy.identity() == who
    assert await copy.outbox() == []
    await copy.say("by the copy")
    await copy.delivered("by the copy")
    assert [entry["content"] for entry in await ann.outbox()] == ["mine alone"]

    wire.to_server = pass_on
    await ann.page.reload()
    await ann.delivered("mine alone")
    assert await ann.identity() == who
    await expect(copy.message("mine alone")).to_have_count(1)
    assert await copy.texts() == ["by the copy", "mine alone"]


@pytest.mark.slow
async def test_joining_under_another_name_sends_no_messages_of_the_first(
    enter: Enter, server: ServerProcess, wire: Wire, room: str
) -> None:
    """Ann's unsent messages are not Bob's: they are kept, and Bob decides."""
    wire.to_server = swallow("message")
    ann = await enter("ann", wire=wire)
    await ann.say("a secret of ann")
    await expect(ann.messages).to_have_count(1)
    wire.to_server = pass_on
    await ann.page.goto(link(server, room, "bob"))
    await ann.agree_to_be("bob")
    await ann.connected()
    await expect(ann.message("a secret of ann").get_by_text("Written as ann.")).to_be_visible()
    await ann.say("I am bob")
    await ann.delivered("I am bob")
    await ann.message("a secret of ann").get_by_role("button", name="Discard").click()
    await expect(ann.messages).to_have_count(1)
    assert await ann.outbox() == []


async def _duplicate(page: Page) -> Page:
    """Duplicate a tab as a browser does: the new one starts with a copy of the `sessionStorage`."""
    async with page.expect_popup() as popup:
        await page.evaluate("window.open(location.href, '_blank')")
    copy = await popup.value
    assert await copy.evaluate("sessionStorage.length") > 0
    return copy
