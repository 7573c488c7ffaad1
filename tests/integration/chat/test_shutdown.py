"""Stopping: every accepted write is stored and acked, or counted; clients are notified; nothing hangs."""

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping

import psycopg
import pytest
from websockets.exceptions import InvalidHandshake, InvalidMessage

from server.app import Server
from server.settings.values import Settings
from tests.contract.records import until
from tests.support import rawws
from tests.support.client import Client
from tests.support.process import poll_until
from tests.support.server import ServerProcess

pytestmark = pytest.mark.one_server("nodes that stop are in tests/faults")

Start = Callable[[Mapping[str, str]], ServerProcess]


async def started(start_server: Start, database_url: str = "", **environment: str) -> ServerProcess:
    """Start a server process without a rate limit, ready to accept messages."""
    settings = {"RATE_LIMIT_MESSAGES": "0", "CLOSE_SECONDS": "1", "DATABASE_URL": database_url, **environment}
    server = await asyncio.to_thread(start_server, settings)
    await asyncio.to_thread(poll_until, lambda: server.get_status("/ready") == 200, what="/ready is 200")
    return server


async def stopped(server: ServerProcess) -> int:
    return await asyncio.to_thread(server.wait)


@pytest.fixture
def stuck(database_url: str) -> Iterator[Callable[[], None]]:
    """Return a function that locks the table of messages: from then on every insert waits until the end of the test."""
    with psycopg.connect(database_url) as connection:

        def lock() -> None:
            connection.execute("LOCK TABLE messages IN EXCLUSIVE MODE")

        yield lock


async def test_every_accepted_message_is_stored_and_acked(start_server: Start, database_url: str) -> None:
    server = await started(start_server, database_url)
    people = [await Client(server.ws_url, f"p{number}", "general").open() for number in range(10)]
    for number in range(100):
        for person in people:
            await person.say(f"{number}", f"{number}")
    await people[0].expect("message", content="0")
    server.terminate()
    assert await asyncio.gather(*(person.closed() for person in people)) == [(1001, "going away")] * 10
    assert await stopped(server) == 0
    goodbyes = [person.frames[-1] for person in people]
    assert {(frame["type"], frame["reason"]) for frame in goodbyes} == {("goodbye", "shutting_down")}
    assert len({frame["reconnect_after"] for frame in goodbyes}) > 3
    shown = [frame["seq"] for frame in people[0].of("message")]
    for person in people:
        refused = {frame["id"] for frame in person.of("error")}
        assert {frame["code"] for frame in person.of("error")} <= {"shutting_down"}
        mine = {
            frame["id"]: frame["seq"]
            for frame in person.of("message")
            if frame["sender_id"] == person.of("welcome")[0]["user"]["id"]
        }
        assert person.acked() == mine  # broadcast and acked, or refused, or never read from the socket
        assert not refused & set(mine)
    with psycopg.connect(database_url) as connection:
        stored = [row[0] for row in connection.execute("SELECT seq FROM messages ORDER BY seq")]
    assert stored == shown


async def test_a_draining_server_accepts_no_connections_and_no_messages(
    start_server: Start, database_url: str, stuck: Callable[[], None]
) -> None:
    """If storage does not recover by the deadline, the exit status and the log say how much was lost."""
    server = await started(start_server, database_url, DRAIN_SECONDS="1.5", WORKERS="1")
    ann = await Client(server.ws_url, "ann", "general").open()
    await ann.say("stored", "0")
    await ann.all_acked("0")
    keep_alive = await rawws.RawClient.connect(server.port)
    keep_alive.send(rawws.request("/health"))
    assert (await keep_alive.reply()).status == 200
    await asyncio.to_thread(stuck)
    for number in range(1, 8):
        await ann.say(f"{number}", f"{number}")
    await ann.expect("message", content="7")
    server.terminate()
    await asyncio.to_thread(server.wait_for_log, "stopping")
    await ann.say("too late", "late")
    assert (await ann.expect("error", id="late"))["code"] == "shutting_down"
    # An upgrade on an existing connection, as of a reverse proxy, is refused; a new connection is not even accepted.
    keep_alive.send(rawws.upgrade("/chat"))
    refused = await keep_alive.reply()
    assert refused.status == 503
    assert refused.headers["retry-after"]
    await keep_alive.close()
    with pytest.raises((OSError, InvalidMessage, InvalidHandshake)):
        await Client(server.ws_url, "ben").open()
    assert await ann.closed() == (1001, "going away")
    assert list(ann.acked()) == ["0"]
    assert ann.frames[-1]["type"] == "goodbye"
    assert await stopped(server) == 1
    assert "7 accepted writes were not stored" in server.log_text()
    assert "did not stop" not in server.log_text()
    assert "Traceback" not in server.log_text()


