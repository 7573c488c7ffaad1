"""The server is killed, stops, is on standby, or restarts with another clock, under the same load."""

import asyncio
import random
import re
from collections.abc import Callable, Mapping

import pytest

from storage.postgres.connection.lease import LeaseState
from storage.postgres.storage import PostgresStorage
from tests.contract.records import until
from tests.faults.conftest import SECRET, Serve, Settle
from tests.faults.database import administrator
from tests.faults.watching import Operator
from tests.support.client import Client
from tests.support.load import talking
from tests.support.postgres import PostgresCluster
from tests.support.process import poll_until
from tests.support.server import ServerProcess
from utils.clock import SystemClock

Start = Callable[[Mapping[str, str]], ServerProcess]
HOUR_US = 3600 * 1_000_000


async def started(start_server: Start, url: str, **environment: str) -> ServerProcess:
    """Start a server process that accepts messages."""
    settings = {
        "DATABASE_URL": url,
        "JWT_SECRET": SECRET,
        "RATE_LIMIT_MESSAGES": "0",
        "RATE_LIMIT_REQUESTS": "0",
        "EDIT_WINDOW": "0",
        "CLOSE_SECONDS": "1",
    }
    server = await asyncio.to_thread(start_server, {**settings, **environment})
    await ready(server)
    return server


async def ready(server: ServerProcess) -> None:
    await asyncio.to_thread(poll_until, lambda: server.get_status("/ready") == 200, what="/ready is 200")


@pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.slow)])
async def test_a_server_that_is_killed_repeatedly(start_server: Start, url: str, settle: Settle, kills: int) -> None:
    """Killed at random moments and restarted on the same database: clients reconnect, resume, and retry."""
    server = await started(start_server, url)
    async with talking(server.port) as load:
        for _ in range(kills):
            await load.more(random.randint(1, 80))
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.spawn)
        await load.more()
        await settle(load, f"{kills} kills")
        assert all(len(person.closes) >= 1 for person in load.people)
    assert (
        server.log_text().count("this server is now the writer of the database") > kills // 2
    )  # one may be killed before that
    assert "Traceback" not in server.log_text()


async def test_sigterm_during_a_database_outage(
    start_server: Start, cluster: PostgresCluster, url: str, settle: Settle
) -> None:
    """It gives up at its deadline, logs how many writes were not stored, and clients retry them on the next server."""
    server = await started(start_server, url, DRAIN_SECONDS="1")
    async with talking(server.port) as load:
        await asyncio.to_thread(cluster.stop, "immediate")
        operator = Operator(load)
        await operator.until_said("storage")  # the detailed reason is on the operator's port
        await load.until(lambda: load.waiting > 100, "many wait")
        await asyncio.to_thread(server.terminate)
        status = await asyncio.to_thread(server.wait)
        log = server.log_text()
        assert status == 1, "messages were lost, and the exit status says that all is well"
        found = re.search(r"(\d+) accepted writes? (?:was|were) not stored", log)
        assert found is not None
        await load.until(lambda: all(person.closes for person in load.people), "everybody was told")
        assert load.refusals.get("shutting_down", 0) > 0, "messages were taken after the signal"
        # Unstored messages and changes were broadcast but not acked. Those refused since the signal were not broadcast.
        waiting = {(person.user, entry.operation.id) for person in load.people for entry in person.outbox}
        assert int(found[1]) >= len([1 for _, author, name in load.places if (author, name) in waiting]) > 0
        assert re.search(r" not stored within 1\.0 s: .*to Postgres", log)
        assert "did not stop" not in log
        assert "Traceback" not in log
        assert {code for person in load.people for code in person.closes} == {1001}
        await asyncio.to_thread(cluster.start)
        await asyncio.to_thread(server.start)
        await load.more()
        await settle(load, f"{found[1]} were not written, as the log says")


class SteppingClock:
    """The machine's clock with an offset."""

    def __init__(self, offset_us: int) -> None:
        self._offset_us = offset_us
        self._clock = SystemClock()

    def now_us(self) -> int:
        return self._clock.now_us() + self._offset_us

    def monotonic(self) -> float:
        return self._clock.monotonic()


