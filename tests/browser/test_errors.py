"""Errors are shown where the user looks, in words, with what can be done about them."""

import asyncio
import time
from collections.abc import Callable, Mapping

import pytest
from playwright.async_api import Locator, WebSocketRoute, expect

from server.auth.tokens import sign_account
from tests.browser.chat_page import SECRET, ChatPage, Enter, Frame, Wire, answer, link, pass_on, refusal
from tests.browser.conftest import PLAIN
from tests.browser.peer import peer
from tests.support.browser import Pages
from tests.support.marks import slow
from tests.support.process import free_port
from tests.support.server import ServerProcess
from tests.support.web import Web

Start = Callable[[Mapping[str, str]], ServerProcess]


async def test_an_empty_name_is_refused_by_the_form(server: ServerProcess, new_page: Pages) -> None:
    page = await new_page(f"{server.http_url}/client.html")
    await page.get_by_role("button", name="Enter").click()
    await expect(page.get_by_text("Choose a name that others will see.")).to_be_visible()
    await expect(page.get_by_label("Your name")).to_be_focused()
    await expect(page.get_by_label("Your name")).to_have_attribute("aria-invalid", "true")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("SYSTEM", "reserved"),
        slow("x" * 65, "more than 64 characters"),
        slow("a\u200bb", "contains an invisible character"),
    ],
)
async def test_a_name_refused_by_the_server_returns_to_the_form(
    server: ServerProcess, new_page: Pages, name: str, said: str
) -> None:
    """The form shows the server's message next to the name; another name is accepted."""
    page = await new_page(link(server, "general", name))
    await expect(page.get_by_role("alert").filter(has_text=said)).to_be_visible()
    await expect(page.get_by_label("Your name")).to_be_focused()
    await expect(page.get_by_label("Your name")).to_have_value(name)
    await expect(page.get_by_label("Room", exact=True)).to_have_value("general")
    await page.get_by_label("Your name").fill("ann")
    await page.keyboard.press("Enter")
    await ChatPage(page).connected()


async def test_a_room_refused_by_the_server_returns_to_the_form(server: ServerProcess, new_page: Pages) -> None:
    page = await new_page(link(server, "r" * 65, "ann"))
    await expect(page.get_by_role("alert").filter(has_text="more than 64 characters")).to_be_visible()
    await expect(page.get_by_label("Room", exact=True)).to_be_focused()
    await page.get_by_label("Room", exact=True).fill("general")
    await page.keyboard.press("Enter")
    await ChatPage(page).connected()
    await expect(page.get_by_role("heading", level=1)).to_have_text("general")


@pytest.mark.slow
async def test_a_refused_second_room_shows_the_reason_and_keeps_what_was_typed(
    enter: Enter, start_server: Start, room: str
) -> None:
    """The room in front stays the same. How many rooms one may be in is the server's limit."""
    server = start_server({**PLAIN, "SESSION_ROOMS": "1"})
    ann = await enter("ann", server=server)
    keys = ann.page.keyboard
    await keys.press("Control+k")
    field = ann.page.get_by_role("combobox")
    await field.fill("r" * 65)
    await keys.press("Enter")
    await expect(ann.page.get_by_role("alert").filter(has_text="more than 64 characters")).to_be_visible()
    await expect(field).to_be_focused()
    await expect(field).to_have_value("r" * 65)
    await field.fill(f"{room}-b")
    await keys.press("Enter")
    await expect(ann.page.get_by_role("alert").filter(has_text="too many rooms")).to_be_visible()
    await expect(field).to_have_value(f"{room}-b")
    await keys.press("Escape")
    await expect(ann.box).to_be_focused()
    await expect(ann.page.get_by_role("heading", level=1)).to_have_text(room)


