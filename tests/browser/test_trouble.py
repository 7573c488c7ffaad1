"""What happens to a person when things go wrong: no network, no server, sleep, another tab, another log."""

import asyncio
import re
from urllib.parse import quote

import pytest
from playwright.async_api import Page, expect

from tests.browser.account_page import join_room, new_username
from tests.browser.chat_page import SERVER_AWAY, Enter, Wire, new_room
from tests.browser.conftest import PLAIN, Start
from tests.browser.peer import peer
from tests.browser.test_access import PHONE
from tests.browser.test_closed_rooms import admin
from tests.browser.test_kept import rooms_kept
from tests.browser.test_offline import GONE, kept
from tests.support.browser import Pages
from tests.support.server import ServerProcess

pytestmark = pytest.mark.slow


OFFLINE = r"ERR_INTERNET_DISCONNECTED|Failed to load resource"
ABOVE_EACH_OTHER = """(selectors) => {
  const boxes = selectors.map((selector) => document.querySelector(selector).getBoundingClientRect());
  return boxes.every((box, i) => box.height > 0 && (i === 0 || box.top >= boxes[i - 1].bottom - 1));
}"""


async def nothing_is_covered(page: Page) -> None:
    """The line about the connection is between the header and the log, whose end is above the box."""
    await expect(page.locator("#banner-text")).not_to_be_empty()
    assert await page.evaluate(ABOVE_EACH_OTHER, ["#header", "#banner", "#log", "#composer"])
    await expect(page.locator(".toast")).to_have_count(0)


@pytest.mark.parametrize("options", [{}, PHONE], ids=["desktop", "phone"])
async def test_offline_for_a_minute(
    new_page: Pages, enter: Enter, server: ServerProcess, room: str, options: dict[str, object]
) -> None:
    """One line says so and covers nothing; what is written waits, and is sent once when the network is back."""
    new_page.expect_error(f"{OFFLINE}|{SERVER_AWAY}")
    ann = await enter("ann", **options)
    await ann.page.clock.install()
    await ann.page.reload()
    await ann.connected()
    await ann.page.context.set_offline(True)
    for text in ("one", "two", "three"):
        await ann.page.clock.run_for(20_000)
        await expect(ann.page.locator("#banner")).to_contain_text("This device is offline.")
        await ann.say(text)
    await ann.box.press_sequentially("half a sent")
    await expect(ann.page.locator("#banner")).to_contain_text("3 messages are waiting to be sent.")
    await nothing_is_covered(ann.page)
    await ann.page.context.set_offline(False)
    await ann.connected()
    await ann.delivered("three")
    await ann.page.keyboard.type("ence")
    await expect(ann.box).to_have_value("half a sentence")
    async with peer(server, room, "bob") as bob:
        page = await bob.ask(type="history", room=room)
        assert [message["content"] for message in page["messages"]] == ["one", "two", "three"]


@pytest.mark.parametrize("options", [{}, PHONE], ids=["desktop", "phone"])
async def test_the_server_is_killed_while_one_types(
    new_page: Pages, enter: Enter, own_server: ServerProcess, options: dict[str, object]
) -> None:
    """No key is lost, the box keeps the focus, and each message is sent once, in order."""
    new_page.expect_error(f"{SERVER_AWAY}|Failed to load resource")  # such as the table of emoji
    ann = await enter("ann", server=own_server, **options)
    await ann.say("before")
    await ann.delivered("before")
    await ann.box.press_sequentially("half a ")
    await asyncio.to_thread(own_server.kill)
    await ann.page.keyboard.type("sentence")
    await expect(ann.page.locator("#banner")).to_contain_text("The connection was lost.")
    await expect(ann.box).to_have_value("half a sentence")
    await expect(ann.box).to_be_focused()
    await ann.page.keyboard.press("Enter")
    await ann.say("second", "third")
    await ann.page.keyboard.type("and a draft")
    await nothing_is_covered(ann.page)
    await asyncio.to_thread(own_server.start)
    await ann.page.evaluate("dispatchEvent(new Event('online'))")
    await ann.connected()
    await ann.delivered("third")
    texts = await ann.texts()
    assert texts[-3:] == ["half a sentence", "second", "third"]
    await expect(ann.box).to_have_value("and a draft")


async def test_a_server_that_forgot_everything_is_said_to_have_started_anew(
    new_page: Pages, enter: Enter, own_server: ServerProcess
) -> None:
    new_page.expect_error(SERVER_AWAY)
    ann = await enter("ann", server=own_server)
    await ann.say("gone")
    await ann.delivered("gone")
    await asyncio.to_thread(own_server.kill)
    await asyncio.to_thread(own_server.start)
    await expect(ann.notices.filter(has_text="The server started anew. Earlier messages are gone.")).to_be_visible(
        timeout=30_000
    )
    await expect(ann.message("gone")).to_have_count(0)


