"""The page where one comes in: which room, as whom, and what stands in the way."""

import re
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.chat_page import SECRET, SERVER_AWAY, ChatPage, Enter, new_room
from tests.browser.peer import peer
from tests.browser.test_access import CONTRAST
from tests.support.browser import Pages
from tests.support.marks import slow
from tests.support.server import ServerProcess
from tests.support.web import Web

MISSING = "There is no room"


async def at_entry(new_page: Pages, server: ServerProcess, beside: Page | None = None, **options: Any) -> ChatPage:
    """Open the page without a room."""
    page = await new_page(same_context_as=beside, **options)
    await page.goto(f"{server.http_url}/client.html")
    await expect(page.get_by_label("Room", exact=True)).to_be_visible()
    return ChatPage(page)


async def ask_for(person: ChatPage, name: str, room: str) -> None:
    """Type a name and a room, and press Enter."""
    await person.page.get_by_label("Your name").fill(name)
    await person.page.get_by_label("Room", exact=True).fill(room)
    await person.page.keyboard.press("Enter")


async def is_in(person: ChatPage, heading: str) -> None:
    await expect(person.page.get_by_role("heading", level=1, name=heading, exact=True)).to_be_visible()
    await person.connected()
    await expect(person.box).to_be_visible()


async def test_a_typing_error_makes_no_room(new_page: Pages, server: ServerProcess, room: str) -> None:
    """The page asks before it creates one, and what was typed can be corrected."""
    await Web(server.port, "mod", secret=SECRET).create(room, title="Plans")
    ann = await at_entry(new_page, server)
    await ask_for(ann, "ann", f"{room}x")
    await expect(ann.page.get_by_role("alert").filter(has_text=MISSING)).to_contain_text(f"“{room}x”")
    field = ann.page.get_by_label("Room", exact=True)
    await expect(field).to_be_focused()
    await ann.page.keyboard.press("Enter")  # once more is no answer to the question
    await expect(ann.page.get_by_role("button", name=f"Create {room}x")).to_be_visible()
    assert (await Web(server.port).get(f"/api/rooms/{room}x")).status == 404
    await field.fill(room)
    await expect(ann.page.get_by_role("alert").filter(has_text=MISSING)).to_have_count(0)
    await ann.page.keyboard.press("Enter")
    await is_in(ann, "Plans")
    await expect(ann.people.filter(has_text="ann")).to_have_count(1)  # the list is open beside the log, as after a link


async def test_a_new_room_is_created_after_asking(new_page: Pages, server: ServerProcess, room: str) -> None:
    ann = await at_entry(new_page, server)
    await ask_for(ann, "ann", room)
    await ann.page.get_by_role("button", name=f"Create {room}").click()
    await is_in(ann, room)
    await ann.say("first")
    await ann.delivered("first")


async def test_a_room_with_a_password_is_entered(new_page: Pages, server: ServerProcess, room: str) -> None:
    """The server does not tell such a room from one that there is not. A wrong password is said next to its field."""
    await Web(server.port, "mod", secret=SECRET).create(room, password="sesame")
    ann = await at_entry(new_page, server)
    await ask_for(ann, "ann", room)
    await ann.page.get_by_role("button", name="Enter with a password").click()
    field = ann.page.get_by_label("Password of the room")
    await expect(field).to_be_focused()
    await ann.page.keyboard.press("Enter")
    await expect(field).to_have_accessible_description("Type the password of the room.")
    await ann.page.keyboard.type("sesam")
    await ann.page.keyboard.press("Enter")
    await expect(field).to_have_accessible_description("This password is wrong, or there is no such room.")
    await expect(field).to_be_focused()
    await ann.page.keyboard.type("sesame")  # in place of the wrong one, which is selected
    await ann.page.keyboard.press("Enter")
    await is_in(ann, room)


