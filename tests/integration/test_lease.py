"""One writer per database, whatever happens to servers, sessions and Postgres itself."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import psycopg
import pytest

from storage.ports.errors import StorageUnavailable
from storage.ports.servers import Gained
from storage.ports.storage import STORED, Writer
from storage.postgres.connection.lease import Pace
from storage.postgres.connection.migrate import load_migrations
from storage.postgres.sql import lease as sql
from storage.postgres.storage import PostgresStorage
from tests.contract.records import PACE, filled, inserts, inserts_more, message, ready, room, until
from tests.support.postgres import DatabaseServer, PostgresCluster
from tests.support.process import PATIENCE

Servers = Callable[..., Awaitable[PostgresStorage]]


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    return empty_database_url


@pytest.fixture
async def server(database_url: str) -> AsyncIterator[Servers]:
    """Start the storage of one more server on the database."""
    started: list[PostgresStorage] = []

    async def start(url: str = database_url, pace: Pace = PACE) -> PostgresStorage:
        started.append(PostgresStorage(url, pace=pace, read_seconds=1.0))
        await started[-1].start()
        return started[-1]

    yield start
    for repository in started:
        await repository.close()


async def execute(url: str, statement: bytes, *, fetch: bool = True, **values: object) -> list[tuple[object, ...]]:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        cursor = await connection.execute(statement, values)
        return await cursor.fetchall() if fetch else []


async def end_lease_session(url: str, repository: PostgresStorage) -> None:
    assert repository.lease.tenure is not None
    await execute(url, b"SELECT pg_terminate_backend(%(pid)s)", pid=repository.lease.tenure.pid)


async def stores(writer: Writer, repository: PostgresStorage, where: object, seq: int) -> None:
    """Write as a worker does: retry the same batch until it is stored."""
    batch = inserts_more(where, message(where, seq))  # type: ignore[arg-type]
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                assert await writer.write(batch) == [STORED]
            except StorageUnavailable:
                await until(lambda: repository.lease.tenure is not None)
            else:
                return


async def test_a_second_server_waits_and_names_the_lease_holder(server: Servers, database_url: str) -> None:
    first = await server()
    await ready(first)
    where = room()
    await (await filled(first, where, message(where, 1))).close()
    second = await server(f"{database_url}?application_name=chat-2")
    await until(lambda: "another server" in str(second.problem()))
    assert first.lease.tenure is not None
    assert f"parley at 127.0.0.1 (PostgreSQL process {first.lease.tenure.pid})" in str(second.problem())
    with pytest.raises(StorageUnavailable, match="another server is writing to this database"):
        await second.writer().write(inserts(where))
    # It may read, and take over when the first one stops: then what it has read is outdated.
    assert await second.messages.history(where, limit=5) == [message(where, 1)]
    gained: list[Gained] = []
    second.lease_events.on_gained = gained.append
    await first.close()
    await ready(second)
    assert gained == [Gained(2, None, True)]
    assert await second.writer().write(inserts(where, message(where, 2))) == [STORED] * 2


async def test_of_servers_started_together_one_writes(server: Servers, database_url: str) -> None:
    """Exactly one writes, the schema is created once, and the others take over one after the other."""
    waiting = [await server() for _ in range(4)]
    for left in range(4, 0, -1):
        await until(lambda: any(each.problem() is None for each in waiting))
        holders = [each for each in waiting if each.lease.tenure is not None]
        assert len(holders) == 1
        assert len(waiting) == left
        waiting.remove(holders[0])
        await holders[0].close()
    applied = await execute(database_url, b"SELECT version FROM schema_migrations ORDER BY version")
    assert applied == [(migration.version,) for migration in load_migrations()]


async def test_an_old_writer_never_commits_after_a_new_one_took_over(server: Servers, database_url: str) -> None:
    """The old server has lost its lease without noticing: its open connection blocks the new server until it ends,
    and it gets no new one.
    """
    old = await server(pace=PACE._replace(check=3600.0))
    await ready(old)
    where = room()
    writer = await filled(old, where)
    new = await server()
    await until(lambda: "another server" in str(new.problem()))
    await end_lease_session(database_url, old)
    await until(lambda: "is still open" in str(new.problem()))
    assert new.lease.tenure is None
    assert old.lease.tenure is not None
    assert await writer.write(inserts_more(where, message(where, 1))) == [STORED]
    await writer.close()
    await ready(new)
    with pytest.raises(StorageUnavailable):
        await old.writer().write(inserts_more(where, message(where, 2)))
    await until(lambda: "another server" in str(old.problem()))
    assert await new.messages.history(where, limit=9) == [message(where, 1)]


async def test_no_connection_may_write_while_a_new_server_takes_over(server: Servers, database_url: str) -> None:
    """Not even a connection whose lease seems to be valid."""
    repository = await server(pace=PACE._replace(check=3600.0))
    await ready(repository)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as new:
        await new.execute(sql.TRY_LOCK, {"key": sql.FENCE_LOCK})
        with pytest.raises(StorageUnavailable):
            await repository.writer().write(inserts(room()))


async def test_a_server_that_lost_its_session_is_back_before_the_standby(server: Servers, database_url: str) -> None:
    first = await server()
    await ready(first)
    second = await server(pace=PACE._replace(poll=3600.0))
    await until(lambda: "another server" in str(second.problem()))
    gained: list[Gained] = []
    first.lease_events.on_gained = gained.append
    where = room()
    writer = await filled(first, where)
    before = first.lease.tenure
    await end_lease_session(database_url, first)
    await until(lambda: first.lease.tenure not in (before, None))
    await stores(writer, first, where, 1)
    assert gained == []


async def test_a_database_has_an_installation_id_and_a_copy_another(server: Servers, database_url: str) -> None:
    """A server that starts again finds the same."""
    admin, _, name = database_url.rpartition("/")
    first = await installation_of(server, database_url)
    assert len(first) == 16
    assert await installation_of(server, database_url) == first
    for copy in ("copy", "more"):
        await execute(f"{admin}/postgres", f"CREATE DATABASE {name}_{copy} TEMPLATE {name}".encode(), fetch=False)
    known = {first, await installation_of(server, f"{database_url}_copy")}
    known.add(await installation_of(server, f"{database_url}_more"))
    assert len(known) == 3
    for copy in ("copy", "more"):
        await execute(f"{admin}/postgres", f"DROP DATABASE {name}_{copy} WITH (FORCE)".encode(), fetch=False)


async def installation_of(server: Servers, url: str) -> bytes:
    """Return what a server learns that starts and stops."""
    repository = await server(url)
    known: list[bytes] = []
    repository.lease_events.on_installation = known.append
    await ready(repository)
    await repository.close()
    (installation,) = known
    return installation


async def test_a_fault_when_the_lease_is_gained_does_not_leave_the_server_without_one(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It gives the lease up, so that another server can have it, and says again that it has gained it."""
    gained: list[Gained] = []

    def fails_once(event: Gained) -> None:
        gained.append(event)
        if len(gained) == 1:
            raise KeyError("a room")

    repository = PostgresStorage(database_url, pace=PACE, read_seconds=1.0)
    repository.lease_events.on_gained = fails_once
    try:
        await repository.start()
        await ready(repository)
        assert gained == [Gained(1, None, False)] * 2
        assert "the lease was given up" in caplog.text
        assert "KeyError" in caplog.text
        await filled(repository, room())
    finally:
        await repository.close()


