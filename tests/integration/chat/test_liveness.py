"""Silent connections: pinged, disconnected when dead, idle, or without `hello`."""

import itertools
import time

import pytest

from chat.delivery.session import PAUSED_BY_COMMAND
from server.wire.websocket import DEAD_AFTER
from tests.contract.records import until
from tests.integration.chat.conftest import url
from tests.support import rawws
from tests.support.client import Client
from tests.support.serving import Serve


async def test_a_client_is_pinged_once_a_heartbeat(serve: Serve) -> None:
    """Not more often, even with few connections."""
    heartbeat = 0.2
    server = await serve(HEARTBEAT=str(heartbeat))
    async with await rawws.RawClient.native(server.port) as raw:
        pings: list[float] = []
        while len(pings) < 5:
            assert (await raw.frame()).opcode == rawws.PING
            pings.append(time.monotonic())
            raw.send(rawws.frame(rawws.PONG))
        pauses = [later - earlier for earlier, later in itertools.pairwise(pings)]
        assert min(pauses) > heartbeat / 2
        assert sum(pauses) / len(pauses) == pytest.approx(heartbeat, rel=0.5)


async def test_a_client_that_answers_pings_stays_connected(serve: Serve) -> None:
    server = await serve(HEARTBEAT="0.05")
    async with Client(url(server), "ann", "general") as ann:
        beaten = 0

        def beat() -> bool:
            nonlocal beaten
            beaten += 1
            return beaten > 100

        await until(beat)
        await ann.send("ping", id="p")
        await ann.expect("pong", id="p")


async def test_a_silent_client_is_disconnected_after_three_heartbeats(serve: Serve) -> None:
    heartbeat = 0.15
    server = await serve(HEARTBEAT=str(heartbeat))
    async with Client(url(server), "ann", "general"):
        began = time.monotonic()
        async with await rawws.RawClient.native(server.port, "/chat?r=general&u=silent"):
            assert len(server.chat.parts.hub.sessions) == 2
            await until(lambda: len(server.chat.parts.hub.sessions) == 1)
        assert time.monotonic() - began > 2.5 * heartbeat
        assert len(server.shared.connections) == 1


async def test_a_client_whose_reading_is_paused_is_not_disconnected(serve: Serve) -> None:
    """As during a resume while storage is away: its pongs stay in the socket because the server does not read them."""
    server = await serve(HEARTBEAT="0.1")
    async with await rawws.RawClient.native(server.port, "/chat?r=general&u=ann") as ann:
        await ann.expect("joined")
        (session,) = server.chat.parts.hub.sessions
        session.pause_reading(PAUSED_BY_COMMAND)
        pings = 0
        while pings < 3 * DEAD_AFTER:
            pings += (await ann.frame()).opcode == rawws.PING
        assert not session.ended
        session.resume_reading(PAUSED_BY_COMMAND)
        await until(lambda: session.ended)  # it does not answer pings any longer


async def test_an_idle_client_is_disconnected_if_so_configured(serve: Serve) -> None:
    """It answers pings, but sends no command; a client that sends one now and then stays connected."""
    server = await serve(HEARTBEAT="0.1", IDLE_TIMEOUT="0.5")
    async with Client(url(server), "busy", "general") as busy, Client(url(server), "idle", "general") as idle:
        began = time.monotonic()
        while not idle.ended:
            await busy.say("x")
            await busy.expect("message")
        assert await idle.closed() == (4001, "idle")
        assert 0.3 < time.monotonic() - began < 5
        assert not busy.ended


async def test_without_guests_hello_has_a_deadline(serve: Serve) -> None:
    server = await serve(GUESTS="off", HELLO_SECONDS="0.1")
    client = await Client(url(server), "ann").open()
    await client.send("ping", id="p")
    assert (await client.expect("error", id="p"))["code"] == "unauthorized"
    assert await client.closed() == (4101, "hello_timeout")
    assert not client.of("welcome")
