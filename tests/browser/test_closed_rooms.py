"""A room that is closed to the user: typed text goes nowhere else, and a reload does not undo it."""

import time

import pytest
from playwright.async_api import expect

from server.auth.tokens import sign_account
from tests.browser.chat_page import SECRET, SERVER_AWAY, ChatPage, Enter, Wire, link, pass_on, swallow
from tests.browser.peer import Peer, make_room, peer
from tests.support.browser import Pages
from tests.support.marks import slow
from tests.support.server import ServerProcess
from tests.support.web import Web, token_of

PUT_OUT = ["kick", slow("ban"), slow("delete_room")]


def admin() -> str:
    return sign_account(SECRET, userid="1", username="root", role="admin", expires=int(time.time()) + 600)


async def in_two_rooms(enter: Enter, room: str) -> ChatPage:
    """Join `room` as Ann, after another room."""
    ann = await enter("ann", room=f"{room}-secret")
    await ann.go_to(room)
    return ann


async def put_out(server: ServerProcess, person: ChatPage, room: str, how: str) -> None:
    """Remove a user with this command, as an admin."""
    about = {} if how == "delete_room" else {"user": await person.identity()}
    async with peer(server, room, "root", token=admin()) as root:
        await root.change(type=how, **about)


@pytest.mark.parametrize("how", PUT_OUT)
async def test_typed_text_is_not_sent_to_another_room(enter: Enter, server: ServerProcess, room: str, how: str) -> None:
    ann = await in_two_rooms(enter, room)
    await ann.say("hello")
    await ann.delivered("hello")
    await ann.box.press_sequentially("private wor")
    await put_out(server, ann, room, how)
    await expect(ann.closed).to_be_visible()
    for key in ("d", "s", "Space", "Enter", "x", "Enter"):
        await ann.page.keyboard.press(key)
    await expect(ann.page.get_by_role("heading", level=1, name=room, exact=True)).to_be_visible()
    await expect(ann.message("hello")).to_be_visible()
    await expect(ann.closed).to_be_visible()
    assert await ann.outbox() == []
    await ann.closed.get_by_role("button", name="Close").click()
    await expect(ann.page.get_by_role("heading", level=1, name=f"{room}-secret")).to_be_visible()
    await expect(ann.box).to_have_value("")
    await expect(ann.messages).to_have_count(0)


@pytest.mark.slow
async def test_a_draft_returns_with_its_room(enter: Enter, server: ServerProcess, room: str) -> None:
    ann = await in_two_rooms(enter, room)
    await ann.box.press_sequentially("half a sen")
    await put_out(server, ann, room, "kick")
    await ann.closed.get_by_role("button", name="Enter again").click()
    await expect(ann.box).to_have_value("half a sen")
    await ann.box.press_sequentially("tence")
    await ann.box.press("Enter")
    await ann.delivered("half a sentence")


@pytest.mark.slow
@pytest.mark.parametrize("how", PUT_OUT)
async def test_a_reload_does_not_rejoin_a_closed_room(enter: Enter, server: ServerProcess, room: str, how: str) -> None:
    ann = await in_two_rooms(enter, room)
    await put_out(server, ann, room, how)
    await expect(ann.closed).to_be_visible()
    await ann.page.reload()
    await expect(ann.page.get_by_role("heading", level=1)).to_have_text(f"{room}-secret")
    await ann.connected()
    await expect(ann.page.get_by_role("navigation", name="Rooms").get_by_role("link")).to_have_count(1)


@pytest.mark.slow
async def test_a_reload_of_the_only_closed_room_asks_for_a_room(enter: Enter, server: ServerProcess, room: str) -> None:
    ann = await enter("ann")
    await put_out(server, ann, room, "kick")
    await expect(ann.closed).to_be_visible()
    await ann.page.reload()
    await expect(ann.page.get_by_label("Your name")).to_have_value("ann")
    await expect(ann.page.get_by_label("Room", exact=True)).to_have_value("general")


@pytest.mark.slow
async def test_reconnecting_does_not_recreate_a_deleted_room(
    enter: Enter, server: ServerProcess, wire: Wire, room: str
) -> None:
    """Neither by a reconnect nor by a reload; its name stays free for its owner."""
    owner = Web(server.port, token=admin())
    await owner.create(room)
    ann = await enter("ann", room=f"{room}-secret", wire=wire)
    await ann.go_to(room)
    wire.refuse = True
    await wire.cut()
    assert (await owner.delete(f"/api/rooms/{room}")).status == 204
    wire.refuse = False
    await expect(ann.closed).to_contain_text("does not exist")
    await ann.page.reload()
    await expect(ann.page.get_by_role("heading", level=1)).to_have_text(f"{room}-secret")
    await ann.connected()
    await owner.create(room)


