"""What one does with a message: the toolbar, its menu, the sheet of touch screens, and keys."""

import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from server.auth.tokens import sign_account
from tests.browser.chat_page import SECRET, ChatPage, Enter, Wire
from tests.browser.peer import peer
from tests.browser.test_modules import run
from tests.support.browser import Pages
from tests.support.server import ServerProcess
from tests.support.web import Web

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def admin() -> str:
    return sign_account(SECRET, userid="1", username="root", role="admin", expires=int(time.time()) + 600)


def toolbar(person: ChatPage) -> Locator:
    return person.page.get_by_role("toolbar")


async def labels(found: Locator) -> list[str]:
    """Return the names of the buttons."""
    return list(await found.get_by_role("button").evaluate_all("all => all.map((each) => each.ariaLabel)"))


async def menu_of(person: ChatPage, text: str) -> Locator:
    """Open the menu of a message."""
    await person.message(text).hover()
    await toolbar(person).get_by_role("button", name="More actions").click()
    return person.page.get_by_role("menu")


async def focus_message(person: ChatPage, text: str) -> None:
    """Go to a message by keyboard: into the log, and down."""
    await person.box.focus()
    for key in ["Shift+Tab"] * 6 + ["ArrowDown"] * 6:
        if await person.message(text).evaluate("message => message === document.activeElement"):
            return
        in_log = await person.page.evaluate("document.activeElement.matches('.msg')")
        if in_log == (key == "ArrowDown"):
            await person.page.keyboard.press(key)
    await expect(person.message(text)).to_be_focused()


async def two(enter: Enter) -> tuple[ChatPage, ChatPage]:
    """Ann, who has said hello, and Bob, who sees it."""
    ann, bob = await enter("ann"), await enter("bob")
    await ann.say("hello")
    await ann.delivered("hello")
    await expect(bob.message("hello")).to_have_count(1)
    return ann, bob


# --- without a page ------------------------------------------------------------------------------------------------

ALL = ["copyLink", "copyText", "edit", "markUnread", "pin", "react", "remove", "reply", "report", "seenBy"]
MINE = "{ mine: true, role: 'member' }"


@pytest.mark.parametrize(
    ("about", "without"),
    [
        ("{ mine: true, role: 'moderator' }", {"report"}),
        ("{ mine: false, role: 'moderator' }", {"edit"}),
        (MINE, {"report", "pin"}),
        ("{ mine: false, role: 'member' }", {"edit", "remove", "pin"}),
        ("{ mine: true, role: 'readonly' }", {"edit", "remove", "pin", "react", "reply", "report"}),
        ("{ mine: true, role: 'member', age: 61 }", {"edit", "report", "pin"}),
        ("{ mine: true, role: 'member', age: 61, window: 0 }", {"report", "pin"}),
        ("{ mine: true, role: 'member', muted: true }", {"edit", "react", "reply", "report", "pin"}),
        ("{ mine: true, role: 'member', people: 51 }", {"seenBy", "report", "pin"}),
        ("{ mine: true, role: 'member', status: 'closed' }", set(ALL) - {"copyText", "copyLink"}),
        ("{ mine: true, role: 'owner', deleted: true }", set(ALL)),
        ("{ mine: false, role: 'member', guests: 'read' }", {"edit", "remove", "pin", "react", "reply"}),
    ],
)
async def test_only_what_one_may_do_is_offered(page: Any, about: str, without: set[str]) -> None:
    found = await run(
        page,
        {"view/offers.js": "offers", "state/room.js": "Room"},
        f"""
        const about = {about};
        const now = Date.parse('2026-11-21T08:31:11Z') + (about.age ?? 1) * 1000;
        const room = new Room('r');
        room.onInfo({{ kind: 'public', ...(about.guests ? {{ guests: about.guests }} : {{}}) }});
        Object.assign(room, {{ status: about.status ?? 'joined', role: about.role }});
        room.presence.count = about.people ?? 2;
        if (about.muted) room.mute = {{ until: now + 1000, reason: '' }};
        const limits = {{ edit_window: about.window ?? 60 }};
        const state = {{ limits, me: {{ id: 'g_me' }}, isMine: (id) => id === 'g_me' }};
        const at = '2026-11-21T08:31:11Z';
        const said = {{ room: 'r', seq: 1, sender_id: about.mine ? 'g_me' : 'g_bob', timestamp: at }};
        if (about.deleted) said.deleted_at = at;
        return [...offers(said, state, room, now)].sort();
        """,
    )
    assert set(found) == set(ALL) - without


