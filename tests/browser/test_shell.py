"""What is around the log: sidebar, header, banner, announcements, notices, the list of people, menus and dialogs."""

import asyncio
import contextlib
import re
import time
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from server.auth.tokens import sign_account
from tests.browser.chat_page import SECRET, Enter, Frame, Wire
from tests.browser.peer import peer
from tests.browser.test_access import CONTRAST, PHONE
from tests.support.marks import slow
from tests.support.process import poll_until
from tests.support.server import ServerProcess
from tests.support.web import Web, token_of

NEWS = "The server restarts on Sunday. See https://status.example.com/maintenance for details. " * 4


def admin() -> str:
    return sign_account(SECRET, userid="1", username="root", role="admin", expires=int(time.time()) + 600)


async def box(part: Locator) -> dict[str, Any]:
    """Where it is in the window."""
    found = await part.bounding_box()
    assert found is not None
    return dict(found) | {"bottom": found["y"] + found["height"], "right": found["x"] + found["width"]}


@pytest.mark.parametrize("screen", [{}, slow(PHONE)], ids=["desktop", "phone"])
async def test_an_announcement_covers_nothing_and_stays(
    enter: Enter, server: ServerProcess, room: str, screen: dict[str, Any]
) -> None:
    """Below the header, with its time and a link, whatever else is said meanwhile."""
    ann = await enter("ann", **screen)
    news = ann.page.get_by_role("region", name="Announcements")
    async with peer(server, room, "root", token=admin()) as root:
        for text in (NEWS, "one", "two"):
            await root.announce(text)
        await expect(news.get_by_role("article")).to_have_count(3)
    first = news.get_by_role("article").filter(has_text="restarts on Sunday")
    await expect(first).to_contain_text(re.compile(r"Announcement from root, \d"))
    await expect(first.get_by_role("link").first).to_have_attribute("href", re.compile("^https://status.example.com"))
    header, bar, log = [await box(ann.page.locator(at)) for at in ("#header", "#announcements", "#log-frame")]
    assert header["bottom"] <= bar["y"] + 1
    assert bar["bottom"] <= log["y"] + 1
    assert log["height"] > 150
    await first.get_by_role("button", name="Dismiss").click()
    await expect(first).to_have_count(0)
    await expect(news.get_by_role("article")).to_have_count(2)


async def test_the_banner_pushes_the_log_down_and_is_spoken(enter: Enter, wire: Wire) -> None:
    """Reason and what waits are in a live region; the count of seconds is not."""
    ann = await enter("ann", wire=wire, **PHONE)
    said = ann.page.locator("#banner [role=status]")
    await expect(said).to_have_text("")
    before = await box(ann.page.locator("#log-frame"))
    wire.refuse = True
    await wire.cut()
    await ann.say("later")
    await expect(said).to_contain_text("The connection was lost. One message is waiting to be sent.")
    await expect(ann.page.locator("#room-count")).to_be_empty()  # who is here is not known
    await expect(ann.page.locator("#banner-count")).to_have_attribute("aria-hidden", "true")
    header, banner, log = [await box(ann.page.locator(at)) for at in ("#header", "#banner", "#log-frame")]
    assert log["y"] > before["y"]
    assert header["bottom"] <= banner["y"] + 1
    assert banner["bottom"] <= log["y"] + 1
    tries = wire.connections
    await ann.page.get_by_role("button", name="Try now").click()  # while refused: else it may go away before the click
    await asyncio.to_thread(poll_until, lambda: wire.connections > tries, what="another try")
    wire.refuse = False
    await ann.try_now()
    await ann.delivered("later")
    await expect(said).to_have_text("")


