"""The last messages of a person's rooms can be read without a server, and are gone when they must not be."""

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial

import pytest
from playwright.async_api import Page, WebSocketRoute, expect

from tests.browser.chat_page import Enter, Frame, Wire, answer, link, new_room, pass_on
from tests.browser.peer import peer
from tests.browser.people_page import Visit, made, new_name, owner, visit, web
from tests.browser.test_offline import GONE, kept
from tests.support.browser import Pages
from tests.support.server import ServerProcess

__all__ = ["made", "owner", "visit"]  # fixtures

pytestmark = pytest.mark.slow


ALL = """async () => {
  const database = await new Promise((resolve) => {
    const opening = indexedDB.open(`parley kept ${new URL(".", document.baseURI).pathname}`);
    opening.onupgradeneeded = () => opening.transaction.abort();  // the page has not made it yet, and is to make it
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => resolve(null);
  });
  if (!database) return {};
  const found = await new Promise((resolve) => {
    const asked = database.transaction("rooms").objectStore("rooms").getAll();
    asked.onsuccess = () => resolve(asked.result);
  });
  database.close();
  return Object.fromEntries(found.map(({ name, messages }) => [name, messages.map(({ content }) => content)]));
}"""


async def rooms_kept(page: Page, wanted: dict[str, list[str]]) -> None:
    """Wait until the browser has kept exactly these texts, by room."""
    await until_kept(page, lambda found: found == wanted)


async def until_kept(page: Page, right: Callable[[dict[str, list[str]]], bool]) -> None:
    found: dict[str, list[str]] = {}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(15):
            while not right(found := await page.evaluate(ALL)):
                await page.evaluate("new Promise((resolve) => setTimeout(resolve, 100))")
            return
    raise AssertionError(found)


def has(room: str, texts: list[str], found: dict[str, list[str]]) -> bool:
    return found.get(room) == texts


def connect(route: WebSocketRoute) -> None:
    route.connect_to_server()


@pytest.mark.usefixtures("service_worker")
async def test_messages_are_shown_without_a_server_and_go_on_with_it(
    own_server: ServerProcess, enter: Enter, new_page: Pages, room: str
) -> None:
    """They can be read and answered; when the server answers, it only adds what is new."""
    new_page.expect_error(GONE)
    ann = await enter("ann", server=own_server)
    await ann.say("one", "two")
    await ann.delivered("two")
    await kept(ann.page)
    await rooms_kept(ann.page, {room: ["one", "two"]})
    await asyncio.to_thread(own_server.kill)
    await ann.page.reload()
    await expect(ann.message("two")).to_be_visible()
    await expect(ann.page.locator("#banner")).to_contain_text("This browser has kept the last messages.")
    await expect(ann.page.get_by_text("Entering…")).to_have_count(0)
    assert await ann.texts() == ["one", "two"]
    await ann.say("three")
    await expect(ann.message("three").get_by_role("img", name="Waiting to be sent")).to_be_visible()
    await ann.message("two").evaluate("message => { message.dataset.same = 'yes' }")
    await asyncio.to_thread(own_server.start)
    await ann.page.evaluate("dispatchEvent(new Event('online'))")
    await ann.connected()
    await ann.delivered("three")
    await expect(ann.page.locator("#banner")).to_be_hidden()


@pytest.mark.usefixtures("service_worker")
async def test_they_are_seen_until_the_server_has_answered(
    server: ServerProcess, enter: Enter, wire: Wire, room: str
) -> None:
    """Then the log opens at what is unread, as it would without them; nothing counts as read before."""
    ann = await enter("ann", wire=wire)
    await ann.say("one", "two")
    await ann.delivered("two")
    await kept(ann.page)
    await rooms_kept(ann.page, {room: ["one", "two"]})
    await ann.page.goto("about:blank")
    async with peer(server, room, "bob") as bob:
        await bob.say(["three"])
    pages: list[tuple[WebSocketRoute, Frame]] = []

    def hold(frame: Frame, route: WebSocketRoute) -> Frame | None:
        if frame["type"] != "history":
            return frame
        pages.append((route, frame))
        return None

    wire.to_page = hold
    wire.sent.clear()
    await ann.page.goto(link(server, room, "ann"))
    await expect(ann.message("two")).to_be_visible()
    await ann.connected()
    await expect(ann.page.locator("#banner")).to_be_hidden()
    await expect(ann.jump).to_be_hidden()
    while not pages:
        await ann.page.evaluate("new Promise(requestAnimationFrame)")
    assert await ann.texts() == ["one", "two"]
    assert not [frame for frame in wire.sent if frame["type"] == "read"]
    wire.to_page = pass_on
    for route, frame in pages:
        answer(route, frame)
    await expect(ann.message("three")).to_be_visible()
    await expect(ann.log.locator(".unread-line + .msg .text")).to_have_text("three")
    assert await ann.texts() == ["one", "two", "three"]