# --- with a mouse --------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_the_toolbar_follows_the_pointer(enter: Enter) -> None:
    ann, bob = await two(enter)
    await bob.say("hi")
    await expect(ann.message("hi")).to_have_count(1)
    await expect(toolbar(ann)).to_have_count(0)
    await ann.message("hello").hover()
    await expect(toolbar(ann)).to_have_attribute("aria-label", "Actions on the message by ann")
    usual = ["React with 👍", "React with ❤️", "React with 😂", "Add a reaction", "Reply"]
    assert await labels(toolbar(ann)) == [*usual, "Edit", "More actions"]
    await ann.message("hi").hover()
    await expect(toolbar(ann)).to_have_attribute("aria-label", "Actions on the message by bob")
    assert await labels(toolbar(ann)) == [*usual, "More actions"]
    await ann.box.hover()
    await expect(toolbar(ann)).to_have_count(0)


COVERED = """() => {
  const bar = document.querySelector(".tools").getBoundingClientRect();
  const range = document.createRange();
  range.selectNodeContents(document.querySelector(".tools").closest(".msg").querySelector(".text"));
  return [...range.getClientRects()].some((line) =>
    line.top < bar.bottom && line.bottom > bar.top && line.left < bar.right && line.right > bar.left);
}"""


@pytest.mark.slow
async def test_the_keyboard_of_a_touch_screen_reaches_the_toolbar(enter: Enter) -> None:
    """Where it is not to be seen without the keyboard, the focus came to nothing."""
    ann = await enter("ann", has_touch=True)
    await ann.say("hello")
    await ann.delivered("hello")
    await ann.box.press("Shift+Tab")
    await expect(toolbar(ann)).to_have_count(1)  # it is loaded after the first view
    await expect(ann.message("hello")).to_be_focused()
    await ann.page.keyboard.press("Enter")
    await expect(toolbar(ann).get_by_role("button").first).to_be_focused()
    await ann.page.keyboard.press("Escape")
    await expect(ann.message("hello")).to_be_focused()


async def test_the_toolbar_goes_with_the_focus(enter: Enter) -> None:
    """The keyboard has left the message for the message box, and no pointer is there."""
    ann = await enter("ann")
    await ann.say("hello")
    await ann.delivered("hello")
    await focus_message(ann, "hello")
    await expect(toolbar(ann)).to_be_visible()  # it is loaded after the first view
    await ann.page.keyboard.press("Enter")
    await expect(toolbar(ann).get_by_role("button").first).to_be_focused()
    await ann.page.keyboard.press("Escape")
    await ann.page.keyboard.press("r")
    await expect(ann.page.locator("#reply-bar")).to_be_visible()
    await ann.page.keyboard.press("Escape")
    await expect(toolbar(ann)).to_have_count(0)


@pytest.mark.slow
async def test_a_clock_that_is_ahead_does_not_end_editing(enter: Enter) -> None:
    """How old a message is, is measured by the server's clock."""
    ann = await enter("ann")
    await ann.page.add_init_script("const real = Date.now; Date.now = () => real() + 120_000;")
    await ann.page.reload()
    await ann.connected()
    await ann.say("hello")
    await ann.delivered("hello")
    await ann.box.press("ArrowUp")
    await expect(ann.page.locator("#edit-bar")).to_be_visible()
    await expect(ann.box).to_have_value("hello")


