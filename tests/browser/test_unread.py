"""What is unread: the server counts it, and every device and tab of a person shows the same."""

import asyncio
import re

import pytest
from playwright.async_api import Locator, Page, WebSocketRoute, expect

from tests.browser.account_page import PASSWORD, new_username
from tests.browser.chat_page import SERVER_AWAY, ChatPage, Enter, Frame, Wire, answer, link, new_room
from tests.browser.peer import make_room, peer
from tests.support.browser import Pages
from tests.support.marks import slow
from tests.support.server import ServerProcess

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def entry(page: Page, room: str) -> Locator:
    """Find a room in the sidebar."""
    return page.locator(f'[data-room="{room}"]')


def badge(page: Page, room: str) -> Locator:
    """Find the number next to a room in the sidebar, as it is seen."""
    return entry(page, room).locator(".badge [aria-hidden]")


async def add_room(chat: ChatPage, room: str) -> None:
    """Enter another room, by the quick switcher."""
    await chat.page.keyboard.press("Control+k")
    await chat.page.get_by_role("combobox").fill(room)
    await chat.page.get_by_role("option").first.click()
    dialog = chat.page.get_by_role("button", name="Create room", exact=True)
    heading = chat.page.get_by_role("heading", level=1)
    await expect(dialog.or_(heading.filter(has_text=room))).to_be_visible()
    if await dialog.is_visible():
        await dialog.click()
    await expect(heading).to_have_text(room)
    await chat.connected()


async def open_room(chat: ChatPage, room: str) -> None:
    """Go to a room of the sidebar."""
    await entry(chat.page, room).click()
    await expect(entry(chat.page, room)).to_have_attribute("aria-current", "page")


async def look_away(page: Page) -> None:
    """Let another window have the focus. Chromium without a window says that every page has it."""
    await page.evaluate("document.hasFocus = () => false; dispatchEvent(new Event('blur'))")


async def look_back(page: Page) -> None:
    await page.evaluate("delete document.hasFocus; dispatchEvent(new Event('focus'))")


async def say(server: ServerProcess, room: str, *texts: str, name: str = "bob") -> list[int]:
    """Let another user write."""
    async with peer(server, room, name) as someone:
        return await someone.say(texts)


@pytest.fixture
def other_room() -> str:
    return new_room()


async def test_unread_messages_are_counted_and_marked(
    enter: Enter, server: ServerProcess, room: str, other_room: str
) -> None:
    """A badge, the room's name in bold, the title; mentions have a badge of their own. Reading removes all of it."""
    ann = await enter("ann")
    await add_room(ann, other_room)
    await say(server, room, "one", "two")
    await expect(badge(ann.page, room)).to_have_text("2")
    await expect(entry(ann.page, room)).to_have_class(re.compile(r"\bunread\b"))
    await expect(ann.page).to_have_title(f"(2) {other_room} · Parley")
    await say(server, room, "@ann look")
    await expect(badge(ann.page, room)).to_have_text("1")
    await expect(entry(ann.page, room).locator(".badge.mention")).to_have_count(1)
    await expect(ann.page).to_have_title(f"(@1) {other_room} · Parley")
    await open_room(ann, room)
    await expect(badge(ann.page, room)).to_have_count(0)
    await expect(ann.page).to_have_title(f"{room} · Parley")


@pytest.mark.slow
async def test_what_is_in_sight_in_another_room_is_read(
    enter: Enter, server: ServerProcess, room: str, other_room: str
) -> None:
    """Although the reader had scrolled up in the room before: the badge does not stick."""
    ann = await enter("ann")
    await add_room(ann, other_room)
    await say(server, room, *(f"line {i}" for i in range(60)))
    await open_room(ann, room)
    await ann.jump.click()
    await expect(ann.message("line 59")).to_be_in_viewport()
    await ann.log.hover()
    await ann.page.mouse.wheel(0, -400)
    await expect(ann.jump).to_be_visible()
    await open_room(ann, other_room)
    await say(server, other_room, "in sight")
    await expect(ann.message("in sight")).to_be_visible()
    await expect(ann.log.locator(".unread-line")).to_have_count(0)
    await expect(badge(ann.page, other_room)).to_have_count(0)
    await expect(ann.page).to_have_title(f"{other_room} · Parley")