async def test_a_crash_after_which_the_log_is_complete_is_not_told(
    new_page: Pages, enter: Enter, start_server: Start, database_url: str
) -> None:
    """With a database nothing is lost: the messages stay, and nobody is told that they are gone."""
    new_page.expect_error(SERVER_AWAY)
    server = start_server({**PLAIN, "DATABASE_URL": database_url})
    ann = await enter("ann", server=server)
    await ann.say("one", "two")
    await ann.delivered("two")
    asked: list[str] = []
    ann.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: asked.append(str(frame))))
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    await ann.connected()
    await ann.say("three")
    await ann.delivered("three")
    assert [frame for frame in asked if '"history"' in frame], "the server resumed: this tests nothing"
    assert await ann.texts() == ["one", "two", "three"]
    await expect(ann.page.get_by_text("The server started anew")).to_have_count(0)
    await expect(ann.page.get_by_text("newest messages")).to_have_count(0)


async def test_a_long_absence_is_no_new_start(enter: Enter, wire: Wire, start_server: Start, room: str) -> None:
    """If more was missed than a resume sends, the log is the same one nevertheless."""
    server = start_server({**PLAIN, "RESUME_LIMIT": "5"})
    ann = await enter("ann", server=server, wire=wire)
    await ann.say("before")
    await ann.delivered("before")
    wire.refuse = True
    await wire.cut()
    async with peer(server, room) as bob:
        await bob.say(f"missed {i}" for i in range(20))
    wire.refuse = False
    await ann.page.evaluate("dispatchEvent(new Event('online'))")
    await expect(ann.message("missed 19")).to_be_attached()
    await expect(ann.page.get_by_text("The server started anew")).to_have_count(0)


async def test_a_computer_that_slept_for_a_night(new_page: Pages, server: ServerProcess, room: str, wire: Wire) -> None:
    """It reconnects at once, with a new token for the account; what was said yesterday stands under that day."""
    ann = await join_room(new_page, server, room, new_username())
    await ann.say("good night")
    await ann.delivered("good night")
    await ann.page.clock.install()
    await wire.attach(ann.page)
    await ann.page.reload()
    await ann.delivered("good night")
    await expect(ann.log.get_by_role("separator", name="Today")).to_be_visible()
    await ann.box.press_sequentially("half a sent")
    asked: list[str] = []
    ann.page.on("request", lambda request: asked.append(request.url) if "/api/refresh" in request.url else None)
    before = wire.connections
    await ann.page.clock.fast_forward("24:00:00")
    await ann.page.evaluate("dispatchEvent(new Event('online'))")
    await ann.page.wait_for_function("() => document.querySelector('#banner').classList.contains('empty')")
    await expect(ann.log.get_by_role("separator", name="Yesterday")).to_be_visible()
    await expect(ann.box).to_have_value("half a sent")
    await ann.page.keyboard.type("ence")
    await ann.page.keyboard.press("Enter")
    await ann.delivered("half a sentence")
    assert wire.connections > before
    assert len(asked) == 1


async def test_two_tabs_of_one_person(enter: Enter, server: ServerProcess, room: str) -> None:
    """They are one user with the same settings and drafts, and signing out in one ends both."""
    one = await enter("ann")
    two = await enter("ann", beside=one)
    assert await one.identity() == await two.identity()
    async with peer(server, room, "bob") as bob:
        await bob.ask(type="message", room=room, content="hello")
        await expect(one.message("hello")).to_be_visible()
        await expect(two.message("hello")).to_be_visible()
    await one.page.locator("#me").click()
    await one.page.get_by_role("menuitem", name="Settings").click()
    await one.page.get_by_role("radio", name="Dark", exact=True).check(force=True)
    await one.page.keyboard.press("Escape")
    await expect(one.page.get_by_role("dialog")).to_have_count(0)  # before, the box takes no keys
    for tab in (one, two):
        await expect(tab.page.locator("html")).to_have_attribute("data-theme", "dark")
    await one.box.press_sequentially("half a sentence")
    await expect(two.box).to_have_value("half a sentence")
    await two.box.press_sequentially(" more")
    await expect(one.box).to_have_value("half a sentence more")
    await two.box.press("Enter")
    await one.delivered("half a sentence more")
    await expect(one.box).to_have_value("")
    # What is typed in a tab stays there, although another text is sent in the other one, and is kept again afterwards.
    await one.box.press_sequentially("mine")
    await expect(two.box).to_have_value("mine")
    await two.box.fill("other")
    await one.page.wait_for_function("() => JSON.stringify({ ...sessionStorage }).includes('mine')")
    await one.page.reload()
    await expect(one.box).to_have_value("mine")
    await two.box.press("Enter")
    await one.delivered("other")
    await expect(two.box).to_have_value("")
    await expect(one.box).to_have_value("mine")
    await one.page.locator("#room-menu").focus()
    await one.box.focus()
    await one.page.reload()
    await expect(one.box).to_have_value("mine")
    await one.leave_for_good()
    for tab in (one, two):
        await expect(tab.page.get_by_label("Your name")).to_be_visible()