@pytest.mark.slow
async def test_the_length_of_a_message_is_shown_and_limited(enter: Enter, start_server: Start) -> None:
    """It is counted as by the server, and shown near the limit; a text that is too long is reported and kept."""
    server = start_server({"JWT_SECRET": SECRET, "MAX_CONTENT_CHARS": "50"})
    ann = await enter("ann", server=server)
    counter = ann.page.locator("#counter")
    await ann.box.fill("x" * 40)
    await expect(counter).to_be_hidden()
    await ann.box.fill("😀" * 47)  # 94 UTF-16 units, 47 characters
    await expect(counter).to_have_text("3 characters left")
    await ann.box.fill("x" * 52)
    await expect(counter).to_have_text("2 characters too many")
    await expect(ann.page.get_by_role("button", name="Send")).to_be_disabled()
    await ann.box.press("Enter")
    await expect(ann.page.get_by_role("alert").filter(has_text="2 characters too long")).to_be_visible()
    await expect(ann.box).to_have_value("x" * 52)
    await ann.say("😀" * 50)
    await ann.delivered("😀" * 50)


@pytest.mark.slow
async def test_rate_limited_messages_are_retried_automatically(enter: Enter, start_server: Start) -> None:
    """Messages above the rate limit still arrive, once and in order."""
    server = start_server({"JWT_SECRET": SECRET, "RATE_LIMIT_MESSAGES": "5"})
    ann = await enter("ann", server=server)
    said = [f"quick {i}" for i in range(30)]
    await ann.say(*said)
    await expect(ann.log.locator(".msg[data-state=sent]")).to_have_count(30, timeout=30_000)
    assert await ann.texts() == said


async def test_a_refused_message_stays_and_shows_its_reason(enter: Enter, wire: Wire) -> None:
    """It shows that it was not sent, why, and two options. It does not delay the next message."""

    def refuse(frame: Frame, route: WebSocketRoute) -> Frame | None:
        if frame["type"] != "message" or frame["content"] != "bad":
            return frame
        answer(route, refusal(frame["id"], "bad_field", "content contains a control character"))
        return None

    wire.to_server = refuse
    ann = await enter("ann", wire=wire)
    await ann.say("bad", "good")
    await ann.delivered("good")
    bad = ann.message("bad")
    await expect(bad.get_by_text("Not sent. Content contains a control character.")).to_be_visible()
    await expect(bad.get_by_role("img", name="Not sent")).to_be_visible()
    await ann.page.reload()
    await expect(bad.get_by_text("Not sent. Content contains a control character.")).to_be_visible()

    wire.to_server = pass_on
    await bad.get_by_role("button", name="Retry").click()
    await ann.delivered("bad")


async def test_overloaded_is_retried_and_then_shown_as_failed(enter: Enter, wire: Wire) -> None:
    """Retries are automatic, bounded and visible; afterwards the user can retry or discard."""

    def refuse(frame: Frame, route: WebSocketRoute) -> Frame | None:
        if frame["type"] != "message":
            return frame
        tries.put_nowait(None)
        overloaded = "the server is overloaded"
        answer(route, refusal(frame["id"], "overloaded", overloaded, retry_after=0.01))
        return None

    tries: asyncio.Queue[None] = asyncio.Queue()
    wire.to_server = refuse
    ann = await enter("ann", wire=wire)
    await ann.page.clock.install()
    await ann.say("patience")
    await expect(ann.message("patience").get_by_text("The server is overloaded. Trying again")).to_be_visible()
    failed = ann.message("patience").get_by_text("Not sent. The server is overloaded.")
    for _ in range(10):
        await asyncio.wait_for(tries.get(), 10)
        await ann.page.clock.run_for(31_000)
    await expect(failed).to_be_visible()
    assert tries.empty()
    assert len({frame["id"] for frame in wire.sent if frame["type"] == "message"}) == 1
    await ann.message("patience").get_by_role("button", name="Discard").click()
    await expect(ann.messages).to_have_count(0)
    assert await ann.outbox() == []


