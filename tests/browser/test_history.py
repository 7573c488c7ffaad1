"""Scrolling through a log and following its end: the place of the reader is kept, and the page stays small."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect

from tests.browser.chat_page import Enter, link
from tests.browser.peer import peer
from tests.browser.scrolling import AT_BEGINNING, AT_END, scroll, scroll_up
from tests.support.marks import slow
from tests.support.server import ServerProcess

# The message in the middle of the visible part, and its position.
READING = """() => {
  const log = document.querySelector('#log');
  const middle = log.getBoundingClientRect().top + log.clientHeight / 2;
  const lines = [...log.querySelectorAll('.msg')];
  const line = lines.find((each) => each.getBoundingClientRect().bottom > middle);
  return [line.dataset.seq, line.getBoundingClientRect().top];
}"""
PLACE = """(seq) => document.querySelector(`.msg[data-seq="${seq}"]`).getBoundingClientRect().top"""
# Keeps the page's connection where a test can find it.
KEEP_SOCKET = (
    "window.WebSocket = class extends WebSocket { constructor(...args) { super(...args); window.socket = this; } }"
)
# The reader goes on to the end of what is drawn, is there when the last page arrives, and scrolls before it is drawn.
# Returns the seq of the last message until then.
SCROLLS_WITH_LAST_PAGE = """() => new Promise((resolve) => {
  const log = document.querySelector("#log");
  const hear = socket.onmessage;
  let here = false;
  const go = () => {
    if (here) return;
    log.scrollTop = log.scrollHeight;
    requestAnimationFrame(go);
  };
  socket.onmessage = (event) => {
    const frame = JSON.parse(event.data);
    here ||= frame.type === "history" && !frame.has_newer;
    log.scrollTop = log.scrollHeight;
    const last = [...log.querySelectorAll(".msg")].at(-1).dataset.seq;
    hear(event);
    log.dispatchEvent(new Event("scroll"));
    if (!here) return;
    socket.onmessage = hear;
    resolve(last);
  };
  go();
})"""
# The reader scrolls up, and a message arrives before the scroll event.
ARRIVES_IN_A_SCROLL = """([room, content]) => {
  document.querySelector('#log').scrollTop -= 400;
  const seq = Number([...document.querySelectorAll('.msg')].at(-1).dataset.seq) + 1;
  const message = { type: "message", room, seq, version: seq, sender_id: "g_bob", sender: "bob", content,
                    timestamp: new Date().toISOString() };
  socket.onmessage({ data: JSON.stringify(message) });
}"""


@pytest.mark.slow
async def test_the_whole_log_is_read_up_and_down_without_a_jump(enter: Enter, server: ServerProcess, room: str) -> None:
    """700 messages: each is seen, in order, what is read never moves, and the page holds few elements at any time."""
    said = [f"message {i}\n" + "line\n" * (i % 4) + "end" for i in range(700)]
    async with peer(server, room) as bob:
        await bob.say(said)
    ann = await enter("ann")
    await ann.at_end()
    up = await scroll(ann, -300, AT_BEGINNING)
    down = await scroll(ann, 300, AT_END)
    assert up["texts"] == said
    assert down["texts"] == said
    assert max(up["jump"], down["jump"]) < 1.5
    assert max(up["nodes"], down["nodes"]) < 1500
    await ann.at_end()


async def test_a_page_that_arrives_in_the_frame_of_a_scroll_is_read_from_its_beginning(
    enter: Enter, server: ServerProcess, room: str
) -> None:
    """What is below the last message is not drawn yet: the log does not go to its end."""
    async with peer(server, room) as bob:
        seqs = await bob.say(f"message {i}\nline\nline" for i in range(100))
    ann = await enter("ann")
    await ann.page.add_init_script(KEEP_SOCKET)
    await ann.page.goto(f"{link(server, room, 'ann')}&m={seqs[0]}")
    await ann.connected()
    await expect(ann.page.locator(f".msg[data-seq='{seqs[0]}']")).to_be_in_viewport()
    last = await ann.page.evaluate(SCROLLS_WITH_LAST_PAGE)
    await expect(ann.page.locator(f".msg[data-seq='{seqs[-1]}']")).to_be_attached()
    await expect(ann.page.locator(f".msg[data-seq='{last}']")).to_be_in_viewport()
    await expect(ann.jump).to_be_visible()


async def test_new_messages_do_not_move_a_reader_of_older_ones(enter: Enter, server: ServerProcess, room: str) -> None:
    """New messages are counted on a button, which scrolls to the end and follows from there."""
    async with peer(server, room) as bob:
        await bob.say(f"message {i}" for i in range(60))
        ann = await enter("ann")
        await expect(ann.message("message 59")).to_be_in_viewport()
        await expect(ann.jump).to_be_hidden()
        await scroll_up(ann, 400)
        await expect(ann.jump).to_have_text("Jump to latest")
        seq, top = await ann.page.evaluate(READING)
        await bob.say(["new one", "new two", "new three"])
        await expect(ann.page.get_by_role("button", name="3 new messages")).to_be_visible()
        assert abs(await ann.page.evaluate(PLACE, seq) - top) < 1

        await ann.page.get_by_role("button", name="3 new messages").click()
        await expect(ann.jump).to_be_hidden()
        await ann.at_end()
        await expect(ann.log.get_by_role("separator", name="New messages")).to_be_visible()
        await bob.say(["and one more"])
        await expect(ann.message("and one more")).to_be_in_viewport()
        await ann.at_end()


@pytest.mark.slow
async def test_messages_arriving_in_the_frame_of_a_scroll_count_as_unread(
    enter: Enter, server: ServerProcess, room: str
) -> None:
    """The scroll event fires with the next frame: a message that arrives before it was never visible."""
    ann = await enter("ann")
    await ann.page.add_init_script(KEEP_SOCKET)
    await ann.page.reload()
    await ann.connected()
    async with peer(server, room) as bob:
        await bob.say(f"message {i}" for i in range(60))
        await expect(ann.message("message 59")).to_be_in_viewport()
        await ann.at_end()
        await ann.page.evaluate(ARRIVES_IN_A_SCROLL, [room, "new"])
        await expect(ann.page.get_by_role("button", name="1 new message")).to_be_visible()
        await expect(ann.log.get_by_role("separator", name="New messages")).to_have_count(1)
        await bob.say(["and another"])
        await ann.page.get_by_role("button", name="2 new messages").click()
        await ann.at_end()
        await expect(ann.jump).to_be_hidden()
        # What was read before is above the line, also if the line was still there.
        await ann.page.evaluate(ARRIVES_IN_A_SCROLL, [room, "newest"])
        await expect(ann.page.get_by_role("button", name="1 new message")).to_be_visible()
        await expect(ann.log.locator(".unread-line + .msg .text")).to_have_text("newest")


async def test_at_the_end_the_log_follows_new_messages(enter: Enter, server: ServerProcess, room: str) -> None:
    """New messages are visible; posting scrolls to the end; a smaller window stays at the end."""
    ann = await enter("ann")
    async with peer(server, room) as bob:
        await bob.say(f"message {i}" for i in range(80))
    await expect(ann.message("message 79")).to_be_in_viewport()
    await ann.page.set_viewport_size({"width": 1280, "height": 400})
    await ann.at_end()
    await scroll_up(ann, 1000)
    await ann.say("mine")
    await expect(ann.message("mine")).to_be_in_viewport()
    await ann.at_end()


@pytest.mark.parametrize("at_end", [slow(True), False])
async def test_turning_a_phone_keeps_what_is_read(enter: Enter, server: ServerProcess, room: str, at_end: bool) -> None:
    """Lines wrap differently; the first message that begins in sight stays there, or the end stays in sight."""
    long = "some words that wrap when it is narrow " * 4 + "end"
    async with peer(server, room) as bob:
        await bob.say(f"message {i} {long if i % 3 else ''}" for i in range(100))
    ann = await enter("ann", viewport={"width": 1280, "height": 800})
    await ann.at_end()
    if not at_end:
        await scroll_up(ann, 1500)
    text = "(each) => each.querySelector('.text').getBoundingClientRect().top - log.getBoundingClientRect().top"
    read = f"""() => {{
      const log = document.querySelector('#log');
      const first = [...log.querySelectorAll('.msg')].find((each) => ({text})(each) > 10);
      return [first.dataset.seq, ({text})(first)];
    }}"""
    still = f"""([seq, top]) => {{
      const log = document.querySelector('#log');
      return Math.abs(({text})(log.querySelector(`.msg[data-seq="${{seq}}"]`)) - top) < 2;
    }}"""
    before = await ann.page.evaluate(read)
    for width in (390, 844, 320, 1280):
        await ann.page.set_viewport_size({"width": width, "height": 800})
        if at_end:
            await ann.at_end()
        else:
            await ann.page.wait_for_function(still, arg=before)


@pytest.mark.slow
async def test_a_long_session_keeps_the_page_small(enter: Enter, server: ServerProcess, room: str) -> None:
    """At the end and for a reader of older messages alike, thousands of messages add no elements."""
    ann = await enter("ann")
    async with peer(server, room) as bob:
        await bob.say(f"message {i}" for i in range(1600))
        await expect(ann.message("message 1599")).to_be_in_viewport()
        assert await ann.page.evaluate("document.querySelectorAll('*').length") < 1500
        await scroll_up(ann, 1000)
        seq, top = await ann.page.evaluate(READING)
        await bob.say(f"more {i}" for i in range(1600))
        await expect(ann.page.get_by_role("button", name="More than 99 new messages")).to_be_visible()
        assert abs(await ann.page.evaluate(PLACE, seq) - top) < 1
        assert await ann.page.evaluate("document.querySelectorAll('*').length") < 1500
        await ann.jump.click()
        await expect(ann.message("more 1599")).to_be_in_viewport()
        await ann.at_end()


@pytest.mark.slow
async def test_messages_are_grouped_by_day(enter: Enter) -> None:
    """Yesterday's messages are below a heading for yesterday."""
    ann = await enter("ann")
    await ann.say("said today")
    await ann.delivered("said today")
    bob = await enter("bob")
    await bob.page.clock.install()
    await bob.page.clock.set_system_time(datetime.now(UTC) + timedelta(days=1))
    await bob.page.reload()
    await expect(bob.log.get_by_role("separator", name="Yesterday")).to_be_visible()


@pytest.mark.slow
async def test_an_address_with_a_number_that_is_no_message_shows_the_newest(
    enter: Enter, server: ServerProcess, room: str
) -> None:
    """Below the first, past the last, a fraction, no number at all: the room is shown, without a word about it."""
    ann = await enter("ann")
    await ann.say("the newest")
    await ann.delivered("the newest")
    for asked in ("-1", "0.5", "1e20", "x", "999999"):
        await ann.page.goto(f"{link(server, room, 'ann')}&m={asked}")
        await expect(ann.message("the newest")).to_be_visible()
        await expect(ann.page.get_by_role("alert")).to_have_text("")
