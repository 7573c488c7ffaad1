"""Who one is: the same person in every tab and later, until signing out; users of an application."""

import asyncio
import re
import time
from collections.abc import Callable, Mapping

import pytest
from playwright.async_api import Page, WebSocketRoute, expect

from server.auth.tokens import sign_account
from tests.browser.account_page import PASSWORD, join_room, new_username
from tests.browser.chat_page import (
    OWN,
    SECRET,
    SERVER_AWAY,
    ChatPage,
    Enter,
    Frame,
    Wire,
    answer,
    link,
    new_room,
    pass_on,
    refusal,
    swallow,
)
from tests.browser.conftest import PLAIN
from tests.support.accounts import visitor
from tests.support.browser import Pages
from tests.support.marks import slow
from tests.support.server import ServerProcess
from tests.support.web import Web

Start = Callable[[Mapping[str, str]], ServerProcess]
WITHOUT_LOCKS = "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })"
LOCKS = pytest.mark.parametrize("locks", [True, slow(False)], ids=["web locks", "plain http, no web locks"])


async def another_tab(new_page: Pages, beside: Page, address: str = "") -> ChatPage:
    """Open an address in another tab of the same browser, by default the same one."""
    tab = ChatPage(await new_page(address or beside.url, same_context_as=beside))
    await tab.connected()
    return tab


async def test_a_guest_is_the_same_in_every_tab_and_later(enter: Enter, new_page: Pages) -> None:
    """Also after the last tab was closed: what the guest wrote is still its own, and can be changed."""
    ann = await enter("ann")
    await ann.say("mine")
    await ann.delivered("mine")
    who = await ann.identity()
    tab = await another_tab(new_page, ann.page)
    assert await tab.identity() == who
    await expect(tab.message("mine")).to_have_class(OWN)
    address = ann.page.url
    await new_page("about:blank", same_context_as=ann.page)  # or the browser's context would end
    await ann.page.close()
    await tab.page.close()
    later = await another_tab(new_page, tab.page, address)
    assert await later.identity() == who
    await expect(later.message("mine")).to_have_class(OWN)
    await later.page.keyboard.press("ArrowUp")
    await expect(later.box).to_have_value("mine")


@pytest.mark.slow
@LOCKS
async def test_tabs_that_are_opened_at_once_become_one_guest(
    new_page: Pages, server: ServerProcess, room: str, locks: bool
) -> None:
    """Whichever the server has created last: the others become it, too."""
    first = await new_page("about:blank")
    if not locks:
        await first.context.add_init_script(WITHOUT_LOCKS)
    pages = [first, *[await new_page("about:blank", same_context_as=first) for _ in range(2)]]
    await asyncio.gather(*[page.goto(link(server, room, "ann")) for page in pages])
    tabs = [ChatPage(page) for page in pages]
    for i, tab in enumerate(tabs):
        await tab.connected()
        await tab.say(f"by tab {i}")
    for tab in tabs:
        for i in range(3):
            await expect(tab.message(f"by tab {i}")).to_have_count(1)
    await expect(tabs[0].people).to_have_count(1)
    assert len({await tab.identity() for tab in tabs}) == 1


async def test_signing_out_forgets_the_guest_in_all_tabs(enter: Enter, new_page: Pages, room: str) -> None:
    """After saying what is lost. Nothing of it stays in the browser."""
    ann = await enter("ann")
    tab = await another_tab(new_page, ann.page)
    await ann.box.fill("half a secret")
    await ann.page.locator("#me").click()
    await ann.page.get_by_role("menuitem", name="Sign out").click()
    dialog = ann.page.get_by_role("dialog", name="Sign out as ann?")
    await expect(dialog).to_contain_text("Your rooms, roles and direct messages will be lost")
    await dialog.get_by_role("button", name="Sign out").click()
    for page in (ann.page, tab.page):
        await expect(page.get_by_label("Your name")).to_have_value("")
        assert room not in page.url
    stored = await ann.page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }])")
    assert "secret" not in stored
    assert room not in stored
    assert "ann" not in stored.replace("channel", "")


