"""The connection breaks: nothing is lost, nothing is shown twice, and the page shows its state."""

import asyncio
import re
from collections.abc import Callable, Mapping

import pytest
from playwright.async_api import WebSocketRoute, expect

from tests.browser.chat_page import (
    SECRET,
    SERVER_AWAY,
    ChatPage,
    Enter,
    Frame,
    Wire,
    answer,
    link,
    pass_on,
    refusal,
    swallow,
)
from tests.browser.peer import peer
from tests.browser.scrolling import AT_BEGINNING, scroll
from tests.support.browser import Pages
from tests.support.postgres import PostgresCluster
from tests.support.process import poll_until
from tests.support.server import ServerProcess

Start = Callable[[Mapping[str, str]], ServerProcess]


async def test_the_outbox_waits_for_the_server(enter: Enter, own_server: ServerProcess, new_page: Pages) -> None:
    """Messages written while the server is down are shown as pending, then sent once, in order, and acked."""
    new_page.expect_error(SERVER_AWAY)
    ann = await enter("ann", server=own_server)
    bob = await enter("bob", server=own_server)
    await asyncio.to_thread(own_server.kill)
    await expect(ann.status).to_have_text("Reconnecting")
    await expect(ann.page.get_by_text("The connection was lost.")).to_be_visible()

    await ann.say("one", "two", "three")
    await expect(ann.message("two").get_by_role("img", name="Waiting to be sent")).to_be_visible()
    await expect(ann.page.get_by_text("3 messages are waiting to be sent.")).to_be_visible()
    assert [entry["content"] for entry in await ann.outbox()] == ["one", "two", "three"]

    await asyncio.to_thread(own_server.start)
    await ann.try_now()
    await bob.try_now()
    for text in ("one", "two", "three"):
        await ann.delivered(text)
        await expect(bob.message(text)).to_have_count(1)
    assert await ann.texts() == await bob.texts() == ["one", "two", "three"]
    assert await ann.outbox() == []
    await expect(ann.page.locator("#banner")).to_be_hidden()


async def test_the_outbox_survives_a_reload(enter: Enter, wire: Wire) -> None:
    """A message that never reached the server is sent by the reloaded page."""
    wire.to_server = swallow("message")
    ann = await enter("ann", wire=wire)
    bob = await enter("bob")
    await ann.say("do not forget me")
    await expect(ann.message("do not forget me").get_by_role("img", name="Sending")).to_be_visible()
    (entry,) = await ann.outbox()

    wire.to_server = pass_on
    await ann.page.reload()
    await ann.delivered("do not forget me")
    await expect(bob.message("do not forget me")).to_have_count(1)
    sent = [frame for frame in wire.sent if frame["type"] == "message"]
    assert [frame["id"] for frame in sent] == [entry["id"], entry["id"]]
    assert sent[-1]["resend"] is True


async def test_a_lost_ack_causes_no_second_message(enter: Enter, wire: Wire) -> None:
    """The server has the message, the page does not know, and is reloaded: its retry with the same id adds nothing."""
    wire.to_page = swallow("ack", "message")
    ann = await enter("ann", wire=wire)
    bob = await enter("bob")
    await ann.say("once")
    await expect(bob.message("once")).to_have_count(1)

    wire.to_page = pass_on
    await ann.page.reload()
    await ann.delivered("once")
    assert await ann.outbox() == []
    assert await ann.texts() == await bob.texts() == ["once"]


async def test_a_resume_shows_exactly_the_missed_messages(
    enter: Enter, wire: Wire, server: ServerProcess, room: str
) -> None:
    """300 messages during a disconnect: each is shown once, in order, and earlier ones are kept."""
    ann = await enter("ann", wire=wire)
    await ann.say("before")
    await ann.delivered("before")
    wire.refuse = True
    await wire.cut()
    await expect(ann.status).to_have_text("Reconnecting")
    missed = [f"missed {i}" for i in range(300)]
    async with peer(server, room) as bob:
        await bob.say(missed)
    wire.refuse = False
    await ann.try_now()
    await ann.say("after")
    await ann.delivered("after")
    await expect(ann.jump).to_be_hidden()
    assert (await scroll(ann, -300, AT_BEGINNING))["texts"] == ["before", *missed, "after"]
    joins = [frame for frame in wire.sent if frame["type"] == "join"]
    assert joins[-1]["since"]
    assert joins[-1]["epoch"]
    assert len([frame for frame in wire.sent if frame["type"] == "history"]) == 1