@pytest.mark.slow
async def test_public_rooms_are_offered_and_searched(new_page: Pages, own_server: ServerProcess) -> None:
    """With their titles and how many people they have; private ones are not there."""
    mod = Web(own_server.port, "mod", secret=SECRET)
    for i in range(8):
        await mod.create(f"room-{i}", title=f"Title {i}", topic=f"About {i}")
    await mod.create("hidden", private=True)
    async with peer(own_server, "room-3", "bob"):
        ann = await at_entry(new_page, own_server)
        rooms = ann.page.get_by_role("list", name="Public rooms").get_by_role("button")
        await expect(rooms).to_have_count(8)
        await expect(rooms.filter(has_text="Title 3")).to_contain_text("About 3")
        await expect(rooms.filter(has_text="Title 3")).to_contain_text("1 online")
        await ann.page.get_by_label("Search public rooms").fill("title 3")
        await expect(rooms).to_have_count(1)
        await ann.page.get_by_label("Search public rooms").fill("nothing like it")
        await expect(ann.page.get_by_text("No public room has this")).to_be_visible()
        await ann.page.get_by_label("Search public rooms").fill("3")
        await rooms.filter(has_text="Title 3").click()
        name = ann.page.get_by_label("Your name")
        await expect(name).to_have_accessible_description("Choose a name that others will see.")
        await expect(name).to_be_focused()
        await ann.page.keyboard.type("ann")
        await ann.page.keyboard.press("Enter")  # the room was chosen already
        await is_in(ann, "Title 3")


async def test_whoever_comes_back_finds_their_name_and_rooms(
    new_page: Pages, enter: Enter, server: ServerProcess, room: str
) -> None:
    """One key leads back in, as the same guest."""
    ann = await enter("ann")
    who = await ann.identity()
    again = await at_entry(new_page, server, ann.page)
    await expect(again.page.get_by_label("Your name")).to_have_value("ann")
    await expect(again.page.get_by_label("Room", exact=True)).to_have_value(room)
    await expect(again.page.get_by_role("region", name="Recent rooms").get_by_role("button")).to_have_text([room])
    await expect(again.page.get_by_role("button", name="Enter", exact=True)).to_be_focused()
    await again.page.keyboard.press("Enter")
    await is_in(again, room)
    assert await again.identity() == who


@pytest.mark.slow
async def test_a_browser_with_several_guests_offers_each(
    new_page: Pages, enter: Enter, server: ServerProcess, room: str
) -> None:
    """With the rooms of each. One can be forgotten, after a question."""
    await Web(server.port, "mod", secret=SECRET).create(room)
    ann = await enter("ann")
    bob = await enter("bob", beside=ann, room=f"{room}-b")
    ids = [await ann.identity(), await bob.identity()]
    await ann.page.close()
    await bob.page.goto("about:blank")
    tab = await at_entry(new_page, server, bob.page)
    guests = guests_of(tab)
    await expect(guests).to_have_text([re.compile("bob$"), re.compile("ann$")])  # the one used last is the first
    await expect(tab.page.get_by_label("Your name")).to_have_value("bob")
    await guests.filter(has_text="ann").click()
    await expect(tab.page.get_by_label("Your name")).to_have_value("ann")
    await expect(tab.page.get_by_label("Room", exact=True)).to_have_value(room)
    await tab.page.get_by_role("button", name="Enter", exact=True).click()
    await is_in(tab, room)
    assert await tab.identity() == ids[0] != ids[1]

    other = await at_entry(new_page, server, bob.page)
    await guests_of(other).filter(has_text="bob").click()
    await other.page.get_by_role("button", name="Sign out bob").click()
    await expect(other.page.get_by_role("dialog")).to_contain_text("cannot change what you wrote")
    await other.page.get_by_role("dialog").get_by_role("button", name="Sign out").click()
    await expect(guests_of(other)).to_have_count(0)
    kept = await other.page.evaluate("Object.keys(localStorage).filter((key) => key.includes('guest:'))")
    assert not [key for key in kept if "bob" in key]


def guests_of(person: ChatPage) -> Locator:
    return person.page.get_by_role("group", name="Guests of this browser").get_by_role("button")


