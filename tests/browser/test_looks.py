"""Where things are on the page, as far as a person would miss it: in sight, close together, large enough to touch."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.chat_page import Enter
from tests.browser.peer import make_room, peer
from tests.browser.people_page import PHONE, PersonPage
from tests.support.browser import Pages
from tests.support.server import ServerProcess

pytestmark = pytest.mark.slow


async def height(page: Page, selector: str) -> float:
    box = await page.locator(selector).first.bounding_box()
    assert box
    return box["height"]


async def test_on_a_phone_replies_and_reactions_are_large_to_touch_and_small_to_see(
    enter: Enter, server: ServerProcess, room: str
) -> None:
    async with peer(server, room, "bob") as bob:
        (seq,) = await bob.say(["where?"])
        (answer,) = await bob.say(["here"], reply_to=seq)
        await bob.change(type="react", seq=answer, emoji="👍")
        ann = await enter("ann", **PHONE)
        await expect(ann.page.locator(".reaction")).to_be_visible()
        assert await height(ann.page, "button.reply") >= 44
        assert await height(ann.page, ".reaction") >= 44
        assert await height(ann.page, f'.msg[data-seq="{answer}"]') < 115, "name, reply, text and reactions"


async def test_the_focused_message_box_has_a_border_and_no_ring(enter: Enter) -> None:
    ann = await enter("ann")
    border = "getComputedStyle(document.querySelector('.composer-body')).borderTopColor"
    await ann.box.focus()
    focused = await ann.page.evaluate(border)
    assert await ann.page.evaluate("getComputedStyle(document.querySelector('.composer-body')).boxShadow") == "none"
    await ann.page.locator("#room-menu").focus()
    assert await ann.page.evaluate(border) != focused


async def test_the_buttons_of_a_long_form_are_in_sight(new_page: Pages, server: ServerProcess, room: str) -> None:
    page = await new_page(viewport={"width": 1280, "height": 500})
    await page.goto(f"{server.http_url}/client.html?r={room}&u=ann")
    ann = PersonPage(page)
    await ann.connected()
    await page.locator("#add-room").click()
    await page.get_by_role("menuitem", name="New room").click()
    save = ann.dialog.get_by_role("button", name="Create room")
    await expect(save).to_be_in_viewport(ratio=1)
    last = ann.dialog.locator("form :is(input, select, textarea)").last
    await last.focus()
    below, above = await save.bounding_box(), await last.bounding_box()
    assert below
    assert above
    assert above["y"] + above["height"] <= below["y"], "the buttons do not cover the field in use"


async def test_the_entry_page_is_in_sight_as_a_whole(new_page: Pages, server: ServerProcess, room: str) -> None:
    """With a list of rooms, which is beside the form."""
    for number in range(10):
        await make_room(server, f"{room}-{number}", title=f"Room {number}")
    page = await new_page(viewport={"width": 1280, "height": 800})
    await page.goto(f"{server.http_url}/client.html")
    await expect(page.locator(".entry-room").first).to_be_visible()
    await expect(page.locator(".entry")).to_be_in_viewport(ratio=1)
    form, rooms = await page.locator(".entry-form").bounding_box(), await page.locator(".entry-rooms").bounding_box()
    assert form
    assert rooms
    assert form["x"] + form["width"] < rooms["x"]
    links = await page.locator("#entry-sign-in").bounding_box()
    assert links
    assert links["x"] > form["x"] + 20, "in the middle, like the name of the page"


async def test_search_shows_messages_without_the_marks_of_markdown(
    enter: Enter, server: ServerProcess, room: str
) -> None:
    await make_room(server, room)
    async with peer(server, room, "bob") as bob:
        await bob.say(["**Plan** for `saturday`:\n> sleep"])
    ann = await enter("ann")
    await ann.page.locator("#open-search").click()
    field = ann.page.locator("#panel input[type=search]")
    await field.fill("saturday")
    await field.press("Enter")
    await expect(ann.page.locator(".hit-text")).to_have_text("Plan for saturday: sleep")
    await expect(ann.page.locator(".hit-text mark")).to_have_text("saturday")
