"""Keys pressed while a part of the page is loaded: they reach that part, and never the message box."""

import asyncio
import re

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.chat_page import ChatPage, Enter, Wire, link
from tests.support.browser import Pages
from tests.support.server import ServerProcess

PARTS = re.compile(r"/static/.*/(?:host|switcher|search|emoji-picker|help|create)\.js$")


class Parts:
    """Loads no part of a page until it is told to."""

    def __init__(self) -> None:
        self.wanted = asyncio.Event()
        self.released = asyncio.Event()

    async def hold(self, route: Route) -> None:
        self.wanted.set()
        await self.released.wait()
        await route.continue_()


@pytest.fixture
def parts() -> Parts:
    return Parts()


async def slow(new_page: Pages, parts: Parts, address: str, wire: Wire) -> ChatPage:
    """Open the page in a browser that is new and slow."""
    page = await new_page("about:blank")
    await wire.attach(page)
    await page.route(PARTS, parts.hold)
    await page.goto(address)
    chat = ChatPage(page)
    await chat.connected()
    await chat.box.focus()
    return chat


def posted(wire: Wire) -> list[str]:
    return [frame["content"] for frame in wire.sent if frame["type"] == "message"]


async def press(page: Page, *keys: str) -> None:
    for key in keys:
        await page.keyboard.press(key)


@pytest.mark.slow
async def test_what_is_typed_after_the_first_ctrl_k_is_searched_and_not_sent(
    enter: Enter, new_page: Pages, server: ServerProcess, room: str, parts: Parts, wire: Wire
) -> None:
    await enter("bob")
    ann = await slow(new_page, parts, link(server, room, "ann"), wire)
    await ann.box.fill("a draft")
    await press(ann.page, "Control+k", *"xbob", "Home", "Delete", "Enter", *"hi", "Enter")
    await expect(ann.page.get_by_text("Loading…")).to_be_visible()
    parts.released.set()
    await expect(ann.page.get_by_role("heading", level=1)).to_contain_text("bob")
    await expect(ann.page.get_by_role("dialog")).to_be_hidden()
    await expect(ann.page.get_by_role("textbox", name="Message bob")).to_have_value("")
    await ann.page.get_by_role("link", name=room).click()
    await expect(ann.box).to_have_value("a draft")
    assert posted(wire) == []


@pytest.mark.slow
async def test_the_second_ctrl_k_or_escape_gives_the_keys_back(
    new_page: Pages, server: ServerProcess, room: str, parts: Parts, wire: Wire
) -> None:
    ann = await slow(new_page, parts, link(server, room, "ann"), wire)
    for back in ("Control+k", "Escape"):
        await press(ann.page, "Control+k", *"one", back, *"two")
        await expect(ann.box).to_be_focused()
        await expect(ann.box).to_have_value("two")
        await ann.box.fill("")
    parts.released.set()
    await press(ann.page, "Control+k")
    field = ann.page.get_by_role("combobox", name="Find a room or a person")
    await expect(field).to_be_focused()
    await expect(field).to_have_value("")
    await press(ann.page, "Escape")
    await expect(ann.box).to_be_focused()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("button", "field"), [("#open-search", "Search"), ("#emoji", "Search emoji"), ("#add-room", "Name")]
)
async def test_what_is_typed_before_a_part_is_there_is_in_its_field(
    new_page: Pages, server: ServerProcess, room: str, parts: Parts, wire: Wire, button: str, field: str
) -> None:
    ann = await slow(new_page, parts, link(server, room, "ann"), wire)
    await ann.page.locator(button).click()
    if button == "#add-room":
        await ann.page.get_by_role("menuitem", name="New room").click()
    await expect(ann.page.locator("#ahead")).to_be_visible()
    await press(ann.page, *"tada")
    parts.released.set()
    typed = ann.page.locator("#panel, #emoji-picker, #dialog").get_by_label(re.compile(f"^{field}")).first
    await expect(typed).to_be_focused()
    await expect(typed).to_have_value("tada")
    await expect(ann.box).to_have_value("")


async def test_keys_for_a_dialog_without_a_field_are_dropped(
    new_page: Pages, server: ServerProcess, room: str, parts: Parts, wire: Wire
) -> None:
    ann = await slow(new_page, parts, link(server, room, "ann"), wire)
    await ann.log.focus()
    await press(ann.page, "?", *"hi", "Enter")
    parts.released.set()
    await expect(ann.page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    await press(ann.page, "Escape")
    await expect(ann.log).to_be_focused()
    await expect(ann.box).to_have_value("")
    assert posted(wire) == []


async def test_a_key_after_a_dialog_is_for_what_was_below(enter: Enter) -> None:
    """The dialog closes in the task of Escape, not with the next frame."""
    ann = await enter("ann")
    await ann.box.focus()
    await ann.page.keyboard.press("Control+k")
    await expect(ann.page.get_by_role("combobox", name="Find a room or a person")).to_be_focused()
    focused = """() => {
      document.querySelector("#dialog").dispatchEvent(new Event("cancel", { cancelable: true }));
      return document.activeElement.id;
    }"""
    assert await ann.page.evaluate(focused) == await ann.box.get_attribute("id")
