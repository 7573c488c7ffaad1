"""Real servers on a real PostgreSQL that breaks, and the four counts of each case at the end of the run."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial

import pytest

from server.app import Server
from server.settings.values import Settings
from storage.postgres.connection.lease import Pace
from storage.postgres.storage import PostgresStorage
from tests.contract.records import PACE, until
from tests.faults.database import Onlooker, administrator
from tests.faults.stage import Stage, cluster_under_load
from tests.faults.watching import ADMIN_PORTS
from tests.support.copies import Copy
from tests.support.counts import COUNTED, Counts
from tests.support.load import Load
from tests.support.nats import NatsServer
from tests.support.postgres import PostgresCluster
from utils.clock import Clock

Play = Callable[..., AbstractAsyncContextManager[Stage]]
Serve = Callable[..., Awaitable[Server]]
Settle = Callable[..., Awaitable[Counts]]
SECRET = "a secret of the tests, long enough for HS256"
QUICK = PACE._replace(poll=0.1)


@pytest.fixture
def settle(record_property: Callable[[str, object], None], request: pytest.FixtureRequest) -> Settle:
    """End a case: wait until everything is answered, then count, print (in the summary of the run) and assert.

    The server's responses are compared with the database, as its memory may differ from what is stored; with ``ports``,
    those of each node.
    """

    async def count(load: Load, note: str = "", *, database: str = "", ports: Sequence[int] = (0,)) -> Counts:
        counts = await load.finish(ports[0])
        record_property(COUNTED, f"{counts}{note and f'; {note}'}")
        assert counts.clean, str(counts)
        assert counts.acked
        async with administrator(database or request.getfixturevalue("url")) as admin:
            told, stored = Copy(), Copy()
            for room in load.rooms:
                stored.states = await Onlooker(admin).log(room)
                for port in ports:
                    told.states = (await load.read(room, port)).states
                    assert not told.differs(stored), f"/history of {room} is not what is stored: {told.differs(stored)}"
        return counts

    return count


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresCluster]:
    """Start a PostgreSQL for this file alone, to be killed: committed data survives that."""
    with PostgresCluster(durable=True) as started:
        yield started


@pytest.fixture
def url(cluster: PostgresCluster) -> Iterator[str]:
    """Return the URL of an empty database on it."""
    created = cluster.create_database()
    yield created
    cluster.start()
    cluster.drop_database(created)


@pytest.fixture
def nats() -> Iterator[list[NatsServer]]:
    """Start a NATS server."""
    with NatsServer() as server:
        yield [server]


@pytest.fixture
def stage(url: str, nats: list[NatsServer], cluster: PostgresCluster, settle: Settle) -> Play:
    """Return a function that runs a cluster under load: `async with stage() as here`."""
    return partial(cluster_under_load, url, nats, cluster, settle)


@pytest.fixture
async def serve(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Serve]:
    """Start servers in this loop: `await serve(DATABASE_URL=url)`. At the end they must have stored everything.

    They retry sooner than by default, so that a case takes seconds.
    """
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("chat.writes.workers.RETRY_CAP", 0.3)
    servers: list[Server] = []

    async def start(*, clock: Clock | None = None, pace: Pace = QUICK, wait: bool = True, **environment: str) -> Server:
        defaults = {
            "PORT": "0",
            "ADMIN_PORT": "0",
            "RATE_LIMIT_MESSAGES": "0",
            "RATE_LIMIT_REQUESTS": "0",
            "EDIT_WINDOW": "0",
            "JWT_SECRET": SECRET,
            "CLOSE_SECONDS": "1",
            "PRESENCE_GRACE": "0",
            "DRAIN_SECONDS": "5",  # a case that failed with pending writes ends soon
        }
        server = Server(Settings({**defaults, **environment}), clock)
        if isinstance(server._storage, PostgresStorage):
            server._storage.lease.pace = pace
        servers.append(server)
        await server.start()
        ADMIN_PORTS[server.port] = server.admin_port
        if wait:
            await until(lambda: server.chat.problem() is None)
        return server

    yield start
    # All of them before one fails the test: the event loop cannot end with the pools of a server that was not stopped.
    assert not any([await server.stop() for server in servers])
    await asyncio.sleep(0)
