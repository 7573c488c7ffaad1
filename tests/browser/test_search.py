"""Finding messages: by words, in a room or in all; by a date."""

import datetime
import re

import pytest
from playwright.async_api import expect

from tests.browser.chat_page import Wire, answer, new_room, refusal
from tests.browser.people_page import DESKTOP, PHONE, SCREENS, PersonPage, Visit, made, owner, visit
from tests.support.browser import Pages
from tests.support.marks import slow
from tests.support.server import ServerProcess
from tests.support.web import Web

__all__ = ["made", "owner", "visit"]  # fixtures


async def search(person: PersonPage, q: str) -> None:
    if not await person.panel.get_by_role("searchbox", name="Search messages").is_visible():
        await person.page.locator("#open-search").click()
    field = person.panel.get_by_role("searchbox", name="Search messages")
    await field.fill(q)
    await field.press("Enter")


@SCREENS
async def test_a_hit_is_shown_in_its_place(visit: Visit, owner: Web, made: str, screen: dict[str, object]) -> None:
    """Among older and newer messages; then back to the results, where it is marked, and back to the present."""
    await owner.say(made, "where are the release notes?")
    for i in range(120):
        await owner.say(made, f"line {i}")
    ann = await visit("Ann", **screen)
    await expect(ann.message("line 119")).to_be_visible()
    await search(ann, "notes")
    found = ann.panel.get_by_role("list", name="Results").get_by_role("listitem")
    await expect(found).to_have_count(1)
    await expect(found.locator("mark")).to_have_text(["notes"])
    await expect(found).to_contain_text(owner.id.removeprefix("u_"))
    await found.get_by_role("button").click()
    await expect(ann.message("where are the release notes?")).to_be_in_viewport()
    await expect(ann.message("line 0")).to_be_visible()
    await expect(ann.message("line 119")).to_have_count(0)
    if screen is PHONE:
        await expect(ann.panel).to_be_hidden()
        await ann.page.locator("#open-search").click()
    await expect(found.get_by_role("button")).to_have_attribute("aria-current", "true")
    await expect(ann.panel.get_by_role("searchbox")).to_have_value("notes")
    if screen is PHONE:
        await ann.panel.get_by_role("button", name="Close").click()
    await ann.jump.click()
    await expect(ann.message("line 119")).to_be_in_viewport()


async def test_in_all_my_rooms(visit: Visit, owner: Web, made: str) -> None:
    """With the room's title; opening one goes to that room, and the results stay."""
    other = new_room()
    await owner.create(other, title="Other place")
    await owner.say(other, "notes of the other place")
    await owner.say(made, "notes of this place")
    ann = await visit(account=owner)
    await search(ann, "notes")
    found = ann.panel.get_by_role("list", name="Results").get_by_role("listitem")
    await expect(found).to_have_count(1)
    await ann.panel.get_by_label("In all my rooms").check()
    await expect(found).to_have_count(2)
    await expect(found.first).to_contain_text("Plans")  # the newest first
    await found.filter(has_text="Other place").get_by_role("button").click()
    await expect(ann.page.get_by_role("heading", level=1, name="Other place")).to_be_visible()
    await expect(ann.message("notes of the other place")).to_be_in_viewport()
    await expect(found).to_have_count(2)
    await expect(found.filter(has_text="Other place").get_by_role("button")).to_have_attribute("aria-current", "true")


@pytest.mark.slow
async def test_a_search_in_one_room_ends_with_it(visit: Visit, owner: Web, made: str) -> None:
    """Results of another room would look as if they were of this one."""
    other = new_room()
    await owner.create(other, title="Other place")
    await owner.say(made, "notes of this place")
    ann = await visit(account=owner)
    await search(ann, "notes")
    found = ann.panel.get_by_role("list", name="Results").get_by_role("listitem")
    await expect(found).to_have_count(1)
    await ann.page.get_by_role("link", name=re.compile("^Other place")).click()
    await expect(ann.panel).to_contain_text("Type words and press Enter.")
    await expect(found).to_have_count(0)


