"""Reads are scheduled fairly: a user with many reads delays others only by those already running."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import copy_context
from typing import Any

import psycopg
import pytest

from model.room import RoomRecord
from storage.memory.storage import MemoryStorage
from storage.ports.errors import StorageUnavailable, TooManyReads
from storage.ports.storage import READER
from storage.postgres.storage import PostgresStorage
from tests.contract.records import delete, filled, inserts, member, message, open_postgres, room, sets, until
from tests.support.steps import longest_step
from utils.fairness import FairQueue, Party

MALLORY, ANN, HOME = Party("u_mallory"), Party("u_ann"), Party("192.0.2.7")


@pytest.fixture
async def repository(database_url: str) -> AsyncIterator[PostgresStorage]:
    opened = await open_postgres(database_url, read_seconds=60.0)
    yield opened
    await opened.close()


@pytest.fixture
async def lock(database_url: str, repository: PostgresStorage) -> AsyncIterator[psycopg.AsyncConnection]:
    """No message can be read until this connection's transaction ends."""
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute("LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")
        yield connection


class Readers:
    """Records the reads and the order of their results."""

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
async def where(repository: PostgresStorage) -> RoomRecord:
    where = room()
    await filled(repository, where, *(message(where, n, "even odd") for n in range(1, 20)))
    return where