@pytest.mark.slow
async def test_a_link_with_an_unknown_name_asks_first(
    enter: Enter, new_page: Pages, server: ServerProcess, room: str
) -> None:
    """One key agrees. A link that nobody agreed to changes nobody in later tabs, also one with another known name."""
    ann = await enter("ann")
    who = await ann.identity()
    tab = ChatPage(await new_page(link(server, f"{room}-b", "thief"), same_context_as=ann.page))
    name = tab.page.get_by_label("Your name")
    await expect(name).to_have_value("thief")
    await expect(name).to_have_accessible_description(re.compile("The link proposes this name"))
    await expect(tab.page.get_by_label("Room", exact=True)).to_have_value(f"{room}-b")
    await expect(tab.page.get_by_role("group", name="Guests of this browser").get_by_role("button")).to_have_count(1)
    plain = await another_tab(new_page, ann.page)
    assert await plain.identity() == who
    assert not await ann.knows("thief")
    await tab.page.reload()
    await tab.page.get_by_role("group", name="Guests of this browser").get_by_role("button").click()
    await expect(name).to_have_value("ann")
    await name.press("Enter")
    await tab.connected()
    assert await tab.identity() == who

    bob = await enter("bob", beside=ann)
    assert await bob.identity() != who
    await ann.say("I am ann")
    await ann.delivered("I am ann")
    again = await new_page(link(server, room, "bob"), same_context_as=ann.page)
    await expect(again.get_by_label("Your name")).to_have_value("bob")
    later = await another_tab(new_page, ann.page)
    assert await later.identity() == who


@pytest.mark.parametrize("who", ["guest", "account"])
async def test_a_link_to_a_new_room_asks_first(
    enter: Enter, new_page: Pages, server: ServerProcess, room: str, who: str
) -> None:
    """It says what the room is. Until the person agrees nobody there knows of them; rooms of one's own open at once."""
    trap = new_room()
    owner = Web(server.port, "mod", secret=SECRET)
    await owner.create(trap, title="The trap", topic="Cheese")
    account = who == "account"
    ann = await (join_room(new_page, server, room, new_username()) if account else enter("ann"))
    tab = ChatPage(await new_page(f"{server.http_url}/client.html?r={trap}", same_context_as=ann.page))
    await expect(tab.page.get_by_label("Room", exact=True)).to_have_value(trap)
    await expect(tab.page.locator("#room-hint")).to_contain_text("The trap Cheese 1 member")
    members = await owner.json(f"/api/rooms/{trap}/members")
    assert [each["name"] for each in members["members"]] == ["mod"]
    await tab.page.get_by_role("button", name="Not now").click()
    await expect(tab.page.get_by_role("heading", level=1)).to_have_text(room)
    await tab.page.goto(f"{server.http_url}/client.html?r={trap}")
    await tab.agree_to_enter(trap)
    await expect(tab.page.get_by_role("heading", level=1)).to_have_text("The trap")
    await tab.page.reload()
    await expect(tab.page.get_by_role("heading", level=1)).to_have_text("The trap")
    await ann.page.goto(f"{server.http_url}/client.html?r={trap}")
    await expect(ann.page.get_by_role("heading", level=1)).to_have_text("The trap")


@pytest.mark.slow
async def test_no_guest_is_forgotten_for_another_one(enter: Enter, wire: Wire) -> None:
    """However many there are: it may be open, and have what it has not sent."""
    wire.to_server = swallow("message")
    ann = await enter("ann", wire=wire)
    who = await ann.identity()
    await ann.say("not sent")
    await expect(ann.message("not sent")).to_be_visible()
    await ann.box.fill("half a thou")
    await ann.page.evaluate(
        """() => {
          const ann = JSON.parse(localStorage['parley.guest:ann']);
          for (let i = 0; i < 30; i += 1) {
            const [name, at] = [`n${i}`, ann.at + i + 1];
            localStorage[`parley.guest:${name}`] = JSON.stringify({ ...ann, user: { id: `g_${i}`, name }, name, at });
          }
        }"""
    )
    await enter("bob", beside=ann, room="elsewhere")
    await expect(ann.box).to_have_value("half a thou")
    assert await ann.identity() == who
    assert [entry["content"] for entry in await ann.outbox()] == ["not sent"]
    assert "half a thou" in await ann.page.evaluate("localStorage['parley.drafts:guest:ann']")