@pytest.mark.slow
async def test_visible_messages_in_another_room_are_marked_read(enter: Enter, server: ServerProcess, room: str) -> None:
    """Even if the log of the previous room was not at its end."""
    ann = await enter("ann")
    other = f"{room}-b"
    async with peer(server, room, "bob") as bob:
        await bob.say(f"message {i}" for i in range(60))
    await ann.log.evaluate("log => { log.scrollTop = 0 }")
    await expect(ann.jump).to_be_visible()
    await ann.go_to(other)
    async with peer(server, other, "bob") as bob:
        await bob.say(["one", "two", "three"])
    await expect(ann.message("three")).to_be_visible()
    await expect(ann.page).to_have_title(f"{other} · Parley")


@pytest.mark.slow
async def test_closing_the_tab_warns_of_unsent_messages(
    own_server: ServerProcess, new_page: Pages, enter: Enter
) -> None:
    new_page.expect_error(SERVER_AWAY)
    ann = await enter("ann", server=own_server)
    asked: list[str] = []

    async def note(dialog: object) -> None:
        asked.append(dialog.type)  # type: ignore[attr-defined]
        await dialog.dismiss()  # type: ignore[attr-defined]

    ann.page.on("dialog", note)
    await ann.say("sent")
    await ann.delivered("sent")
    own_server.kill()
    await ann.say("kept")
    await expect(ann.message("kept").get_by_role("img", name="Waiting to be sent")).to_be_visible()
    async with ann.page.expect_event("dialog"):
        await ann.page.close(run_before_unload=True)
    assert asked == ["beforeunload"]
    own_server.start()
    await ann.delivered("kept")
    async with ann.page.expect_event("close"):
        await ann.page.close(run_before_unload=True)
    assert asked == ["beforeunload"]


async def test_a_room_link_leads_into_the_room(new_page: Pages, server: ServerProcess, room: str) -> None:
    """The address is only cleared for a closed room."""
    page = await new_page(link(server, room, "ann"))
    await ChatPage(page).connected()
    assert page.url.endswith(f"?r={room}")


@pytest.mark.slow
async def test_guests_are_told_what_a_room_allows_them(
    enter: Enter, server: ServerProcess, wire: Wire, room: str
) -> None:
    """When it changes, when a message is too late, when they are removed for it, and when they want to come back."""
    token = sign_account(SECRET, userid="mod", username="Mod", role="user", expires=int(time.time()) + 600)
    mod = Web(server.port, token=token)
    await mod.create(room, title="A room")
    ann = await enter("ann", wire=wire)
    await mod.patch(f"/api/rooms/{room}", {"guests": "read"})
    await expect(ann.notices.last).to_have_text("Mod lets guests only read here")
    hindrance = ann.page.locator("#hindrance")
    await expect(hindrance).to_contain_text("Guests may only read here. Sign in to write.")
    await ann.page.reload()
    await expect(hindrance).to_contain_text("Guests may only read here. Sign in to write.")
    await expect(ann.box).to_be_hidden()
    await mod.patch(f"/api/rooms/{room}", {"guests": "talk"})
    await expect(ann.notices.last).to_have_text("Mod lets guests write here")
    wire.refuse = True
    await wire.cut()
    await ann.say("may I?")
    await mod.patch(f"/api/rooms/{room}", {"guests": "read"})
    wire.refuse = False
    await ann.try_now()
    await expect(ann.message("may I?")).to_contain_text("Not sent. Guests may only read here. Sign in to write.")
    await mod.patch(f"/api/rooms/{room}", {"guests": "talk"})
    await ann.message("may I?").get_by_role("button", name="Retry").click()
    await ann.delivered("may I?")
    await mod.patch(f"/api/rooms/{room}", {"guests": "no"})
    await expect(ann.closed).to_contain_text("Mod lets no guests in here. Sign in to enter it.")
    await ann.page.get_by_role("button", name="Enter again").click()
    await expect(ann.closed).to_contain_text("This room admits no guests. Sign in to enter it.")


async def test_what_was_written_for_a_private_room_is_not_sent_to_everybody(
    enter: Enter, server: ServerProcess, room: str, wire: Wire
) -> None:
    """While Ann is away, the room is deleted, and a stranger makes a public one of its name: she decides."""
    den = f"{room}-den"
    ann = await enter("ann", wire=wire)
    async with peer(server, "", "orla") as orla:
        await orla.ask(type="create_room", room=den, private=True)
        await orla.ask(type="invite", room=den, user=await ann.identity())
        await ann.page.get_by_role("button", name="Accept").click()
        await expect(ann.page.get_by_role("heading", level=1, name=den)).to_be_visible()
        await ann.say("for few")
        await ann.delivered("for few")
        wire.refuse = True
        await wire.cut()
        await ann.say("for few, too")
        await expect(ann.message("for few, too").get_by_role("img", name="Waiting to be sent")).to_be_visible()
        await orla.at(den).change(type="delete_room")
    await make_room(server, den)
    wire.refuse = False
    await ann.try_now()
    waiting = ann.message("for few, too")
    await expect(waiting.locator(".reason")).to_contain_text("Written for a private room, which everybody can read now")
    async with peer(server, den, "eve") as eve:
        assert (await eve.ask(type="history", room=den))["messages"] == []
    await waiting.get_by_role("button", name="Retry").click()
    await ann.delivered("for few, too")


