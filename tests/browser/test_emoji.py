"""Emoji: the table of them, the search, the picker for the message box and for reactions."""

from typing import Any

import pytest
from playwright.async_api import Locator, expect

from model.emoji import qualify
from tests.browser.chat_page import ChatPage, Enter
from tests.browser.test_modules import run
from tests.support.browser import Pages

pytestmark = pytest.mark.slow


EMOJI = {"view/emoji.js": "loadEmoji, findEmoji, emojiOf, toned, used, RECENT"}


async def open_picker(person: ChatPage) -> Locator:
    await person.page.get_by_role("button", name="Insert an emoji").click()
    picker = person.page.get_by_role("dialog", name="Emoji")
    await expect(picker.get_by_role("gridcell").first).to_be_visible()
    return picker


# --- without a page ------------------------------------------------------------------------------------------------


async def test_emoji_are_written_as_the_server_writes_them(page: Any) -> None:
    """Else two people who react with the same emoji would have two reactions. With every skin tone."""
    written = await run(
        page,
        EMOJI,
        """
        const groups = await loadEmoji();
        const all = groups.flatMap((group) => group.emoji);
        return [groups.length, all.map((each) => [0, 1, 2, 3, 4, 5].map((tone) => toned(each, tone)))];
        """,
    )
    groups, emoji = written
    assert groups == 9
    assert len(emoji) > 1800
    assert [form for forms in emoji for form in forms if qualify(form) != form] == []
    assert ["👍", "👍🏻", "👍🏼", "👍🏽", "👍🏾", "👍🏿"] in emoji
    assert ["🕵️\u200d♂️", "🕵🏻\u200d♂️"] in [forms[:2] for forms in emoji]
    assert ["❤️"] * 6 in emoji


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("smile", "😄"),
        ("smi", "😄"),
        ("SMILE", "😄"),
        ("thumbsup", "👍"),
        ("+1", "👍"),
        ("thumbs up", "👍"),
        ("tada", "🎉"),
        ("heart", "❤️"),
        ("red heart", "❤️"),
        ("flag germ", "🇩🇪"),
        ("party", "🎉"),
        ("zzzzqx", None),
        ("", None),
        ("  ", None),
    ],
)
async def test_what_is_meant_comes_first(page: Any, typed: str, first: str | None) -> None:
    found = await run(page, EMOJI, f"await loadEmoji(); return findEmoji({typed!r}, 50).map((each) => each.emoji);")
    assert (found[0] if found else None) == first


async def test_those_used_last_come_first(page: Any) -> None:
    found, none, last, many = await run(
        page,
        EMOJI,
        """
        await loadEmoji();
        const many = Array.from({ length: 40 }, (_, i) => String(i)).reduce((list, each) => used(list, each), []);
        const found = findEmoji("cat", 50, ["🐈"]).map((each) => each.emoji);
        return [found, findEmoji("zzzzqx", 50, ["🐈"]).length, used(["a", "b", "c"], "b"), [many.length, many[0]]];
        """,
    )
    assert found[0] == "🐈"
    assert none == 0
    assert last == ["b", "a", "c"]
    assert many == [24, "39"]


# --- with a page ---------------------------------------------------------------------------------------------------


async def test_an_emoji_is_inserted_at_the_caret(enter: Enter) -> None:
    ann = await enter("ann")
    await ann.box.fill("ab")
    await ann.box.press("ArrowLeft")
    picker = await open_picker(ann)
    await picker.get_by_role("tab", name="Animals and nature").click()
    await picker.get_by_role("gridcell", name="monkey face").click()
    await expect(picker).to_have_count(0)
    await expect(ann.box).to_have_value("a🐵b")
    await expect(ann.box).to_be_focused()
    await ann.page.keyboard.type("c")
    await expect(ann.box).to_have_value("a🐵cb")
    # It is among the recent ones, also in another visit.
    await ann.page.reload()
    await ann.connected()
    picker = await open_picker(ann)
    await expect(picker.get_by_role("gridcell").first).to_have_attribute("aria-label", "monkey face")


async def test_the_picker_by_keyboard(enter: Enter) -> None:
    ann = await enter("ann")
    await ann.box.focus()
    await ann.page.keyboard.press("Tab")
    await ann.page.keyboard.press("Enter")
    picker = ann.page.get_by_role("dialog", name="Emoji")
    search = picker.get_by_role("combobox", name="Search emoji")
    await expect(search).to_be_focused()
    await ann.page.keyboard.type("grinning")
    cells = picker.get_by_role("gridcell")
    await expect(cells.first).to_have_attribute("aria-label", "grinning face")
    await ann.page.keyboard.press("ArrowDown")
    await expect(cells.first).to_have_attribute("aria-selected", "true")
    await expect(search).to_have_attribute("aria-activedescendant", "emoji-0")
    await ann.page.keyboard.press("ArrowRight")
    second = await cells.nth(1).inner_text()
    await ann.page.keyboard.press("Enter")
    await expect(ann.box).to_have_value(second)
    # Escape leaves the box as it was, and returns to it; nothing is chosen where nothing is found.
    await open_picker(ann)
    await ann.page.keyboard.type("qqqqqq")
    await expect(picker).to_contain_text("No emoji found")
    await ann.page.keyboard.press("Enter")
    await ann.page.keyboard.press("Escape")
    await expect(picker).to_have_count(0)
    await expect(ann.box).to_be_focused()
    await expect(ann.box).to_have_value(second)