@pytest.mark.slow
async def test_more_missed_messages_than_a_resume_returns(
    enter: Enter, wire: Wire, start_server: Start, room: str
) -> None:
    """The page drops its copy and reads the newest page; the rest loads on scrolling up, each message once."""
    server = start_server({"JWT_SECRET": SECRET, "RATE_LIMIT_MESSAGES": "0", "RESUME_LIMIT": "10"})
    ann = await enter("ann", server=server, wire=wire)
    await ann.say("before")
    await ann.delivered("before")
    wire.refuse = True
    await wire.cut()
    await ann.say("meanwhile")
    missed = [f"missed {i}" for i in range(250)]
    async with peer(server, room) as bob:
        await bob.say(missed)
    wire.refuse = False
    await ann.try_now()
    await ann.delivered("meanwhile")
    await expect(ann.jump).to_be_hidden()
    assert (await scroll(ann, -300, AT_BEGINNING))["texts"] == ["before", *missed, "meanwhile"]


@pytest.mark.slow
async def test_a_restart_of_the_server_loses_nothing(
    enter: Enter, start_server: Start, database_url: str, room: str, new_page: Pages
) -> None:
    """With Postgres: after a restart the page has the whole room with 300 missed messages, each once."""
    new_page.expect_error(SERVER_AWAY)
    server = start_server({"JWT_SECRET": SECRET, "RATE_LIMIT_MESSAGES": "0", "DATABASE_URL": database_url})
    ann = await enter("ann", server=server)
    who = await ann.identity()
    await ann.say("before")
    await ann.delivered("before")
    # Keep the page from reconnecting: its attempts are counted, but not let through.
    await ann.page.context.set_offline(True)
    await asyncio.to_thread(server.terminate)
    await asyncio.to_thread(server.wait)
    await expect(ann.status).to_have_text("Reconnecting")
    await ann.say("written meanwhile")
    await asyncio.to_thread(server.start)
    await asyncio.to_thread(poll_until, lambda: server.get_status("/ready") == 200, what="the server is ready")
    missed = [f"missed {i}" for i in range(300)]
    async with peer(server, room) as bob:
        await bob.say(missed)
    await ann.page.context.set_offline(False)
    await ann.connected()
    await ann.delivered("written meanwhile")
    await expect(ann.jump).to_be_hidden()
    assert (await scroll(ann, -300, AT_BEGINNING))["texts"] == ["before", *missed, "written meanwhile"]
    assert await ann.identity() == who
    await expect(ann.message("before").get_by_text("you", exact=True)).to_be_visible()


@pytest.mark.slow
async def test_a_page_opened_before_the_database_is_reached_keeps_its_identity(
    start_server: Start, new_page: Pages, room: str
) -> None:
    """The server signs the token later; the message is sent once, and a reload is the same guest."""
    with PostgresCluster() as cluster:
        await asyncio.to_thread(cluster.stop)
        server = start_server({"DATABASE_URL": cluster.url(), "RATE_LIMIT_MESSAGES": "0"})
        ann = ChatPage(await new_page(link(server, room, "ann")))
        await expect(ann.page.locator("#banner")).to_contain_text("cannot reach its storage. Trying again…")
        who = await ann.identity()
        await ann.say("kept")
        await asyncio.to_thread(cluster.start)
        await ann.delivered("kept")
        await ann.page.reload()
        await ann.delivered("kept")
        assert await ann.texts() == ["kept"]
        assert await ann.identity() == who
        new_page.expect_error(SERVER_AWAY)  # what the page loads at its leisure
        server.terminate()
        await asyncio.to_thread(server.wait)


