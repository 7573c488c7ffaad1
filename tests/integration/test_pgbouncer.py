"""A real PgBouncer between server and database: session mode works, the other modes are refused by name."""

from collections.abc import AsyncIterator, Iterator
from functools import partial
from unittest.mock import AsyncMock

import psycopg
import pytest

from storage.ports.errors import StorageUnavailable
from storage.ports.servers import Gained
from storage.ports.storage import STORED
from storage.postgres.connection import session
from storage.postgres.read.pool import ReadPool
from storage.postgres.storage import PostgresStorage
from tests.contract.records import PACE, filled, inserts, message, open_postgres, ready, room, until
from tests.support.pgbouncer import PgBouncer, PoolMode
from tests.support.storage_nodes import QUIET, Nodes
from utils.tasks import TaskRegistry

POOLED = "goes through a pooler in transaction or statement mode"


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    return empty_database_url


@pytest.fixture
def pooler(request: pytest.FixtureRequest, database_url: str) -> Iterator[PgBouncer]:
    mode, more = request.param
    with PgBouncer(database_url, mode, more) as started:
        yield started


@pytest.fixture
async def repository(pooler: PgBouncer) -> AsyncIterator[PostgresStorage]:
    opened = PostgresStorage(pooler.url, pace=PACE)
    await opened.start()
    yield opened
    await opened.close()


@pytest.fixture
async def impatient(pooler: PgBouncer) -> AsyncIterator[PostgresStorage]:
    """A storage with a short time limit for reads, for a pooler that it refuses."""
    opened = PostgresStorage(pooler.url, pace=PACE, read_seconds=0.5)
    await opened.start()
    yield opened
    await opened.close()