@pytest.mark.slow
async def test_a_storage_outage_is_shown_and_written_messages_are_kept(
    start_server: Start, new_page: Pages, room: str
) -> None:
    """For a room that cannot be joined yet, the page shows why and that it retries, and the composer works."""
    server = start_server(
        {"JWT_SECRET": SECRET, "DATABASE_URL": f"postgresql://nobody:nothing@127.0.0.1:{free_port()}/none"}
    )
    ann = ChatPage(await new_page(link(server, room, "ann")))
    await expect(ann.page.locator("#banner")).to_contain_text("cannot reach its storage. Trying again…")
    await ann.say("kept")
    await expect(ann.message("kept").get_by_role("img", name="Waiting to be sent")).to_be_visible()
    assert [entry["content"] for entry in await ann.outbox()] == ["kept"]


@pytest.mark.slow
async def test_a_server_without_guests_shows_the_reason(start_server: Start, new_page: Pages, room: str) -> None:
    server = start_server({"JWT_SECRET": SECRET, "GUESTS": "off", "HELLO_SECONDS": "0.2"})
    ann = ChatPage(await new_page(link(server, room, "ann")))
    await expect(ann.page.get_by_role("heading", level=1, name="Sign in")).to_be_visible()
    await expect(ann.page.get_by_text("This server requires an account.")).to_be_visible()


async def test_a_browser_without_storage_is_reported(enter: Enter) -> None:
    """Browser storage full or disabled: posting works, and the page says what a reload would lose."""
    ann = await enter("ann")
    await ann.page.evaluate(
        "() => { Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') } }"
    )
    await ann.say("hello")
    await ann.delivered("hello")
    await expect(ann.page.get_by_role("alert")).to_contain_text(["does not allow the page to store anything"])


async def test_full_storage_loses_no_draft_of_another_tab(enter: Enter, room: str) -> None:
    """A tab that could not store its draft leaves those that other tabs store meanwhile, and stores all once it can."""
    one = await enter("ann")
    two = await enter("ann", room=f"{room}-b", beside=one)
    await one.page.evaluate(
        """() => {
          const { setItem } = Storage.prototype;
          window.tidy = () => { Storage.prototype.setItem = setItem; };
          Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') };
        }"""
    )
    await one.box.press_sequentially("in one")
    await two.box.press_sequentially("in two")
    await expect(one.page.locator(f'[data-room="{room}-b"] [title="draft"]')).to_be_visible()
    await one.box.press_sequentially("!")
    await expect(one.box).to_have_value("in one!")
    await one.page.evaluate("tidy()")
    await one.box.press_sequentially("!")
    for tab, text in ((one, "in one!!"), (two, "in two")):
        await expect(tab.box).to_have_value(text)
        await tab.page.reload()
        await tab.connected()
        await expect(tab.box).to_have_value(text)


@pytest.mark.slow
async def test_a_failed_history_load_can_be_retried(enter: Enter, wire: Wire, server: ServerProcess, room: str) -> None:
    """If loading the page before the oldest message fails, the reason and a button are shown."""

    def refuse(frame: Frame, route: WebSocketRoute) -> Frame | None:
        if frame["type"] != "history" or "before" not in frame:
            return frame
        away = "the server cannot reach its storage"
        answer(route, refusal(frame["id"], "unavailable", away, retry_after=1))
        return None

    async with peer(server, room) as bob:
        await bob.say(f"message {i}" for i in range(150))
    wire.to_server = refuse
    ann = await enter("ann", wire=wire)
    await ann.delivered("message 149")
    await ann.log.evaluate("log => { log.scrollTop = 0 }")
    await expect(ann.log.get_by_text("Earlier messages did not load.")).to_be_visible()
    wire.to_server = pass_on
    await ann.log.get_by_role("button", name="Try again").click()
    await expect(ann.message("message 80")).to_be_attached()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ({"type": "kick", "reason": "too late"}, "You were removed by root: “too late”"),
        slow({"type": "ban"}, "You were banned by root."),
        slow({"type": "delete_room"}, "The room was deleted by root."),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
