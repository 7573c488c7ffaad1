"""Reads from Postgres have a fair share: a reader who asks for many delays others by what is under way."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextvars import copy_context

import psycopg
import pytest

from model.room import RoomRecord
from storage import READER, StorageUnavailable, TooManyReads
from storage.postgres.repository import PostgresRepository
from tests.contract.records import filled, message, open_postgres, room, until
from utils.fairness import Party

MALLORY, ANN, HOME = Party("u_mallory"), Party("u_ann"), Party("192.0.2.7")


@pytest.fixture
async def repository(database_url: str) -> AsyncIterator[PostgresRepository]:
    opened = await open_postgres(database_url, read_seconds=60.0)
    yield opened
    await opened.close()


@pytest.fixture
async def lock(database_url: str, repository: PostgresRepository) -> AsyncIterator[psycopg.AsyncConnection]:
    """No message can be read until this connection's transaction ends."""
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute("LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")
        yield connection


class Readers:
    """Reads under way, and in which order they were answered."""

    def __init__(self) -> None:
        self.answered: list[str] = []
        self.tasks: dict[str, asyncio.Task[object]] = {}

    def ask(self, name: str, party: Party, read: Awaitable[object]) -> None:
        context = copy_context()
        context.run(READER.set, party)
        self.tasks[name] = asyncio.get_running_loop().create_task(self._answer(name, read), context=context)

    async def _answer(self, name: str, read: Awaitable[object]) -> object:
        answer = await read
        self.answered.append(name)
        return answer

    def full(self) -> list[str]:
        return [name for name, task in self.tasks.items() if task.done() and isinstance(task.exception(), TooManyReads)]


@pytest.fixture
async def where(repository: PostgresRepository) -> RoomRecord:
    where = room()
    await filled(repository, where, *(message(where, n, "even odd") for n in range(1, 20)))
    return where


async def test_searches_of_one_reader_delay_nobody(
    repository: PostgresRepository, where: RoomRecord, lock: psycopg.AsyncConnection
) -> None:
    """Sixty of them: one runs, sixteen wait, the rest are refused; what others ask for comes right behind."""
    readers = Readers()
    for n in range(60):
        readers.ask(
            f"mallory {n}",
            MALLORY,
            repository.history(where, limit=5, words=["even", "odd"], old_words=["even", "odd"]),
        )
    await until(lambda: len(readers.full()) == 43)
    assert repository.waiting_reads() == 16
    for n in range(3):
        readers.ask(
            f"home {n}", HOME, repository.search([where], words=["even"], old_words=["even"], before=None, limit=5)
        )
    readers.ask("ann", ANN, repository.search([where], words=["even"], old_words=["even"], before=None, limit=5))
    await until(lambda: repository.waiting_reads() == 16 + 3)
    # What a join asks, and the list of somebody's rooms, wait for none of these.
    for n in range(5):
        readers.ask(f"join {n}", Party(f"u_{n}"), repository.find_room(where.name))
        readers.ask(f"rooms {n}", MALLORY, repository.rooms_of("u_mallory", limit=9))
    await asyncio.gather(*(task for name, task in readers.tasks.items() if name.startswith(("join", "rooms"))))
    assert len(readers.answered) == 10
    await lock.rollback()
    await asyncio.gather(*readers.tasks.values(), return_exceptions=True)
    searches = readers.answered[10:]
    assert len(searches) == 17 + 4
    assert searches.index("ann") <= 4, searches
    assert searches.index("home 2") <= 8, searches
    assert repository.waiting_reads() == 0


async def test_pages_of_one_reader_delay_nobody(
    repository: PostgresRepository, where: RoomRecord, lock: psycopg.AsyncConnection
) -> None:
    """Ordinary pages too: no reader has more than half of the connections."""
    readers = Readers()
    for n in range(103):
        readers.ask(f"mallory {n}", MALLORY, repository.history(where, limit=5))
    await until(lambda: len(readers.full()) == 1)
    for n in range(2):
        readers.ask(
            f"search {n}",
            Party(f"u_{n}"),
            repository.search([where], words=["even"], old_words=["even"], before=None, limit=5),
        )
    readers.ask("ann", ANN, repository.history(where, limit=5))
    await lock.rollback()
    await asyncio.gather(*readers.tasks.values(), return_exceptions=True)
    assert len(readers.answered) == 102 + 3
    assert readers.answered.index("ann") <= 6, readers.answered


async def test_too_many_of_all_together(
    repository: PostgresRepository, where: RoomRecord, lock: psycopg.AsyncConnection
) -> None:
    readers = Readers()
    for n in range(643):
        readers.ask(f"{n}", Party(f"u_{n}"), repository.history(where, limit=5, words=["even"], old_words=["even"]))
    await until(lambda: len(readers.full()) == 1)
    refusal = readers.tasks[readers.full()[0]].exception()
    assert isinstance(refusal, TooManyReads)
    assert not refusal.own
    await lock.rollback()
    await asyncio.gather(*readers.tasks.values(), return_exceptions=True)
    assert len(readers.answered) == 642


async def test_postgres_ends_a_read_before_those_behind_it_are_too_late(database_url: str) -> None:
    """At half of what a read may take, so that the connection is good for the next one."""
    repository = await open_postgres(database_url, read_seconds=1.0, read_connections=1)
    try:
        where = room()
        await filled(repository, where, message(where, 1, "even"))
        async with await psycopg.AsyncConnection.connect(database_url) as connection:
            await connection.execute("LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(StorageUnavailable, match="did not finish in time"):
                await repository.history(where, limit=5, words=["even"], old_words=["even"])
            assert await repository.find_room(where.name) is not None
        assert len(await repository.history(where, limit=5, words=["even"], old_words=["even"])) == 1
    finally:
        await repository.close()


async def test_reads_that_wait_end_when_storage_is_closed(
    repository: PostgresRepository, where: RoomRecord, lock: psycopg.AsyncConnection
) -> None:
    readers = Readers()
    for n in range(10):
        readers.ask(f"{n}", MALLORY, repository.history(where, limit=5, words=["even"], old_words=["even"]))
    await until(lambda: repository.waiting_reads() == 9)
    await repository.close()
    ended = await asyncio.gather(*readers.tasks.values(), return_exceptions=True)
    assert {str(error) for error in ended} == {"the storage is closed"}
    assert repository.waiting_reads() == 0