@pytest.mark.slow
async def test_the_line_stands_above_what_is_new_since_the_last_look(
    enter: Enter, server: ServerProcess, room: str, other_room: str
) -> None:
    ann = await enter("ann")
    await add_room(ann, other_room)
    await say(server, room, "first")
    await open_room(ann, room)
    line = ann.log.locator(".unread-line")
    await expect(line).to_have_count(1)
    await expect(badge(ann.page, room)).to_have_count(0)
    await open_room(ann, other_room)
    await say(server, room, "second")
    await expect(badge(ann.page, room)).to_have_text("1")
    await open_room(ann, room)
    await expect(ann.message("second")).to_be_visible()
    await expect(line).to_have_count(1)
    under = "line => line.nextElementSibling?.querySelector('.text')?.textContent"
    assert await line.evaluate(under) == "second"


async def test_a_page_that_nobody_looks_at_reads_nothing(enter: Enter, server: ServerProcess, room: str) -> None:
    ann = await enter("ann")
    await look_away(ann.page)
    await say(server, room, "while away")
    await expect(ann.page).to_have_title(f"(1) {room} · Parley")
    await expect(badge(ann.page, room)).to_have_text("1")
    await look_back(ann.page)
    await expect(ann.page).to_have_title(f"{room} · Parley")
    await expect(badge(ann.page, room)).to_have_count(0)


@pytest.mark.slow
async def test_two_tabs_of_a_guest_agree(enter: Enter, server: ServerProcess, room: str, other_room: str) -> None:
    await make_room(server, room)
    await make_room(server, other_room)
    one = await enter("ann")
    await add_room(one, other_room)
    two = await enter("ann", room=other_room, beside=one)
    await expect(entry(two.page, room)).to_be_visible()
    await say(server, room, "for both", "@ann too")
    for tab in (one, two):
        await expect(badge(tab.page, room)).to_have_text("1")  # the mention
    await open_room(one, room)
    await expect(badge(two.page, room)).to_have_count(0)
    await expect(two.page).to_have_title(f"{other_room} · Parley")


@pytest.mark.slow
async def test_two_devices_of_an_account_agree(
    new_page: Pages, server: ServerProcess, room: str, other_room: str
) -> None:
    """What is read on one is read on the other, at once and after a reload, also what was never in a page of it."""
    await make_room(server, room)
    await make_room(server, other_room)
    username = new_username()
    devices: list[ChatPage] = []
    for path in ("register", "login"):
        page = await new_page()
        fields = {"username": username, "password": PASSWORD, "cookie": True}
        headers = {"Origin": server.http_url}
        answer = await page.request.post(f"{server.http_url}/api/{path}", data=fields, headers=headers)
        assert answer.ok, await answer.text()
        await page.goto(link(server, room, ""))
        device = ChatPage(page)
        if not devices:  # the other one knows that the account is in it
            await device.agree_to_enter(room)
        await device.connected()
        devices.append(device)
    desktop, phone = devices
    await add_room(desktop, other_room)
    await say(server, other_room, "seen at the desktop")
    await expect(entry(phone.page, other_room)).to_be_visible()
    await expect(badge(phone.page, other_room)).to_have_count(0)
    await open_room(desktop, room)
    await say(server, other_room, "one", f"@{username} two")
    for device in devices:
        await expect(badge(device.page, other_room)).to_have_text("1")
    await phone.page.reload()
    await phone.connected()
    await expect(badge(phone.page, other_room)).to_have_text("1")
    await open_room(phone, other_room)
    await expect(badge(desktop.page, other_room)).to_have_count(0)
    await desktop.page.reload()
    await desktop.connected()
    await expect(entry(desktop.page, other_room)).to_be_visible()
    await expect(badge(desktop.page, other_room)).to_have_count(0)


@pytest.mark.slow
async def test_counts_survive_a_reload_and_a_closed_tab(
    enter: Enter, new_page: Pages, server: ServerProcess, room: str, other_room: str
) -> None:
    await make_room(server, room)
    await make_room(server, other_room)
    ann = await enter("ann")
    await add_room(ann, other_room)
    await say(server, room, "one")
    await expect(badge(ann.page, room)).to_have_text("1")
    await ann.page.reload()
    await ann.connected()
    await expect(badge(ann.page, room)).to_have_text("1")
    beside = await new_page(same_context_as=ann.page)  # keeps the browser open
    await ann.page.close()
    await say(server, room, "two")
    await beside.goto(link(server, other_room, "ann"))
    again = ChatPage(beside)
    await again.connected()
    await expect(badge(beside, room)).to_have_text("2")
    await open_room(again, room)
    await expect(again.log.locator(".unread-line")).to_have_count(1)
    await expect(badge(beside, room)).to_have_count(0)