async def test_a_kicked_user_sees_by_whom_and_why(
    enter: Enter, server: ServerProcess, room: str, command: dict[str, str], said: str
) -> None:
    ann = await enter("ann")
    token = sign_account(SECRET, userid="1", username="root", role="admin", expires=int(time.time()) + 600)
    async with peer(server, room, token=token) as root:
        about = {} if command["type"] == "delete_room" else {"user": await ann.identity()}
        await root.announce("be kind")
        await expect(ann.page.get_by_role("region", name="Announcements")).to_contain_text("be kind")
        await root.change(**command, **about)
        await expect(ann.closed).to_contain_text(said)
        await expect(ann.box).to_be_hidden()


async def invited(enter: Enter, server: ServerProcess, room: str) -> tuple[ChatPage, Web]:
    """Return Ann, invited to a private room of Orla's."""
    expires = int(time.time()) + 600
    ann = await enter("ann")
    orla = Web(server.port, token=sign_account(SECRET, userid="orla", username="orla", role="user", expires=expires))
    await orla.create(f"{room}-den", title="The den", private=True)
    assert (await orla.put(f"/api/rooms/{room}-den/members/{await ann.identity()}")).status == 202
    await expect(invitations(ann)).to_contain_text("The den")
    await expect(invitations(ann)).to_contain_text("orla invites you")
    return ann, orla


def invitations(chat: ChatPage) -> Locator:
    """Find the part of the sidebar that has invitations."""
    return chat.page.get_by_role("region", name="Invitations")


async def test_an_invitation_is_accepted(enter: Enter, server: ServerProcess, room: str) -> None:
    ann, orla = await invited(enter, server, room)
    await ann.page.get_by_role("button", name="Accept").click()
    await expect(ann.page.get_by_role("heading", level=1)).to_have_text("The den")
    await ann.say("here I am")
    await ann.delivered("here I am")
    members = (await orla.json(f"/api/rooms/{room}-den/members"))["members"]
    assert await ann.identity() in [member["id"] for member in members]
    await expect(invitations(ann)).to_have_count(0)


@pytest.mark.slow
async def test_an_invitation_is_declined(enter: Enter, server: ServerProcess, room: str) -> None:
    ann, orla = await invited(enter, server, room)
    await ann.page.get_by_role("button", name="Decline").click()
    await expect(invitations(ann)).to_have_count(0)
    await expect(ann.page.get_by_role("heading", level=1)).to_have_text(room)
    async with asyncio.timeout(10):
        while (await orla.json(f"/api/rooms/{room}-den/members?invited=true"))["members"]:
            pass


@pytest.mark.slow
async def test_a_withdrawn_invitation_disappears(enter: Enter, server: ServerProcess, room: str) -> None:
    ann, orla = await invited(enter, server, room)
    assert (await orla.delete(f"/api/rooms/{room}-den/members/{await ann.identity()}")).status == 204
    await expect(invitations(ann)).to_have_count(0)


@pytest.mark.slow
async def test_messages_shown_when_a_room_closes_are_marked_read(
    enter: Enter, server: ServerProcess, room: str
) -> None:
    """The user is removed from the visible room: the room shown next has no unread messages."""
    ann = await enter("ann")
    other = f"{room}-b"
    await ann.go_to(other)
    await expect(ann.page.get_by_role("heading", level=1, name=other)).to_be_visible()
    async with peer(server, room, "bob") as bob:
        await bob.say(["one"])
    await expect(ann.page).to_have_title(f"(1) {other} · Parley")
    token = sign_account(SECRET, userid="1", username="root", role="admin", expires=int(time.time()) + 600)
    async with peer(server, other, token=token) as root:
        await root.change(type="kick", user=await ann.identity())
    await ann.closed.get_by_role("button", name="Close").click()
    await expect(ann.page.get_by_role("heading", level=1, name=room, exact=True)).to_be_visible()
    assert await ann.texts() == ["one"]
    await expect(ann.page).to_have_title(f"{room} · Parley")
