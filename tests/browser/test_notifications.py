"""Desktop notifications and the sound: what the page asks of the browser. The browser's own display cannot be seen."""

import asyncio
import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.account_page import PASSWORD, new_username
from tests.browser.chat_page import ChatPage, link, new_room
from tests.browser.peer import make_room, peer
from tests.browser.test_unread import add_room, badge, entry, look_away, look_back, open_room, say
from tests.support.browser import Pages
from tests.support.server import ServerProcess

pytestmark = pytest.mark.slow


# Stands for the browser's notifications: keeps what the page shows, and lets a test click on it.
RECORDER = """
window.notices = [];
window.asked = 0;
window.Notification = class {
  static permission = "PERMISSION";
  static async requestPermission() {
    window.asked += 1;
    window.asking = navigator.userActivation.isActive;
    return (window.Notification.permission = window.answer ?? "granted");
  }
  constructor(title, { body, tag }) {
    Object.assign(this, { title, body, tag, open: true });
    window.notices.push(this);
  }
  close() {
    this.open = false;
    this.onclose?.();
  }
};
window.tones = 0;
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...when) {
  window.tones += 1;
  return start.apply(this, when);
};
"""


def settings(**values: object) -> str:
    """Return a script that gives a new browser these settings."""
    return (
        f"localStorage.getItem('parley.settings') ?? localStorage.setItem('parley.settings', JSON.stringify({values}))"
    )


async def with_notices(
    new_page: Pages,
    server: ServerProcess,
    room: str,
    *,
    permission: str = "granted",
    path: str | None = None,
    beside: ChatPage | None = None,
    name: str = "ann",
    **values: object,
) -> ChatPage:
    """Enter a room in a page whose notifications are recorded, with these settings."""
    page = await new_page(same_context_as=beside.page if beside else None)
    await page.add_init_script(RECORDER.replace("PERMISSION", permission))
    values = {"desktop": permission == "granted", **values}
    script = settings(**values).replace("True", "true").replace("False", "false")
    await page.add_init_script(script)
    await page.goto(link(server, room, name))
    chat = ChatPage(page)
    await chat.connected()
    await expect(entry(page, room)).to_be_visible()
    return chat


async def shown(page: Page) -> list[list[Any]]:
    """Return the notifications so far: title, text, and whether they are still open."""
    found: list[list[Any]] = await page.evaluate("window.notices.map(({ title, body, open }) => [title, body, open])")
    return found


async def notified(page: Page, *expected: list[Any]) -> None:
    """Wait until exactly these notifications were shown."""
    await page.wait_for_function("count => window.notices.length >= count", arg=len(expected))
    assert await shown(page) == list(expected)


async def settled(server: ServerProcess, room: str, *chats: ChatPage) -> None:
    """Wait until pages of one person, not looked at, have decided about what has arrived: one tells the last one."""
    await say(server, room, "@ann the last one", name="eve")
    told = "() => window.notices.some(({ body }) => body === '@ann the last one')"
    waiting = [asyncio.create_task(chat.page.wait_for_function(told)) for chat in chats]
    done, others = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in others:
        task.cancel()
    for task in done:
        task.result()


async def told(*chats: ChatPage) -> list[str]:
    """Return the texts of the notifications so far, without the one that ends the test."""
    texts = [text for chat in chats for _, text, _ in await shown(chat.page)]
    return [text for text in texts if text != "@ann the last one"]


async def test_a_mention_is_told_with_name_room_and_plain_text(
    new_page: Pages, server: ServerProcess, room: str
) -> None:
    ann = await with_notices(new_page, server, room)
    await look_away(ann.page)
    await say(server, room, "just talk", "**@ann** see `this`:\n\n> a [page](https://example.com)")
    await notified(ann.page, [f"bob (guest) in {room}", "@ann see this: a page", True])
    await look_back(ann.page)
    await ann.page.wait_for_function("() => !window.notices[0].open")


async def tabs_of_ann(new_page: Pages, server: ServerProcess, room: str, count: int) -> list[ChatPage]:
    """Open tabs of one person in a room; each has another room in front."""
    await make_room(server, room)
    tabs: list[ChatPage] = []
    for _ in range(count):
        beside = tabs[0] if tabs else None
        tabs.append(await with_notices(new_page, server, room, beside=beside, notify="all"))
        await add_room(tabs[-1], new_room())
    return tabs


