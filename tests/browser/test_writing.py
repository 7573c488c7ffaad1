"""The message box: what is typed stays in its room; drafts, replies, edits, limits, and what hinders writing."""

import asyncio
import re
import time

import pytest
from playwright.async_api import Page, Route, WebSocketRoute, expect

from server.auth.tokens import sign_account
from tests.browser.chat_page import SECRET, ChatPage, Enter, Frame, Wire, answer, link, pass_on, refusal, swallow
from tests.browser.peer import peer
from tests.support.browser import Pages
from tests.support.marks import slow
from tests.support.server import ServerProcess
from tests.support.web import Web

FILE_SENTENCE = "Files cannot be sent yet. Send a link instead."


def admin() -> str:
    return sign_account(SECRET, userid="1", username="root", role="admin", expires=int(time.time()) + 600)


async def in_two_rooms(enter: Enter, server: ServerProcess, room: str) -> ChatPage:
    """Join `room` as Ann, after another room."""
    ann = await enter("ann", room=f"{room}-b")
    await ann.page.goto(link(server, room, "ann"))
    await ann.agree_to_enter(room)
    await ann.connected()
    await ann.page.get_by_role("navigation", name="Rooms").get_by_role("link", name=f"{room}-b").wait_for()
    return ann


async def go_to(person: ChatPage, room: str) -> None:
    rooms = person.page.get_by_role("navigation", name="Rooms")
    await rooms.get_by_role("link", name=re.compile(rf"^{room}(?!-)")).click()
    await expect(person.page.get_by_role("heading", level=1, name=room, exact=True)).to_be_visible()


async def compose(page: Page, text: str) -> None:
    """Type as an input method does, without choosing a word."""
    session = await page.context.new_cdp_session(page)
    await session.send(
        "Input.imeSetComposition", {"text": text, "selectionStart": len(text), "selectionEnd": len(text)}
    )


# --- what is typed belongs to its room -------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("how", ["click", slow("key"), slow("back")])
async def test_another_room_in_front_gets_nothing_of_what_was_typed(
    enter: Enter, server: ServerProcess, room: str, how: str
) -> None:
    """Neither the text, nor by Ctrl+Z; the draft is there again with its room."""
    ann = await in_two_rooms(enter, server, room)
    other = f"{room}-b"
    if how == "back":
        await go_to(ann, other)
        await go_to(ann, room)
    await ann.box.press_sequentially("private words")
    if how == "click":
        await go_to(ann, other)
    elif how == "key":
        await ann.box.press("Alt+ArrowDown")
    else:
        await ann.page.go_back()
    await expect(ann.page.get_by_role("heading", level=1, name=other, exact=True)).to_be_visible()
    await expect(ann.box).to_have_value("")
    await ann.box.focus()
    await ann.page.keyboard.press("Control+z")
    await expect(ann.box).to_have_value("")
    await ann.page.keyboard.type("hello")
    await ann.page.keyboard.press("Enter")
    await ann.delivered("hello")
    await go_to(ann, room)
    await expect(ann.box).to_have_value("private words")
    await expect(ann.messages).to_have_count(0)


@pytest.mark.slow
@pytest.mark.parametrize("sign", ["  ", "\u200d "])
async def test_what_is_typed_before_the_server_spells_the_room_goes_with_it(
    new_page: Pages, server: ServerProcess, wire: Wire, room: str, sign: str
) -> None:
    held: asyncio.Queue[tuple[WebSocketRoute, Frame]] = asyncio.Queue()

    def hold(frame: Frame, route: WebSocketRoute) -> Frame | None:
        if frame["type"] != "joined":
            return frame
        held.put_nowait((route, frame))
        return None

    wire.to_page = hold
    page = await new_page()
    await wire.attach(page)
    await page.goto(link(server, f"{room}{sign}b", "ann"))
    ann = ChatPage(page)
    await ann.box.press_sequentially("early")
    answer(*await held.get())
    wire.to_page = pass_on
    while not held.empty():  # the list of rooms may have had it before
        answer(*held.get_nowait())
    await expect(ann.page.get_by_role("heading", level=1)).to_have_text(f"{room} b")
    await ann.page.keyboard.type(" words")
    await expect(ann.box).to_have_value("early words")
    await ann.page.reload()
    await ann.connected()
    await expect(ann.box).to_have_value("early words")


