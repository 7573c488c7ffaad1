"""What is completed while one types: users, rooms, emoji, commands."""

import re
import time
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from server.auth.tokens import sign_account
from tests.browser.chat_page import SECRET, ChatPage, Enter, Wire
from tests.browser.peer import peer
from tests.browser.test_modules import run
from tests.support.marks import slow
from tests.support.server import ServerProcess
from tests.support.web import Web


def admin() -> str:
    return sign_account(SECRET, userid="1", username="root", role="admin", expires=int(time.time()) + 600)


def suggestions(person: ChatPage) -> Locator:
    return person.page.get_by_role("option")


def named(options: Locator, text: str) -> Locator:
    return options.filter(has_text=text)


# --- without a page ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("@", ["user", "", 0]),
        ("hi @an", ["user", "an", 3]),
        ("你好@an", ["user", "an", 2]),
        ("mail me: ann@exa", None),
        ("@@an", ["user", "an", 1]),
        ("@[Ann B", ["user", "Ann B", 0]),
        (r"@[x\]y", ["user", "x]y", 0]),
        ("@[Ann]", None),
        ("@ann ", None),
        ("@Ünï-cö.de", ["user", "Ünï-cö.de", 0]),
        ("#", ["room", "", 0]),
        ("see #pla", ["room", "pla", 4]),
        ("(#pla", ["room", "pla", 1]),
        ("a#pla", None),
        ("http://host/#pla", None),
        ("#[two wo", ["room", "two wo", 0]),
        (":s", None),
        (":sm", ["emoji", "sm", 0]),
        ("so:sm", None),
        ("10:30", None),
        ("http://x", None),
        ("（:sm", ["emoji", "sm", 1]),
        ("/", ["command", "", 0]),
        ("/ki", ["command", "ki", 0]),
        ("/kick ", None),
        ("/kick @an", ["user", "an", 6]),
        (" /ki", None),
        ("/usr/bin", None),
        ("a\n/ki", None),
        ("`@an", None),
        ("`x` @an", ["user", "an", 4]),
        ("```\n@an", None),
        ("```\nx\n```\n@an", ["user", "an", 10]),
        ("@" + "a" * 200, None),
    ],
)
async def test_what_can_be_completed(page: Any, text: str, found: list[Any] | None) -> None:
    script = f"const found = tokenAt({text!r}, {len(text)}); return found && [found.kind, found.typed, found.start];"
    assert await run(page, {"view/token.js": "tokenAt"}, script) == found


async def test_a_mention_is_what_the_server_reads(page: Any) -> None:
    """Brackets where they are needed, with their signs escaped; and back again."""
    names = ["ann", "Ann B", "x]y", "a\\b", "ann.", "a-b", "-a", "Zoë", "你好", "[", "a_b", "#1", "ann..b"]
    script = f"return {names!r}.map((name) => [mention('@', name), named(mention('@', name))]);"
    written = await run(page, {"view/token.js": "mention, named"}, script)
    assert [back for _, back in written] == names
    assert [text for text, _ in written] == [
        "@ann",
        "@[Ann B]",
        r"@[x\]y]",
        r"@[a\\b]",
        "@[ann.]",
        "@a-b",
        "@[-a]",
        "@Zoë",
        "@你好",
        "@[[]",
        "@a_b",
        "@[#1]",
        "@[ann..b]",
    ]


# --- with a page ---------------------------------------------------------------------------------------------------


async def test_a_user_is_mentioned_by_keyboard(enter: Enter) -> None:
    """Those here are offered first; a name with spaces gets brackets, and the server counts the mention."""
    ann = await enter("ann")
    bob = await enter("Bob B")
    await enter("bo")
    await expect(ann.people).to_have_count(3)
    await ann.box.press_sequentially("hello @b")
    await expect(suggestions(ann)).to_have_count(2)
    await expect(suggestions(ann).first).to_have_text(re.compile(r"^\s*bo\s*guest"))
    await expect(suggestions(ann).first).to_have_attribute("aria-selected", "true")
    await expect(ann.box).to_have_attribute("aria-activedescendant", "completion-0")
    await ann.box.press("ArrowDown")
    await expect(named(suggestions(ann), "Bob B")).to_have_attribute("aria-selected", "true")
    await ann.box.press("ArrowDown")
    await expect(suggestions(ann).first).to_have_attribute("aria-selected", "true")
    await ann.box.press("ArrowUp")
    await ann.box.press("Enter")
    await expect(ann.box).to_have_value("hello @[Bob B] ")
    await expect(suggestions(ann)).to_have_count(0)
    await expect(ann.box).not_to_have_attribute("aria-activedescendant", re.compile("."))
    await ann.box.press("Control+z")
    await expect(ann.box).to_have_value("hello @b")
    await ann.box.press("End")
    await ann.box.press_sequentially("o")
    await expect(suggestions(ann)).to_have_count(2)
    await ann.box.press("Tab")
    await expect(ann.box).to_have_value("hello @bo ")
    await ann.box.press_sequentially("@b")
    await expect(suggestions(ann)).to_have_count(2)
    await ann.box.press("ArrowLeft")  # the caret is elsewhere now
    await expect(suggestions(ann)).to_have_count(0)
    await ann.box.fill("@[Bob B] look")
    await ann.box.press("Enter")
    await expect(bob.message("@Bob B look")).to_have_class(re.compile("mentions-me"))


