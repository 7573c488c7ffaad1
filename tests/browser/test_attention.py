"""What gets the attention of a person: which messages are worth it, the title and icon of a page in the background."""

import asyncio
import json
import re

import pytest
from playwright.async_api import WebSocketRoute, expect

from tests.browser.chat_page import Enter, Frame, Wire
from tests.browser.peer import peer
from tests.browser.test_modules import run
from tests.browser.test_unread import badge, look_away, say
from tests.support.browser import Pages
from tests.support.server import ServerProcess


async def test_keywords_are_whole_words_in_any_case(new_page: Pages, server: ServerProcess) -> None:
    """Signs of regular expressions are signs; letters of all alphabets are letters."""
    texts = [
        "deploy",
        "Deploy!",
        "re-deploy",
        "redeploy",
        "deploys",
        "deploy_1",
        "(deploy)",
        "c++",
        "c",
        "C++11",
        "naïve",
    ]
    found = await run(
        await new_page(f"{server.http_url}/client.html"),
        {"state/attention.js": "hasKeyword"},
        f"""
        const texts = {json.dumps(texts)};
        const by = (...keywords) => texts.filter((text) => hasKeyword(text, keywords));
        return [by("deploy"), by("c++"), by("naïve", "c"), by("."), by(), hasKeyword("Über uns", ["über"])];
        """,
    )
    assert found == [
        ["deploy", "Deploy!", "re-deploy", "(deploy)"],
        ["c++"],
        ["c++", "c", "C++11", "naïve"],
        [],
        [],
        True,
    ]


@pytest.mark.parametrize(
    ("level", "notify", "expected"),
    [
        (None, "mentions", ["mention", "keyword"]),
        (None, "all", ["plain", "mention", "keyword"]),
        (None, "none", []),
        ("all", "none", ["plain", "mention", "keyword"]),
        ("mentions", "all", ["mention", "keyword"]),
        ("none", "all", []),
    ],
)
async def test_a_rooms_own_level_counts_before_the_usual_one(
    new_page: Pages, server: ServerProcess, level: str | None, notify: str, expected: list[str]
) -> None:
    """My own messages, deleted ones, and those of users whom I block are never worth it; names of rooms are names."""
    levels = {} if level is None else {"constructor": level}
    found = await run(
        await new_page(f"{server.http_url}/client.html"),
        {"state/room.js": "Room", "state/state.js": "State", "state/attention.js": "isWorth"},
        f"""
        const kept = {{ settings: {{ notify: {notify!r}, levels: {json.dumps(levels)}, keywords: ["lunch"] }} }};
        const store = {{ get: (key) => kept[key] ?? null, set: () => true, remove: () => {{}}, keys: () => [] }};
        const state = new State({{ browser: store, tab: store, onChange: () => {{}} }});
        state.me = {{ id: "g_me", name: "me" }};
        state.blocked = new Set(["u_blocked"]);
        const room = new Room("constructor");
        const messages = {{
          plain: [message(1), false], mention: [message(2), true],
          keyword: [message(3, {{ content: "Lunch?" }}), false],
          own: [message(4, {{ sender_id: "g_me" }}), true], deleted: [message(5, {{ deleted_at: "x" }}), true],
          blocked: [message(6, {{ sender_id: "u_blocked" }}), true],
          alias: [message(7, {{ alias_of: "u_blocked" }}), true],
        }};
        return Object.keys(messages).filter((name) => isWorth(state, room, ...messages[name]));
        """,
    )
    assert found == expected


async def test_a_hidden_page_tells_by_its_title_and_icon(enter: Enter, server: ServerProcess, room: str) -> None:
    """A browser draws no frames for it."""
    ann = await enter("ann")
    icon = ann.page.locator("#favicon")
    await expect(icon).to_have_attribute("href", re.compile(r"/icon\.svg$"))
    await look_away(ann.page)
    await ann.page.evaluate(
        """() => {
          Object.defineProperty(document, 'hidden', { value: true, configurable: true });
          window.requestAnimationFrame = () => 0;
          document.dispatchEvent(new Event('visibilitychange'));
        }"""
    )
    await say(server, room, "one")
    await expect(ann.page).to_have_title(f"(1) {room} · Parley")
    await expect(icon).to_have_attribute("href", re.compile(r"/icon-unread\.svg$"))
    await say(server, room, "@ann two")
    await expect(ann.page).to_have_title(f"(@1) {room} · Parley")
    await expect(icon).to_have_attribute("href", re.compile(r"/icon-mention\.svg$"))


async def test_what_is_behind_a_page_about_accounts_is_not_read(
    enter: Enter, server: ServerProcess, room: str, wire: Wire
) -> None:
    ann, arrived = await enter("ann", wire=wire), asyncio.Event()

    def notice(frame: Frame, _: WebSocketRoute) -> Frame:
        if frame["type"] == "message":
            arrived.set()
        return frame

    wire.to_page = notice
    await ann.page.locator("#me").click()
    await ann.page.get_by_role("menuitem", name="Sign in").click()
    await expect(ann.page.get_by_role("heading", level=1, name="Sign in")).to_be_visible()
    async with peer(server, room, "bob") as bob:
        [seq] = await bob.say(["behind it"])
        members = await bob.ask(type="members", room=room)
        assert all(member.get("read", 0) < seq for member in members["members"] if member["name"] == "ann")
    await arrived.wait()
    await ann.page.evaluate("null")  # runs after the page has taken the message, which a key can overtake
    await ann.page.keyboard.press("Escape")
    await expect(ann.message("behind it")).to_be_visible()
    await expect(ann.log.locator(".unread-line")).to_have_count(1)
    await expect(badge(ann.page, room)).to_have_count(0)