@pytest.mark.slow
async def test_the_toolbar_covers_no_text_of_its_message(enter: Enter, room: str) -> None:
    """What ends in a link beside the right edge can be clicked there, also at the upper edge of the log."""
    ann = await enter("ann", viewport={"width": 1280, "height": 720})
    width = await ann.page.locator(".lines").evaluate("lines => lines.clientWidth")
    long = "word " * ((width - 130) // 38)  # up to the toolbar, in one line
    links = [f"{long}{i} and so on #other-{room}" for i in range(40)]
    await ann.say("one", "two", *links)
    await ann.delivered(links[-1])
    for link in (links[-1], links[-9]):
        at = ann.page.locator(".msg", has_text=link).locator(".text a").last
        await at.hover()
        assert not await ann.page.evaluate(COVERED)
        await at.hover()
    await ann.page.locator(".msg", has_text=links[20]).evaluate("msg => msg.scrollIntoView({ block: 'start' })")
    await ann.page.locator(".msg", has_text=links[21]).locator(".text a").last.hover()
    assert not await ann.page.evaluate(COVERED)
    bar = await toolbar(ann).bounding_box()
    log = await ann.page.locator("#log").bounding_box()
    assert bar
    assert log
    assert bar["y"] >= log["y"], "it cannot be reached"
    await toolbar(ann).get_by_role("button", name="More actions").hover()
    await ann.page.locator(".msg", has_text=links[21]).locator(".text a").last.click()


@pytest.mark.slow
@pytest.mark.parametrize("item", [None, "Seen by"])
async def test_the_toolbar_follows_the_pointer_after_escape(enter: Enter, item: str | None) -> None:
    """Out of the menu, or a dialog that it opened: the focus that is left behind does not hold it."""
    ann, bob = await two(enter)
    await bob.say("hi")
    await expect(ann.message("hi")).to_have_count(1)
    menu = await menu_of(ann, "hello")
    if item:
        await menu.get_by_role("menuitem", name=item).click()
        await expect(ann.page.get_by_role("dialog")).to_be_visible()
    await ann.page.keyboard.press("Escape")
    await expect(menu).to_have_count(0)
    await expect(ann.page.get_by_role("dialog")).to_have_count(0)
    await ann.message("hi").hover()
    await expect(toolbar(ann)).to_have_attribute("aria-label", "Actions on the message by bob")
    await menu_of(ann, "hi")
    await ann.page.keyboard.press("Escape")
    await ann.page.locator("#room-heading").hover()
    await expect(toolbar(ann)).to_have_count(0)


@pytest.mark.slow
async def test_the_end_of_editing_is_said(enter: Enter) -> None:
    """By the menu, by `E` on the message, and by the arrow key in the message box."""
    ann = await enter("ann")
    await ann.say("helo")
    await ann.delivered("helo")
    await ann.page.clock.set_fixed_time(time.time() + 61)
    said = ann.page.get_by_role("status", name="Notices").get_by_text("Messages can be edited for 60 seconds.")
    dismiss = ann.page.locator(".toast").get_by_role("button", name="Dismiss")
    await ann.box.press("ArrowUp")
    await expect(said).to_be_visible()
    await dismiss.click()
    item = (await menu_of(ann, "helo")).get_by_role("menuitem", name="Edit")
    await expect(item).to_have_text("EditMessages can be edited for 60 seconds.")
    await expect(item).to_be_disabled()
    await ann.page.keyboard.press("Escape")
    await focus_message(ann, "helo")
    await ann.page.keyboard.press("e")
    await expect(said).to_be_visible()


async def test_reactions(enter: Enter) -> None:
    """One click adds, another one takes back; others see it; the picker has all emoji."""
    ann, bob = await two(enter)
    await bob.message("hello").hover()
    thumb = toolbar(bob).get_by_role("button", name="React with 👍")
    await thumb.click()
    await expect(ann.message("hello")).to_contain_text("👍")
    await expect(thumb).to_have_attribute("aria-pressed", "true")
    await thumb.click()
    await expect(ann.message("hello")).not_to_contain_text("👍")
    await bob.message("hello").hover()  # it has become lower
    await toolbar(bob).get_by_role("button", name="Add a reaction").click()
    await bob.page.get_by_role("combobox", name="Search emoji").fill("rocket")
    await bob.page.keyboard.press("Enter")
    await expect(ann.message("hello")).to_contain_text("🚀")
    await bob.message("hello").hover()
    await expect(toolbar(bob).get_by_role("button").first).to_have_attribute("aria-label", "React with 🚀")


async def test_a_deletion_can_be_undone_and_is_not_lost(enter: Enter) -> None:
    ann, bob = await two(enter)
    await ann.say("two")
    await ann.delivered("two")
    for text in ("hello", "two"):
        await (await menu_of(ann, text)).get_by_role("menuitem", name="Delete").click()
        await expect(ann.message(text)).to_have_count(0)
        if text == "hello":
            await ann.page.get_by_role("button", name="Undo").click()
            await expect(ann.message("hello")).to_have_count(1)
    await expect(ann.page.locator(".toast")).to_contain_text("Deleting…")
    await expect(bob.message("two")).to_have_count(1)  # not yet
    await ann.page.close()
    await expect(bob.message("two")).to_have_count(0)
    await expect(bob.message("hello")).to_have_count(1)


@pytest.mark.slow
async def test_a_deletion_is_sent_when_it_can_no_longer_be_undone(enter: Enter) -> None:
    ann, bob = await two(enter)
    await (await menu_of(ann, "hello")).get_by_role("menuitem", name="Delete").click()
    await expect(bob.message("hello")).to_have_count(0)
    await expect(ann.page.get_by_role("button", name="Undo")).to_have_count(0)


@pytest.mark.slow
async def test_a_message_under_the_pointer_has_the_toolbar_as_soon_as_it_is_sent(enter: Enter, wire: Wire) -> None:
    ann = await enter("ann", wire=wire)
    wire.refuse = True
    await wire.cut()
    await ann.say("later")
    await ann.message("later").hover()
    await expect(toolbar(ann)).to_have_count(0)
    wire.refuse = False
    await ann.try_now()
    await ann.delivered("later")
    await expect(toolbar(ann)).to_be_visible()


@pytest.mark.slow
async def test_text_and_link_are_copied(enter: Enter) -> None:
    ann = await enter("ann")
    await ann.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await ann.box.fill("**two**\nlines")
    await ann.box.press("Enter")
    await expect(ann.messages).to_have_count(1)
    await ann.messages.hover()
    seq = await ann.messages.get_attribute("data-seq")
    dismiss = ann.page.get_by_role("button", name="Dismiss")
    for item, copied in (("Copy text", r"^\*\*two\*\*\nlines$"), ("Copy link", rf"^http://.*[?&]m={seq}$")):
        await ann.messages.hover()
        await toolbar(ann).get_by_role("button", name="More actions").click()
        await ann.page.get_by_role("menuitem", name=item).click()
        await expect(
            ann.page.get_by_text(item.replace("Copy t", "T").replace("Copy l", "L") + " copied")
        ).to_be_visible()
        assert re.search(copied, await ann.page.evaluate("navigator.clipboard.readText()"))
        await dismiss.click()


@pytest.mark.slow
async def test_a_message_is_marked_unread(enter: Enter) -> None:
    _, bob = await two(enter)
    await (await menu_of(bob, "hello")).get_by_role("menuitem", name="Mark unread").click()
    await expect(bob.log.get_by_role("separator", name=re.compile("New|unread", re.IGNORECASE))).to_be_visible()
    await expect(bob.page).to_have_title(re.compile(r"^\(1\)"))


async def test_moderators_pin(enter: Enter, server: ServerProcess, room: str) -> None:
    await Web(server.port, token=admin()).create(room)
    ann, bob = await two(enter)
    async with peer(server, room, "root", token=admin()) as root:
        await root.change(type="set_role", user=root.ids["bob"], role="moderator")
    await (await menu_of(ann, "hello")).get_by_role("menuitem", name="Copy text").wait_for()
    await expect(ann.page.get_by_role("menuitem", name="Pin")).to_have_count(0)
    await (await menu_of(bob, "hello")).get_by_role("menuitem", name="Pin").click()
    await expect(ann.message("hello")).to_have_attribute("aria-label", re.compile("Pinned"))
    await (await menu_of(bob, "hello")).get_by_role("menuitem", name="Unpin").click()
    await expect(ann.message("hello")).not_to_have_attribute("aria-label", re.compile("Pinned"))


async def test_a_message_is_reported_with_a_reason(enter: Enter, server: ServerProcess, room: str) -> None:
    owner = Web(server.port, token=admin())
    await owner.create(room)
    _, bob = await two(enter)
    await (await menu_of(bob, "hello")).get_by_role("menuitem", name="Report").click()
    dialog = bob.page.get_by_role("dialog", name="Report the message by ann")
    await dialog.get_by_role("button", name="Report").click()
    await expect(dialog.get_by_role("textbox")).to_have_attribute("aria-invalid", "true")
    await dialog.get_by_role("textbox").fill("insults")
    await dialog.get_by_role("button", name="Report").click()
    await expect(dialog).to_have_count(0)
    await expect(bob.page.get_by_text("Reported to the moderators.")).to_be_visible()
    reports = await owner.json(f"/api/rooms/{room}/reports")
    assert [each["reason"] for each in reports["reports"]] == ["insults"]


@pytest.mark.slow
async def test_who_has_read_a_message(enter: Enter, server: ServerProcess, room: str) -> None:
    await Web(server.port, token=admin()).create(room)
    ann, bob = await two(enter)
    await bob.page.bring_to_front()
    await bob.say("hi")
    await expect(ann.message("hi")).to_have_count(1)
    await (await menu_of(ann, "hello")).get_by_role("menuitem", name="Seen by").click()
    dialog = ann.page.get_by_role("dialog", name="Seen by")
    await expect(dialog.get_by_role("listitem")).to_have_text([re.compile("bob")])


# --- by keyboard ---------------------------------------------------------------------------------------------------


async def test_everything_by_keyboard(enter: Enter) -> None:
    ann, bob = await two(enter)
    await bob.say("hi")
    await bob.delivered("hi")
    keys = bob.page.keyboard
    await focus_message(bob, "hi")
    await keys.press("e")
    await expect(bob.box).to_have_value("hi")
    await expect(bob.box).to_be_focused()
    await bob.box.fill("hi, ann")
    await keys.press("Enter")
    await expect(ann.message("hi, ann")).to_have_count(1)
    await expect(bob.box).to_be_focused()

    await focus_message(bob, "hi, ann")
    await keys.press("ArrowUp")
    await expect(bob.message("hello")).to_be_focused()
    await keys.press("r")
    await expect(bob.page.locator("#reply-bar")).to_contain_text("hello")
    await keys.type("again")
    await keys.press("Enter")
    await expect(ann.message("again")).to_contain_text("hello")

    await focus_message(bob, "again")
    await keys.press("+")
    await expect(bob.page.get_by_role("combobox", name="Search emoji")).to_be_focused()
    await keys.type("rocket")
    await keys.press("Enter")
    await expect(ann.message("again")).to_contain_text("🚀")
    await expect(bob.message("again")).to_be_focused()

    await keys.press("Delete")
    await expect(bob.message("again")).to_have_count(0)
    await expect(ann.message("again")).to_have_count(0)


@pytest.mark.slow
async def test_the_toolbar_by_keyboard(enter: Enter) -> None:
    ann, bob = await two(enter)
    keys = bob.page.keyboard
    await focus_message(bob, "hello")
    await keys.press("Enter")
    buttons = toolbar(bob).get_by_role("button")
    await expect(buttons.first).to_be_focused()
    await keys.press("ArrowLeft")
    await expect(buttons.last).to_be_focused()
    await keys.press("Home")
    await keys.press("ArrowRight")
    await expect(buttons.nth(1)).to_be_focused()
    await keys.press("Enter")
    await expect(ann.message("hello")).to_contain_text("❤️")
    await expect(buttons.nth(1)).to_be_focused()
    await keys.press("Escape")
    await expect(bob.message("hello")).to_be_focused()
    await keys.press("Shift+F10")
    await expect(bob.page.get_by_role("menuitem").first).to_be_focused()
    await keys.press("Escape")
    await expect(buttons.last).to_be_focused()
    await keys.press("Escape")
    await expect(bob.message("hello")).to_be_focused()


@pytest.mark.slow
async def test_keys_do_nothing_that_is_not_offered(enter: Enter) -> None:
    """Bob may neither edit nor delete what Ann wrote; a letter is text then."""
    _, bob = await two(enter)
    await focus_message(bob, "hello")
    await bob.page.keyboard.press("Delete")
    await bob.page.keyboard.press("e")
    await expect(bob.box).to_have_value("e")
    await expect(bob.page.locator("#edit-bar")).to_have_count(0)
    await expect(bob.message("hello")).to_have_count(1)


# --- by touch ------------------------------------------------------------------------------------------------------


async def press_long(
    person: ChatPage, text: str, *, move: int = 0, comes: Callable[[], Awaitable[object]] | None = None
) -> None:
    """Put a finger on a message and leave it there, or begin to scroll with it; what `comes` meanwhile."""
    box = await person.message(text).locator(".text").bounding_box()
    assert box
    session = await person.page.context.new_cdp_session(person.page)
    at = {"x": box["x"] + 10, "y": box["y"] + box["height"] / 2}
    await session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [at]})
    if move:
        await session.send(
            "Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{**at, "y": at["y"] - move}]}
        )
    if comes:
        await comes()
    await person.page.wait_for_timeout(700)  # a long press is a time
    await session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