async def den_of(orla: Peer, den: str, ann: ChatPage, user: str) -> None:
    """Make a private room, in which Ann has written."""
    await orla.ask(type="create_room", room=den, private=True)
    await orla.ask(type="invite", room=den, user=user)
    await ann.page.get_by_role("button", name="Accept").click()
    await expect(ann.page.get_by_role("heading", level=1, name=den)).to_be_visible()
    await ann.say("for Orla")
    await ann.delivered("for Orla")


@pytest.mark.parametrize("invited", ["while she is away", "when she is back"])
async def test_what_was_written_for_a_private_room_is_not_sent_to_another_one(
    new_page: Pages, server: ServerProcess, room: str, wire: Wire, invited: str
) -> None:
    """While Ann is away, the room is deleted, and a stranger makes a private one of its name and invites her."""
    den, user = f"{room}-den", f"u_{room}"
    await make_room(server, room)  # as its member she can be invited while she is away
    page = await new_page()
    await wire.attach(page)
    await page.goto(f"{server.http_url}/client.html?r={room}#token={token_of(room, secret=SECRET)}")
    ann = ChatPage(page)
    await ann.connected()
    async with peer(server, "", "orla") as orla, peer(server, "", "eve") as eve:
        await den_of(orla, den, ann, user)
        wire.refuse = True
        await wire.cut()
        await ann.say("for Orla, too")
        await orla.at(den).change(type="delete_room")
        await eve.ask(type="create_room", room=den, private=True)
        if invited == "while she is away":
            await eve.ask(type="invite", room=den, user=user)
        wire.refuse = False
        await ann.try_now()
        if invited == "when she is back":
            await expect(ann.closed).to_contain_text("This room does not exist, or you may not enter it.")
            await eve.ask(type="invite", room=den, user=user)
            await page.get_by_role("button", name="Accept").click()
        await expect(page.locator("#room-count")).to_have_text("2")
        waiting = ann.message("for Orla, too")
        await expect(waiting.locator(".reason")).to_contain_text("“Retry” sends it")
        assert (await eve.ask(type="history", room=den))["messages"] == []
        await waiting.get_by_role("button", name="Retry").click()
        await ann.delivered("for Orla, too")


@pytest.mark.parametrize("how", ["delete_room", "kick"])
async def test_an_unsent_message_does_not_lead_back_into_a_room_after_a_reload(
    enter: Enter, server: ServerProcess, room: str, wire: Wire, how: str
) -> None:
    """A deleted one is not made again. The message stays in sight, with the reason, until the user sends it."""
    plans = f"{room}-plans"
    ann = await enter("ann", wire=wire)
    async with peer(server, "", "orla") as orla:
        await orla.ask(type="create_room", room=plans)
        await ann.go_to(plans)
        wire.to_server = swallow("message")
        await ann.say("unsent")
        await orla.at(plans).change(type=how, **({"user": await ann.identity()} if how == "kick" else {}))
        await expect(ann.closed).to_contain_text("by orla")
        await ann.page.reload()
        await ann.connected()
        wire.to_server = pass_on
        entry = ann.page.locator(f'[data-room="{plans}"]')
        await expect(entry.get_by_text("closed")).to_be_visible()
        if how == "kick":
            assert (await orla.ask(type="join", room=plans))["count"] == 1
        await entry.click()
        if how == "delete_room":
            await expect(ann.closed).to_contain_text("This room does not exist")
            await expect(ann.message("unsent")).to_contain_text("The room was deleted by orla")
        else:
            await expect(ann.message("unsent")).to_contain_text("You were removed by orla")
            await ann.message("unsent").get_by_role("button", name="Retry").click()
            await ann.delivered("unsent")


async def test_the_focus_is_not_lost_with_an_emoji_picker_over_a_closed_room(
    enter: Enter, server: ServerProcess, room: str
) -> None:
    """The message box to which it leads back is not there any more."""
    ann = await in_two_rooms(enter, room)
    await ann.page.get_by_role("button", name="Insert an emoji").click()
    await expect(ann.page.get_by_role("dialog", name="Emoji").get_by_label("Search emoji")).to_be_focused()
    await put_out(server, ann, room, "kick")
    await expect(ann.closed).to_be_visible()
    await ann.page.keyboard.press("Escape")
    await expect(ann.closed).to_be_focused()