@pytest.mark.slow
async def test_an_input_method_finishes_in_the_room_where_it_began(
    enter: Enter, server: ServerProcess, room: str
) -> None:
    ann = await in_two_rooms(enter, server, room)
    await ann.box.click()
    await compose(ann.page, "にほん")
    await expect(ann.box).to_have_value("にほん")
    await go_to(ann, f"{room}-b")
    await expect(ann.box).to_have_value("")
    await go_to(ann, room)
    await expect(ann.box).to_have_value("にほん")


@pytest.mark.slow
@pytest.mark.parametrize(("part", "typed", "left"), [("emoji.json", ":smile:", "😄"), ("commands.js", "/help", "")])
async def test_what_comes_late_is_written_into_the_room_where_it_was_asked_for(
    enter: Enter, server: ServerProcess, room: str, part: str, typed: str, left: str
) -> None:
    ann = await in_two_rooms(enter, server, room)
    arrives = asyncio.Event()

    async def late(route: Route) -> None:
        await arrives.wait()
        await route.continue_()

    await ann.page.route(f"**/{part}", late)
    async with ann.page.expect_request(f"**/{part}"):
        await ann.box.press_sequentially(typed)
        await ann.page.keyboard.press("Enter" if typed == "/help" else "Shift")
    await ann.page.keyboard.press("Alt+ArrowDown")
    await expect(ann.page.get_by_role("heading", level=1, name=f"{room}-b", exact=True)).to_be_visible()
    await ann.page.keyboard.type("hello")
    arrives.set()
    await ann.page.wait_for_function("(typed) => !JSON.stringify({ ...localStorage }).includes(typed)", arg=typed)
    await expect(ann.box).to_have_value("hello")
    await go_to(ann, room)
    await expect(ann.box).to_have_value(left)


@pytest.mark.slow
async def test_the_emoji_picker_closes_with_its_room(enter: Enter, server: ServerProcess, room: str) -> None:
    ann = await in_two_rooms(enter, server, room)
    picker = ann.page.get_by_role("dialog", name="Emoji")
    await ann.page.get_by_role("button", name="Insert an emoji").click()
    await expect(picker.get_by_role("gridcell").first).to_be_visible()
    await ann.page.keyboard.press("Alt+ArrowDown")
    await expect(ann.page.get_by_role("heading", level=1, name=f"{room}-b", exact=True)).to_be_visible()
    await expect(picker).to_have_count(0)
    await expect(ann.box).to_be_focused()


async def test_enter_of_an_input_method_does_not_send(enter: Enter) -> None:
    ann = await enter("ann")
    await ann.box.click()
    await compose(ann.page, "にほん")
    await ann.page.evaluate(
        """() => {
          const box = document.querySelector("#message");
          for (const more of [{ isComposing: true }, { keyCode: 229 }]) {
            box.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true, ...more }));
          }
        }"""
    )
    await ann.box.press_sequentially("!")
    await expect(ann.box).to_have_value("にほん!")
    await expect(ann.messages).to_have_count(0)


async def test_a_draft_survives_a_reload(enter: Enter) -> None:
    ann = await enter("ann")
    await ann.box.press_sequentially("half a sen")
    await ann.page.reload()
    await ann.connected()
    await expect(ann.box).to_have_value("half a sen")


@pytest.mark.slow
async def test_what_is_typed_while_removed_stays_a_draft(enter: Enter, server: ServerProcess, room: str) -> None:
    """The room stays in front; keys that are under way do nothing; the focus is in sight."""
    ann = await in_two_rooms(enter, server, room)
    await ann.box.press_sequentially("private wor")
    async with peer(server, room, "root", token=admin()) as root:
        await root.change(type="kick", user=root.ids["ann"], reason="not now")
    await expect(ann.closed).to_contain_text("not now")
    await expect(ann.closed).to_be_focused()
    for key in ("d", "s", "Space", "Enter"):
        await ann.page.keyboard.press(key)
    await expect(ann.closed).to_contain_text("Your draft is kept.")
    await ann.closed.get_by_role("button", name="Enter again").click()
    await expect(ann.box).to_have_value("private wor")
    await expect(ann.messages).to_have_count(0)


# --- keys ------------------------------------------------------------------------------------------------------------


