"""Notices in PostgreSQL: their numbers grow in the order of commits."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import psycopg
import pytest

from storage.ports.access import suspended
from storage.ports.errors import StorageUnavailable
from storage.ports.storage import READER
from storage.postgres.accounts.access import PostgresAccessRepository
from storage.postgres.accounts.accounts import PostgresAccountRepository
from storage.postgres.accounts.noting import note
from storage.postgres.accounts.pool import CONNECTIONS, AccountPool
from storage.postgres.connection.migrate import migrate
from storage.postgres.connection.session import Connector, ParleyConnection, session_settings
from storage.postgres.connection.url import read_url
from tests.contract.records import until
from tests.support.accounts import NOW, noted
from tests.support.postgres import DatabaseServer
from tests.support.process import PATIENCE
from utils.fairness import Party


def pool_of(url: str) -> AccountPool:
    return AccountPool(Connector(read_url(url), 5), connect_seconds=5, seconds=10)


async def as_another(asked: Awaitable[object]) -> None:
    """Do it for another reader: each has one turn at a time."""
    READER.set(Party("another"))
    await asked


async def test_a_transaction_that_is_not_committed_hides_no_later_notice(database_url: str) -> None:
    """The later one waits, so a reader cannot see its number before the lower one."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await migrate(connection)
    connector = Connector(read_url(database_url), 5)
    first = await ParleyConnection.connect(connector.conninfo, **connector.options(5, session_settings(30)))
    pool = pool_of(database_url)
    await pool.open()
    access = PostgresAccessRepository(pool)
    async with first.transaction():
        await note(first, [suspended("u_1", 0, NOW, "", NOW)])
        second = asyncio.ensure_future(as_another(access.suspend("u_2", NOW, "", noted())))
        waits = b"SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        async with asyncio.timeout(PATIENCE):
            while not await pool.fetch(waits, {}):  # noqa: ASYNC110  # another session has no event to wait for
                await asyncio.sleep(0.01)
        assert await access.notices(after=0) == []
    await second
    assert [(one.subject, one.number) for one in await access.notices(after=0)] == [("u_1", 1), ("u_2", 2)]
    await first.close()
    pool.stop()
    await pool.close(5)


async def test_notices_are_read_before_the_queued_requests_of_any_number_of_addresses(database_url: str) -> None:
    """A storm of requests must not keep a server from following who may not act."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await migrate(connection)
        pool = pool_of(database_url)
        await pool.open()
        accounts, access = PostgresAccountRepository(pool), PostgresAccessRepository(pool)
        done: list[str] = []

        async def ask(address: str, asked: Callable[[], Awaitable[object]]) -> None:
            READER.set(Party(address))
            await asked()
            done.append(address)

        async with connection.transaction():
            await connection.execute("LOCK TABLE accounts")
            requests = [partial(ask, str(n), partial(accounts.find, "a_1")) for n in range(50)]
            tasks = [asyncio.ensure_future(request()) for request in requests]
            await until(lambda: pool.waiting == len(requests) - CONNECTIONS)
            tasks.append(asyncio.ensure_future(ask("follower", partial(access.notices, after=0))))
        await asyncio.gather(*tasks)
    assert done.index("follower") <= CONNECTIONS + 1
    pool.stop()
    await pool.close(5)


async def test_a_server_that_starts_before_the_first_migration_cannot_read_them_yet(empty_database_url: str) -> None:
    pool = pool_of(empty_database_url)
    await pool.open()
    access = PostgresAccessRepository(pool)
    for asked in (access.notices(after=0), access.suspend("u_1", NOW, "", noted())):
        with pytest.raises(StorageUnavailable, match=r"^the database has no tables for accounts yet: "):
            await asked
    async with await psycopg.AsyncConnection.connect(empty_database_url, autocommit=True) as connection:
        await migrate(connection)
    assert await access.notices(after=0) == []
    pool.stop()
    await pool.close(5)


@pytest.mark.parametrize("how", ["copied", "restored in place"])
async def test_another_life_of_the_database_has_another_incarnation(
    database_url: str, postgres: DatabaseServer, how: str
) -> None:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await migrate(connection)
    incarnations = []
    other = database_url if how == "restored in place" else postgres.copy_database(database_url)
    for url in (database_url, other):
        pool = pool_of(url)
        await pool.open()
        incarnations.append(await PostgresAccessRepository(pool).incarnation())
        pool.stop()
        await pool.close(5)
        if how == "restored in place":
            async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
                await connection.execute("TRUNCATE notices")
    assert len(set(incarnations)) == 2
    if other != database_url:
        postgres.drop_database(other)