@pytest.mark.slow
async def test_a_reply_by_long_press_is_typed_where_the_focus_was(enter: Enter) -> None:
    """The box had the focus, and has it again: keys are text in it."""
    ann, bob = await enter("ann"), await enter("bob", **PHONE)
    await ann.say("hello")
    await bob.box.tap()
    await expect(bob.box).to_be_focused()
    await press_long(bob, "hello")
    await bob.page.locator(".sheet").get_by_role("button", name="Reply").tap()
    await expect(bob.page.locator("#reply-bar")).to_contain_text("hello")
    await bob.page.keyboard.type("hi")
    await expect(bob.box).to_have_value("hi")


@pytest.mark.slow
async def test_a_long_press_opens_a_sheet(enter: Enter) -> None:
    ann = await enter("ann")
    bob = await enter("bob", **PHONE)
    await ann.say("hello")
    await expect(bob.message("hello")).to_have_count(1)
    sheet = bob.page.get_by_role("dialog", name="Actions on the message by ann")
    await press_long(bob, "hello", move=40)
    await expect(sheet).to_have_count(0)
    await press_long(bob, "hello")
    await expect(sheet).to_be_visible()
    await sheet.evaluate(
        "sheet => Promise.all(sheet.getAnimations().map(({ finished }) => finished))"
    )  # it has come up
    box = await sheet.bounding_box()
    assert box
    assert box["y"] + box["height"] == pytest.approx(844, abs=1)
    for button in await sheet.get_by_role("button").all():
        size = await button.bounding_box()
        assert size
        assert min(size["width"], size["height"]) >= 44
    await sheet.get_by_role("button", name="React with 👍").tap()
    await expect(sheet).to_have_count(0)
    await expect(ann.message("hello")).to_contain_text("👍")
    await press_long(bob, "hello")
    await sheet.get_by_role("button", name="Reply").tap()
    await expect(bob.page.locator("#reply-bar")).to_contain_text("hello")

    async def more() -> None:
        await ann.say("one more")
        await expect(bob.message("one more")).to_be_in_viewport()  # the log has followed

    await ann.say(*(f"line {number}" for number in range(40)))
    await expect(bob.message("line 39")).to_be_in_viewport()
    await press_long(bob, "line 39", comes=more)
    await expect(sheet).to_be_visible()
    await bob.page.touchscreen.tap(200, 100)  # beside it
    await expect(sheet).to_have_count(0)


@pytest.mark.slow
async def test_the_toolbar_survives_changes_of_its_message(enter: Enter, new_page: Pages) -> None:
    """Others react, edit and delete while it is open."""
    ann, bob = await two(enter)
    await bob.message("hello").hover()
    await toolbar(bob).get_by_role("button", name="React with 👍").focus()
    await ann.box.press("ArrowUp")
    await ann.box.fill("hello, all")
    await ann.box.press("Enter")
    await expect(bob.message("hello, all")).to_have_count(1)
    await expect(toolbar(bob)).to_have_count(1)
    await (await menu_of(ann, "hello, all")).get_by_role("menuitem", name="Delete").click()
    await expect(bob.message("hello, all")).to_have_count(0)
    await expect(toolbar(bob)).to_have_count(0)
    assert new_page.unexpected() == []