async def test_nothing_is_told_that_is_in_sight_or_my_own(new_page: Pages, server: ServerProcess, room: str) -> None:
    """Nor by another tab of the same person, which shows another room."""
    ann, beside = await tabs_of_ann(new_page, server, room, 2)
    await open_room(ann, room)
    await say(server, room, "@ann in sight")
    await expect(ann.message("@ann in sight")).to_be_visible()
    await ann.say("my own @ann")
    await ann.delivered("my own @ann")
    for tab in (ann, beside):
        await look_away(tab.page)
    await settled(server, room, ann, beside)
    assert await told(ann, beside) == []


async def test_several_tabs_tell_once(new_page: Pages, server: ServerProcess, room: str) -> None:
    tabs, other = await tabs_of_ann(new_page, server, room, 3), new_room()
    await add_room(tabs[0], other)
    for tab in tabs:
        await look_away(tab.page)
    await say(server, room, "for three tabs")
    await settled(server, other, *tabs)
    assert await told(*tabs) == ["for three tabs"]


async def test_a_click_opens_the_room_at_the_message(new_page: Pages, server: ServerProcess, room: str) -> None:
    """What was typed stays in the room in which it was typed."""
    ann = await with_notices(new_page, server, room, notify="all")
    other = new_room()
    await add_room(ann, other)
    await ann.box.fill("half a sentence")
    await say(server, room, *(f"line {i}" for i in range(70)))
    await expect(badge(ann.page, room)).to_have_text("70")
    await ann.page.wait_for_function("() => window.notices.at(-1)?.body === 'line 69' || window.notices.length > 1")
    await ann.page.evaluate("window.notices.at(-1).onclick()")
    await expect(entry(ann.page, room)).to_have_attribute("aria-current", "page")
    last = (await shown(ann.page))[-1]
    await expect(ann.message(last[1])).to_be_in_viewport()
    assert last[2] is False
    await expect(ann.box).to_have_value("")
    await open_room(ann, other)
    await expect(ann.box).to_have_value("half a sentence")


async def test_a_burst_is_told_once(new_page: Pages, server: ServerProcess, room: str) -> None:
    """With its last message, in place of the notification before."""
    ann = await with_notices(new_page, server, room, notify="all")
    await look_away(ann.page)
    await say(server, room, *(f"line {i}" for i in range(20)))
    await ann.page.wait_for_function("() => window.notices.some(({ body }) => body === 'line 19')")
    notices = await ann.page.evaluate("window.notices.map(({ tag }) => tag)")
    assert len(notices) < 5
    assert len(set(notices)) == 1


@pytest.mark.parametrize(
    ("level", "expected"),
    [("All messages", ["talk", "@ann hey"]), ("Mentions only", ["@ann hey"]), ("Nothing (mute)", [])],
)
async def test_each_room_has_a_level(
    new_page: Pages, server: ServerProcess, room: str, level: str, expected: list[str]
) -> None:
    ann = await with_notices(new_page, server, room)
    other = new_room()
    await add_room(ann, other)
    await entry(ann.page, room).click(button="right")
    await ann.page.get_by_role("menuitemradio", name=level).click()
    await look_away(ann.page)
    for text in ("talk", "@ann hey"):
        await say(server, room, text)
        await settled(server, other, ann)
        await ann.page.evaluate("window.all = [...(window.all ?? []), ...window.notices.splice(0)]")
    texts = await ann.page.evaluate("window.all.map(({ body }) => body)")
    assert [text for text in texts if "last one" not in text] == expected


async def test_keywords_notify_like_mentions(new_page: Pages, server: ServerProcess, room: str) -> None:
    """As whole words, in any case, with signs of patterns."""
    ann = await with_notices(new_page, server, room, keywords=["deploy", "c++", "naïve"])
    other = new_room()
    await add_room(ann, other)
    await look_away(ann.page)
    for text in ("redeployment", "c", "naïvely", "Deploy!", "I like C++.", "NAÏVE"):
        await say(server, room, text)
        await settled(server, other, ann)
        await ann.page.evaluate("window.all = [...(window.all ?? []), ...window.notices.splice(0)]")
    texts = await ann.page.evaluate("window.all.map(({ body }) => body)")
    assert [text for text in texts if "last one" not in text] == ["Deploy!", "I like C++.", "NAÏVE"]