async def test_searches_of_one_reader_do_not_delay_others(
    repository: PostgresStorage, where: RoomRecord, lock: psycopg.AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of sixty, one runs, sixteen wait, and the rest are refused; reads of other users run directly after the first."""
    readers = Readers()
    # Who may read next, and who else could have; which of two reads at a time ends first is up to PostgreSQL.
    turns: list[tuple[str, set[str]]] = []
    grant = FairQueue._grant

    def noted(self: FairQueue, name: str, group: Any) -> None:
        turns.append((name, set(self._ring)))
        grant(self, name, group)

    monkeypatch.setattr(FairQueue, "_grant", noted)

    def search(name: str, reader: Party) -> None:  # the same for all, so that none is faster
        words = ["even", "odd"]
        readers.ask(name, reader, repository.messages.history(where, limit=5, words=words, old_words=words))

    for n in range(60):
        search(f"mallory {n}", MALLORY)
    await until(lambda: len(readers.full()) == 43)
    assert repository.waiting_reads() == 16
    for n in range(3):
        search(f"home {n}", HOME)
    search("ann", ANN)
    await until(lambda: repository.waiting_reads() == 16 + 3)
    # The reads of a join, and the list of a user's rooms, wait for none of these.
    for n in range(5):
        readers.ask(f"join {n}", Party(f"u_{n}"), repository.rooms.find_room(where.name))
        readers.ask(f"rooms {n}", MALLORY, repository.rooms.rooms_of("u_mallory", limit=9))
    await asyncio.gather(*(task for name, task in readers.tasks.items() if name.startswith(("join", "rooms"))))
    assert len(readers.answered) == 10
    turns.clear()
    await lock.rollback()
    await asyncio.gather(*readers.tasks.values(), return_exceptions=True)
    assert len(readers.answered[10:]) == 17 + 4
    # One of mallory and one of home run; ann is next.
    names = [name for name, _ in turns]
    assert (names.count(MALLORY.group), names.count(HOME.group), names.count(ANN.group)) == (16, 2, 1)
    assert names.index(ANN.group) <= 1, turns
    for place, (name, others) in enumerate(turns, start=1):
        again = names.index(name, place) if name in names[place:] else len(names)
        assert others <= set(names[place:again]), f"{name} read again before others: {turns}"
    assert repository.waiting_reads() == 0


async def test_pages_of_one_reader_do_not_delay_others(
    repository: PostgresStorage, where: RoomRecord, lock: psycopg.AsyncConnection
) -> None:
    """Ordinary pages too: no reader has more than half of the connections."""
    readers = Readers()
    for n in range(103):
        readers.ask(f"mallory {n}", MALLORY, repository.messages.history(where, limit=5))
    await until(lambda: len(readers.full()) == 1)
    readers.ask("ann's room", ANN, repository.rooms.find_room(where.name))
    await readers.tasks["ann's room"]  # while all of the pages wait for the lock
    for n in range(2):
        readers.ask(
            f"search {n}",
            Party(f"u_{n}"),
            repository.messages.search([where], words=["even"], old_words=["even"], before=None, limit=5),
        )
    readers.ask("ann", ANN, repository.messages.history(where, limit=5))
    await lock.rollback()
    await asyncio.gather(*readers.tasks.values(), return_exceptions=True)
    assert len(readers.answered) == 102 + 4
    # She gets the first free connection. How many of the others finish before hers is random.
    assert readers.answered.index("ann") <= 50, readers.answered


async def test_too_many_reads_in_total_are_refused(
    repository: PostgresStorage, where: RoomRecord, lock: psycopg.AsyncConnection
) -> None:
    readers = Readers()
    for n in range(643):
        readers.ask(
            f"{n}", Party(f"u_{n}"), repository.messages.history(where, limit=5, words=["even"], old_words=["even"])
        )
    await until(lambda: len(readers.full()) == 1)
    refusal = readers.tasks[readers.full()[0]].exception()
    assert isinstance(refusal, TooManyReads)
    assert not refusal.own
    await lock.rollback()
    await asyncio.gather(*readers.tasks.values(), return_exceptions=True)
    assert len(readers.answered) == 642


async def test_postgres_cancels_a_slow_read_before_queued_ones_time_out(database_url: str) -> None:
    """At half of a read's time limit, so that the connection is free for the next one."""
    repository = await open_postgres(database_url, read_seconds=1.0, read_connections=1)
    try:
        where = room()
        await filled(repository, where, message(where, 1, "even"))
        async with await psycopg.AsyncConnection.connect(database_url) as connection:
            await connection.execute("LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(StorageUnavailable, match="cancelled a statement"):
                await repository.messages.history(where, limit=5, words=["even"], old_words=["even"])
            assert await repository.rooms.find_room(where.name) is not None
        assert len(await repository.messages.history(where, limit=5, words=["even"], old_words=["even"])) == 1
    finally:
        await repository.close()


async def test_queued_reads_end_when_storage_is_closed(
    repository: PostgresStorage, where: RoomRecord, lock: psycopg.AsyncConnection
) -> None:
    readers = Readers()
    for n in range(10):
        readers.ask(f"{n}", MALLORY, repository.messages.history(where, limit=5, words=["even"], old_words=["even"]))
    await until(lambda: repository.waiting_reads() == 9)
    await repository.close()
    ended = await asyncio.gather(*readers.tasks.values(), return_exceptions=True)
    assert {str(error) for error in ended} == {"the storage is closed"}
    assert repository.waiting_reads() == 0


# --- memory: the shared resource is the event loop -------------------------------------------------------------------


@pytest.fixture
async def memory() -> AsyncIterator[MemoryStorage]:
    opened = MemoryStorage()
    await opened.start()
    yield opened
    await opened.close()


@pytest.fixture
async def long_room(memory: MemoryStorage) -> RoomRecord:
    """Return a room whose messages take about ten slices to search."""
    where = room()
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 2000)))
    await filled(memory, where, *(message(where, n, text) for n in range(1, 61)))
    return where


def looks_for(memory: MemoryStorage, where: RoomRecord, way: str) -> Awaitable[object]:
    if way == "search":
        return memory.messages.search([where], words=["nothing"], before=None, limit=5)
    return memory.messages.history(where, limit=5, words=["nothing"])


@pytest.mark.parametrize("way", ["history", "search"])
async def test_searches_in_memory_do_not_delay_others(memory: MemoryStorage, long_room: RoomRecord, way: str) -> None:
    """As with Postgres; other reads are answered at once."""
    readers = Readers()
    for n in range(60):
        readers.ask(f"mallory {n}", MALLORY, looks_for(memory, long_room, way))
    for n in range(3):
        readers.ask(f"home {n}", HOME, looks_for(memory, long_room, way))
    readers.ask("ann", ANN, looks_for(memory, long_room, way))
    await asyncio.sleep(0)
    assert memory.waiting_reads() == 16 + 2
    assert len(readers.full()) == 43
    # None of these yields to the loop even once.
    for n in range(200):
        readers.ask(f"join {n}", MALLORY, memory.rooms.find_room(long_room.name))
        readers.ask(f"page {n}", MALLORY, memory.messages.history(long_room, limit=5))
    await asyncio.sleep(0)
    assert len([name for name in readers.answered if name.startswith(("join", "page"))]) == 400
    await asyncio.gather(*readers.tasks.values(), return_exceptions=True)
    searches = [name for name in readers.answered if not name.startswith(("join", "page"))]
    assert len(searches) == 17 + 4
    assert searches.index("ann") <= 2, searches
    assert searches.index("home 2") <= 6, searches
    assert memory.waiting_reads() == 0