async def test_shift_enter_starts_a_line_and_the_hint_about_it_is_shown_until_then(enter: Enter) -> None:
    ann = await enter("ann")
    hint = ann.page.locator("#composer-hint")
    await expect(hint).to_be_visible()
    await ann.box.press_sequentially("one")
    await ann.box.press("Shift+Enter")
    await ann.box.press_sequentially("two")
    await expect(hint).to_be_hidden()
    await ann.box.press("Enter")
    await ann.delivered("one\ntwo")
    await ann.page.reload()
    await ann.connected()
    await expect(hint).to_be_hidden()


@pytest.mark.slow
@pytest.mark.parametrize("key", ["Shift+Enter", "Control+Enter"])
async def test_enter_can_start_a_line_instead(enter: Enter, key: str) -> None:
    ann = await enter("ann")
    await ann.page.evaluate("localStorage.setItem('parley.settings', JSON.stringify({ enter: 'line' }))")
    await ann.page.reload()
    await ann.connected()
    await expect(ann.page.locator("#composer-hint")).to_be_hidden()
    await ann.box.press_sequentially("one")
    await ann.box.press("Enter")
    await ann.box.press_sequentially("two")
    await expect(ann.messages).to_have_count(0)
    await ann.box.press(key)
    await ann.delivered("one\ntwo")


async def test_typing_anywhere_writes_into_the_box(enter: Enter) -> None:
    """Also after a click on a message; not in other fields, nor with Ctrl."""
    ann = await enter("ann")
    await ann.say("hello")
    await ann.delivered("hello")
    for place in (ann.log, ann.message("hello").locator(".text")):
        await place.click()
        await ann.page.keyboard.type("rent")
        await expect(ann.box).to_have_value("rent")
        await ann.box.fill("")
    await ann.page.evaluate("document.activeElement.blur()")
    await ann.page.keyboard.press("Control+b")
    await expect(ann.box).to_have_value("")
    await expect(ann.page.locator("#reply-bar")).to_have_count(0)


@pytest.mark.slow
async def test_page_keys_scroll_the_log(enter: Enter, server: ServerProcess, room: str) -> None:
    async with peer(server, room, "bob") as bob:
        await bob.say(f"message {number}" for number in range(60))
        ann = await enter("ann")
    await ann.at_end()
    await ann.box.press("PageUp")
    await ann.page.wait_for_function(
        "document.querySelector('#log').scrollTop < 10_000 && !document.activeElement.value"
    )
    await expect(ann.box).to_be_focused()
    await expect(ann.jump).to_be_visible()


# --- edits and replies -----------------------------------------------------------------------------------------------


async def test_arrow_up_edits_the_last_message_and_keeps_the_draft_apart(enter: Enter, room: str) -> None:
    ann = await enter("ann")
    bob = await enter("bob")
    await ann.say("helo")
    await ann.delivered("helo")
    await bob.say("hi")
    await expect(ann.message("hi")).to_have_count(1)
    await ann.box.press("ArrowUp")
    bar = ann.page.locator("#edit-bar")
    await expect(bar).to_be_visible()
    await expect(ann.box).to_have_value("helo")
    await expect(ann.box).to_be_focused()
    await ann.box.press("Escape")
    await expect(bar).to_have_count(0)
    await expect(ann.box).to_have_value("")
    await ann.box.press("ArrowUp")
    await ann.box.fill("hello")
    await ann.box.press("Enter")
    await expect(bob.message("hello")).to_have_count(1)
    await expect(bob.message("helo")).to_have_count(0)
    await expect(bar).to_have_count(0)
    await expect(ann.box).to_have_value("")
    # With something in it, ArrowUp moves the caret. A draft is put aside by an edit, and comes back.
    await ann.box.press_sequentially("draft")
    await ann.box.press("ArrowUp")
    await expect(bar).to_have_count(0)
    await ann.message("hello").hover()
    await ann.message("hello").get_by_role("button", name="Edit").click()
    await expect(ann.box).to_have_value("hello")
    await ann.box.fill("hello, all")
    await bar.get_by_role("button", name="Cancel the edit").click()
    await expect(ann.box).to_have_value("draft")