@pytest.mark.slow
async def test_the_list_can_be_dismissed_and_used_with_the_mouse(enter: Enter) -> None:
    ann = await enter("ann")
    await enter("bob")
    await expect(ann.people).to_have_count(2)  # before, there is nobody to suggest
    await ann.box.press_sequentially("@b")
    await expect(suggestions(ann)).to_have_count(1)
    await ann.box.press("Escape")
    await expect(suggestions(ann)).to_have_count(0)
    await ann.box.press_sequentially("o")
    await expect(ann.box).to_have_value("@bo")
    await expect(suggestions(ann)).to_have_count(0)
    await ann.box.press_sequentially(" @b")
    await suggestions(ann).click()
    await expect(ann.box).to_have_value("@bo @bob ")
    await expect(ann.box).to_be_focused()
    await ann.box.press_sequentially("@b")
    await expect(suggestions(ann)).to_have_count(1)
    await ann.page.get_by_role("button", name="Search").focus()
    await expect(suggestions(ann)).to_have_count(0)


@pytest.mark.slow
async def test_what_is_complete_is_sent_by_one_enter(enter: Enter) -> None:
    ann = await enter("ann")
    await enter("bob")
    await expect(ann.people).to_have_count(2)
    await ann.box.press_sequentially("@bob")
    await expect(suggestions(ann)).to_have_count(1)
    await ann.box.press("Enter")
    await ann.delivered("@bob")


@pytest.mark.slow
async def test_absent_members_are_found(enter: Enter, server: ServerProcess, room: str, wire: Wire) -> None:
    """Also on later pages of a long list, which is read no further than needed."""
    await Web(server.port, token=admin()).create(room)
    async with peer(
        server, room, "zoe", token=sign_account(SECRET, userid="z", username="zoe", role="user", expires=2e9)
    ):
        pass
    wire.to_server = lambda frame, _: frame | {"limit": 1} if frame["type"] == "members" else frame
    ann = await enter("ann", wire=wire)
    await ann.box.press_sequentially("@zo")
    await expect(suggestions(ann)).to_have_text([re.compile("^\\s*zoe")])
    asked = [frame.get("cursor") for frame in wire.sent if frame["type"] == "members"]
    await ann.box.press_sequentially("e")
    await expect(suggestions(ann)).to_have_count(1)
    assert len(asked) > 2
    assert asked == [frame.get("cursor") for frame in wire.sent if frame["type"] == "members"]


@pytest.mark.slow
async def test_rooms_are_completed(enter: Enter, server: ServerProcess, room: str) -> None:
    """Mine at once, and those that everyone can find."""
    await Web(server.port, token=admin()).create(f"{room} x", title="Holiday plans")
    ann = await enter("ann")
    await ann.box.press_sequentially(f"see #{room[:-1]}")
    await expect(suggestions(ann)).to_have_count(2)
    await ann.box.press("Enter")
    await expect(ann.box).to_have_value(f"see #{room} ")
    await ann.box.press_sequentially("and #holi")
    await expect(suggestions(ann)).to_have_count(1)
    await ann.box.press("Tab")
    await expect(ann.box).to_have_value(f"see #{room} and #[{room} x] ")


async def test_emoji_are_completed_from_two_letters(enter: Enter) -> None:
    ann = await enter("ann")
    await ann.box.press_sequentially("so :s")
    await expect(suggestions(ann)).to_have_count(0)
    await ann.box.press_sequentially("mi")
    await expect(suggestions(ann)).to_have_count(8)
    await expect(suggestions(ann).first).to_contain_text(":smile:")
    await ann.box.press("Enter")
    await expect(ann.box).to_have_value("so 😄 ")
    await ann.box.press_sequentially(":tada:")
    await expect(ann.box).to_have_value("so 😄 🎉")
    await ann.box.press("Control+z")
    await expect(ann.box).to_have_value("so 😄 :tada:")
    await ann.box.press("End")
    await ann.box.press_sequentially(" :nothinglikeit:")
    await ann.box.press("Enter")
    await ann.delivered("so 😄 :tada: :nothinglikeit:")


@pytest.mark.slow
async def test_pasted_short_codes_are_sent_as_emoji(enter: Enter) -> None:
    ann = await enter("ann")
    async with ann.page.expect_response("**/emoji.json"):
        await ann.page.keyboard.insert_text("at 10:30:20 :tada: `:tada:` :nothinglikeit: :+1:")
    await ann.page.wait_for_load_state("networkidle")
    await ann.box.press("Enter")
    await expect(ann.page.locator(".msg .text code")).to_have_text(":tada:")
    await expect(ann.page.locator(".msg .text")).to_have_text("at 10:30:20 🎉 :tada: :nothinglikeit: 👍")