async def test_direct_messages_and_invitations_are_told(new_page: Pages, server: ServerProcess, room: str) -> None:
    ann = await with_notices(new_page, server, room)
    me = await ann.page.evaluate("JSON.parse(localStorage.getItem('parley.guest') ?? '{}')?.user?.id ?? ''")
    secret = new_room()
    async with peer(server, room, "bob") as bob:
        me = me or await id_of(bob, room, "ann")
        await look_away(ann.page)
        direct = (await bob.ask(type="direct", user=me))["room"]
        await bob.ask(type="message", room=direct, content="psst")
        await notified(ann.page, ["bob (guest)", "psst", True])
        await bob.ask(type="create_room", room=secret, private=True, title="Secrets")
        await bob.ask(type="invite", room=secret, user=me)
        await notified(
            ann.page,
            ["bob (guest)", "psst", True],
            [f"Invitation to Secrets ({secret})", "bob (guest) invites you", True],
        )
        # Many are one notification, and with "Nothing" there is none.
        for number in range(3):
            await bob.ask(type="create_room", room=f"{secret}-{number}", private=True)
            await bob.ask(type="invite", room=f"{secret}-{number}", user=me)
            await ann.page.wait_for_function(f"() => window.notices.at(-1).title === '{number + 2} invitations'")
        assert await ann.page.evaluate("new Set(window.notices.slice(1).map(({ tag }) => tag)).size") == 1
        await look_back(ann.page)
        await ann.page.get_by_role("button", name="Decline all").click()
        await ann.page.wait_for_function("() => !window.notices.at(-1).open")


async def id_of(bob: Any, room: str, name: str) -> str:
    answer = await bob.ask(type="members", room=room)
    return next(str(member["id"]) for member in answer["members"] if member["name"] == name)


async def test_what_is_read_elsewhere_is_told_no_longer(new_page: Pages, server: ServerProcess, room: str) -> None:
    """The notification closes when the message is read in another tab, and when it is deleted."""
    await make_room(server, room)
    ann = await with_notices(new_page, server, room, notify="all")
    await look_away(ann.page)
    async with peer(server, room, "bob") as bob:
        [seq] = await bob.say(["a mistake"])
        await notified(ann.page, [f"bob (guest) in {room}", "a mistake", True])
        await bob.change(type="delete", seq=seq)
        await ann.page.wait_for_function("() => !window.notices[0].open")
        await bob.say(["to be read"])
        await ann.page.wait_for_function("() => window.notices.length === 2 && window.notices[1].open")
    beside = await with_notices(new_page, server, room, beside=ann)
    await expect(beside.message("to be read")).to_be_visible()
    await ann.page.wait_for_function("() => !window.notices[1].open")


async def test_blocked_users_are_not_told(new_page: Pages, server: ServerProcess, room: str) -> None:
    """Their mentions do not count either, also after a reload."""
    username = new_username()
    page = await new_page()
    await page.add_init_script(RECORDER.replace("PERMISSION", "granted"))
    await page.add_init_script(settings(desktop=1).replace("1", "true"))
    fields = {"username": username, "password": PASSWORD, "cookie": True}
    headers = {"Origin": server.http_url}
    assert (await page.request.post(f"{server.http_url}/api/register", data=fields, headers=headers)).ok
    async with peer(server, room, "bob") as bob:
        token = next(each["value"] for each in await page.context.cookies() if each["name"].endswith("parley-csrf"))
        blocked = await page.request.put(
            f"{server.http_url}/api/me/blocks/{bob.user_id}", data={}, headers={**headers, "X-CSRF-Token": token}
        )
        assert blocked.ok, await blocked.text()
        async with page.expect_response("**/api/me/blocks"):  # until then the page does not know whom she blocks
            await page.goto(link(server, room, ""))
        ann = ChatPage(page)
        await ann.agree_to_enter(room)
        await ann.connected()
        await expect(entry(page, room)).to_be_visible()
        await look_away(page)
        await bob.say([f"@{username} it is me"])
        await say(server, room, f"@{username} the last one", name="eve")
        await expect(badge(page, room)).to_have_text("1")
        await page.wait_for_function("() => window.notices.length > 0")
        assert [notice[0] for notice in await shown(page)] == [f"eve (guest) in {room}"]