@pytest.mark.slow
async def test_a_refused_edit_says_why_and_keeps_the_text(enter: Enter, server: ServerProcess, room: str) -> None:
    ann = await enter("ann")
    await ann.say("helo")
    await ann.delivered("helo")
    await ann.box.press("ArrowUp")
    await ann.box.fill("hello")
    async with peer(server, room, "root", token=admin()) as root:
        seq = await ann.message("helo").get_attribute("data-seq")
        await root.change(type="delete", seq=int(seq or 0))
    await expect(ann.message("helo")).to_have_count(0)
    await ann.box.press("Enter")
    await expect(ann.page.locator("#composer-error")).to_have_text(re.compile("no message|deleted", re.IGNORECASE))
    await expect(ann.box).to_have_value("hello")
    await ann.box.press("Escape")
    await expect(ann.page.locator("#composer-error")).to_be_empty()


async def edit_unanswered(enter: Enter, wire: Wire) -> tuple[ChatPage, list[tuple[Frame, WebSocketRoute]]]:
    """Edit a message, and go on typing while the server has not answered; return what is kept from it."""
    ann = await enter("ann", wire=wire)
    await ann.say("helo")
    await ann.delivered("helo")
    held = []

    def hold(frame: Frame, route: WebSocketRoute) -> Frame | None:
        if frame["type"] != "edit":
            return frame
        held.append((frame, route))
        return None

    wire.to_server = hold
    await ann.box.press("ArrowUp")
    await ann.box.fill("hello")
    await ann.page.keyboard.press("Enter")
    await ann.page.keyboard.type("one more thing")
    await expect(ann.box).to_have_value("one more thing")
    await expect(ann.page.locator("#edit-bar")).to_have_count(0)
    await expect(ann.message("hello")).to_have_attribute("data-state", "sending")
    return ann, held


@pytest.mark.slow
async def test_what_is_typed_while_an_edit_is_saved_is_a_new_message(enter: Enter, wire: Wire) -> None:
    """The message shows its new text until the server answers; Escape does not stop the box."""
    ann, held = await edit_unanswered(enter, wire)
    await ann.page.keyboard.press("Escape")
    await ann.page.keyboard.press("Enter")
    await ann.delivered("one more thing")
    [(frame, route)] = held
    await ann.page.keyboard.type("draft")
    seq = frame["seq"]
    edited = {"type": "edited", "room": frame["room"], "seq": seq, "version": seq + 10**9, "sender": "ann"}
    answer(route, edited | {"content": "hello", "edited_at": "2026-11-21T08:31:15.000002Z"})
    answer(route, {"type": "ack", "ids": [{"id": frame["id"], "seq": seq}]})
    await ann.delivered("hello")
    await expect(ann.box).to_have_value("draft")


@pytest.mark.slow
async def test_an_edit_that_is_refused_too_late_for_the_box_is_in_a_notice(enter: Enter, wire: Wire) -> None:
    ann, [(frame, route)] = await edit_unanswered(enter, wire)
    answer(route, refusal(frame["id"], "edit_window", "It is too old."))
    notice = ann.page.locator(".toast").filter(has_text="It is too old.")
    await expect(notice).to_contain_text("“hello”")
    await expect(ann.message("helo")).to_have_attribute("data-state", "sent")
    await expect(ann.box).to_have_value("one more thing")
    await notice.get_by_role("button", name="Edit again").click()
    await expect(notice).to_have_count(0)
    await expect(ann.box).to_have_value("hello")
    await expect(ann.box).to_be_focused()
    wire.to_server = pass_on
    await ann.page.keyboard.type("!")
    await ann.page.keyboard.press("Enter")
    await ann.delivered("hello!")
    await expect(ann.box).to_have_value("one more thing")


@pytest.mark.slow
async def test_an_edit_that_the_connection_interrupts_comes_back_into_the_empty_box(enter: Enter, wire: Wire) -> None:
    ann, _ = await edit_unanswered(enter, wire)
    await ann.box.fill("")
    await wire.cut()
    await expect(ann.box).to_have_value("hello")
    await expect(ann.page.locator("#composer-error")).not_to_be_empty()
    await expect(ann.message("helo")).to_be_visible()