@pytest.mark.slow
async def test_messages_after_a_restart_that_lost_everything_are_unread(
    enter: Enter, new_page: Pages, own_server: ServerProcess, room: str, other_room: str
) -> None:
    """Of the count before the restart nothing is left; what others write before the page returns counts."""
    new_page.expect_error(SERVER_AWAY)
    ann = await enter("ann", server=own_server)
    await add_room(ann, other_room)
    await say(own_server, room, "lost")
    await expect(badge(ann.page, room)).to_have_text("1")
    await ann.page.context.set_offline(True)
    own_server.kill()
    own_server.start()
    async with peer(own_server, room, "bob") as bob:
        await bob.say(["a", "b", "@ann c", "d"])
        await ann.page.context.set_offline(False)
        await ann.connected()
        await expect(entry(ann.page, room).locator(".badge.mention")).to_have_text(re.compile("^1"))
        await open_room(ann, room)
        await expect(ann.message("a")).to_be_visible()
        await expect(ann.log.locator(".unread-line")).to_have_count(1)
        await expect(badge(ann.page, room)).to_have_count(0)
        await open_room(ann, other_room)
        await bob.say(["e"])
        await expect(badge(ann.page, room)).to_have_text("1")


@pytest.mark.slow
async def test_a_message_that_arrives_while_the_counts_are_awaited_is_counted(
    enter: Enter, server: ServerProcess, wire: Wire, room: str, other_room: str
) -> None:
    """The counts that arrive after it are from before it."""
    await make_room(server, room)
    await make_room(server, other_room)
    ann = await enter("ann", wire=wire)
    await add_room(ann, other_room)
    held: list[tuple[WebSocketRoute, Frame]] = []
    holding = asyncio.Event()

    def hold_first_list(frame: Frame, route: WebSocketRoute) -> Frame | None:
        if frame["type"] != "rooms" or held:
            return frame
        held.append((route, frame))
        holding.set()
        return None

    wire.to_page = hold_first_list
    await wire.cut()
    await asyncio.wait_for(holding.wait(), 20)
    await say(server, room, "in between")
    await expect(badge(ann.page, room)).to_have_text("1")
    answer(*held[0])
    await say(server, room, "after it")
    await expect(badge(ann.page, room)).to_have_text("2")


@pytest.mark.parametrize("reloaded", [False, slow(True)])
async def test_a_deleted_message_is_not_unread(
    enter: Enter, server: ServerProcess, room: str, other_room: str, *, reloaded: bool
) -> None:
    """Whether the page counted it itself, or was told the count; an edit that takes the mention away counts as well."""
    await make_room(server, room)
    await make_room(server, other_room)
    ann = await enter("ann")
    await add_room(ann, other_room)
    async with peer(server, room, "bob") as bob:
        seqs = await bob.say(["one", "@ann two", "@ann three"])
        await expect(badge(ann.page, room)).to_have_text("2")
        if reloaded:
            await ann.page.reload()
            await ann.connected()
            await expect(badge(ann.page, room)).to_have_text("2")
        await bob.change(type="edit", seq=seqs[1], content="two")
        await expect(badge(ann.page, room)).to_have_text("1")
        await bob.change(type="delete", seq=seqs[2])
        await expect(badge(ann.page, room)).to_have_text("2")  # messages
        await bob.change(type="delete", seq=seqs[1])
        await expect(badge(ann.page, room)).to_have_text("1")
        await bob.change(type="delete", seq=seqs[0])
        await expect(badge(ann.page, room)).to_have_count(0)
    await expect(ann.page).to_have_title(f"{other_room} · Parley")


@pytest.mark.slow
async def test_a_room_can_be_marked_as_unread_and_as_read(
    enter: Enter, server: ServerProcess, room: str, other_room: str
) -> None:
    """It stays unread while it is in front and after a reload, until the user comes back to it."""
    await make_room(server, room)
    await make_room(server, other_room)
    ann = await enter("ann", room=other_room)
    await add_room(ann, room)
    await say(server, room, "one", "two", "three")
    await expect(ann.message("three")).to_be_visible()
    await ann.message("two").hover()
    await ann.page.locator(".tools").get_by_role("button", name="More").click()
    await ann.page.get_by_role("menuitem", name="Mark unread from here").click()
    await expect(badge(ann.page, room)).to_have_text("2")
    await say(server, room, "four")
    await expect(ann.message("four")).to_be_visible()
    await expect(badge(ann.page, room)).to_have_text("3")
    await open_room(ann, other_room)
    await ann.page.reload()
    await ann.connected()
    await expect(badge(ann.page, room)).to_be_visible()
    await open_room(ann, room)
    await expect(badge(ann.page, room)).to_have_count(0)

    await open_room(ann, other_room)
    await say(server, room, "five")
    await expect(badge(ann.page, room)).to_have_text("1")
    await entry(ann.page, room).click(button="right")
    await ann.page.get_by_role("menuitem", name="Mark as read").click()
    await expect(badge(ann.page, room)).to_have_count(0)
    await ann.page.reload()
    await ann.connected()
    await expect(entry(ann.page, room)).to_be_visible()
    await expect(badge(ann.page, room)).to_have_count(0)


