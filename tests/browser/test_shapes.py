"""Frames that are not as the protocol has them: the page goes on without them, or says that it cannot."""

from typing import Any

import pytest
from playwright.async_api import ConsoleMessage, Page, WebSocketRoute, expect

from tests.browser.chat_page import Enter, Frame, OnFrame, Wire, link, pass_on
from tests.browser.test_modules import run
from tests.support.browser import Pages
from tests.support.marks import slow
from tests.support.server import ServerProcess

WRONG: list[dict[str, Any]] = [
    {"content": 5},
    {"content": {}},
    {"sender": None},
    {"sender_id": None},
    {"reactions": {"x": 5}},
    {"mentions": [None]},
    {"seq": "abc"},
    {"seq": 1e300},
    {"version": None},
    {"timestamp": "soon"},
    {"edited_at": {}},
    {"pinned_at": "x"},
    {"reply_to": {"seq": 1, "content": 5}},
]


def altered(type: str, **fields: object) -> OnFrame:
    """Give every frame of a type these fields."""

    def alter(frame: Frame, _: WebSocketRoute) -> Frame:
        return frame | fields if frame["type"] == type else frame

    return alter


def spoiled(frame: Frame, _: WebSocketRoute) -> Frame:
    """Take the author from the first message of every page."""
    if frame["type"] == "history" and frame["messages"]:
        frame["messages"][0] |= {"sender_id": None}
    return frame


@pytest.mark.slow
async def test_messages_that_cannot_be_read_do_not_empty_the_log(enter: Enter, wire: Wire) -> None:
    """Each kind is told once, to developers. The others are shown, also of a page of history."""
    ann = await enter("ann", wire=wire)
    bob = await enter("bob")
    warnings: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if "Parley" in message.text:
            warnings.append(message.text)

    ann.page.on("console", note)
    for number, wrong in enumerate(WRONG):
        wire.to_page = altered("message", **wrong)
        await bob.say(f"wrong {number}")
        await bob.delivered(f"wrong {number}")
        wire.to_page = pass_on
        await bob.say(f"right {number}")
        await expect(ann.message(f"right {number}")).to_be_visible()
    await expect(ann.log.get_by_text("wrong")).to_have_count(0)
    right = [f"right {number}" for number in range(len(WRONG))]
    assert await ann.texts() == right
    wire.to_page = spoiled
    await ann.page.reload()
    await expect(ann.message(right[-1])).to_be_visible()
    assert (
        await ann.texts()
        == [text for number in range(len(WRONG)) for text in (f"wrong {number}", f"right {number}")][1:]
    )
    told = "Parley: the server has sent what this page cannot read: message"
    assert warnings == [told, told]  # one of each load


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrong", [{"members": None}, slow({"members": [None]}), slow({"head": "x"}), slow({"head": 1.5})]
)
async def test_a_room_that_cannot_be_entered_says_so(enter: Enter, wire: Wire, wrong: dict[str, object]) -> None:
    """And is entered later."""
    ann = await enter("ann", wire=wire)
    await ann.say("first")
    await ann.delivered("first")
    wire.to_page = altered("joined", **wrong)
    await wire.cut()
    await expect(ann.closed).to_contain_text("This page cannot read what the server sends. Reload the page.")
    wire.to_page = pass_on
    await ann.closed.get_by_role("button", name="Enter again").click()
    await ann.say("here")
    await ann.delivered("here")


@pytest.mark.parametrize("wrong", [{"limits": {"max_content_chars": "many"}}, slow({"user": None})])
async def test_a_server_that_cannot_be_read_is_not_asked_on(
    new_page: Pages, server: ServerProcess, room: str, wire: Wire, wrong: dict[str, object]
) -> None:
    page = await new_page()
    await wire.attach(page)
    wire.to_page = altered("welcome", **wrong)
    await page.goto(link(server, room, "ann"))
    await expect(
        page.get_by_text("This page cannot read what the server sends. Reload the page.").first
    ).to_be_visible()
    assert wire.connections == 1


async def test_a_room_whose_end_is_not_told_asks_to_reload(enter: Enter, wire: Wire) -> None:
    """Without it the page would not know what it has missed at the next reconnect."""
    ann = await enter("ann", wire=wire)
    await ann.say("first")
    await ann.delivered("first")
    wire.to_page = altered("synced", head=None)
    await wire.cut()
    notice = ann.page.locator(".toast").filter(has_text="This page cannot read what the server sends.")
    await expect(notice.get_by_role("button", name="Reload")).to_be_visible()


async def test_changes_that_cannot_be_read_change_nothing(enter: Enter, wire: Wire, room: str) -> None:
    """An edit, a reaction, an announcement: what comes after them is shown."""
    ann = await enter("ann", wire=wire)
    bob = await enter("bob")
    await bob.say("first")
    await bob.delivered("first")
    seq = int(await bob.message("first").get_attribute("data-seq") or 0)
    someone = {"id": "g_1", "name": "x"}
    sound = {"room": room, "seq": seq, "version": seq + 1, "user": someone, "sender": someone}
    for frame in (
        {"type": "edited", "content": "spoiled", "edited_at": {}},
        {"type": "edited", "content": "spoiled", "version": None},
        {"type": "reaction", "emoji": "👍", "on": True, "version": "x"},
        {"type": "announcement", "content": "spoiled"},
    ):
        wire.tell(sound | frame)
    await bob.say("second")
    await expect(ann.message("second")).to_be_visible()
    await expect(ann.message("first")).to_have_count(1)
    await expect(ann.page.get_by_text("spoiled")).to_have_count(0)
    await expect(ann.page.locator(".reaction")).to_have_count(0)


@pytest.mark.slow
async def test_a_mute_without_a_readable_end(page: Page) -> None:
    """In a frame about one member, and in the list of all."""
    fits = await run(
        page,
        {"net/shapes.js": "readable"},
        """
        const bob = { id: "g_b", name: "bob" };
        const ends = [undefined, null, "9999-12-31T23:59:59Z", 5, {}, "soon"];
        return ends.flatMap((muted_until) => [
          { type: "member", action: "muted", member: { ...bob, muted_until } },
          { type: "members", members: [bob, { ...bob, muted_until }] },
        ]).map((frame) => readable(frame) !== null);
        """,
    )
    assert fits == [True] * 6 + [False] * 6
