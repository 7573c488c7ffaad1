"""A client that does not read: others are not affected, memory stays bounded, and a reconnect loses nothing."""

from server.wire.listener import SEND_BUFFER
from tests.contract.records import until
from tests.integration.chat.conftest import send_little, session_of, url
from tests.support.client import Client
from tests.support.serving import Serve, owner_of

LOW, HIGH = 65_536, 262_144


async def test_a_client_that_does_not_read_is_disconnected(serve: Serve, storage: dict[str, str]) -> None:
    server = await serve(
        **storage, SLOW_BYTES_LOW=str(LOW), SLOW_BYTES_HIGH=str(HIGH), CLOSE_SECONDS="30", HEARTBEAT="60"
    )
    async with Client(url(server), "ann", "general") as ann:
        slow = await Client(url(server), "slow", "general", receive_buffer=16384).open()
        session = session_of(server, slow)
        send_little(session)
        slow.stop_reading()
        said = 0
        while not session.ended:
            said += 1
            await ann.say(f"{said} ".ljust(4000, "x"), f"{said}")
            await ann.all_acked(f"{said}")  # others continue at full speed, one message after the other
            assert session.connection.buffered() < HIGH + 10_000
            assert said < 500
        assert server.chat.parts.counters.slow_members == 1
        queued = session.connection.buffered()
        for number in range(20):
            await ann.say(f"on {number}".ljust(4000, "x"), f"on {number}")
        await ann.all_acked(*(f"on {number}" for number in range(20)))
        assert session.connection.buffered() <= queued
        # The Close comes after the backlog, none of which is lost.
        assert await slow.closed() == (4008, "slow_consumer")
        assert slow.heard() == ann.heard()[: len(slow.heard())]
        assert len(slow.heard()) > HIGH // 4100
        async with Client(url(server), token=slow.token) as back:
            assert (await back.resume("general", slow.since(), slow.epoch()))["recovered"] is True
            await back.expect("synced")
            assert slow.heard() + back.heard() == ann.heard()
        await until(lambda: len(server.chat.parts.hub.sessions) == 1)


async def test_kernel_buffers_do_not_delay_the_disconnect(serve: Serve) -> None:
    """A client that does not read is disconnected after the send limit and one small buffer, without megabytes more."""
    server = await serve(SLOW_BYTES_LOW=str(LOW), SLOW_BYTES_HIGH=str(HIGH), CLOSE_SECONDS="30", HEARTBEAT="60")
    async with Client(url(server), "ann", "general") as ann:
        slow = await Client(url(server), "slow", "general", receive_buffer=16384).open()
        session = session_of(server, slow)
        slow.stop_reading()
        said = 0
        while not session.ended:
            said += 1
            await ann.say(f"{said} ".ljust(4000, "x"), f"{said}")
            await ann.all_acked(f"{said}")
            assert said * 4000 < HIGH + 2 * SEND_BUFFER + (128 << 10)  # and the client's buffers
        assert await slow.closed() == (4008, "slow_consumer")


async def test_a_client_that_never_reads_its_close_is_aborted(serve: Serve) -> None:
    server = await serve(SLOW_BYTES_LOW="1024", SLOW_BYTES_HIGH="16384", CLOSE_SECONDS="0.2")
    async with Client(url(server), "ann", "general") as ann:
        slow = await Client(url(server), "slow", "general", receive_buffer=4096).open()
        session = session_of(server, slow)
        send_little(session)
        slow.stop_reading()
        while not session.ended:
            await ann.say("x" * 4000, "x")
            await ann.say("x" * 4000)
            await ann.send("ping", id="p")
            await ann.expect("pong")
        await until(lambda: session not in server.chat.parts.hub.sessions)
        assert len(server.shared.connections) == 1
        present = owner_of(server).chat.parts.hub.rooms["general"].presence.people
        await until(lambda: present.keys() == {ann.of("welcome")[0]["user"]["id"]})
        await slow.abort()


async def test_a_slow_client_gets_every_message_but_no_presence(serve: Serve) -> None:
    server = await serve(SLOW_BYTES_LOW="16384", SLOW_BYTES_HIGH="4000000")
    async with (
        Client(url(server), "ann", "general") as ann,
        Client(url(server), "slow", "general", receive_buffer=4096) as slow,
    ):
        session = session_of(server, slow)
        send_little(session)
        await slow.expect("presence")
        slow.stop_reading()
        while not session.congested:
            await ann.say("x" * 4000)
            await ann.expect("message")
        async with Client(url(server), "ben", "general"):
            await ann.until(lambda frame: frame["type"] == "presence" and frame["count"] == 3, "ben's coming")
        await ann.until(lambda frame: frame["type"] == "presence" and frame["count"] == 2, "ben's leaving")
        await ann.say("end")
        assert session.congested
        slow.go_on_reading()
        await slow.expect("message", content="end")
        assert slow.heard() == ann.heard()
        assert not [frame for frame in slow.of("presence") if frame["count"] == 3]