@pytest.mark.slow
async def test_pages_of_results(visit: Visit, owner: Web, made: str) -> None:
    """The newest first; the others follow when they are asked for, once each."""
    for i in range(65):
        await owner.say(made, f"notes number {i}")
    ann = await visit("Ann")
    for where in ("In this room", "In all my rooms"):
        await search(ann, "notes")
        await ann.panel.get_by_label(where).check()
        found = ann.panel.get_by_role("list", name="Results").get_by_role("listitem")
        await expect(found).to_have_count(30)
        await expect(found.first).to_contain_text("number 64")
        await expect(ann.panel).to_contain_text("The newest 30 messages")
        for count in (60, 65):
            await ann.panel.get_by_role("button", name="Show older messages").click()
            await expect(found).to_have_count(count)
        await expect(found.last).to_contain_text("number 0")
        await expect(ann.panel.get_by_role("button", name="Show older messages")).to_have_count(0)
        await expect(ann.panel).to_contain_text("65 messages")


@pytest.mark.slow
async def test_a_message_that_is_deleted_is_no_result(visit: Visit, owner: Web, made: str) -> None:
    """It leaves the results at once."""
    seqs = [await owner.say(made, f"notes {i}") for i in range(2)]
    ann = await visit("Ann", **DESKTOP)
    await search(ann, "notes")
    found = ann.panel.get_by_role("list", name="Results").get_by_role("listitem")
    await expect(found).to_have_count(2)
    await owner.delete(f"/api/rooms/{made}/messages/{seqs[0]}")
    await expect(found).to_have_count(1)
    await expect(found).to_contain_text("notes 1")


async def test_by_keyboard(visit: Visit, owner: Web, made: str) -> None:
    """Down from the field to the hits and up again; Enter opens one; Escape closes the search."""
    for i in range(3):
        await owner.say(made, f"notes {i}")
    ann = await visit("Ann")
    await ann.page.locator("#open-search").press("Enter")
    field = ann.panel.get_by_role("searchbox", name="Search messages")
    await expect(field).to_be_focused()
    await ann.page.keyboard.type("notes")
    await ann.page.keyboard.press("Enter")
    buttons = ann.panel.get_by_role("list", name="Results").get_by_role("button")
    await expect(buttons).to_have_count(3)
    await ann.page.keyboard.press("ArrowDown")
    await expect(buttons.nth(0)).to_be_focused()
    await ann.page.keyboard.press("ArrowDown")
    await expect(buttons.nth(1)).to_be_focused()
    await ann.page.keyboard.press("Enter")
    await expect(buttons.nth(1)).to_have_attribute("aria-current", "true")
    await expect(buttons.nth(1)).to_be_focused()
    await ann.page.keyboard.press("ArrowUp")
    await ann.page.keyboard.press("ArrowUp")
    await expect(field).to_be_focused()
    await ann.page.keyboard.press("Escape")
    await expect(ann.panel).to_be_hidden()
    await expect(ann.page.locator("#open-search")).to_be_focused()


@pytest.mark.slow
async def test_nothing_found(visit: Visit, owner: Web, made: str) -> None:
    """It says for what, as text, and offers to look elsewhere."""
    ann = await visit("Ann")
    await search(ann, "<b>zebra</b> \u202e")
    await expect(ann.panel.get_by_role("status")).to_contain_text("No message has all of these words: <b>zebra</b>")
    await ann.panel.get_by_role("button", name="Search all my rooms").click()
    await expect(ann.panel.get_by_label("In all my rooms")).to_be_checked()
    await expect(ann.panel.get_by_role("button", name="Search all my rooms")).to_have_count(0)