@pytest.mark.parametrize(("width", "height"), [slow(1280, 800), (390, 844)])
async def test_the_list_is_in_sight(enter: Enter, width: int, height: int) -> None:
    ann = await enter("ann", viewport={"width": width, "height": height})
    await ann.box.press_sequentially(":heart")
    await expect(suggestions(ann)).to_have_count(8)
    box = await ann.page.get_by_role("listbox").bounding_box()
    typed = await ann.box.bounding_box()
    assert box
    assert typed
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= typed["y"]


# --- commands ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_an_unknown_command_is_not_sent(enter: Enter) -> None:
    ann = await enter("ann")
    await ann.box.fill("/shrug hello")
    await ann.box.press("Enter")
    await expect(ann.page.locator("#composer-error")).to_have_text(
        "There is no command /shrug. To send it as text, write //shrug."
    )
    await expect(ann.box).to_have_value("/shrug hello")
    await ann.box.fill("//shrug hello")
    await ann.box.press("Enter")
    await ann.delivered("/shrug hello")
    await ann.say("/usr/bin/env is no command")
    await ann.delivered("/usr/bin/env is no command")
    await ann.say("/ neither")
    await ann.delivered("/ neither")


async def test_commands_are_offered_to_those_who_may_use_them(enter: Enter, server: ServerProcess, room: str) -> None:
    await Web(server.port, token=admin()).create(room)
    ann = await enter("ann")
    await ann.box.press_sequentially("/")
    await expect(suggestions(ann)).to_have_count(3)  # join, leave, help
    await ann.box.fill("/kick bob")
    await ann.box.press("Enter")
    await expect(ann.page.locator("#composer-error")).to_have_text("You may not use /kick here.")
    async with peer(server, room, "root", token=admin()) as root:
        await root.change(type="set_role", user=root.ids["ann"], role="moderator")
    await expect(ann.notices.filter(has_text="moderator")).to_have_count(1)
    await ann.box.fill("/")
    await expect(suggestions(ann)).to_have_count(9)
    await ann.box.press_sequentially("he")
    await ann.box.press("Tab")
    await expect(ann.box).to_have_value("/help")
    await ann.box.press("Enter")
    await expect(ann.box).to_have_value("/")
    await expect(suggestions(ann)).to_have_count(9)


@pytest.mark.slow
async def test_a_moderator_acts_by_commands(enter: Enter, server: ServerProcess, room: str) -> None:
    await Web(server.port, token=admin()).create(room)
    ann = await enter("ann")
    bob = await enter("Bob B")
    async with peer(server, room, "root", token=admin()) as root:
        await root.change(type="set_role", user=root.ids["ann"], role="moderator")
    error = ann.page.locator("#composer-error")
    for wrong, sentence in [
        ("/mute", "Write it as: /mute name 10m reason"),
        ("/mute nobody", "Nobody here is called nobody."),
        ("/mute @[Bob B] 10 minutes", "Write the time as 30s, 10m, 2h or 1d."),
    ]:
        await ann.box.fill(wrong)
        await ann.box.press("Enter")
        await expect(error).to_have_text(sentence)
        await expect(ann.box).to_have_value(wrong)
    await ann.box.fill("/mute @[bob b] 90s calm down")
    await ann.box.press("Enter")
    await expect(ann.box).to_have_value("")
    await expect(bob.page.locator("#hindrance")).to_contain_text("calm down")
    await expect(bob.page.locator("#hindrance")).to_contain_text(re.compile(r"in \d+ seconds"))
    await ann.say("/unmute @[Bob B]")
    await expect(bob.box).to_be_visible()
    await ann.say("/topic what comes next")
    await expect(ann.page.locator("#header")).to_contain_text("what comes next")
    await ann.say("/kick @[Bob B] not now")
    await expect(bob.closed).to_contain_text("not now")
    await expect(ann.box).to_have_value("")
    await expect(ann.messages).to_have_count(0)


@pytest.mark.slow
async def test_join_and_leave(enter: Enter, server: ServerProcess, room: str) -> None:
    """A room that does not exist is not created without a question."""
    other = f"{room} x"
    await Web(server.port, token=admin()).create(other)
    ann = await enter("ann")
    await ann.say(f"/join #[{other}]")
    await expect(ann.page.get_by_role("heading", level=1, name=other)).to_be_visible()
    await ann.say("/leave")
    await expect(ann.page.get_by_role("heading", level=1, name=room, exact=True)).to_be_visible()
    await ann.say(f"/join {room}-genral")
    await expect(ann.page.get_by_role("dialog")).to_contain_text("Enter or create this room?")
