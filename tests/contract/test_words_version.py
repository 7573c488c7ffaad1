"""Words stored by an older version still find messages, and are converted while messages change. Postgres only."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import psycopg
import pytest

from chat.maintenance import WORDS_BATCH
from model.message import Message
from model.room import RoomRecord
from storage.factory import open_storage
from storage.ports.messages import FIRST, CutWords
from storage.ports.storage import Storage, WordsCut, Writer
from storage.postgres.read import messages as reading
from storage.postgres.storage import PostgresStorage
from tests.contract.records import delete, edit, filled, inserts_more, message, open_postgres, room, until
from tests.support.server import ServerProcess
from tests.support.web import Web
from utils.words import WORDS_VERSION, cut_words, cut_words_v1

# What only one version finds: the first split a word at its vowel signs, the second does not.
HINDI = "हिन्दी में लिखा"
ONLY_NEW, ONLY_OLD = "हिन्दी", "ह न"


@pytest.fixture
async def repository(database_url: str) -> AsyncIterator[PostgresStorage]:
    opened = await open_postgres(database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def admin(database_url: str, repository: PostgresStorage) -> AsyncIterator[psycopg.AsyncConnection]:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        yield connection


async def make_old(admin: psycopg.AsyncConnection) -> None:
    """Change all messages to how version 1 stored them."""
    rows = await (await admin.execute("SELECT room_id, seq, content FROM messages")).fetchall()
    async with admin.cursor() as cursor:
        await cursor.executemany(
            "UPDATE messages SET words = %s, words_version = 1 WHERE room_id = %s AND seq = %s",
            [(cut_words_v1(content), room_id, seq) for room_id, seq, content in rows],
        )


async def versions(admin: psycopg.AsyncConnection) -> list[int]:
    rows = await (await admin.execute("SELECT words_version FROM messages ORDER BY room_id, seq")).fetchall()
    return [version for (version,) in rows]


async def left_to_convert(admin: psycopg.AsyncConnection) -> int:
    rows = await (await admin.execute("SELECT count(*) FROM messages WHERE words_version = 1")).fetchall()
    return int(rows[0][0])


async def until_left(admin: psycopg.AsyncConnection, few: int) -> None:
    """Wait until the server, another process, has left that few to convert."""
    while await left_to_convert(admin) > few:  # noqa: ASYNC110  # conditions of another process have no event
        await asyncio.sleep(0.02)


async def found(repository: Storage, where: RoomRecord, q: str) -> list[int]:
    """Return the results of a page of history and of a search, which must agree."""
    words, old_words = cut_words(q), cut_words_v1(q)
    page = await repository.messages.history(where, limit=50, words=words, old_words=old_words)
    hits = await repository.messages.search([where], words=words, old_words=old_words, before=None, limit=50)
    assert [each.seq for each in page] == [each.seq for _, each in reversed(hits)]
    return [each.seq for each in page]


@pytest.mark.parametrize("rare_hits", [reading.RARE_HITS, 0])
async def test_messages_of_either_version_are_found_by_its_own_words(
    repository: PostgresStorage,
    admin: psycopg.AsyncConnection,
    monkeypatch: pytest.MonkeyPatch,
    rare_hits: int,
) -> None:
    monkeypatch.setattr(reading, "RARE_HITS", rare_hits)
    where = room()
    writer = await filled(repository, where, message(where, 1, HINDI), message(where, 2, "plain words"))
    await make_old(admin)
    await writer.write(inserts_more(where, message(where, 3, HINDI), message(where, 4, "plain words")))
    assert await versions(admin) == [1, 1, WORDS_VERSION, WORDS_VERSION]
    assert await found(repository, where, ONLY_NEW) == [1, 3]
    assert await found(repository, where, ONLY_OLD) == [1]  # in new messages these letters alone are no words
    assert await found(repository, where, "plain") == [2, 4]
    # A query without any word in the old version finds no message stored by it.
    assert await repository.messages.history(where, limit=5, words=cut_words(ONLY_NEW), old_words=[]) == [
        message(where, 3, HINDI)
    ]
    assert await writer.write([CutWords(FIRST, 9)]) == [WordsCut((where.room_id, 2), 2)]
    assert await writer.write([CutWords(FIRST, 9)]) == [WordsCut(None, 0)]
    assert await versions(admin) == [WORDS_VERSION] * 4
    assert await found(repository, where, ONLY_NEW) == [1, 3]
    assert await found(repository, where, ONLY_OLD) == []
    assert await found(repository, where, "plain") == [2, 4]


async def test_a_message_changed_during_the_conversion_wins(
    repository: PostgresStorage, admin: psycopg.AsyncConnection
) -> None:
    """An edit, a deletion and a reaction arrive between reading a text and storing its words."""
    where = room()
    log = [message(where, seq, HINDI) for seq in range(1, 5)]
    writer = await filled(repository, where, *log)
    await make_old(admin)
    cutter = repository.writer()
    async with admin.transaction():
        # Held, so that the text has been read and its words cannot be stored yet.
        await admin.execute("SELECT 1 FROM messages WHERE seq = 1 FOR UPDATE")
        cutting = asyncio.ensure_future(cutter.write([CutWords(FIRST, 9)]))
        await until_waiting(admin)
        changing = asyncio.ensure_future(writer.write([edit(where, log[0], 11, "another text"), delete(where, 2, 12)]))
    await asyncio.gather(cutting, changing)
    # Whichever came first: the text and its words are those of the edit, and nothing is lost.
    while await cutter.write([CutWords(FIRST, 9)]) != [WordsCut(None, 0)]:
        pass
    assert await versions(admin) == [WORDS_VERSION] * 4
    assert await found(repository, where, "another text") == [1]
    assert await found(repository, where, ONLY_NEW) == [3, 4]
    rows = await (await admin.execute("SELECT seq, version, words FROM messages ORDER BY seq")).fetchall()
    assert [(seq, version) for seq, version, _ in rows] == [(1, 11), (2, 12), (3, 3), (4, 4)]
    assert [set(words) for _, _, words in rows] == [{"another", "text"}, *[set(cut_words(HINDI))] * 3]
    await cutter.close()


async def until_waiting(admin: psycopg.AsyncConnection) -> None:
    """Wait until a statement waits for the row that this connection locks."""
    async with asyncio.timeout(20):
        while True:
            waits = await admin.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'")
            if await waits.fetchone():
                return


async def test_a_change_between_read_and_write_is_converted_next_time(
    repository: PostgresStorage, admin: psycopg.AsyncConnection
) -> None:
    """The check by itself: words of an outdated text are never stored."""
    where = room()
    await filled(repository, where, message(where, 1, HINDI))
    await make_old(admin)
    cutter = repository.writer()
    async with admin.transaction():
        await admin.execute("UPDATE messages SET version = 5, content = 'plain', words = '{plain}' WHERE seq = 1")
        cutting = asyncio.ensure_future(cutter.write([CutWords(FIRST, 9)]))
        await until_waiting(admin)
    assert await cutting == [WordsCut((where.room_id, 1), 1)]
    assert await versions(admin) == [1]
    assert await found(repository, where, "plain") == [1]
    await cutter.write([CutWords(FIRST, 9)])
    assert await versions(admin) == [WORDS_VERSION]
    assert await found(repository, where, "plain") == [1]
    await cutter.close()


async def test_memory_storage_has_nothing_to_convert() -> None:
    repository = open_storage(None)
    assert await repository.writer().write([CutWords(FIRST, 9)]) == [WordsCut(None, 0)]


async def test_only_the_server_with_the_lease_converts(repository: PostgresStorage, database_url: str) -> None:
    second = PostgresStorage(database_url)
    await second.start()
    await until(lambda: "another server" in str(second.problem()))
    with pytest.raises(Exception, match="another server is writing"):
        await second.writer().write([CutWords(FIRST, 9)])
    await second.close()


@pytest.mark.slow
async def test_a_killed_server_continues_the_conversion_where_it_was(
    database_url: str, start_server: Callable[[Mapping[str, str]], ServerProcess]
) -> None:
    """kill -9 in the middle of edits and deletions; at the end every message has the words of its text."""
    where, size = room("old"), 3 * WORDS_BATCH
    log: list[Message] = [message(where, seq, f"{HINDI} {seq}") for seq in range(1, size + 1)]
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as admin:
        repository = await open_postgres(database_url)
        writer: Writer = await filled(repository, where, *log)
        await make_old(admin)
        await writer.write(
            [edit(where, log[0], size + 1, "edited before"), delete(where, 2, size + 2), delete(where, size, size + 3)]
        )
        await repository.close()
        env = {"DATABASE_URL": database_url, "JWT_SECRET": "s" * 32}
        first = await asyncio.to_thread(start_server, env)
        await until_left(admin, 2 * WORDS_BATCH)
        await asyncio.to_thread(first.kill)
        left = await left_to_convert(admin)
        assert 0 < left < size, "it was killed in the middle"
        second = await asyncio.to_thread(start_server, env)
        await until_left(admin, 0)
        rows = await (await admin.execute("SELECT content, words FROM messages")).fetchall()
        assert len(rows) == size
        assert all(set(words) == set(cut_words(content)) for content, words in rows)
        assert "parley_messages_to_reindex" in (await Web(second.port).get("/metrics")).body.decode()