@pytest.mark.slow
async def test_what_is_read_without_a_connection_is_read(
    enter: Enter, new_page: Pages, server: ServerProcess, room: str, other_room: str
) -> None:
    new_page.expect_error("ERR_INTERNET_DISCONNECTED")
    await make_room(server, room)
    await make_room(server, other_room)
    ann = await enter("ann")
    await add_room(ann, other_room)
    await say(server, room, "one")
    await expect(badge(ann.page, room)).to_have_text("1")
    await ann.page.context.set_offline(True)
    await expect(ann.status).not_to_have_text("Connected")
    await entry(ann.page, room).click(button="right")
    await ann.page.get_by_role("menuitem", name="Mark as read").click()
    await expect(badge(ann.page, room)).to_have_count(0)
    await ann.page.context.set_offline(False)
    await ann.connected()
    await expect(badge(ann.page, room)).to_have_count(0)
    await ann.page.reload()
    await ann.connected()
    await expect(entry(ann.page, room)).to_be_visible()
    await expect(badge(ann.page, room)).to_have_count(0)


@pytest.mark.slow
async def test_a_muted_room_does_not_count(enter: Enter, server: ServerProcess, room: str, other_room: str) -> None:
    ann = await enter("ann", viewport={"width": 1280, "height": 800})
    await add_room(ann, other_room)
    await entry(ann.page, room).click(button="right")
    await ann.page.get_by_role("menuitemradio", name="Nothing (mute)").click()
    await say(server, room, "one")
    await expect(entry(ann.page, room).locator(".badge.quiet")).to_have_count(1)
    await expect(entry(ann.page, room)).not_to_have_class(re.compile(r"\bunread\b"))
    await expect(ann.page).to_have_title(f"{other_room} · Parley")
    await say(server, room, "@ann two")
    await expect(entry(ann.page, room).locator(".badge.quiet")).to_have_text("2 2 unread")
    await expect(ann.page).to_have_title(f"{other_room} · Parley")
    await ann.page.set_viewport_size(PHONE["viewport"])  # type: ignore[arg-type] # a size
    await expect(ann.page.locator("#menu")).to_have_accessible_name("Rooms")


@pytest.mark.slow
async def test_many_are_cut_alike_everywhere(enter: Enter, server: ServerProcess, room: str, other_room: str) -> None:
    """In the sidebar, in the title, and on a phone on the button that opens the sidebar."""
    ann = await enter("ann", **PHONE)
    await ann.page.get_by_role("button", name="Rooms", exact=True).tap()
    await ann.page.get_by_role("button", name="Switch to").tap()
    await ann.page.get_by_role("combobox").fill(other_room)
    await ann.page.get_by_role("option").first.click()
    await ann.page.get_by_role("button", name="Create room", exact=True).click()
    await expect(ann.page.get_by_role("heading", level=1)).to_have_text(other_room)
    await say(server, room, *(f"line {i}" for i in range(99)))
    button = ann.page.locator("#menu")
    await expect(button.locator(".badge")).to_have_text("99")
    await expect(button).to_have_accessible_name("Rooms, 99 unread messages")
    await expect(ann.page).to_have_title(f"(99) {other_room} · Parley")
    await say(server, room, "one more", "and more")
    await expect(button.locator(".badge")).to_have_text("99+")
    await expect(ann.page).to_have_title(f"(99+) {other_room} · Parley")
    await expect(badge(ann.page, room)).to_have_text("99+")


@pytest.mark.slow
async def test_coming_back_to_many_unread_messages(
    enter: Enter, server: ServerProcess, room: str, other_room: str
) -> None:
    """The room opens at the first unread message, however many there are, and the way to the end is a button."""
    await make_room(server, room)
    ann = await enter("ann", room=other_room)
    await add_room(ann, room)
    await say(server, room, "read")
    await expect(ann.message("read")).to_be_visible()
    await expect(badge(ann.page, room)).to_have_count(0)
    await open_room(ann, other_room)
    await say(server, room, *(f"line {i}" for i in range(600)))
    await expect(badge(ann.page, room)).to_have_text("99+")
    await open_room(ann, room)
    await expect(ann.message("line 0")).to_be_in_viewport()
    await expect(ann.log.locator(".unread-line")).to_be_in_viewport()
    await expect(badge(ann.page, room)).to_have_text("99+")  # the newest ones are not in sight
    await ann.jump.click()
    await expect(ann.message("line 599")).to_be_in_viewport()
    await expect(badge(ann.page, room)).to_have_count(0)