@pytest.mark.slow
async def test_the_menu_button_of_a_phone_counts_what_is_unread_elsewhere(
    enter: Enter, server: ServerProcess, room: str
) -> None:
    """And not the people in the room. The open drawer keeps the focus, and gives it back."""
    ann = await enter("ann", room=f"{room}-b", **PHONE)
    await ann.page.goto(ann.page.url.replace(f"{room}-b", room))
    await ann.agree_to_enter(room)
    await ann.connected()
    menu = ann.page.locator("#menu")
    await expect(menu).to_have_accessible_name("Rooms")
    await expect(menu.locator(".badge")).to_have_count(0)
    async with peer(server, f"{room}-b", "bob") as bob:
        await bob.say(["one", "two"])
        await expect(menu).to_have_accessible_name("Rooms, 2 unread messages")
        await bob.say(["@ann"])
    await expect(menu).to_have_accessible_name("Rooms, 1 mention")
    await expect(menu.locator(".badge")).to_have_text("1")
    await menu.click()
    await expect(ann.page.get_by_role("button", name="Close the list of rooms")).to_be_focused()
    for _ in range(12):  # all the way round
        await ann.page.keyboard.press("Tab")
        inside = "document.querySelector('#sidebar').contains(document.activeElement)"
        assert await ann.page.evaluate(f"{inside} || document.activeElement === document.body")
    await ann.page.keyboard.press("Escape")
    await expect(menu).to_be_focused()
    # A key that comes before the drawer is drawn moves the focus on.
    await menu.evaluate("menu => { menu.click(); document.querySelector('#open-people').focus(); }")
    await expect(ann.page.get_by_role("button", name="Close the list of rooms")).to_be_focused()
    await ann.page.keyboard.press("Escape")
    await expect(menu).to_be_focused()
    await menu.click()
    await ann.page.get_by_role("link", name=f"{room}-b").click()
    await expect(ann.page.get_by_role("heading", level=1)).to_have_text(f"{room}-b")
    await expect(ann.page.get_by_role("navigation", name="Rooms")).to_be_hidden()
    await expect(menu.locator(".badge")).to_have_count(0)


@pytest.mark.slow
async def test_a_window_that_becomes_narrow_keeps_the_conversation(enter: Enter) -> None:
    """The list of people, which nobody has asked for, does not come in front of it, and is back with the space."""
    ann = await enter("ann", viewport={"width": 1280, "height": 800})
    panel = ann.page.locator("#panel")
    await expect(panel.get_by_role("heading", name="People")).to_be_visible()
    await ann.box.press_sequentially("half a ")
    await ann.page.set_viewport_size({"width": 853, "height": 533})
    await expect(panel).to_be_hidden()
    await expect(ann.box).to_be_focused()
    await ann.page.keyboard.type("sentence")
    await expect(ann.box).to_have_value("half a sentence")
    await ann.page.set_viewport_size({"width": 1280, "height": 800})
    await expect(panel).to_be_visible()
    await expect(ann.box).to_be_focused()
    # One that was opened there goes away by Escape, wherever one has clicked.
    await ann.page.set_viewport_size({"width": 853, "height": 533})
    await expect(panel).to_be_hidden()
    await ann.page.locator("#open-people").click()
    await panel.get_by_role("heading", name="People").click()
    await ann.page.keyboard.press("Escape")
    await expect(panel).to_be_hidden()


async def test_people_are_grouped_by_role_and_namesakes_told_apart(
    enter: Enter, server: ServerProcess, room: str
) -> None:
    owner = Web(server.port, "owner", secret=SECRET)
    await owner.post("/api/rooms", {"name": f"{room}-x"})
    ann = await enter("ann", room=f"{room}-x")
    panel = ann.page.get_by_role("complementary", name="People")
    async with (
        peer(server, f"{room}-x", "owner", token=token_of("owner", secret=SECRET)),
        peer(server, f"{room}-x", "ann"),
        peer(server, f"{room}-x", "zoe"),
    ):
        await expect(panel.get_by_role("list", name="Members").get_by_role("listitem")).to_have_count(3)
        await ann.page.locator("#open-people").click()
        await ann.page.locator("#open-people").click()  # the list of members is read anew
        await expect(panel.get_by_role("list", name="Owners").get_by_role("listitem")).to_have_text(
            [re.compile("owner")]
        )
        members = panel.get_by_role("list", name="Members").get_by_role("listitem")
        await expect(members).to_have_count(3)
        await expect(members.first).to_have_text(re.compile(r"ann#\S{3,}\s*guest\s*you"))
        await expect(members.nth(1)).to_have_text(re.compile(r"ann#\S{3,}\s*guest"))
        await expect(members.last).to_have_text(re.compile(r"zoe\s*guest"))