@pytest.mark.slow
async def test_a_guest_changes_its_name_and_stays_who_it_is(
    enter: Enter, new_page: Pages, server: ServerProcess
) -> None:
    """In all of its tabs, with its drafts; a name that is refused changes nothing."""
    bob = await enter("bob")
    taken = new_username()
    reply = await visitor(server.port).post("/api/register", {"username": taken, "password": PASSWORD})
    assert reply.status == 201, reply
    ann = await enter("ann")
    await enter("zoe", beside=ann)
    tab = ChatPage(await new_page(ann.page.url + "&u=ann", same_context_as=ann.page))
    await tab.agree_to_be("ann")  # the browser used zoe last
    await tab.connected()
    who = await ann.identity()
    await ann.box.fill("half a thou")
    await ann.choose("You and your account", "Change name")
    field = ann.page.get_by_role("dialog").get_by_label("Your name")
    refused = (
        ("SYSTEM", "reserved"),
        (taken, "This name belongs to an account; choose another one."),
        ("zoe", "Another guest of this browser has this name."),
    )
    for name, wrong in refused:
        await field.fill(name)
        await field.press("Enter")
        await expect(ann.page.get_by_role("dialog").get_by_role("alert").filter(has_text=wrong)).to_be_visible()
        await expect(field).to_be_focused()
    await field.fill("Annie")
    await field.press("Enter")
    await expect(ann.page.get_by_role("dialog")).to_have_count(0)
    for page in (ann, tab):
        await expect(page.page.locator("#me")).to_contain_text("Annie")
        await page.connected()
        assert await page.identity() == who
    await expect(ann.box).to_have_value("half a thou")
    await ann.say("it is me")
    await expect(bob.message("it is me").locator(".name")).to_have_text("Annie")
    await ann.page.reload()
    await ann.connected()
    assert await ann.identity() == who


@pytest.mark.slow
@LOCKS
async def test_what_a_closed_tab_had_not_sent_is_sent_by_the_next_one(
    enter: Enter, new_page: Pages, wire: Wire, locks: bool
) -> None:
    """Once, by one of the tabs that are opened; a tab that is still open keeps its own messages."""
    wire.to_server = swallow("message")
    ann = await enter("ann", wire=wire)
    if not locks:
        await ann.page.context.add_init_script(WITHOUT_LOCKS)
        await ann.page.reload()
    await ann.say("from the closed tab")
    await expect(ann.messages).to_have_count(1)
    still = ChatPage(await new_page(same_context_as=ann.page))
    await wire.attach(still.page)
    await still.page.goto(ann.page.url)
    await still.connected()
    await still.say("from the open tab")
    await expect(still.message("from the open tab")).to_be_visible()
    assert [entry["content"] for entry in await still.outbox()] == ["from the open tab"]
    address = ann.page.url
    await ann.page.close()
    blank = [await new_page("about:blank", same_context_as=still.page) for _ in range(2)]
    await asyncio.gather(*[page.goto(address) for page in blank])
    for page in blank:
        await ChatPage(page).delivered("from the closed tab")
        await expect(ChatPage(page).message("from the open tab")).to_have_count(0)
    wire.to_server = pass_on
    await still.page.reload()
    await still.delivered("from the open tab")
    assert sorted(await still.texts()) == ["from the closed tab", "from the open tab"]


BEGAN = int(time.time())


def token(seconds: int = 600) -> str:
    return sign_account(SECRET, userid="7", username="Zoë", role="user", expires=BEGAN + 1800 + seconds)


@pytest.mark.parametrize("guests", ["on", slow("off")])
async def test_the_applications_token_signs_in(start_server: Start, new_page: Pages, room: str, guests: str) -> None:
    """It leaves the address at once; reloads and other tabs go on with it; signing out forgets it."""
    server = start_server({**PLAIN, "GUESTS": guests})
    page = await new_page()
    async with page.expect_request("**/api/me/blocks") as asked:
        await page.goto(f"{server.http_url}/client.html?r={room}#token={token()}")
    assert (await (await asked.value).all_headers())["authorization"].startswith("Bearer eyJ")
    zoe = ChatPage(page)
    assert "token" not in page.url
    await zoe.connected()
    await expect(page.locator("#me")).to_contain_text("Zoë")
    await zoe.say("signed in")
    await zoe.delivered("signed in")
    await page.reload()
    await zoe.connected()
    tab = await another_tab(new_page, page, f"{server.http_url}/client.html?r={room}")
    await expect(tab.message("signed in")).to_have_class(OWN)
    await expect(tab.message("signed in").locator(".mark")).to_have_text("you")
    await tab.page.locator("#me").click()
    await expect(tab.page.get_by_role("menuitem", name="Sign in")).to_have_count(0)
    await tab.page.get_by_role("menuitem", name="Sign out").click()
    await tab.page.get_by_role("dialog").get_by_role("button", name="Sign out").click()
    await expect(tab.page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    stored = await tab.page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }])")
    assert "eyJ" not in stored