@pytest.mark.parametrize("name", [slow("❤️ Ann"), "👩‍🚀 Zoë", slow("🏳️‍🌈 Pat"), slow("می\u200cخواهم")])
async def test_names_may_have_emoji_and_joiners(new_page: Pages, server: ServerProcess, room: str, name: str) -> None:
    ann = await at_entry(new_page, server)
    await ask_for(ann, name, room)
    await ann.page.get_by_role("button", name=f"Create {room}").click()
    await is_in(ann, room)
    await expect(ann.page.locator("#me")).to_contain_text(name)


async def test_what_is_wrong_with_a_name_is_said_in_words(new_page: Pages, server: ServerProcess, room: str) -> None:
    """Next to its field, which has the focus; the room's is named as such."""
    ann = await at_entry(new_page, server)
    for name, wrong in (("", "Choose a name"), ("a\u2800b", "The name contains an invisible"), ("SYSTEM", "reserved")):
        await ask_for(ann, name, room)
        field = ann.page.get_by_label("Your name")
        await expect(field).to_have_accessible_description(re.compile(wrong))
        await expect(field).to_be_focused()
    await ask_for(ann, "ann", "r" * 65)
    field = ann.page.get_by_label("Room", exact=True)
    await expect(field).to_have_accessible_description("The name of the room has more than 64 characters.")
    await expect(field).to_be_focused()


@pytest.mark.slow
async def test_a_server_that_is_away_is_waited_for(new_page: Pages, own_server: ServerProcess, room: str) -> None:
    """The page says so, and goes on by itself."""
    new_page.expect_error(SERVER_AWAY)
    ann = await at_entry(new_page, own_server)
    own_server.kill()
    await ask_for(ann, "ann", "general")
    await expect(ann.page.get_by_text("The server cannot be reached. Trying again…")).to_be_visible()
    own_server.start()
    await is_in(ann, "general")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", slow("dark")])
async def test_it_fits_a_narrow_screen_and_has_contrast(
    new_page: Pages, enter: Enter, server: ServerProcess, room: str, scheme: str
) -> None:
    """320 CSS pixels (WCAG 1.4.10), with a question, an error, guests and rooms."""
    long = f"{room}-{'w' * 40}"
    await Web(server.port, "mod", secret=SECRET).create(long, title="W" * 60, topic="w" * 200)
    options = {"viewport": {"width": 320, "height": 640}, "color_scheme": scheme, "has_touch": True}
    first = await enter("W" * 64, room=long, **options)
    await enter("ann", beside=first)
    page = (await at_entry(new_page, server, first.page)).page
    for field, text in (("Room", new_room()), ("Your name", "SYSTEM")):
        await page.get_by_label(field, exact=True).fill(text)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert").filter(has_text=re.compile(f"{MISSING}|reserved"))).to_be_visible()
        assert await page.evaluate(CONTRAST) == []
        view = "(view => view.scrollWidth <= view.clientWidth)(document.querySelector('#entry-view'))"
        assert await page.evaluate(view)
        small = await page.evaluate(
            """() => [...document.querySelectorAll('#entry-view button, #entry-view input')]
              .map((each) => [each.textContent, each.getBoundingClientRect()])
              .filter(([, box]) => box.width < 24 || box.height < 24).map(([name]) => name)"""
        )
        assert small == []


@pytest.mark.slow
async def test_back_leaves_the_page_after_entering(new_page: Pages, server: ServerProcess, room: str) -> None:
    """The first room replaces the address; back between rooms works, and does not undo leaving one."""
    page = await new_page("about:blank")
    await page.goto(f"{server.http_url}/client.html")
    ann = ChatPage(page)
    await ask_for(ann, "ann", room)
    await page.get_by_role("button", name=f"Create {room}").click()
    await is_in(ann, room)
    assert page.url.endswith(f"client.html?r={room}")
    await ann.go_to(f"{room}-b")
    await page.go_back()
    await is_in(ann, room)
    await page.go_forward()
    await is_in(ann, f"{room}-b")
    await ann.choose("More about this room", "Leave")
    await is_in(ann, room)
    await page.go_back()
    await is_in(ann, room)
    await expect(page.get_by_role("list", name="Rooms").get_by_role("link")).to_have_count(1)
    await page.reload()
    await is_in(ann, room)
    assert page.url.endswith(f"client.html?r={room}")