@pytest.mark.slow
async def test_a_refused_search_says_why_and_is_tried_again(
    visit: Visit, owner: Web, made: str, wire: Wire, new_page: Pages, server: ServerProcess
) -> None:
    await owner.say(made, "notes")
    page = await new_page()
    await wire.attach(page)
    await page.goto(f"{server.http_url}/client.html?r={made}&u=Ann")
    ann = PersonPage(page)
    await ann.connected()
    await expect(ann.message("notes")).to_be_visible()
    wire.to_server = lambda frame, route: (
        answer(route, refusal(frame["id"], "overloaded", "too many reads", retry_after=1.0))
        if frame["type"] == "history"
        else frame
    )
    await search(ann, "notes")
    await expect(ann.panel.get_by_role("alert")).to_contain_text("Too many reads.")
    wire.to_server = lambda frame, _: frame
    await ann.panel.get_by_role("button", name="Retry").click()
    await expect(ann.panel.get_by_role("list", name="Results").get_by_role("listitem")).to_have_count(1)
    await expect(ann.panel.get_by_role("alert")).to_have_count(0)


MARKED = [
    ("The Notes, and notes again", "NOTES", ["Notes", "notes"]),  # case
    slow("ｎｏｔｅｓ keynotes", "notes", ["ｎｏｔｅｓ"]),  # width; not within a word
    slow("今日は東京で会いましょう", "東京", ["東京"]),  # a script without spaces
    slow("a+b (c.d) [x]", "c", ["c"]),  # signs of regular expressions
    slow("שָׁלוֹם", "שלום", ["שָׁלוֹם"]),  # marks that may be left out
    slow("x" * 300 + " " + "notes " + "y " * 300, "notes", ["notes"]),  # far from the beginning
    slow("<img src=x onerror=alert(1)> notes", "img", ["img"]),  # markup is text
]


@pytest.mark.parametrize(("content", "q", "marked"), MARKED, ids=range(len(MARKED)))
async def test_marked_words(visit: Visit, owner: Web, made: str, content: str, q: str, marked: list[str]) -> None:
    """What the server finds is what is marked; the excerpt is short, and fits the panel."""
    await owner.say(made, content)
    ann = await visit("Ann")
    await search(ann, q)
    found = ann.panel.get_by_role("list", name="Results").get_by_role("listitem")
    await expect(found).to_have_count(1)
    await expect(found.locator("mark")).to_have_text(marked)
    text = await found.locator(".hit-text").inner_text()
    assert len(text) < 260
    assert await found.evaluate("(each) => each.scrollWidth <= each.clientWidth + 1")


@pytest.mark.slow
async def test_jump_to_a_date(visit: Visit, owner: Web, made: str) -> None:
    """To the first message of the day or after it; next to the field it says that there is none, and the log stays."""
    for i in range(80):
        await owner.say(made, f"line {i}")
    ann = await visit("Ann", **DESKTOP)
    await expect(ann.message("line 79")).to_be_visible()
    today = datetime.datetime.now().astimezone().date()
    await ann.menu("Jump to a date")
    await ann.dialog.get_by_role("button", name="Jump").click()
    await expect(ann.dialog.get_by_label("Date")).to_have_attribute("aria-invalid", "true")
    await ann.dialog.get_by_label("Date").fill((today - datetime.timedelta(days=3)).isoformat())
    await ann.confirm("Jump")
    await expect(ann.message("line 0")).to_be_in_viewport()
    await ann.menu("Jump to a date")
    await ann.dialog.get_by_label("Date").fill((today + datetime.timedelta(days=2)).isoformat())
    await ann.dialog.get_by_role("button", name="Jump").click()
    await expect(ann.dialog.get_by_text("There are no messages on or after this day.")).to_be_visible()
    await expect(ann.dialog.get_by_label("Date")).to_be_focused()
    await ann.dialog.get_by_role("button", name="Cancel").click()
    await expect(ann.page.get_by_text("There are no messages on or after this day.")).to_have_count(0)
    await expect(ann.message("line 0")).to_be_in_viewport()