@pytest.mark.slow
async def test_an_account_counts_beside_an_applications_token(
    new_page: Pages, server: ServerProcess, room: str
) -> None:
    """Its cookies would act for it nevertheless. The page says so, and the token is gone from the address."""
    username = new_username()
    ann = await join_room(new_page, server, room, username)
    tab = ChatPage(await new_page(same_context_as=ann.page))
    headers: list[dict[str, str]] = []
    tab.page.on("request", lambda request: headers.append(request.headers) if "/api/" in request.url else None)
    await tab.page.goto(f"{server.http_url}/client.html?r={room}#token={token()}")
    await tab.connected()
    await expect(tab.page.get_by_text(f"You are signed in as {username}. Sign out first")).to_be_visible()
    await expect(tab.page.locator("#me")).to_contain_text(username)
    assert "token" not in tab.page.url
    await tab.say("as the account")
    await expect(ann.message("as the account")).to_have_class(OWN)
    assert headers
    assert not any("authorization" in each for each in headers)


@pytest.mark.slow
async def test_a_new_token_renews_every_tab(new_page: Pages, server: ServerProcess, room: str) -> None:
    """The one that is opened with it, and those that are open: they do not begin again."""
    page = await new_page(f"{server.http_url}/client.html?r={room}#token={token()}")
    zoe, wire = ChatPage(page), Wire()
    await zoe.connected()
    other = ChatPage(await new_page(same_context_as=page))
    await wire.attach(other.page)
    await other.page.goto(f"{server.http_url}/client.html?r={room}")
    await other.connected()
    await other.box.fill("half a thou")
    await page.evaluate("hash => { location.hash = hash; }", f"#token={token(900)}")
    await zoe.connected()
    for tab in (zoe, other):
        await expect(tab.box).to_have_value("half a thou")
    await zoe.say("go on")
    await zoe.delivered("go on")
    await expect(other.message("go on")).to_be_visible()
    assert [frame["token"] for frame in wire.sent if frame["type"] == "hello"][1:] == [token(900)]
    assert wire.connections == 1


@pytest.mark.slow
async def test_an_expired_token_is_renewed_by_the_application(
    start_server: Start, new_page: Pages, wire: Wire, room: str
) -> None:
    """The page says what to do, and the next link continues with what was typed and not sent."""
    new_page.expect_error(SERVER_AWAY)
    server = start_server({**PLAIN, "GUESTS": "off"})
    await Web(server.port, token=token()).create(room)
    page = await new_page()
    await wire.attach(page)
    wire.to_server = swallow("message")
    await page.goto(f"{server.http_url}/client.html?r={room}#token={token()}")
    zoe = ChatPage(page)
    await zoe.connected()
    await zoe.say("not sent")
    await zoe.box.fill("half a thou")

    def expired(frame: Frame, route: WebSocketRoute) -> None:
        if frame["type"] == "hello":
            answer(route, refusal(frame["id"], "unauthorized", "the token has expired"))

    wire.to_server = expired
    await wire.cut(4104, "token_expired")
    said = page.get_by_role("alert").filter(has_text="Open the chat from the application again.")
    await expect(said).to_be_visible()
    wire.to_server = pass_on
    await page.evaluate("hash => { location.hash = hash; }", f"#token={token()}")
    await zoe.connected()
    await zoe.delivered("not sent")
    await expect(zoe.box).to_have_value("half a thou")
    assert "token" not in page.url


@pytest.mark.slow
async def test_the_page_works_where_storage_is_forbidden(new_page: Pages, server: ServerProcess, room: str) -> None:
    """It says what that means."""
    page = await new_page("about:blank")
    await page.add_init_script(
        "for (const area of ['localStorage', 'sessionStorage']) {"
        "  Object.defineProperty(window, area, { get() { throw new DOMException('no', 'SecurityError'); } });"
        "}" + WITHOUT_LOCKS
    )
    await page.goto(link(server, room, "ann"))
    ann = ChatPage(page)
    await ann.connected()
    await expect(page.get_by_role("alert", name="Problems")).to_contain_text(
        "does not allow the page to store anything"
    )
    await ann.say("nevertheless")
    await ann.delivered("nevertheless")