@pytest.mark.slow
async def test_among_many_people_one_finds_oneself_and_others(enter: Enter, server: ServerProcess, room: str) -> None:
    names = [f"person {i:02}" for i in range(12)]
    ann = await enter("zed")
    async with contextlib.AsyncExitStack() as crowd:
        for name in names:
            await crowd.enter_async_context(peer(server, room, name))
        await expect(ann.people).to_have_count(13)
        await expect(ann.people.first).to_contain_text("zed")
        await ann.page.get_by_role("searchbox", name="Find a person").fill("PERSON 07")
        await expect(ann.people).to_have_count(1)
        await expect(ann.people).to_contain_text("person 07")


@pytest.mark.slow
async def test_among_more_people_than_the_server_names_one_finds_oneself(enter: Enter, wire: Wire) -> None:
    """`joined` names 200 of those who are present, without regard to who asks."""
    others = [{"id": f"g_{number:03}", "name": f"person {number:03}"} for number in range(200)]

    def crowded(frame: Frame, _: object) -> Frame | None:
        if frame["type"] == "presence":
            return None  # it would count those who are really here
        return frame | {"members": others, "count": 231} if frame["type"] == "joined" else frame

    wire.to_page = crowded
    ann = await enter("ann", wire=wire)
    await expect(ann.people).to_have_count(201)
    await expect(ann.people.first).to_have_text(re.compile(r"ann\s*guest\s*you"))
    await expect(ann.page.locator("#panel")).to_contain_text("and 30 more")
    await expect(ann.page.locator("#room-count")).to_have_text("231")


async def test_the_list_of_people_covers_a_phone_and_gives_the_focus_back(enter: Enter) -> None:
    ann = await enter("ann", **PHONE)
    await ann.page.locator("#open-people").click()
    panel = ann.page.get_by_role("complementary", name="People")
    await expect(panel.get_by_role("button", name="Close")).to_be_focused()
    place = await box(panel)
    assert (place["x"], place["width"], place["height"]) == (0, 360, 640)
    await expect(ann.page.locator("#main")).to_have_attribute("inert", "")
    await ann.page.keyboard.press("Escape")
    await expect(panel).to_be_hidden()
    await expect(ann.page.locator("#open-people")).to_be_focused()
    await expect(ann.page.locator("#main")).not_to_have_attribute("inert", "")


@pytest.mark.slow
async def test_a_wide_page_remembers_whether_the_list_of_people_is_open(enter: Enter) -> None:
    ann = await enter("ann")
    panel = ann.page.get_by_role("complementary", name="People")
    await expect(panel).to_be_visible()
    await panel.get_by_role("button", name="Close").click()
    await expect(panel).to_be_hidden()
    await expect(ann.box).to_be_focused()
    await ann.page.reload()
    await ann.connected()
    await expect(panel).to_be_hidden()
    await ann.page.locator("#open-people").click()
    await expect(panel).to_be_visible()


async def test_a_menu_is_used_by_keys(enter: Enter) -> None:
    """Arrows, Home, End, first letters; Escape gives the focus back to its button, and closes nothing else."""
    ann = await enter("ann")
    keys = ann.page.keyboard
    button = ann.page.get_by_role("button", name="More about this room")
    await button.focus()
    await keys.press("Enter")
    menu = ann.page.get_by_role("menu", name="More about this room")
    await expect(menu.get_by_role("menuitem", name="Pinned messages")).to_be_focused()
    await keys.press("ArrowUp")
    await expect(menu.get_by_role("menuitem", name="Leave")).to_be_focused()
    await keys.press("Home")
    await keys.press("ArrowDown")
    await expect(menu.get_by_role("menuitem", name="Jump to a date")).to_be_focused()
    await keys.press("n")
    await expect(menu.get_by_role("menuitemradio", name="Nothing (mute)")).to_be_focused()
    await keys.press("Escape")
    await expect(menu).to_have_count(0)
    await expect(button).to_be_focused()
    await expect(ann.page.get_by_role("complementary", name="People")).to_be_visible()
    await button.click()
    await ann.page.mouse.click(600, 400)
    await expect(menu).to_have_count(0)


