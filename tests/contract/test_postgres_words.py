"""The words of new messages are merged into the index for search in the background, and no insert merges."""

import asyncio
import logging
from collections.abc import AsyncIterator
from itertools import count

import psycopg
import pytest

from storage.ports.storage import STORED
from storage.postgres.storage import PostgresStorage
from storage.postgres.write.words import CHARS
from tests.contract.records import filled, inserts_more, message, open_postgres, room, until


@pytest.fixture
async def repository(database_url: str) -> AsyncIterator[PostgresStorage]:
    opened = await open_postgres(database_url)
    yield opened
    await opened.close()


async def merging(admin: psycopg.AsyncConnection[tuple[int]]) -> list[int]:
    """Return the sessions that have merged."""
    found = await admin.execute(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle'"
        " AND query LIKE '%gin_clean_pending_list%'"
    )
    return [pid for (pid,) in await found.fetchall()]


async def test_new_words_are_merged_in_the_background(
    repository: PostgresStorage, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    where = room()
    writer = await filled(repository, where)
    words = " ".join(f"word{number}" for number in range(2000))
    seqs = count(1)  # as many as are stored while the merger pauses after its failure

    async def store(chars: int) -> None:
        for _ in range(chars // len(words)):
            assert await writer.write(inserts_more(where, message(where, next(seqs), words))) == [STORED]

    async with await psycopg.AsyncConnection[tuple[int]].connect(database_url, autocommit=True) as admin:

        async def merged() -> int:
            async with asyncio.timeout(10):
                while not (sessions := await merging(admin)):
                    pass
            return sessions[0]

        await store(CHARS - len(words))
        assert await merging(admin) == []
        await store(2 * len(words))
        session = await merged()
        found = await admin.execute("SELECT gin_clean_pending_list('messages_words')")
        assert await found.fetchone() == (0,)
        # Its session ends, and it opens another one.
        await admin.execute("SELECT pg_terminate_backend(%s)", [session])
        await store(CHARS + len(words))
        await until(lambda: "new words could not be merged" in caplog.text)
        caplog.clear()
        async with asyncio.timeout(10):
            while not await merging(admin):
                await store(CHARS + len(words))
        assert await merged() != session
        assert not caplog.text