@pytest.mark.parametrize("signs", [True, False])
async def test_a_returning_server_learns_that_another_wrote(server: Servers, database_url: str, signs: bool) -> None:
    repository = await server()
    await ready(repository)
    gained: list[tuple[Gained, bool]] = []
    superseded: list[bool] = []
    repository.lease_events.on_gained = lambda event: gained.append((event, repository.lease.tenure is None))
    repository.lease_events.on_superseded = lambda: superseded.append(repository.lease.tenure is None)
    where = room()
    writer = await filled(repository, where)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as other:
        waiting = asyncio.ensure_future(other.execute(b"SELECT pg_advisory_lock(%(key)s)", {"key": sql.WRITER_LOCK}))
        await in_queue(database_url)
        await end_lease_session(database_url, repository)
        await waiting
        await until(lambda: "another server is writing" in str(repository.problem()))
        with pytest.raises(StorageUnavailable, match="another server is writing"):
            await writer.write(inserts_more(where, message(where, 1)))
        assert repository.another_writes()
        if signs:
            await other.execute(sql.SIGN_LEASE, {"holder": "another", "step": 1})
    await stores(writer, repository, where, 1)
    # Before the first write under the new lease. Nothing is outdated if the other one had not begun to write.
    assert gained == [(Gained(3 if signs else 2, None, signs), True)]
    assert superseded == [True], "told once, however often it looked"
    assert not repository.another_writes()


async def test_a_returning_server_learns_that_its_own_backup_was_restored(
    server: Servers, database_url: str, postgres: DatabaseServer
) -> None:
    """The last writer of the backup is the same server, so its name says nothing."""
    await installation_of(server, database_url)
    backup = await asyncio.to_thread(postgres.copy_database, database_url)
    repository = await server()
    await ready(repository)
    ((holder,),) = await execute(database_url, sql.LAST_HOLDER)
    await execute(backup, b"UPDATE lease SET holder = %(holder)s", fetch=False, holder=holder)
    gained: list[Gained] = []
    repository.lease_events.on_gained = gained.append
    tenure = repository.lease.tenure
    await end_lease_session(database_url, repository)
    await until(lambda: repository.lease.tenure not in (None, tenure))
    assert gained == [], "of the same database"
    await asyncio.to_thread(postgres.replace_database, database_url, backup)
    await until(lambda: bool(gained))
    assert gained == [Gained(2, None, after_another=True)]


