"""How messages are read: what belongs to a message, the log by keyboard, what is announced and copied."""

import asyncio
import re

import pytest
from playwright.async_api import expect

from tests.browser.chat_page import Enter, link
from tests.browser.peer import peer
from tests.support.marks import slow
from tests.support.server import ServerProcess

FOCUSED = "document.activeElement.closest('.msg')?.dataset.seq"
HEARD = "[...document.querySelectorAll('#heard p')].map((each) => each.textContent)"


async def test_a_message_shows_what_belongs_to_it(enter: Enter, server: ServerProcess, room: str) -> None:
    """An answer names what it answers and leads there; reactions, an edit and a mention are shown as they happen."""
    ann = await enter("ann")
    async with peer(server, room, "bob") as bob:
        question, *_ = await bob.say(["what is the *answer*?", *(f"filler {i}" for i in range(40))])
        await bob.change(type="message", content="42, @ann", reply_to=question)
        answer = ann.message("42, @ann")
        await expect(answer).to_have_class(re.compile("mentions-me"))
        await expect(answer.locator(".at-me")).to_have_text("@ann")
        await bob.say(["`a -> b`"])
        await expect(ann.log.locator("code")).to_have_css("font-family", re.compile("monospace"))
        await bob.change(type="react", seq=question, emoji="\U0001f44d")
        leads = answer.get_by_role("button", name="Reply to bob (guest): what is the answer?")
        await asyncio.gather(ann.page.wait_for_selector(".msg.target"), leads.click())
        asked = ann.messages.filter(has_text="what is the answer?").first
        await expect(asked).to_be_in_viewport()
        await expect(ann.log.locator(".target")).to_have_count(0)
        thumb = asked.locator(".reaction")
        await expect(thumb).to_have_attribute("aria-label", "\U0001f44d, 1 reaction: bob")
        await thumb.click()
        await expect(thumb).to_have_attribute("aria-label", "\U0001f44d, 2 reactions: bob and you")
        await expect(thumb).to_have_attribute("aria-pressed", "true")
        await thumb.click()
        await expect(thumb).to_have_attribute("aria-pressed", "false")
        await bob.change(type="edit", seq=question, content="what was the *question*?")
        await expect(ann.message("what was the question?").locator(".text")).to_have_attribute(
            "data-edited", re.compile("^edited ")
        )


async def test_deleted_messages_leave_one_line_a_run(enter: Enter, server: ServerProcess, room: str) -> None:
    """Each leaves a trace; an answer to one says that it is gone."""
    ann = await enter("ann")
    async with peer(server, room, "bob") as bob:
        seqs = await bob.say(["one", "two", "three", "four"])
        await bob.change(type="message", content="answer", reply_to=seqs[1])
        await expect(ann.messages).to_have_count(5)
        await bob.change(type="delete", seq=seqs[1])
        await expect(ann.log.locator(".gone-text")).to_have_text("A message by bob (guest) was deleted")
        await bob.change(type="delete", seq=seqs[2])
        await expect(ann.log.locator(".gone-text")).to_have_text("2 messages by bob (guest) were deleted")
        assert await ann.texts() == ["one", "four", "answer"]


async def test_the_log_is_one_tab_stop_and_walked_with_arrows(enter: Enter, server: ServerProcess, room: str) -> None:
    """Links are no tab stops before the message box; those of a message are once it has the focus."""
    ann = await enter("ann")
    async with peer(server, room, "bob") as bob:
        seqs = [
            str(seq) for seq in await bob.say(["https://a.example/1", "two", "https://a.example/3 https://b.example"])
        ]
    await expect(ann.messages).to_have_count(3)
    stops = 'document.querySelectorAll(\'#log a[tabindex="0"], #log button[tabindex="0"]:not(.tools *)\').length'
    assert await ann.page.evaluate(stops) == 0
    await ann.log.locator(".msg[tabindex='0']").focus()
    keys = ann.page.keyboard
    assert await ann.page.evaluate(FOCUSED) == seqs[2]
    for key, at in [("ArrowUp", 1), ("ArrowUp", 0), ("ArrowUp", 0), ("ArrowDown", 1), ("Home", 0), ("End", 2)]:
        await keys.press(key)
        assert await ann.page.evaluate(FOCUSED) == seqs[at], key
    await expect(ann.log.locator(".msg[tabindex='0']")).to_have_count(1)
    await keys.press("Tab")
    await expect(ann.log.get_by_role("link", name="https://a.example/3")).to_be_focused()
    await keys.press("Escape")
    assert await ann.page.evaluate("document.activeElement.dataset.seq") == seqs[2]
    await keys.press("Home")
    await keys.press("Escape")
    await expect(ann.box).to_be_focused()
    assert await ann.page.evaluate(stops) == 0
    await keys.type("x")  # the way back leads to the newest message
    await expect(ann.log.locator(".msg[tabindex='0']")).to_have_attribute("data-seq", seqs[2])


@pytest.mark.slow
async def test_the_focus_stays_when_lines_change(enter: Enter, server: ServerProcess, room: str) -> None:
    """The message that has it may be deleted, or get an answer above or below."""
    ann = await enter("ann")
    async with peer(server, room, "bob") as bob:
        first, second, third = await bob.say(["one", "two", "three"])
        await ann.log.locator(f".msg[data-seq='{second}']").focus()
        await bob.change(type="edit", seq=second, content="zwei")
        await expect(ann.message("zwei")).to_be_focused()
        await bob.change(type="delete", seq=second)
        await expect(ann.log.locator(".gone")).to_be_focused()
        await bob.change(type="delete", seq=first)
        await expect(ann.log.locator(".gone-text")).to_have_text("2 messages by bob (guest) were deleted")
        focused = await ann.page.evaluate(FOCUSED)
        assert focused in (str(first), str(third))


