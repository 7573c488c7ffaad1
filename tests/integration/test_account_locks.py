"""A change that names an account waits for a deletion of it that is under way, and then stores nothing."""

import asyncio
from collections.abc import Awaitable

import psycopg
from psycopg import sql

from model.limits import KEYS
from storage.ports.storage import READER
from storage.postgres.accounts.access import PostgresAccessRepository
from storage.postgres.accounts.accounts import PostgresAccountRepository
from storage.postgres.accounts.links import PostgresLinkRepository
from storage.postgres.connection.migrate import migrate
from tests.integration.test_notices import pool_of
from tests.support.accounts import NOW, api_key, invite_link, noted, stored
from tests.support.process import PATIENCE
from utils.fairness import Party

WAITING = b"SELECT 1 FROM pg_locks WHERE NOT granted AND locktype IN ('tuple', 'transactionid')"
DELETE = sql.SQL("DELETE FROM accounts WHERE account_id = {}")


async def as_reader(name: str, asked: Awaitable[bool]) -> bool:
    """Do it for this reader: each has one turn at a time."""
    READER.set(Party(name))
    return await asked


async def test_keys_and_links_that_are_made_during_a_deletion_of_their_maker_are_not_stored(database_url: str) -> None:
    pool = pool_of(database_url)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await migrate(connection)
        await pool.open()
        ann = await stored(PostgresAccountRepository(pool))
        access, links = PostgresAccessRepository(pool), PostgresLinkRepository(pool)
        key, link = api_key(maker_id=ann.account_id), invite_link(maker_id=ann.account_id)
        async with connection.transaction():
            await connection.execute(DELETE.format(ann.account_id))
            making = [
                asyncio.ensure_future(as_reader("key", access.insert_key(key, KEYS, noted("key")))),
                asyncio.ensure_future(as_reader("link", links.insert(link, noted("link")))),
            ]
            async with asyncio.timeout(PATIENCE):
                while len(await (await connection.execute(WAITING)).fetchall()) < len(making):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)  # another session has no event to wait for
        assert await asyncio.gather(*making) == [False, False]
    assert await access.keys(NOW) == []
    assert await links.find_by_id(link.link_id) is None
    pool.stop()
    await pool.close(5)