async def test_an_edit_is_kept_when_another_message_is_edited_or_answered(enter: Enter) -> None:
    ann = await enter("ann")
    await ann.say("one", "two")
    for text in ("one", "two"):
        await ann.delivered(text)

    async def press(key: str) -> None:
        await ann.message("two").focus()
        await ann.page.keyboard.press(key)

    notice = ann.page.locator(".toast").filter(has_text="Your edit is kept.")
    await ann.message("one").focus()
    await ann.page.keyboard.press("e")
    await ann.box.fill("one, with much more")
    await press("e")
    await expect(ann.box).to_have_value("two")
    await notice.get_by_role("button", name="Edit again").click()
    await expect(ann.box).to_have_value("one, with much more")
    await press("r")
    await expect(ann.page.locator("#reply-bar")).to_contain_text("two")
    await expect(ann.box).to_have_value("")
    # The key that edits goes on with it, too, and the reply afterwards.
    await ann.message("one").focus()
    await ann.page.keyboard.press("e")
    await expect(ann.box).to_have_value("one, with much more")
    await expect(notice).to_have_count(0)
    await ann.page.keyboard.press("Enter")
    await ann.delivered("one, with much more")
    await expect(ann.page.locator("#reply-bar")).to_contain_text("two")


@pytest.mark.slow
async def test_edits_and_replies_survive_a_reload(enter: Enter, wire: Wire) -> None:
    """With the draft below them, also one that was not answered yet."""
    ann = await enter("ann", wire=wire)
    await ann.say("one", "two")
    for text in ("one", "two"):
        await ann.delivered(text)
    for key, bar in (("r", "#reply-bar"), ("e", "#edit-bar")):
        await ann.message("two").focus()
        await ann.page.keyboard.press(key)
        await expect(ann.page.locator(bar)).to_be_visible()
        await ann.page.keyboard.type(" yes" if key == "e" else "draft")
    await ann.page.reload()
    await ann.connected()
    await expect(ann.page.locator("#edit-bar")).to_be_visible()
    await expect(ann.box).to_have_value("two yes")
    wire.to_server = swallow("edit")
    await ann.box.press("Enter")
    await expect(ann.message("two yes")).to_have_attribute("data-state", "sending")
    wire.to_server = pass_on
    await ann.page.reload()
    await ann.connected()
    await expect(ann.box).to_have_value("two yes")
    await ann.box.press("Enter")
    await ann.delivered("two yes")
    await expect(ann.page.locator("#reply-bar")).to_contain_text("two yes")
    await expect(ann.box).to_have_value("draft")
    await ann.page.reload()
    await expect(ann.page.locator("#reply-bar")).to_contain_text("two yes")
    await ann.box.press("Enter")
    await ann.delivered("draft")
    await expect(ann.message("draft").locator(".reply")).to_contain_text("two yes")
    await ann.page.reload()
    await ann.delivered("draft")
    await expect(ann.page.locator(".composer-bar")).to_have_count(0)


async def test_a_reply_shows_what_it_answers(enter: Enter) -> None:
    ann = await enter("ann")
    bob = await enter("bob")
    await ann.say("Who comes?")
    await ann.delivered("Who comes?")
    for cancel in ("key", "button", None):
        await bob.message("Who comes?").hover()
        await bob.message("Who comes?").get_by_role("button", name="Reply").click()
        bar = bob.page.locator("#reply-bar")
        await expect(bar).to_contain_text("Who comes?")
        await expect(bob.box).to_be_focused()
        if cancel == "key":
            await bob.box.press("Escape")
        elif cancel == "button":
            await bar.get_by_role("button").click()
        else:
            await bob.page.keyboard.type("I do")
            await bob.page.keyboard.press("Enter")
        await expect(bar).to_have_count(0)
        await expect(bob.box).to_be_focused()
    await expect(ann.message("I do")).to_contain_text("Who comes?")
    await bob.say("and more")
    await expect(ann.message("and more")).not_to_contain_text("Who comes?")


@pytest.mark.slow
# --- limits ----------------------------------------------------------------------------------------------------------


async def test_the_limit_is_shown_before_it_is_reached(enter: Enter) -> None:
    """In characters as people count them, and as the server does: an emoji is one."""
    ann = await enter("ann")
    counter = ann.page.locator("#counter")
    await ann.box.fill("😀" * 1800)  # 3600 UTF-16 units: 45 % of the limit
    await expect(counter).to_be_hidden()
    await ann.box.fill("a" * 3700)
    await expect(counter).to_have_text("300 characters left")
    await ann.box.fill("a" * 4001)
    await expect(counter).to_have_text("1 character too many")
    await expect(ann.box).to_have_attribute("aria-invalid", "true")
    await expect(ann.page.locator("#send")).to_be_disabled()
    await ann.box.press("Enter")
    await expect(ann.page.locator("#composer-error")).to_contain_text("1 character too long")
    await expect(ann.messages).to_have_count(0)
    await ann.box.press("Backspace")
    await expect(ann.page.locator("#composer-error")).to_be_empty()
    await ann.box.press("Enter")
    await ann.messages.get_by_role("button", name="Show more").click()
    await ann.delivered("a" * 4000)