async def in_queue(url: str) -> None:
    async with asyncio.timeout(PATIENCE):
        waits = b"SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while not await execute(url, waits):  # noqa: ASYNC110  # another session has no event to wait for
            await asyncio.sleep(0.02)


async def test_each_lease_change_is_logged_once(
    server: Servers, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "storage")
    first = await server()
    await ready(first)
    second = await server(pace=PACE._replace(poll=0.001))
    await until(lambda: "another server" in str(second.problem()))
    # The second server checks many more times while the first one's session is checked.
    for _ in range(20):
        await execute(database_url, b"SELECT 1")
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("storage")]
    migrations = [f"applied migration {migration.file}" for migration in load_migrations()]
    assert lines[:-1] == [*migrations, "this server is now the writer of the database"]
    assert lines[-1].startswith("cannot write: another server is writing to this database: parley at")


async def test_nothing_is_left_after_close(server: Servers, database_url: str) -> None:
    repository = await server()
    await ready(repository)
    where = room()
    for _ in range(3):
        await filled(repository, where)
    await asyncio.gather(*(repository.messages.head(where.room_id) for _ in range(20)))
    await repository.close()
    left = b"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    async with asyncio.timeout(PATIENCE):
        while await execute(database_url, left) != [(0,)]:  # noqa: ASYNC110  # sessions have no event to wait for
            await asyncio.sleep(0.02)


# --- Postgres itself comes and goes ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresCluster]:
    with PostgresCluster(durable=True) as started:  # a crash must not lose what was committed
        yield started


@pytest.mark.slow
@pytest.mark.parametrize("how", ["fast", "immediate"])
async def test_a_restart_of_postgres_does_not_transfer_the_lease(
    server: Servers, cluster: PostgresCluster, how: str
) -> None:
    url = await asyncio.to_thread(cluster.create_database)
    # The grace period must be longer than one connection attempt of the holder, as it is by default.
    pace = PACE._replace(grace=2.0)
    first = await server(url, pace)
    await ready(first)
    second = await server(url, pace)
    await until(lambda: "another server" in str(second.problem()))
    gained: list[Gained] = []
    first.lease_events.on_gained = second.lease_events.on_gained = gained.append
    where = room()
    writer = await filled(first, where)
    assert await first.messages.history(where, limit=1) == []
    await asyncio.to_thread(cluster.stop, "fast" if how == "fast" else "immediate")
    with pytest.raises(StorageUnavailable):
        await writer.write(inserts_more(where, message(where, 1)))
    await until(lambda: first.lease.tenure is None)
    with pytest.raises(StorageUnavailable):
        await first.messages.history(where, limit=1)
    await asyncio.to_thread(cluster.start)
    await stores(writer, first, where, 1)
    assert await first.messages.history(where, limit=1) == [message(where, 1)]
    await until(lambda: "another server" in str(second.problem()))
    assert second.lease.tenure is None
    assert gained == []


@pytest.mark.slow
async def test_a_server_recognizes_its_own_sessions(server: Servers, cluster: PostgresCluster) -> None:
    """A hanging session keeps the lock: it belongs to no other server, so no client is disconnected."""
    url = await asyncio.to_thread(cluster.create_database)
    repository = await server(url, pace=PACE._replace(answer=0.3))
    await ready(repository)
    superseded: list[bool] = []
    repository.lease_events.on_superseded = lambda: superseded.append(True)
    tenure = repository.lease.tenure
    assert tenure is not None
    os.kill(tenure.pid, signal.SIGSTOP)
    try:
        await until(lambda: "an earlier connection of this server is still open" in str(repository.problem()))
        assert f"parley at 127.0.0.1 (PostgreSQL process {tenure.pid})" in str(repository.problem())
        assert not repository.another_writes()
    finally:
        os.kill(tenure.pid, signal.SIGCONT)
    await ready(repository)
    assert not superseded


async def test_a_server_starts_while_postgres_is_down(server: Servers, cluster: PostgresCluster) -> None:
    url = await asyncio.to_thread(cluster.create_database)
    await asyncio.to_thread(cluster.stop)
    repository = await server(url)
    assert repository.problem() is not None
    await until(lambda: "cannot connect to Postgres at " in str(repository.problem()))
    with pytest.raises(StorageUnavailable):
        await repository.writer().write(inserts(room()))
    await asyncio.to_thread(cluster.start)
    await ready(repository)
    where = room()
    await filled(repository, where, message(where, 1))
    assert await repository.messages.history(where, limit=1) == [message(where, 1)]