async def test_a_clock_that_steps_back_an_hour(serve: Serve, url: str, settle: Settle) -> None:
    """Between two runs: seqs continue above the stored ones, so the order is kept."""
    first = await serve(DATABASE_URL=url, clock=SteppingClock(HOUR_US))
    async with talking(first.port) as load:
        await load.more()
        before = {room: max((await load.read(room)).states) for room in load.rooms}
        assert await first.stop() == 0
        second = await serve(DATABASE_URL=url, clock=SteppingClock(0))
        load.port = second.port
        await load.more()
        await settle(load)
        for room in load.rooms:
            log = (await load.read(room)).states
            assert max(log) > before[room]
            times = [log[seq]["timestamp"] for seq in sorted(log)]
            assert times[-1] < times[0], "the clock did step back"


async def test_a_second_server_on_the_same_database(
    serve: Serve, url: str, settle: Settle, caplog: pytest.LogCaptureFixture
) -> None:
    """It waits and names the holder; when the first one stops it takes over, and clients move to it."""
    first = await serve(DATABASE_URL=url)
    async with talking(first.port) as load, administrator(url) as admin:
        second = await serve(DATABASE_URL=url, wait=False)
        standby = Operator(load, port=lambda: second.port)
        await load.until(lambda: second.chat.problem() != "connecting to Postgres", "it has looked whose turn it is")
        assert await standby.trouble() is not None, "two servers write to the same database"
        said = await standby.until_said(
            "another server is writing to this database: parley at 127.0.0.1 (PostgreSQL process "
        )
        (pid,) = re.findall(r"process (\d+)", said)
        found = await admin.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND pid = %s", (int(pid),))
        assert await found.fetchone() is not None
        assert await standby.metric("ready") == 0
        await load.more()
        # The half that is disconnected early finds a server that does not accept messages yet.
        load.port = second.port
        await load.people[0].leave()
        await load.until(lambda: load.refusals.get("unavailable", 0) > 0, "the standby refuses")
        assert await first.stop() == 0
        await standby.until_ready()
        await load.more()
        await settle(load)
    assert "cannot write: another server is writing to this database" in caplog.text


async def test_a_server_that_lost_the_database_to_another_one(
    serve: Serve, url: str, settle: Settle, caplog: pytest.LogCaptureFixture
) -> None:
    """It disconnects all clients and admits none: otherwise a room would be split in two."""
    first = await serve(DATABASE_URL=url)
    async with talking(first.port) as load:
        second = await serve(DATABASE_URL=url, wait=False)
        repository = first._storage
        assert isinstance(repository, PostgresStorage)
        async with Client(f"ws://127.0.0.1:{first.port}") as newcomer, administrator(url) as admin:
            # As if its machine had hung until Postgres dropped its session: it resumes while the other server writes.
            lease = repository.lease
            lease.state, lease.pace = LeaseState.WAITING, lease.pace._replace(grace=1.0)
            load.port = second.port
            assert repository.lease.tenure is not None
            await admin.execute("SELECT pg_terminate_backend(%s)", (repository.lease.tenure.pid,))
            assert await newcomer.closed() == (4002, "epoch_changed")
        await load.until(lambda: all(4002 in person.closes for person in load.people), "everybody is sent away")
        async with Client(f"ws://127.0.0.1:{first.port}") as newcomer:
            await newcomer.send("join", id="1", room=load.rooms[0])
            assert (await newcomer.expect("error", id="1"))["code"] == "unavailable"
        await Operator(load).until_ready()
        await load.more()
        assert await Operator(load, port=lambda: first.port).trouble() is not None
        await settle(load)
        # Its pending messages were retried on the other server, which it finds when its turn comes. Only a reply to a
        # message that it alone knew was refused by the other one, and is sent now.
        held = {room: (await load.read(room)).states for room in load.rooms}
        assert await second.stop() == 0
        await until(lambda: first.chat.problem() is None and not len(first.chat.parts.pool))
        load.port = first.port
        given_up = {(person.user, name) for person in load.people for name in person.given_up}
        for room in load.rooms:
            after = (await load.read(room)).states
            assert {seq: after.get(seq) for seq in held[room]} == held[room], "it undid what the other one stored"
            late = [state for seq, state in after.items() if seq not in held[room]]
            assert all("reply_to" in state and (state["sender_id"], state["id"]) in given_up for state in late)
    assert "another server is writing to this database now: disconnecting every client" in caplog.text