@pytest.mark.slow
async def test_slow_mode_counts_down_and_keeps_what_is_typed(enter: Enter, server: ServerProcess, room: str) -> None:
    owner = Web(server.port, token=admin())
    await owner.create(room)
    assert (await owner.patch(f"/api/rooms/{room}", {"slow_mode": 3})).status == 200
    ann = await enter("ann")
    await ann.say("one")
    await ann.delivered("one")
    slow = ann.page.locator("#slow")
    await expect(slow).to_have_text(re.compile(r"^Slow mode: you can write again in [123] seconds?\.$"))
    await ann.box.press_sequentially("two")
    await ann.box.press("Enter")
    await expect(ann.box).to_have_value("two")
    await expect(ann.page.locator("#composer-error")).to_have_text("Not sent: press Enter again when the time is over.")
    assert await ann.outbox() == []
    await expect(slow).to_be_hidden()
    await expect(ann.page.locator("#composer-error")).to_be_empty()
    await ann.box.press("Enter")
    await ann.delivered("two")


async def test_a_mute_says_why_and_for_how_long(enter: Enter, server: ServerProcess, room: str) -> None:
    await Web(server.port, token=admin()).create(room)
    ann = await enter("ann")
    await ann.box.press_sequentially("half a sen")
    notice = ann.page.locator("#hindrance")
    async with peer(server, room, "root", token=admin()) as root:
        await root.change(type="mute", user=root.ids["ann"], seconds=90, reason="calm down")
        await expect(notice).to_contain_text("You are muted here: “calm down”")
        await expect(notice).to_contain_text(re.compile(r"You can write again in \d+ seconds\."))
        await expect(ann.box).to_be_hidden()
        await expect(notice).to_be_focused()
        await root.change(type="mute", user=root.ids["ann"])
        await expect(notice).not_to_contain_text("again in")
        await root.change(type="unmute", user=root.ids["ann"])
        await expect(notice).to_be_hidden()
        await expect(ann.box).to_have_value("half a sen")
        await expect(ann.box).to_be_focused()


@pytest.mark.slow
async def test_a_mute_ends_by_itself(enter: Enter, server: ServerProcess, room: str) -> None:
    await Web(server.port, token=admin()).create(room)
    ann = await enter("ann")
    async with peer(server, room, "root", token=admin()) as root:
        await root.change(type="mute", user=root.ids["ann"], seconds=2)
        await expect(ann.page.locator("#hindrance")).to_be_visible()
        await expect(ann.box).to_be_visible()
    await ann.say("again")
    await ann.delivered("again")