@pytest.mark.usefixtures("service_worker")
async def test_what_changed_meanwhile_is_added_without_a_jump(
    server: ServerProcess, enter: Enter, new_page: Pages, room: str
) -> None:
    """The server is the same: the log is continued, with edits and deletions."""
    new_page.expect_error(GONE)
    ann = await enter("ann")
    await ann.say(*(f"line {i}" for i in range(40)))
    await ann.delivered("line 39")
    await kept(ann.page)
    await rooms_kept(ann.page, {room: [f"line {i}" for i in range(40)]})
    await ann.page.context.route("**/chat?*", lambda route: route.abort())
    await ann.page.route_web_socket("**/chat?*", lambda route: route.close(code=4008))
    await ann.page.reload()
    await expect(ann.message("line 39")).to_be_visible()
    place = """message => {
      const top = message.getBoundingClientRect().top - document.querySelector("#log").getBoundingClientRect().top;
      return [Math.round(top), message.dataset.same];
    }"""
    await ann.message("line 20").evaluate("message => { message.dataset.same = 'yes' }")
    await ann.log.evaluate("log => { log.scrollTop -= 300 }")
    await expect(ann.jump).to_be_visible()
    before = await ann.message("line 20").evaluate(place)
    async with peer(server, room, "bob") as bob:
        await bob.say(["new"])
    await ann.page.unroute_all()
    await ann.page.route_web_socket("**/chat?*", connect)
    await ann.try_now()
    await ann.connected()
    await expect(ann.message("new")).to_be_attached()
    assert await ann.message("line 20").evaluate(place) == before


async def test_deleted_messages_are_not_kept(enter: Enter, server: ServerProcess, room: str) -> None:
    ann = await enter("ann")
    async with peer(server, room, "bob") as bob:
        seqs = await bob.say(["stays", "goes"])
        await rooms_kept(ann.page, {room: ["stays", "goes"]})
        await bob.change(type="delete", seq=seqs[1])
        await rooms_kept(ann.page, {room: ["stays", ""]})


@pytest.mark.parametrize("how", ["kick", "ban", "delete_room"])
async def test_nothing_is_kept_of_a_room_that_is_closed_to_me(
    enter: Enter, server: ServerProcess, room: str, how: str
) -> None:
    ann = await enter("ann")
    async with peer(server, room, "bob") as bob:
        await bob.ask(type="create_room", room=(private := new_room()))
        await bob.at(private).say(["secret"])
        await ann.go_to(private)
        await expect(ann.message("secret")).to_be_visible()
        await rooms_kept(
            ann.page, {private: ["secret"], room: []} if private < room else {room: [], private: ["secret"]}
        )
        about = {} if how == "delete_room" else {"user": await ann.identity()}
        await bob.ask(type=how, room=private, **about)
    await expect(ann.closed).to_be_visible()
    await rooms_kept(ann.page, {room: []})


async def test_signing_out_removes_them(enter: Enter, room: str) -> None:
    ann = await enter("ann")
    await ann.say("mine")
    await rooms_kept(ann.page, {room: ["mine"]})
    await ann.leave_for_good()
    await expect(ann.page.get_by_label("Your name")).to_be_visible()
    await rooms_kept(ann.page, {})


async def test_ten_rooms_and_fifty_messages_are_kept(enter: Enter, server: ServerProcess) -> None:
    ann = await enter("ann", room=(first := new_room()))
    await ann.say(*(f"line {i}" for i in range(60)))
    await ann.delivered("line 59")
    await rooms_kept(ann.page, {first: [f"line {i}" for i in range(10, 60)]})
    others = [new_room() for _ in range(10)]
    for each in others:
        await ann.go_to(each)
        await ann.say("hello")
        await ann.delivered("hello")
        await until_kept(ann.page, partial(has, each, ["hello"]))
    await rooms_kept(ann.page, {each: ["hello"] for each in sorted(others)})


async def test_blocked_users_stay_hidden_without_a_server(
    new_page: Pages, visit: Visit, server: ServerProcess, room: str, wire: Wire
) -> None:
    """Who is here is not known then, and the page says so instead of showing who was."""
    new_page.expect_error(GONE)
    cat = web(server, new_name())
    await cat.create(room)
    bob, ann = await visit("Bob", room=room), await visit(account=cat, room=room)
    await bob.say("noise")
    await expect(ann.message("noise")).to_be_visible()
    await ann.card("Bob")
    await ann.press("Block")
    await ann.confirm("Block")
    await ann.say("calm")
    await rooms_kept(ann.page, {room: ["noise", "calm"]})
    wire.refuse = True
    await wire.attach(ann.page)
    await ann.page.route("**/api/**", lambda route: route.abort())
    await ann.page.reload()
    await expect(ann.message("calm")).to_be_visible()
    await expect(ann.log.get_by_text("A message from a person you block")).to_be_visible()
    await expect(ann.message("noise")).to_have_count(0)
    await ann.open_people()
    await expect(ann.panel).to_contain_text("Who is here is not known without a connection.")
    await expect(ann.page.locator("#room-count")).to_be_empty()
    await expect(ann.panel.locator(".online-dot")).to_have_count(0)