async def test_the_permission_is_asked_by_a_click_alone(new_page: Pages, server: ServerProcess, room: str) -> None:
    """The page asks when the setting is turned on; a refusal is explained where one looks."""
    ann = await with_notices(new_page, server, room, permission="default")
    await ann.say("hello")
    await ann.delivered("hello")
    assert await ann.page.evaluate("window.asked") == 0
    await open_settings(ann.page, "Notifications")
    switch = ann.page.get_by_label("Show desktop notifications")
    await expect(ann.page.get_by_text("Your browser will ask for your permission.")).to_be_visible()
    await ann.page.evaluate("window.answer = 'denied'")
    await switch.click()
    await expect(ann.page.get_by_text("This browser blocks notifications")).to_be_visible()
    await expect(switch).not_to_be_checked()
    assert await ann.page.evaluate("[window.asked, window.asking]") == [1, True]
    await ann.page.evaluate("window.Notification.permission = 'default'; window.answer = 'granted'")
    await switch.click()
    await expect(switch).to_be_checked()
    await ann.page.keyboard.press("Escape")
    await look_away(ann.page)
    await say(server, room, "@ann now")
    await notified(ann.page, [f"bob (guest) in {room}", "@ann now", True])


async def test_the_sound_is_played_once_for_a_burst(new_page: Pages, server: ServerProcess, room: str) -> None:
    """After the user has done something in the page; without notifications of the desktop as well."""
    ann = await with_notices(new_page, server, room, permission="default", sound=True, notify="all")
    await ann.box.click()
    await look_away(ann.page)
    await say(server, room, "ding", "dong")
    await ann.page.wait_for_function("() => window.tones > 0")
    assert await ann.page.evaluate("[window.tones, window.notices.length]") == [2, 0]
    await look_back(ann.page)
    await open_settings(ann.page, "Notifications")
    await ann.page.get_by_role("button", name="Play it now").click()
    await ann.page.wait_for_function("() => window.tones === 4")


@pytest.mark.usefixtures("service_worker")
async def test_where_pages_may_not_show_them_the_service_worker_does(
    new_page: Pages, server: ServerProcess, room: str
) -> None:
    """Chrome on Android: its constructor throws."""
    ann = await with_notices(new_page, server, room, notify="all")
    await ann.page.evaluate(
        """async () => {
          window.Notification = class {
            static permission = "granted";
            constructor() { throw new TypeError("Illegal constructor"); }
          };
          window.removed = [];
          await navigator.serviceWorker.ready;
          navigator.serviceWorker.getRegistration = async () => ({
            showNotification: async (title, { data }) => window.notices.push({ title, data }),
            getNotifications: async ({ tag }) => [{ close: () => window.removed.push(tag) }],
          });
        }"""
    )
    other = new_room()
    await add_room(ann, other)
    [seq] = await say(server, room, "by the worker")
    await ann.page.wait_for_function("() => window.notices.length === 1")
    assert await ann.page.evaluate("window.notices[0].data") == {"room": room, "seq": seq}
    data = {"type": "notice", "room": room, "seq": seq}
    await ann.page.evaluate(
        "data => navigator.serviceWorker.dispatchEvent(new MessageEvent('message', { data }))", data
    )
    await expect(entry(ann.page, room)).to_have_attribute("aria-current", "page")
    await expect(ann.message("by the worker")).to_be_in_viewport()
    await ann.page.wait_for_function("() => window.removed.length === 1")


@pytest.mark.usefixtures("service_worker")
@pytest.mark.slow
async def test_a_click_reaches_the_page_through_the_service_worker(
    new_page: Pages, server: ServerProcess, room: str
) -> None:
    """The worker's own handler, with an event that is dispatched: a browser without a screen shows no notification."""
    ann = await with_notices(new_page, server, room, notify="all")
    await ann.page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    await add_room(ann, new_room())
    [seq] = await say(server, room, "by the worker")
    [worker] = ann.page.context.service_workers
    closed = await worker.evaluate(
        """async (data) => {
          let closed = false, answered;
          const event = new Event("notificationclick");
          event.notification = { data, close() { closed = true; } };
          event.waitUntil = (work) => { answered = work; };
          self.dispatchEvent(event);
          await answered.catch((error) => {
            if (error.name !== "InvalidAccessError") throw error;  // only a real click may give a window the focus
          });
          return closed;
        }""",
        {"room": room, "seq": seq},
    )
    assert closed
    await expect(entry(ann.page, room)).to_have_attribute("aria-current", "page")
    await expect(ann.message("by the worker")).to_be_in_viewport()


async def open_settings(page: Page, section: str) -> None:
    """Open the settings at a section."""
    await page.locator("#me").click()
    await page.get_by_role("menuitem", name="Settings").click()
    await page.get_by_role("navigation", name="Sections").get_by_role("button", name=section).click()
    await expect(page.get_by_role("heading", level=3, name=re.compile(section))).to_be_visible()