async def test_guests_who_may_only_read_are_told_to_sign_in(enter: Enter, server: ServerProcess, room: str) -> None:
    owner = Web(server.port, token=admin())
    await owner.create(room)
    ann = await enter("ann")
    await ann.say("hello")
    await ann.delivered("hello")
    reply = await owner.patch(f"/api/rooms/{room}", {"guests": "read"})
    assert reply.status == 200, reply
    notice = ann.page.locator("#hindrance")
    await expect(notice).to_contain_text("Guests may only read here. Sign in to write.")
    await expect(ann.box).to_be_hidden()
    await notice.get_by_role("button", name="Sign in").click()
    await expect(ann.page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_a_member_who_may_only_read_is_told(enter: Enter, server: ServerProcess, room: str) -> None:
    await Web(server.port, token=admin()).create(room)
    ann = await enter("ann")
    async with peer(server, room, "root", token=admin()) as root:
        await root.change(type="set_role", user=root.ids["ann"], role="readonly")
        await expect(ann.page.locator("#hindrance")).to_contain_text("You may only read in this room.")
        await root.change(type="set_role", user=root.ids["ann"], role="member")
        await expect(ann.box).to_be_visible()


# --- who is typing ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_others_see_who_is_typing(enter: Enter, server: ServerProcess, room: str) -> None:
    ann = await enter("ann")
    line = ann.page.locator("#typing")
    bob = await enter("bob")
    await expect(ann.notices.last).to_contain_text("bob")
    await bob.box.press_sequentially("he")
    await expect(line).to_have_text("bob (guest) is typing")
    async with peer(server, room, "cat") as cat, peer(server, room, "dan") as dan:
        await cat.tell(type="typing")
        await expect(line).to_have_text("bob (guest) and cat (guest) are typing")
        await dan.tell(type="typing")
        await expect(line).to_have_text("Several people are typing")
    await bob.box.press("Enter")
    await expect(line).to_be_empty()  # a message has come, the others are gone
    await bob.box.press_sequentially("/to")
    await ann.box.press_sequentially("a")
    await expect(bob.page.locator("#typing")).to_have_text("ann (guest) is typing")
    await expect(line).to_be_empty()  # neither myself, nor who writes a command
    await expect(bob.page.locator("#typing")).to_be_empty()  # after five seconds


# --- files, pasting, size --------------------------------------------------------------------------------------------

TRANSFER = """(types) => {
  const data = new DataTransfer();
  if (types.includes("file")) data.items.add(new File(["x"], "x.png", { type: "image/png" }));
  if (types.includes("text")) data.setData("text/plain", "a\\nb");
  return data;
}"""


async def send_event(page: Page, selector: str, kind: str, *types: str) -> bool:
    """Paste or drop something; return whether the page let the browser go on with it."""
    return bool(
        await page.evaluate(
            f"""([selector, kind, types]) => {{
              const data = ({TRANSFER})(types);
              const options = {{ bubbles: true, cancelable: true, clipboardData: data, dataTransfer: data }};
              const event = kind === "paste" ? new ClipboardEvent(kind, options) : new DragEvent(kind, options);
              return document.querySelector(selector).dispatchEvent(event);
            }}""",
            [selector, kind, list(types)],
        )
    )


@pytest.mark.parametrize(("selector", "kind"), [("#message", "paste"), slow("#log", "drop"), slow("body", "drop")])
async def test_a_file_is_refused_in_words(enter: Enter, selector: str, kind: str) -> None:
    ann = await enter("ann")
    if kind == "drop":
        assert not await send_event(ann.page, selector, "dragover", "file")
    assert not await send_event(ann.page, selector, kind, "file")
    await expect(ann.page.locator("#composer-error")).to_have_text(FILE_SENTENCE)
    await ann.box.press_sequentially("a")
    await expect(ann.page.locator("#composer-error")).to_be_empty()
    # Text of an office program comes with a picture of itself; dragged text is no file.
    assert await send_event(ann.page, "#message", kind, "text")
    if kind == "paste":
        assert await send_event(ann.page, "#message", kind, "file", "text")
    await expect(ann.page.locator("#composer-error")).to_be_empty()


async def test_pasted_line_breaks_are_kept(enter: Enter) -> None:
    ann = await enter("ann")
    await ann.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await ann.page.evaluate("navigator.clipboard.writeText('a\\r\\n\\r\\n\\tb\\nc')")
    await ann.box.focus()
    await ann.page.keyboard.press("Control+v")
    await expect(ann.box).to_have_value("a\n\n\tb\nc")


async def box_height(person: ChatPage) -> tuple[float, float]:
    """Return the height of the box, and that of what is in it."""
    height, content = await person.box.evaluate("box => [box.clientHeight, box.scrollHeight]")
    return height, content


@pytest.mark.parametrize("supported", [True, slow(False)])
async def test_the_box_fits_its_text(enter: Enter, supported: bool) -> None:
    """Also after the window was made narrower and wider, and where the browser does not do it by itself."""
    ann = await enter("ann")
    if not supported:
        await ann.page.add_init_script("CSS.supports = () => false")
        await ann.page.reload()
        await ann.connected()
    one = (await box_height(ann))[0]
    await ann.box.fill("word " * 60)
    for width in (390, 1280, 390, 1280):  # a panel that is open covers the room where it is narrow
        await ann.page.set_viewport_size({"width": width, "height": 844})
        await ann.page.wait_for_function(
            """() => {
              const { clientHeight, scrollHeight } = document.querySelector('#message');
              return clientHeight === scrollHeight;
            }"""
        )
        assert (await box_height(ann))[0] > one
    await ann.box.fill("")
    await ann.page.wait_for_function("height => document.querySelector('#message').clientHeight === height", arg=one)
    await ann.box.fill("line\n" * 200)
    height, content = await box_height(ann)
    assert height < 844 * 0.45
    assert content > height
