"""Scrolling back, and following new messages: the position of the reader is kept."""

from datetime import UTC, datetime, timedelta

from playwright.async_api import expect

from tests.browser.chat_page import Enter
from tests.browser.peer import peer
from tests.support.server import ServerProcess

# The message in the middle of the visible part, and its position.
READING = """() => {
  const log = document.querySelector('#log');
  const middle = log.getBoundingClientRect().top + log.clientHeight / 2;
  const lines = [...log.querySelectorAll('.msg')];
  const line = lines.find((each) => each.getBoundingClientRect().bottom > middle);
  return [line.dataset.seq, line.getBoundingClientRect().top];
}"""
# Keeps the page's connection where a test can find it.
KEEP_SOCKET = (
    "window.WebSocket = class extends WebSocket { constructor(...args) { super(...args); window.socket = this; } }"
)
PLACE = """(seq) => document.querySelector(`.msg[data-seq="${seq}"]`).getBoundingClientRect().top"""


async def test_older_messages_load_on_scrolling_up_without_a_jump(
    enter: Enter, server: ServerProcess, room: str
) -> None:
    """450 messages: pages are inserted above, the visible part stays in place, each message is there once."""
    said = [f"message {i}\n" + "line\n" * (i % 4) + "end" for i in range(450)]
    async with peer(server, room) as bob:
        await bob.say(said)
    ann = await enter("ann")
    await expect(ann.messages).to_have_count(100)
    await ann.at_end()

    beginning = ann.log.get_by_text("This is the beginning of")
    for loaded in (200, 300, 400, 450):
        # Measured before and after within the frame in which the page grew: the scroll itself is not the jump.
        moved = await ann.page.evaluate(
            f"""async () => {{
              const log = document.querySelector('#log');
              const count = () => log.querySelectorAll('.msg').length;
              log.scrollTop = 300;
              await new Promise(requestAnimationFrame);
              const [seq, top] = ({READING})();
              while (count() < {loaded}) await new Promise(requestAnimationFrame);
              await new Promise(requestAnimationFrame);
              return ({PLACE})(seq) - top;
            }}"""
        )
        assert abs(moved) < 1, f"what was read moved by {moved} px"
    await ann.log.evaluate("log => { log.scrollTop = 0 }")
    await expect(beginning).to_be_visible()
    await expect(ann.messages).to_have_count(450)
    assert await ann.texts() == said


async def test_new_messages_do_not_move_a_reader_of_older_ones(enter: Enter, server: ServerProcess, room: str) -> None:
    """New messages are counted on a button, which scrolls to the end and follows from there."""
    async with peer(server, room) as bob:
        await bob.say(f"message {i}" for i in range(60))
        ann = await enter("ann")
        await expect(ann.messages).to_have_count(60)
        await expect(ann.jump).to_be_hidden()
        await ann.page.evaluate("() => { document.querySelector('#log').scrollTop = 400 }")
        await expect(ann.jump).to_have_text("Jump to latest")
        seq, top = await ann.page.evaluate(READING)
        await bob.say(["new one", "new two", "new three"])
        await expect(ann.page.get_by_role("button", name="3 new messages")).to_be_visible()
        assert await ann.page.evaluate(PLACE, seq) == top

        await ann.page.get_by_role("button", name="3 new messages").click()
        await expect(ann.jump).to_be_hidden()
        await ann.at_end()
        await expect(ann.log.get_by_role("separator", name="New messages")).to_be_visible()
        await bob.say(["and one more"])
        await expect(ann.message("and one more")).to_be_in_viewport()
        await ann.at_end()


async def test_messages_arriving_in_the_frame_of_a_scroll_count_as_unread(
    enter: Enter, server: ServerProcess, room: str
) -> None:
    """The scroll event fires with the next frame: a message that arrives before it was never visible."""
    ann = await enter("ann")
    await ann.page.add_init_script(KEEP_SOCKET)
    await ann.page.reload()
    async with peer(server, room) as bob:
        await bob.say(f"message {i}" for i in range(60))
        await expect(ann.messages).to_have_count(60)
        await ann.at_end()
        await ann.page.evaluate(
            """(room) => {
              document.querySelector('#log').scrollTop = 400;
              const seq = Number([...document.querySelectorAll('.msg')].at(-1).dataset.seq) + 1;
              const message = { type: "message", room, seq, version: seq, sender_id: "g_bob", sender: "bob",
                                content: "new", timestamp: new Date().toISOString() };
              socket.onmessage({ data: JSON.stringify(message) });
            }""",
            room,
        )
        await expect(ann.page.get_by_role("button", name="1 new message")).to_be_visible()
        await expect(ann.log.get_by_role("separator", name="New messages")).to_have_count(1)
        await bob.say(["and another"])
        await ann.page.get_by_role("button", name="2 new messages").click()
        await ann.at_end()
        await expect(ann.jump).to_be_hidden()


async def test_at_the_end_the_log_follows_new_messages(enter: Enter, server: ServerProcess, room: str) -> None:
    """New messages are visible; posting scrolls to the end; a smaller window stays at the end."""
    ann = await enter("ann")
    async with peer(server, room) as bob:
        await bob.say(f"message {i}" for i in range(80))
    await expect(ann.messages).to_have_count(80)
    await expect(ann.message("message 79")).to_be_in_viewport()
    await ann.page.set_viewport_size({"width": 900, "height": 400})
    await ann.at_end()
    await ann.page.evaluate("() => { document.querySelector('#log').scrollTop = 0 }")
    await expect(ann.jump).to_be_visible()
    await ann.say("mine")
    await expect(ann.message("mine")).to_be_in_viewport()
    await ann.at_end()


async def test_a_long_session_keeps_a_bounded_number_of_messages(
    enter: Enter, server: ServerProcess, room: str
) -> None:
    """Of thousands of messages the page keeps the newest; older ones return on scrolling up."""
    ann = await enter("ann")
    async with peer(server, room) as bob:
        await bob.say(f"message {i}" for i in range(1600))
    await expect(ann.message("message 1599")).to_be_in_viewport()
    count = await ann.messages.count()
    assert 300 <= count <= 600
    await ann.page.evaluate("() => { document.querySelector('#log').scrollTop = 0 }")
    await expect(ann.messages).not_to_have_count(count)
    texts = await ann.texts()
    assert texts == [f"message {i}" for i in range(1600 - len(texts), 1600)]


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