async def test_a_second_signal_stops_at_once(start_server: Start, database_url: str, stuck: Callable[[], None]) -> None:
    """It no longer waits for storage, but sends goodbye and logs how much was lost."""
    server = await started(start_server, database_url, DRAIN_SECONDS="60", WORKERS="1")
    ann = await Client(server.ws_url, "ann", "general").open()
    await ann.say("stored", "0")
    await ann.all_acked("0")
    await asyncio.to_thread(stuck)
    await ann.say("stuck", "1")
    await ann.expect("message", content="stuck")
    server.terminate()
    await asyncio.to_thread(server.wait_for_log, "a second signal")
    server.terminate()
    assert await ann.closed() == (1001, "going away")
    assert await stopped(server) == 1
    assert "1 accepted write was not stored" in server.log_text()
    assert "Traceback" not in server.log_text()


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ({"type": "edit", "content": "another"}, "edited"),
        ({"type": "react", "emoji": "x"}, "reaction"),
        ({"type": "delete"}, "deleted"),
        ({"type": "set_role", "user": "ben", "role": "readonly"}, "member"),
    ],
)
async def test_a_broadcast_change_that_was_not_stored_is_counted(
    start_server: Start, database_url: str, command: dict[str, str], shown: str
) -> None:
    server = await started(start_server, database_url, DRAIN_SECONDS="0.2", WORKERS="1")
    ann, ben = await Client(server.ws_url, "ann").open(), await Client(server.ws_url, "ben").open()
    await ann.send("create_room", id="c", room="den")
    await ann.all_acked("c")
    await ben.join("den")
    await ann.send("message", id="m", room="den", content="hello")
    await ann.all_acked("m")
    about = {"user": ben.of("welcome")[0]["user"]["id"]} if "user" in command else {"seq": ann.acked()["m"]}
    with psycopg.connect(database_url) as connection:
        await asyncio.to_thread(connection.execute, "LOCK TABLE messages, members IN EXCLUSIVE MODE")
        await ann.send(id="change", room="den", **{**command, **about})
        await ann.expect(shown)
        server.terminate()
        assert await ann.closed() == (1001, "going away")
        assert await stopped(server) == 1
    assert "change" not in ann.acked()
    assert "1 accepted write was not stored" in server.log_text()
    assert re.search(
        r"1 write was not stored within \d\.\d s", server.log_text()
    )  # a busy machine needs longer than 0.2


async def test_every_call_of_stop_returns_the_unstored_count(database_url: str) -> None:
    settings = {"PORT": "0", "DATABASE_URL": database_url, "DRAIN_SECONDS": "0.2", "CLOSE_SECONDS": "1"}
    server = Server(Settings(settings))
    await server.start()
    await until(lambda: server.chat.problem() is None)
    async with Client(f"ws://127.0.0.1:{server.port}", "ann", "general") as ann:
        await ann.say("stored", "0")
        await ann.all_acked("0")
        with psycopg.connect(database_url) as connection:
            await asyncio.to_thread(connection.execute, "LOCK TABLE messages IN EXCLUSIVE MODE")
            await ann.say("stuck", "1")
            await ann.expect("message", content="stuck")
            assert list(await asyncio.gather(server.stop(), server.stop())) == [1, 1]
    assert await server.stop() == 1


async def test_storage_that_recovers_in_time_receives_everything(start_server: Start, database_url: str) -> None:
    server = await started(start_server, database_url, DRAIN_SECONDS="20", WORKERS="1")
    ann = await Client(server.ws_url, "ann", "general").open()
    await ann.say("stored", "0")
    await ann.all_acked("0")
    with psycopg.connect(database_url) as connection:
        await asyncio.to_thread(connection.execute, "LOCK TABLE messages IN EXCLUSIVE MODE")
        for number in range(1, 200):
            await ann.say(f"{number}", f"{number}")
        await ann.expect("message", content="199")
        server.terminate()
        await asyncio.to_thread(server.wait_for_log, "stopping")
        assert list(ann.acked()) == ["0"]
        connection.rollback()
    assert await ann.closed() == (1001, "going away")
    assert ann.acked() == {frame["id"]: frame["seq"] for frame in ann.of("message")}
    assert len(ann.acked()) == 200
    assert await stopped(server) == 0


async def test_a_client_that_does_not_answer_the_close_does_not_delay_the_stop(start_server: Start) -> None:
    server = await started(start_server)
    silent = await rawws.RawClient.native(server.port)
    halfway = await rawws.RawClient.connect(server.port)
    halfway.send(b"GET /chat HTTP/1.1\r\n")
    await halfway.drain()
    server.terminate()
    assert await stopped(server) == 0
    await silent.close()
    await halfway.close()