def pooled(*modes: tuple[PoolMode, str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("pooler", modes, indirect=True, ids=str)


@pooled(("session", ""), ("session", "server_round_robin = 1"), ("session", "default_pool_size = 7"))
async def test_session_mode_works(pooler: PgBouncer, repository: PostgresStorage, database_url: str) -> None:
    await ready(repository)
    where = room()
    await filled(repository, where, message(where, 1))
    assert await repository.messages.history(where, limit=5) == [message(where, 1)]
    # The settings are those of a direct connection.
    connection = await repository.connect()
    await pooler_is_in_between(connection)
    for name, value in session.session_settings(30).items():
        row = await (
            await connection.execute("SELECT setting FROM pg_settings WHERE lower(name) = %s", (name,))
        ).fetchone()
        assert row == (value,), name
    await connection.close()
    # It recognizes its own sessions after losing one, and a second server waits, also one without the pooler.
    superseded: list[bool] = []
    repository.lease_events.on_superseded = lambda: superseded.append(True)
    tenure = repository.lease.tenure
    assert tenure is not None
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(%s)", (tenure.pid,))
    await until(lambda: repository.lease.tenure not in (None, tenure))
    assert not superseded
    second = PostgresStorage(database_url, pace=PACE)
    await second.start()
    await until(lambda: "another server is writing to this database" in str(second.problem()))
    await repository.close()
    await ready(second)
    await second.close()


@pooled(("session", ""))
async def test_nodes_work_in_session_mode(pooler: PgBouncer, database_url: str) -> None:
    nodes = Nodes(pooler.url)
    one = await nodes.owner()
    two = await nodes.edge("two", QUIET, database_url)
    before = one.pid
    await nodes.end_session(before)
    await until(lambda: one.writes and one.pid != before and two.seen.owner_lives)
    assert await one.storage.resign("e_one")
    await until(lambda: two.writes)
    assert two.events == [Gained(2, "e_one", False)]
    await nodes.close()


async def pooler_is_in_between(connection: session.Connection) -> None:
    row = await (await connection.execute("SELECT pg_backend_pid()")).fetchone()
    assert row != (connection.info.backend_pid,)


REFUSED: list[tuple[PoolMode, str]] = [
    ("transaction", ""),
    ("transaction", "server_round_robin = 1"),
    ("transaction", "default_pool_size = 1"),
    ("transaction", "ignore_startup_parameters = options"),
    ("statement", ""),
]


@pooled(*REFUSED)
async def test_other_modes_are_refused_by_name(
    pooler: PgBouncer, impatient: PostgresStorage, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """With one idle connection of the pooler as with many; Parley's settings reach no other user of the pooler."""
    await until(lambda: POOLED in str(impatient.problem()))
    with pytest.raises(StorageUnavailable, match=POOLED):
        await impatient.writer().write(inserts(room()))
    with pytest.raises(StorageUnavailable):
        await impatient.rooms.find_room("general")
    assert [POOLED in record.message for record in caplog.records].count(True) == 1
    with psycopg.connect(pooler.url, autocommit=True, prepare_threshold=None) as other:
        for name in ("statement_timeout", "client_connection_check_interval"):
            assert other.execute("SELECT current_setting(%s)", (name,)).fetchone() == ("0",)
    with psycopg.connect(database_url) as admin:
        assert admin.execute("SELECT to_regclass('messages')").fetchone() == (None,), "nothing was written"


@pooled(("transaction", ""), ("transaction", "server_round_robin = 1"))
async def test_transaction_mode_is_refused_while_others_use_the_pooler(pooler: PgBouncer) -> None:
    """Their transactions change which server connection comes next."""
    tasks = TaskRegistry()
    loops = [await psycopg.AsyncConnection.connect(pooler.url, autocommit=True, prepare_threshold=None) for _ in "abc"]

    async def talk(connection: psycopg.AsyncConnection) -> None:
        while True:
            await connection.execute("SELECT 1")

    for number, connection in enumerate(loops):
        tasks.spawn(talk(connection), name=f"talk {number}")
    repository = PostgresStorage(pooler.url, pace=PACE)
    await repository.start()
    await until(lambda: POOLED in str(repository.problem()))
    await repository.close()
    await tasks.close(5)
    for connection in loops:
        await connection.close()


@pooled(("transaction", ""))
async def test_a_pooled_server_does_not_disturb_the_writing_one(pooler: PgBouncer, database_url: str) -> None:
    writes = await open_postgres(database_url)
    where = room()
    writer = await filled(writes, where)
    pooled = PostgresStorage(pooler.url, pace=PACE)
    await pooled.start()
    await until(lambda: POOLED in str(pooled.problem()))
    assert await writer.write(inserts(where, message(where, 1))) == [STORED] * 2
    assert writes.problem() is None
    await pooled.close()
    await writes.close()


@pytest.mark.parametrize("node", ["", "one"])
async def test_a_session_found_to_be_shared_is_abandoned(
    database_url: str, monkeypatch: pytest.MonkeyPatch, node: str
) -> None:
    """In case the comparison at the start found nothing: the holder compares again at each check."""
    monkeypatch.setattr(session, "_ROUNDS", 0)
    # The lease alone connects: reads that connect beside it can be given its process before it is the holder.
    monkeypatch.setattr(ReadPool, "open", AsyncMock())
    with PgBouncer(database_url, "transaction") as pooler:
        repository = PostgresStorage(pooler.url, pace=PACE, node=node)
        await repository.start()
        await ready(repository)
        assert repository.lease.tenure is not None
        others: list[psycopg.Connection] = []
        await until(partial(_holds, pooler.url, repository.lease.tenure.pid, others))
        await until(lambda: POOLED in str(repository.problem()))
        for other in others:
            other.close()
        await repository.close()


def _holds(url: str, pid: int, others: list[psycopg.Connection]) -> bool:
    """Keep this process busy with another client's transaction, so that the next one is served by a different one."""
    others.append(psycopg.connect(url, prepare_threshold=None))
    return others[-1].execute("SELECT pg_backend_pid()").fetchone() == (pid,)


async def test_an_old_postgres_is_refused_by_its_version(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_OLDEST", 99_00_00)
    repository = PostgresStorage(database_url, pace=PACE)
    await repository.start()
    await until(lambda: "this is PostgreSQL" in str(repository.problem()))
    with psycopg.connect(database_url) as connection:
        major, minor = divmod(connection.info.server_version, 10_000)
    assert repository.problem() == f"this is PostgreSQL {major}.{minor}, Parley needs 15 or newer"
    await repository.close()