@pytest.mark.slow
async def test_arrow_keys_go_through_the_rooms(enter: Enter, room: str) -> None:
    """They are one stop of the Tab key, before the menu of the room; Alt and arrows change the room from anywhere."""
    ann = await enter("ann")
    for name in ("b", "c"):
        await ann.go_to(f"{room}-{name}")
    links = ann.page.locator("#rooms").get_by_role("link")
    stop = ann.page.locator("#rooms a[tabindex='0']")
    await expect(stop).to_have_text(f"{room}-c")  # the one in front
    await stop.focus()
    await ann.page.keyboard.press("ArrowUp")
    await ann.page.keyboard.press("Tab")  # at once, before the page is drawn again
    await expect(ann.page.get_by_role("button", name=f"Options of {room}-b")).to_be_focused()
    await ann.page.keyboard.press("Shift+Tab")
    await expect(links.nth(1)).to_be_focused()
    await ann.page.keyboard.press("Home")
    await expect(links.first).to_be_focused()
    await ann.page.keyboard.press("Enter")
    await expect(ann.page.get_by_role("heading", level=1)).to_have_text(room)
    await expect(ann.box).to_be_focused()
    await ann.page.keyboard.press("Alt+ArrowDown")
    await expect(ann.page.get_by_role("heading", level=1)).to_have_text(f"{room}-b")
    await ann.page.keyboard.press("Alt+ArrowUp")
    await ann.page.keyboard.press("Alt+ArrowUp")
    await expect(ann.page.get_by_role("heading", level=1)).to_have_text(f"{room}-c")


@pytest.mark.slow
async def test_a_long_list_of_rooms_keeps_the_button_that_adds_one_in_sight(enter: Enter, room: str) -> None:
    ann = await enter("ann", viewport={"width": 1280, "height": 320})
    for name in "bcde":
        await ann.go_to(f"{room}-{name}")
    add = ann.page.get_by_role("button", name="Add a room")
    await ann.page.get_by_role("link", name=f"{room}-e").scroll_into_view_if_needed()
    await expect(ann.page.get_by_role("link", name=room, exact=True)).not_to_be_in_viewport()
    await expect(add).to_be_in_viewport(ratio=1)
    await add.click()
    await expect(ann.page.get_by_role("menuitem", name="Browse rooms")).to_be_visible()


@pytest.mark.slow
async def test_unread_rooms_out_of_sight_are_a_press_away(enter: Enter, server: ServerProcess, room: str) -> None:
    """In a long list, below and above what is in sight."""
    ann = await enter("ann", viewport={"width": 1280, "height": 320})
    for name in "bcdefg":
        await ann.go_to(f"{room}-{name}")
    first, last = (ann.page.get_by_role("link", name=re.compile(f"^{room}{end}")) for end in ("-b", "-f"))
    below, above = (ann.page.get_by_role("button", name=f"More unread {where}") for where in ("below", "above"))
    await ann.page.locator(".side-scroll").evaluate("list => { list.scrollTop = 0 }")
    await expect(last).not_to_be_in_viewport()
    await expect(below).to_have_count(0)
    async with peer(server, f"{room}-f", "bob") as bob:
        await bob.say(["hello"])
    await below.click()
    await expect(last).to_be_in_viewport(ratio=1)
    await expect(below).to_have_count(0)
    await last.click()  # it is read then
    await ann.page.locator(".side-scroll").evaluate("list => { list.scrollTop = list.scrollHeight }")
    async with peer(server, f"{room}-b", "bob") as bob:
        await bob.say(["@ann"])
    await above.click()
    await expect(first).to_be_in_viewport(ratio=1)
    await expect(above).to_have_count(0)


@pytest.mark.slow
async def test_the_shortcuts_are_listed(enter: Enter) -> None:
    ann = await enter("ann")
    await ann.box.press("?")
    await expect(ann.box).to_have_value("?")  # it is text there
    await ann.page.locator("#open-search").focus()
    await ann.page.keyboard.press("?")
    sheet = ann.page.get_by_role("dialog", name="Keyboard shortcuts")
    await expect(sheet).to_contain_text("Switch to a room or person")
    await ann.page.keyboard.press("Escape")
    await expect(sheet).to_have_count(0)
    await expect(ann.page.locator("#open-search")).to_be_focused()