@pytest.mark.slow
async def test_unsent_messages_are_sent_even_if_the_token_is_no_longer_valid(
    enter: Enter, start_server: Start, new_page: Pages
) -> None:
    """With a new secret the token is invalid: the page says so and sends the messages once, as the new guest."""
    new_page.expect_error(SERVER_AWAY)
    server = start_server({"SERVER_SECRET": SECRET, "RATE_LIMIT_MESSAGES": "0"})
    ann = await enter("ann", server=server)
    before = await ann.identity()
    await asyncio.to_thread(server.kill)
    await expect(ann.status).to_have_text("Reconnecting")
    await ann.say("who am I?")
    server.env["SERVER_SECRET"] = SECRET[::-1]
    await asyncio.to_thread(server.start)
    await ann.try_now()
    await ann.delivered("who am I?")
    assert await ann.identity() != before
    notice = ann.page.get_by_role("alert", name="Problems").locator(".toast")
    # Nothing is said about unsent messages any more, nor anything on a page about something else.
    await expect(notice).to_have_text("The server no longer recognises you, so you are a new guest here.")
    await ann.choose("You and your account", "Create an account")
    await expect(ann.page.get_by_role("heading", name="Create an account")).to_be_visible()
    await expect(notice).to_have_count(0)
    await ann.page.get_by_role("button", name="Back").click()
    await ann.page.locator(".toast").filter(has_text="recognises").get_by_role("button", name="Dismiss").click()
    await expect(ann.page.get_by_text("no longer recognises you")).to_have_count(0)


@pytest.mark.slow
async def test_a_stopping_server_tells_the_page_when_to_reconnect(
    enter: Enter, own_server: ServerProcess, new_page: Pages
) -> None:
    """The page waits as long as `goodbye` says, and reconnects by itself."""
    new_page.expect_error(SERVER_AWAY)
    ann = await enter("ann", server=own_server)
    await asyncio.to_thread(own_server.terminate)
    await expect(ann.page.get_by_text("The server is restarting.")).to_be_visible()
    await asyncio.to_thread(own_server.wait)
    await asyncio.to_thread(own_server.start)
    await expect(ann.status).to_have_text("Connected", timeout=30_000)


async def test_a_permanent_close_is_not_retried(enter: Enter, wire: Wire) -> None:
    """4100 to 4199: the page shows why, and waits for the user."""
    ann = await enter("ann", wire=wire)
    await wire.cut(4103, "flood")
    await expect(ann.status).to_have_text("Not connected")
    await expect(ann.page.locator("#banner")).to_contain_text("this page sent too much")
    assert wire.connections == 1
    await ann.page.get_by_role("button", name="Connect").click()
    await ann.connected()
    assert wire.connections == 2


async def test_a_returning_network_triggers_a_reconnect_at_once(enter: Enter, wire: Wire) -> None:
    """The browser's `online` event triggers an attempt at once."""
    ann = await enter("ann", wire=wire)
    await ann.page.add_init_script("Math.random = () => 30")  # the first delay is half a minute already
    await ann.page.reload()
    await ann.connected()
    wire.refuse = True
    await wire.cut()
    await expect(ann.page.get_by_text(re.compile(r"Trying again in [23]\d s"))).to_be_visible()
    wire.refuse = False
    await ann.page.evaluate("dispatchEvent(new Event('online'))")
    await expect(ann.status).to_have_text("Connected")


async def test_a_retracted_message_disappears(enter: Enter, wire: Wire) -> None:
    """`retracted` removes a message; with `not_stored` its author can send it again, as a new one."""
    ann = await enter("ann", wire=wire)
    seqs: dict[str, int] = {}

    def refuse_first(frame: Frame, route: WebSocketRoute) -> Frame | None:
        if frame["type"] == "message":
            seqs[frame["id"]] = frame["seq"]
        if frame["type"] == "ack" and len(seqs) == 1:
            (message_id, seq), room = next(iter(seqs.items())), frame["ids"][0]["room"]
            answer(route, {"type": "retracted", "room": room, "seq": seq, "sender": "ann"})
            answer(route, refusal(message_id, "not_stored", "this could not be stored"))
            return None
        return frame

    wire.to_page = refuse_first
    await ann.say("try me")
    await expect(ann.message("try me")).to_have_count(1)
    await expect(ann.message("try me").get_by_text("Not sent. This could not be stored.")).to_be_visible()
    assert await ann.message("try me").get_attribute("data-state") == "failed"
    await ann.message("try me").get_by_role("button", name="Retry").click()
    await expect(ann.message("try me").last.get_by_role("img", name="Sent", exact=True)).to_be_visible()
    ids = [frame["id"] for frame in wire.sent if frame["type"] == "message"]
    assert len(set(ids)) == 2