@pytest.mark.slow
async def test_the_page_works_where_storage_is_full(enter: Enter) -> None:
    ann = await enter("ann")
    await ann.page.evaluate(
        """() => {
          for (let size = 2 ** 20; size >= 1; size /= 2) {
            try { for (let i = 0; i < 20; i++) localStorage.setItem(`x${size}-${i}`, 'x'.repeat(size)); } catch {}
          }
        }"""
    )
    await ann.say("nevertheless")
    await ann.delivered("nevertheless")
    problems = ann.page.get_by_role("alert", name="Problems")
    await expect(problems).to_contain_text("does not allow the page to store anything")


async def test_a_shared_address_names_nobody(enter: Enter, room: str) -> None:
    ann = await enter("ann")
    assert ann.page.url.endswith(f"/client.html?r={room}")
    await ann.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await ann.choose("More about this room", "Copy link")
    copied = await ann.page.evaluate("navigator.clipboard.readText()")
    assert copied == ann.page.url


# What is kept, and what somebody has made of it: by the key, of all tabs or of one.
UNREADABLE = {
    "no user": ("localStorage", "guest:ann", '{"token": "x", "name": "ann", "at": 1}'),
    "former": ("localStorage", "guest:ann", '{"token": "x", "name": "ann", "at": 1, "user": null, "former": 5}'),
    "no name of the user": ("localStorage", "guest:ann", '{"token": "x", "name": "ann", "at": 1, "user": {"id": 5}}'),
    "entered": ("localStorage", "entered:guest:ann", "[null]"),
    "recent": ("localStorage", "recent:guest:ann", "[null, {}]"),
    "hidden": ("localStorage", "hidden:guest:ann", "{}"),
    "blocked": ("localStorage", "blocked:guest:ann", "5"),
    "marked": ("localStorage", "marked:guest:ann", "[null, 5]"),
    "drafts": ("localStorage", "drafts:guest:ann", "[[5]]"),
    "applied": ("localStorage", "applied", "5"),
    "settings": ("localStorage", "settings", '{"emoji": [null], "keywords": [5], "levels": {"x": null}}'),
    "outbox": ("localStorage", "outbox:t-x", '{"person": "guest:ann"}'),
    "quote": (
        "localStorage",
        "outbox:t-x",
        '{"person": "guest:ann", "entries": [{"id": "x", "room": "ROOM", "content": "kept", "at": 1,'
        ' "author": {"id": "g_x", "name": "ann"}, "state": "failed", "reason": "x",'
        ' "replyTo": {"seq": 1, "content": {}}}]}',
    ),
    "writing": ("sessionStorage", "writing", '{"person": "guest:ann"}'),
    "edits": ("sessionStorage", "writing", '{"person": "guest:ann", "replyTo": [], "apart": [], "edits": [null]}'),
    "staying": ("sessionStorage", "rooms", '{"person": "guest:ann", "names": ["ROOM"]}'),
    "names": ("sessionStorage", "rooms", '{"person": "guest:ann", "names": [null], "staying": [], "front": ""}'),
    "token": ("sessionStorage", "token", "5"),
    "name": ("sessionStorage", "name", '{"x": 1}'),
}


@pytest.mark.parametrize("kept", [pytest.param(name, id=name, marks=pytest.mark.slow) for name in UNREADABLE])
async def test_what_cannot_be_read_counts_as_absent(enter: Enter, room: str, kept: str) -> None:
    """The page opens, whatever an extension or another version has left in the browser."""
    ann = await enter("ann")
    area, key, value = UNREADABLE[kept]
    await ann.page.add_init_script(f"{area}.setItem('parley.{key}', `{value.replace('ROOM', room)}`)")
    await ann.page.goto(ann.page.url.partition("?")[0] + f"?r={room}&u=ann")
    await ann.connected()
    await ann.say("hello")
    await ann.delivered("hello")
    if kept == "quote":
        await expect(ann.message("kept")).to_be_visible()