async def test_a_kick_concerns_both_tabs(enter: Enter, server: ServerProcess, room: str) -> None:
    """In the tab that shows the room it is closed, with the draft; in the other a notice says so."""
    other, plans = new_room(), new_room()
    async with peer(server, "", "bob") as bob:
        await bob.ask(type="create_room", room=plans, title="Plans")
        one = await enter("ann", room=plans)
        two = await enter("ann", room=plans, beside=one)
        await two.go_to(other)
        await one.box.press_sequentially("half a sent")
        await bob.ask(type="kick", room=plans, user=await one.identity(), reason="calm down")
    await expect(one.closed).to_contain_text("You were removed by bob (guest): “calm down”")
    await one.page.keyboard.type("ence")
    await one.page.keyboard.press("Enter")
    await expect(two.page.get_by_text(re.compile("Plans.*calm down"))).to_be_visible()
    await expect(two.page.get_by_role("heading", level=1, name=other)).to_be_visible()
    await expect(two.box).to_have_value("")
    assert await one.outbox() == await two.outbox() == []
    await one.page.reload()
    await expect(one.closed).to_be_hidden()
    await expect(one.page.get_by_role("link", name="Plans")).to_have_count(0)


@pytest.mark.usefixtures("service_worker")
async def test_an_account_reads_and_writes_without_a_server(
    new_page: Pages, own_server: ServerProcess, room: str
) -> None:
    """The page takes the account for signed in, and finds out when the server is back."""
    new_page.expect_error(GONE)
    ann = await join_room(new_page, own_server, room, new_username())
    await ann.say("hello")
    await ann.delivered("hello")
    await kept(ann.page)
    await rooms_kept(ann.page, {room: ["hello"]})
    await asyncio.to_thread(own_server.kill)
    await ann.page.goto(f"{own_server.http_url}/client.html")
    await expect(ann.message("hello")).to_be_visible()
    await ann.say("later")
    await expect(ann.page.locator("#banner")).to_contain_text("One message is waiting to be sent.")
    assert [entry["content"] for entry in await ann.outbox()] == ["later"]


# What could change the direction of what is around it, and what could be markup.
NASTY = "<b>x</b>\u202eevil\u2066"
MARKUP = '"><img src=x onerror="hit=1">'


async def test_markup_and_direction_stay_within_their_field(enter: Enter, server: ServerProcess, room: str) -> None:
    """In titles, topics, messages, replies, reasons, announcements, the search and links."""
    private = new_room()
    async with peer(server, "", quote(MARKUP)) as bob:
        await bob.ask(type="create_room", room=private, title=MARKUP, topic=f"{MARKUP} topic")
        ann = await enter("ann", room=private)
        async with peer(server, "", "root", token=admin()) as root:
            await root.announce(f"{NASTY} {MARKUP}")
        await bob.ask(type="create_room", room=(other := new_room()), private=True, title=MARKUP)
        await bob.ask(type="invite", room=other, user=await ann.identity())
        await expect(ann.page.locator("#announcements")).to_contain_text(f"{NASTY} {MARKUP}")
        await expect(ann.page.locator(".invitation")).to_contain_text(MARKUP)
        seqs = await bob.at(private).say([f"{NASTY} {MARKUP}", f"https://example.com/\u202egnp.exe {NASTY}"])
        await bob.ask(type="message", room=private, content=NASTY, reply_to=seqs[0])
        await expect(ann.messages).to_have_count(3)
        await expect(ann.page.get_by_role("heading", level=1)).to_have_text(MARKUP)
        await expect(ann.page).to_have_title(re.compile(re.escape(MARKUP)))
        await expect(ann.log.locator(".text").nth(0)).to_have_text(f"{NASTY} {MARKUP}")
        link = ann.log.locator(".text a")
        assert "\u202e" not in await link.inner_text()
        await ann.box.fill(f"{NASTY}{MARKUP}")
        await ann.page.get_by_role("button", name="Search").click()
        field = ann.page.locator("#panel input[type=search]")
        await field.fill("evil")
        await field.press("Enter")
        await expect(ann.page.locator("#panel")).to_contain_text("evil")
        await bob.ask(type="kick", room=private, user=await ann.identity(), reason=f"{MARKUP} reason")
    await expect(ann.closed).to_contain_text(f"{MARKUP} reason")
    assert await ann.page.evaluate("[window.hit, document.querySelectorAll('img[src=x], b').length]") == [None, 0]
    # Each text of another user has a direction of its own.
    loose = await ann.page.evaluate(
        """() => {
          const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          const found = [];
          while (texts.nextNode()) {
            const parent = texts.currentNode.parentElement;
            if (!/[\\u202e\\u2066]/.test(texts.currentNode.data)) continue;
            const isolates = (each) => /isolate|plaintext/.test(getComputedStyle(each).unicodeBidi);
            let at = parent;
            while (at && !isolates(at)) at = at.parentElement;
            if (!at) found.push(parent.outerHTML);
          }
          return found;
        }"""
    )
    assert loose == []