@pytest.mark.slow
async def test_a_long_topic_is_shown_whole_on_request(enter: Enter, server: ServerProcess, room: str) -> None:
    topic = "What everyone should know about this room. " * 10
    await Web(server.port, "owner", secret=SECRET).post("/api/rooms", {"name": f"{room}-x", "topic": topic.strip()})
    ann = await enter("ann", room=f"{room}-x")
    line = ann.page.locator("#topic")
    assert (await box(line))["height"] < 30
    await line.click()
    whole = ann.page.get_by_role("dialog", name="Topic of this room")
    await expect(whole).to_have_text(topic.strip())
    assert (await box(whole))["right"] <= 1280
    assert abs((await box(whole))["x"] - (await box(line))["x"]) < 2  # under the line that it completes
    assert (await box(whole))["y"] >= (await box(line))["bottom"]
    await ann.page.keyboard.press("Escape")
    await expect(whole).to_be_hidden()


@pytest.mark.slow
async def test_a_short_notice_goes_and_an_error_stays(enter: Enter, room: str) -> None:
    """A notice stays while somebody points at it."""
    ann = await enter("ann")
    await ann.go_to(f"{room}-b")
    await ann.page.clock.install()
    await ann.choose("More about this room", "Leave")
    notice = ann.page.get_by_role("status", name="Notices").locator(".toast")
    await notice.hover()
    await ann.page.clock.run_for(60_000)
    await expect(notice).to_have_count(1)
    await ann.page.mouse.move(5, 5)
    await ann.page.clock.run_for(60_000)
    await expect(notice).to_have_count(0)


@pytest.mark.slow
@pytest.mark.parametrize("options", [slow({}), PHONE], ids=["desktop", "phone"])
async def test_a_notice_covers_neither_the_newest_message_nor_the_box(enter: Enter, options: Any) -> None:
    """The log gets smaller meanwhile: its end stays in sight, and so does what one reads further up."""
    ann = await enter("ann", **options)
    await ann.say(*[f"message {n}" for n in range(40)])
    await ann.delivered("message 39")
    toasts = ann.page.locator(".toast")
    await ann.choose("More about this room", "Copy link")
    await expect(toasts).to_have_count(1)
    await expect(ann.message("message 39")).to_be_in_viewport(ratio=1)
    newest, toast, composer = [
        await box(each) for each in (ann.message("message 39"), toasts, ann.page.locator("#composer"))
    ]
    assert newest["bottom"] <= toast["y"]
    assert toast["bottom"] <= composer["y"]
    await ann.log.evaluate("log => log.scrollTop -= 600")
    await expect(ann.jump).to_be_visible()
    reading = "() => [...document.querySelectorAll('.msg')].find(m => m.getBoundingClientRect().top > 200)?.dataset.seq"
    before = await ann.page.evaluate(reading)
    await toasts.get_by_role("button", name="Dismiss").click()
    await expect(toasts).to_have_count(0)
    assert await ann.page.evaluate(reading) == before


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("theme", ["light", "dark", "contrast"])
async def test_every_theme_has_contrast(
    enter: Enter, server: ServerProcess, room: str, scheme: Any, theme: str
) -> None:
    """Whatever the system prefers: sidebar, people, announcement, menu, dialog."""
    ann = await enter("ann", color_scheme=scheme, reduced_motion="reduce")
    await ann.page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    async with peer(server, room, "root", token=admin()) as root:
        await root.announce(NEWS)
        await root.say(["hello @ann, see https://example.com"])
    await expect(ann.page.get_by_role("article").first).to_be_visible()
    assert await ann.page.evaluate(CONTRAST) == []
    await ann.page.get_by_role("button", name="More about this room").click()
    assert await ann.page.evaluate(CONTRAST) == []
    await ann.page.keyboard.press("Escape")
    await ann.choose("Add a room", "New room")
    await expect(ann.page.get_by_role("dialog")).to_be_visible()
    await ann.page.get_by_role("button", name="Create room").click()
    assert await ann.page.evaluate(CONTRAST) == []