async def test_queued_searches_end_when_memory_storage_is_closed(memory: MemoryStorage, long_room: RoomRecord) -> None:
    readers = Readers()
    for n in range(10):
        readers.ask(f"{n}", MALLORY, memory.messages.history(long_room, limit=5, words=["nothing"]))
    await asyncio.sleep(0)
    await memory.close()
    ended = await asyncio.gather(*readers.tasks.values(), return_exceptions=True)
    assert {str(error) for error in ended} == {"the storage is closed"}
    assert memory.waiting_reads() == 0


@pytest.fixture
async def many_rooms(memory: MemoryStorage) -> list[RoomRecord]:
    """Create many rooms with Ann as a member."""
    rooms = [room(f"room {n}") for n in range(2000)]
    writer = memory.writer()
    for each in rooms:
        await writer.write([*inserts(each, message(each, 1)), *sets(each, member("u_ann"))])
    await writer.close()
    return rooms


@pytest.mark.parametrize("way", ["listed", "mine", "unread", "sender", "search"])
async def test_all_long_reads_share_one_slice_of_a_turn(
    memory: MemoryStorage, many_rooms: list[RoomRecord], way: str
) -> None:
    """A hundred readers at once: no turn of the loop has more than a slice of their work."""
    where = room("long")
    await filled(memory, where, *(message(where, n) for n in range(1, 2001)))
    bob = member("u_bob").user
    cursors = [(each.room_id, 0) for each in many_rooms[:500]]
    reads: dict[str, Callable[[], Awaitable[object]]] = {
        "listed": lambda: memory.rooms.listed_rooms(after="", contains="nothing", limit=9),
        "mine": lambda: memory.rooms.rooms_of("u_ann", limit=9),
        "unread": lambda: memory.messages.unread(bob, cursors, limit=9),
        "sender": lambda: memory.messages.history(where, limit=9, sender="nobody"),
        "search": lambda: memory.messages.search(many_rooms[:500], words=["nothing"], before=None, limit=9),
    }
    readers = Readers()

    async def ask() -> None:
        for n in range(100):
            readers.ask(f"{n}", Party(f"u_{n}"), reads[way]())
        await asyncio.gather(*readers.tasks.values())

    gc.collect()
    gc.disable()  # a garbage collection would be a step of its own
    try:
        assert await longest_step(ask()) < 0.03
    finally:
        gc.enable()
    assert len(readers.answered) == 100


async def test_rooms_added_and_removed_during_a_listing_do_not_break_it(
    memory: MemoryStorage, many_rooms: list[RoomRecord]
) -> None:
    reading = asyncio.create_task(memory.rooms.listed_rooms(after="", contains="last", limit=9))
    await asyncio.sleep(0)
    assert not reading.done()
    names = [room("room 0 last"), room("zz last")]
    writer = memory.writer()
    for each in names:
        await writer.write(inserts(each, message(each, 1)))
    await writer.write([delete(each, 1, 2) for each in many_rooms])
    await writer.close()
    assert (await reading)[-1] == names[1]


async def test_a_page_is_found_beyond_many_deleted_messages(memory: MemoryStorage) -> None:
    """The search runs in slices if there are many."""
    where = room()
    await filled(memory, where, *(message(where, n) for n in range(1, 3001)))
    writer = memory.writer()
    await writer.write([delete(where, n, 3000 + n) for n in range(11, 2991)])
    await writer.close()
    newest = await memory.messages.history(where, limit=20)
    assert [each.seq for each in newest] == [*range(1, 11), *range(2991, 3001)]
    oldest = await memory.messages.history(where, limit=15, after=0)
    assert [each.seq for each in oldest] == [*range(1, 11), *range(2991, 2996)]
    assert [each.seq for each in await memory.messages.history(where, limit=10)] == [*range(2991, 3001)]
    assert [each.seq for each in await memory.messages.history(where, limit=5, after=5)] == [*range(6, 11)]