async def test_new_messages_of_others_are_announced(enter: Enter, server: ServerProcess, room: str) -> None:
    """Each once; not one's own, not history, not who came and went, and many at once as a number."""
    async with peer(server, room, "bob") as bob:
        await bob.say(["before"])
        ann = await enter("ann")
        await expect(ann.message("before")).to_be_visible()
        await bob.say(["hello **Ann**"])
        await ann.say("mine")
        await bob.say(["and more"])
        await expect(ann.message("and more")).to_be_visible()
        assert await ann.page.evaluate(HEARD) == ["bob: hello Ann", "bob: and more"]
        async with peer(server, room, "carl"):
            await expect(ann.notices).to_have_count(1)
        (last,) = await bob.say(["last"])
        await expect(ann.message("last")).to_be_visible()
        await bob.change(type="edit", seq=last, content="edited")
        await expect(ann.message("edited")).to_be_visible()
    assert await ann.page.evaluate(HEARD) == ["bob: hello Ann", "bob: and more", "bob: last"]
    assert await ann.log.get_attribute("aria-live") == "off"


async def test_a_copied_stretch_names_each_author_once(enter: Enter) -> None:
    """A line for each message, with the time, further lines indented; a part of one message is copied as it is."""
    ann = await enter("ann")
    bob = await enter("bob")
    await ann.say("one *word*")
    await expect(bob.message("one word")).to_have_count(1)
    await bob.say("two\nann, 10:00 AM: I resign", "three four")
    await expect(ann.messages).to_have_count(3)
    copied = """([from, to]) => {
      const texts = [...document.querySelectorAll('#lines .text')];
      const range = document.createRange();
      range.setStart(texts[from].firstChild, 0);
      range.setEnd(texts[to], texts[to].childNodes.length);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      const data = new DataTransfer();
      const event = new ClipboardEvent('copy', { clipboardData: data, bubbles: true, cancelable: true });
      texts[from].dispatchEvent(event);
      return data.getData('text/plain');
    }"""
    lines = (await ann.page.evaluate(copied, [0, 2])).split("\n")
    assert [re.sub(r"\d{1,2}:\d\d(\s[AP]M)?", "TIME", line) for line in lines] == [
        "ann, TIME: one word",
        "bob, TIME: two",
        "    ann, TIME: I resign",
        "bob, TIME: three four",
    ]
    assert await ann.page.evaluate(copied, [0, 0]) == "", "left to the browser"


@pytest.mark.parametrize("following", [slow(True), False])
async def test_folding_a_long_message_keeps_the_place(
    enter: Enter, server: ServerProcess, room: str, following: bool
) -> None:
    """What was opened is read from where it was; folded again, it is still in sight."""
    ann = await enter("ann")
    async with peer(server, room, "bob") as bob:
        await bob.say([*(f"message {i}" for i in range(30)), "\n".join("x" * 100)])
        if not following:
            await bob.say(f"after {i}" for i in range(10))
    long = ann.messages.filter(has=ann.page.get_by_role("button", name=re.compile("^Show")))
    more = long.get_by_role("button", name="Show more")
    await more.scroll_into_view_if_needed()
    top = await long.evaluate("each => each.querySelector('.text').getBoundingClientRect().top")
    await more.click()
    less = long.get_by_role("button", name="Show less")
    await expect(less).to_have_attribute("aria-expanded", "true")
    assert abs(await long.evaluate("each => each.querySelector('.text').getBoundingClientRect().top") - top) < 2
    await less.click()
    await expect(more).to_be_in_viewport()


@pytest.mark.slow
async def test_a_room_opens_where_it_was_left(enter: Enter, server: ServerProcess, room: str) -> None:
    """Another room and back: the message that was read is where it was."""
    other = f"{room}-b"
    ann = await enter("ann", room=other)
    await ann.page.goto(link(server, room, "ann"))
    await ann.agree_to_enter(room)
    await ann.connected()
    async with peer(server, room, "bob") as bob:
        await bob.say(f"message {i}" for i in range(120))
    await expect(ann.message("message 119")).to_be_in_viewport()
    await ann.log.evaluate("log => { log.scrollTop -= 1000 }")
    await expect(ann.jump).to_be_visible()
    seq, top = await ann.page.evaluate(
        """() => {
          const log = document.querySelector('#log').getBoundingClientRect();
          const inSight = (each) => each.getBoundingClientRect().top > log.top;
          const first = [...document.querySelectorAll('.msg')].find(inSight);
          return [first.dataset.seq, first.getBoundingClientRect().top];
        }"""
    )
    rooms = ann.page.get_by_role("navigation", name="Rooms")
    await rooms.get_by_role("link", name=other).click()
    await expect(ann.messages).to_have_count(0)
    await rooms.get_by_role("link", name=re.compile(rf"^{room}(?!-)")).click()
    message = ann.log.locator(f'.msg[data-seq="{seq}"]')
    await expect(message).to_be_in_viewport()
    assert abs(await message.evaluate("each => each.getBoundingClientRect().top") - top) < 2
    await expect(ann.jump).to_have_text("Jump to latest")
