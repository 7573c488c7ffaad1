"""The secret of the servers, which storage keeps for them: made once, and the same for every server."""

import time
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable

import psycopg
import pytest

from storage.factory import open_storage
from storage.ports.storage import SECRET_BYTES, Storage
from storage.postgres.connection.migrate import load_migrations, migrate
from storage.postgres.connection.session import value
from storage.postgres.sql import lease as sql
from storage.postgres.storage import PostgresStorage
from tests.contract.records import PACE, ready, until

Kept = list[tuple[bytes | None, int | None]]
Open = Callable[..., Awaitable[tuple[Storage, Kept]]]


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    return empty_database_url


@pytest.fixture
async def open_server(database_url: str) -> AsyncIterator[Open]:
    """Start the storage of one more server, with what it says of the secret."""
    opened: list[Storage] = []

    async def start(*, makes_secret: bool = True) -> tuple[Storage, Kept]:
        storage = PostgresStorage(database_url, pace=PACE, makes_secret=makes_secret)
        return await _start(storage, opened)

    yield start
    for storage in opened:
        await storage.close()


async def _start(storage: Storage, opened: list[Storage]) -> tuple[Storage, Kept]:
    kept: Kept = []
    storage.lease_events.on_secret = lambda secret, replaced_at: kept.append((secret, replaced_at))
    opened.append(storage)
    await storage.start()
    return storage, kept


async def execute(url: str, statement: bytes) -> list[tuple[object, ...]]:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        cursor = await connection.execute(statement)
        return await cursor.fetchall() if cursor.description else []


async def row_of(url: str) -> tuple[object, ...]:
    (row,) = await execute(url, b"SELECT secret, replaced_at FROM server_secret")
    return row


@pytest.mark.parametrize("backend", ["memory", "postgres"])
async def test_a_secret_is_known_before_the_server_may_write(backend: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("database_url") if backend == "postgres" else None
    opened: list[Storage] = []
    storage, kept = await _start(open_storage(url), opened)
    try:
        await until(lambda: storage.problem() is None)
        ((secret, replaced_at),) = kept
        assert secret is not None
        assert len(secret) == SECRET_BYTES
        assert len(set(secret)) > 1
        assert replaced_at is None
    finally:
        await storage.close()


async def test_in_memory_each_process_has_its_own() -> None:
    opened: list[Storage] = []
    assert (await _start(open_storage(None), opened))[1] != (await _start(open_storage(None), opened))[1]


async def test_a_restart_finds_the_secret(open_server: Open) -> None:
    first, kept = await open_server()
    await ready(first)
    await first.close()
    second, again = await open_server()
    await ready(second)
    assert again == kept


async def test_servers_that_start_at_once_agree(open_server: Open, database_url: str) -> None:
    """Those that wait for the writing one read it too, although none of them could when they started."""
    servers = [await open_server() for _ in range(4)]
    await until(lambda: all(kept for _, kept in servers))
    assert sum(storage.problem() is None for storage, _ in servers) == 1
    ((secret, _),) = {kept[0] for _, kept in servers}
    assert (await row_of(database_url))[0] == secret
    waiting = [storage for storage, _ in servers]
    while waiting:
        await until(lambda: any(storage.problem() is None for storage in waiting))
        writer = next(storage for storage in waiting if storage.problem() is None)
        waiting.remove(writer)
        await writer.close()
    assert {each for _, kept in servers for each in kept} == {(secret, None)}


async def test_a_server_that_waits_reads_the_secret_whenever_it_appears(open_server: Open, database_url: str) -> None:
    """Another server writes: one of an earlier version, whose schema has no secret; then one that stores it late."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as writer:
        assert await value(writer, sql.TRY_LOCK, key=sql.WRITER_LOCK)
        await migrate(writer, [each for each in load_migrations() if each.version < 11])
        waiting, kept = await open_server()
        given, kept_by_given = await open_server(makes_secret=False)
        await until(lambda: all("another server" in str(each.problem()) for each in (waiting, given)))
        assert kept == kept_by_given == []
        await migrate(writer, load_migrations())
        insert = b"INSERT INTO server_secret (id, secret, replaced_at) VALUES (1, %s, to_timestamp(1700000000))"
        await writer.execute(insert, [b"s" * SECRET_BYTES])
        await until(lambda: bool(kept and kept_by_given))
        await writer.execute(b"UPDATE server_secret SET secret = %s", [b"t" * SECRET_BYTES])
        await until(lambda: len(kept) == len(kept_by_given) == 2)
    assert kept == kept_by_given == [(letter * SECRET_BYTES, 1_700_000_000_000_000) for letter in (b"s", b"t")]
    await until(lambda: any(each.problem() is None for each in (waiting, given)))
    assert len(kept) == len(kept_by_given) == 2, "what is known is not reported again"


async def test_none_is_made_for_a_server_that_was_given_one(open_server: Open, database_url: str) -> None:
    given, kept = await open_server(makes_secret=False)
    await ready(given)
    waiting, unknown = await open_server()
    await until(lambda: "another server" in str(waiting.problem()))
    assert kept == [(None, None)]
    assert await row_of(database_url) == (None, None)
    assert unknown == []
    await given.close()
    await ready(waiting)
    ((made, _),) = unknown
    assert (await row_of(database_url))[0] == made
    await waiting.close()
    given, _ = await open_server(makes_secret=False)
    await ready(given)
    assert (await row_of(database_url))[0] == made, "a secret is never removed"


async def test_a_secret_that_a_restored_database_lacks_is_stored_again(open_server: Open, database_url: str) -> None:
    server, kept = await open_server()
    await ready(server)
    assert isinstance(server, PostgresStorage)
    assert server.lease.tenure is not None
    await execute(database_url, b"DELETE FROM server_secret")
    await execute(database_url, b"SELECT pg_terminate_backend(%d)" % server.lease.tenure.pid)
    await until(lambda: len(kept) == 2)
    assert kept[0][0] == kept[1][0] == (await row_of(database_url))[0]


@pytest.mark.parametrize("makes_secret", [True, False], ids=["made", "given"])
async def test_a_database_of_an_earlier_version_knows_since_when(
    open_server: Open, database_url: str, makes_secret: bool
) -> None:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await migrate(connection, [each for each in load_migrations() if each.version < 11])
        await connection.execute(b"INSERT INTO lease (id, holder, since) VALUES (1, 's_earlier', now())")
    before = time.time()
    server, kept = await open_server(makes_secret=makes_secret)
    await ready(server)
    ((secret, replaced_at),) = kept
    assert replaced_at is not None
    assert before - 2 < replaced_at / 1_000_000 < time.time() + 1
    await server.close()
    await execute(database_url, b"UPDATE server_secret SET replaced_at = to_timestamp(1700000000)")
    server, again = await open_server(makes_secret=makes_secret)
    await ready(server)
    assert again == [(secret, 1_700_000_000_000_000)]


async def test_nothing_logged_contains_the_secret(open_server: Open, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    server, kept = await open_server()
    await ready(server)
    ((secret, _),) = kept
    assert secret is not None
    assert caplog.text
    for text in (secret.hex(), repr(secret)[2:-1], b64encode(secret).decode()):
        assert text not in caplog.text