async def test_the_emoji_of_a_group_by_keyboard(enter: Enter) -> None:
    """Tab leads from the groups to the grid, which scrolls with the emoji that the arrow keys reach."""
    ann = await enter("ann")
    picker = await open_picker(ann)
    search, grid = picker.get_by_role("combobox", name="Search emoji"), picker.get_by_role("grid")
    cells = picker.get_by_role("gridcell")
    await picker.get_by_role("tab", name="Smileys").click()
    await ann.page.keyboard.press("ArrowRight")
    await expect(cells.first).to_have_attribute("aria-label", "waving hand")
    await ann.page.keyboard.press("Tab")
    await expect(grid).to_be_focused()
    await expect(grid).to_have_attribute("aria-activedescendant", "emoji-0")
    await expect(cells.first).to_have_attribute("aria-selected", "true")
    for _ in range(10):
        await ann.page.keyboard.press("ArrowDown")
    await expect(grid).to_have_attribute("aria-activedescendant", "emoji-80")
    await expect(cells.nth(80)).to_be_in_viewport()
    await expect(cells.first).not_to_be_in_viewport()
    chosen = await cells.nth(80).inner_text()
    await ann.page.keyboard.press("Space")
    await expect(ann.box).to_have_value(chosen)
    # Up from the first row leads to the search; where nothing is found, there is nothing to tab to.
    await open_picker(ann)
    await picker.get_by_role("tab", selected=True).focus()
    await ann.page.keyboard.press("Tab")
    await expect(grid).to_be_focused()
    await ann.page.keyboard.press("ArrowUp")
    await expect(search).to_be_focused()
    await expect(grid).not_to_have_attribute("aria-activedescendant", "emoji-0")
    await ann.page.keyboard.type("qqqqqq")
    await expect(picker).to_contain_text("No emoji found")
    await expect(grid).to_have_attribute("tabindex", "-1")


async def test_a_click_in_a_scrolled_grid_takes_what_is_there(enter: Enter) -> None:
    ann = await enter("ann")
    picker = await open_picker(ann)
    cell = picker.get_by_role("gridcell").nth(100)
    await cell.scroll_into_view_if_needed()
    chosen = await cell.inner_text()
    await cell.click()
    await expect(ann.box).to_have_value(chosen)


async def test_a_skin_tone_is_kept(enter: Enter) -> None:
    ann = await enter("ann")
    picker = await open_picker(ann)
    await picker.get_by_role("combobox", name="Skin tone").select_option(label="✋🏿")
    await picker.get_by_role("combobox", name="Search emoji").fill("waving")
    await ann.page.keyboard.press("Enter")
    await expect(ann.box).to_have_value("👋🏿")
    await ann.page.reload()
    await ann.connected()
    await ann.box.fill("")
    await ann.box.press_sequentially(":wave:")
    await expect(ann.box).to_have_value("👋🏿")


async def test_few_emoji_are_drawn_at_once(enter: Enter) -> None:
    ann = await enter("ann")
    picker = await open_picker(ann)
    tabs = picker.get_by_role("tab")
    await expect(tabs).to_have_count(10)
    for index in range(10):
        await tabs.nth(index).click()
        await expect(tabs.nth(index)).to_have_attribute("aria-selected", "true")
        await expect(picker.get_by_role("gridcell").nth(7)).to_be_visible()
        assert await picker.get_by_role("gridcell").count() < 400
    await tabs.nth(9).press("ArrowRight")
    await expect(tabs.nth(0)).to_be_focused()
    await expect(tabs.nth(0)).to_have_attribute("aria-selected", "true")


async def test_the_picker_says_when_there_is_no_table(enter: Enter, new_page: Pages) -> None:
    """And reads it at the next time."""
    new_page.expect_error("503")
    ann = await enter("ann")
    await ann.page.route("**/emoji.json", lambda route: route.fulfill(status=503))
    await ann.page.get_by_role("button", name="Insert an emoji").click()
    picker = ann.page.get_by_role("dialog", name="Emoji")
    await picker.get_by_role("combobox", name="Search emoji").fill("cat")
    await expect(picker).to_contain_text("The emoji could not be loaded.")
    await ann.page.unroute("**/emoji.json")
    await ann.page.keyboard.press("Escape")
    picker = await open_picker(ann)
    await picker.get_by_role("combobox", name="Search emoji").fill("cat")
    await expect(picker.get_by_role("gridcell").first).to_have_attribute("aria-label", "cat face")


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844), (844, 390), (320, 500)])
async def test_the_picker_is_in_sight(enter: Enter, width: int, height: int) -> None:
    ann = await enter("ann", viewport={"width": width, "height": height})
    picker = await open_picker(ann)
    box = await picker.bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= height
    cell = await picker.get_by_role("gridcell").first.bounding_box()
    assert cell
    assert cell["width"] >= 30
