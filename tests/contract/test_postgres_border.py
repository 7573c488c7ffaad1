"""What Postgres rejects or cannot do, as the port's two exceptions."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from msgspec.structs import replace

from storage.ports.errors import BatchRefused, StorageUnavailable
from storage.ports.messages import ChangeMessage, ExpireMessages, PinState
from storage.ports.rooms import InsertRoom, RemoveMember, SetMember, UpdateRoom
from storage.ports.servers import Gained
from storage.ports.storage import NO_ROOM, STORED, Duplicate, Write, Writer
from storage.postgres.storage import PostgresStorage
from storage.postgres.write.runs import split
from tests.contract.records import (
    filled,
    inserts,
    inserts_more,
    member,
    message,
    open_postgres,
    ready,
    room,
    sets,
    until,
)


@pytest.fixture
async def repository(database_url: str) -> AsyncIterator[PostgresStorage]:
    opened = await open_postgres(database_url)
    yield opened
    await opened.close()


async def run(url: str, statement: bytes) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(statement)


@pytest.mark.parametrize(
    "poison",
    [
        {"content": "nul \x00 in it"},
        {"sender": "nul \x00"},
        {"id": "lone surrogate \ud800"},
        {"timestamp": "yesterday at noon"},
        {"timestamp": "2026-02-30T00:00:00.000000Z"},
        {"seq": 2**63},
        # Random, so that compression cannot make it short enough for an index.
        {"sender": "".join(chr(0x4E00 + n * 7919 % 20000) for n in range(3000))},
    ],
    ids=["content", "sender", "id", "time", "no such day", "seq", "too long for an index"],
)
async def test_one_invalid_row_rejects_the_batch(
    repository: PostgresStorage, poison: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of the batch is stored, the rest can be afterwards, and no error contains the text of a message."""
    where = room()
    writer = await filled(repository, where)
    good = [message(where, n, f"secret {n}") for n in range(1, 10)]
    bad = replace(message(where, 50, "secret 50"), **poison)
    for batch in (inserts_more(where, *good, bad), [*inserts(room()), *inserts_more(where, *good, bad)]):
        with pytest.raises(BatchRefused) as raised:
            await writer.write(batch)
        assert "secret" not in str(raised.value)
    assert await repository.messages.history(where, limit=50) == []
    assert await writer.write(inserts_more(where, *good)) == [STORED] * 9
    assert repository.problem() is None
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    "poison",
    [
        UpdateRoom(room(title="nul \x00")),
        UpdateRoom(room(topic="lone surrogate \ud800")),
        UpdateRoom(room(retention_days=2**31)),
        UpdateRoom(room(deleted_at="today at ten")),
        InsertRoom(room(password="\x00")),
        SetMember(1, member(name="nul \x00")),
        SetMember(1, member(reason="\ud800")),
        SetMember(1, member(seen_at=2**63)),
        RemoveMember(1, "\ud800"),
        ChangeMessage(1, 1, 2, "x", mentions=("\x00",)),
        ChangeMessage(1, 1, 2, pin=PinState("today at ten", "u")),
        ExpireMessages(2**63, 1, 10),
    ],
    ids=[
        "a title",
        "a topic",
        "too many days",
        "a deletion",
        "a password",
        "a name",
        "a reason",
        "too late a time",
        "a user's id",
        "a mention",
        "a pin",
        "too late a now",
    ],
)
async def test_one_invalid_write_of_any_kind_rejects_the_batch(repository: PostgresStorage, poison: Write) -> None:
    """Nothing of its batch is stored, and the rest can be afterwards."""
    where = room()
    writer = await filled(repository, where, message(where, 1))
    if isinstance(poison, UpdateRoom):
        poison = UpdateRoom(replace(poison.room, room_id=where.room_id))
    elif isinstance(poison, SetMember | RemoveMember | ChangeMessage):
        poison = replace(poison, room_id=where.room_id)
    good = [*sets(where, member()), *inserts_more(where, message(where, 2))]
    for batch in ([poison], [*good, poison]):
        with pytest.raises(BatchRefused):
            await writer.write(batch)
    assert await repository.rooms.find_member(where.room_id, "u_ann") is None
    assert await writer.write(good) == [STORED] * 2
    assert await repository.messages.history(where, limit=9) == [message(where, 1), message(where, 2)]
    assert repository.problem() is None


async def test_a_rejected_batch_costs_no_connection(repository: PostgresStorage) -> None:
    """After a rollback psycopg deallocates the prepared statements of the session, once there are any."""
    where = room()
    writer = await filled(repository, where)
    for seq in range(1, 30, 3):
        assert await writer.write([*sets(where, member()), *inserts_more(where, message(where, seq))]) == [STORED] * 2
        with pytest.raises(BatchRefused):
            await writer.write([*sets(where, member()), *inserts_more(where, message(where, seq + 1, "\x00"))])
        assert await writer.write(inserts_more(where, message(where, seq + 2))) == [STORED]


async def test_a_rejected_room_is_not_remembered_as_stored(repository: PostgresStorage) -> None:
    """The room was rejected with its batch; a later message must not be stored without a room."""
    where = room()
    writer = repository.writer()
    with pytest.raises(BatchRefused):
        await writer.write(inserts(where, message(where, 1, "\x00")))
    assert await repository.rooms.find_room(where.name) is None
    assert await writer.write(inserts_more(where, message(where, 1))) == [NO_ROOM]
    assert await repository.messages.history(where, limit=5) == []


def test_no_row_is_changed_twice_in_a_statement() -> None:
    """Of two changes to a row UPDATE takes any, and an upsert rejects the second; the later one must win."""
    one, two = room(), room()
    pin = ChangeMessage(one.room_id, 1, 2, pin=PinState())
    batch: list[Write] = [
        *(UpdateRoom(each) for each in (one, two, one)),
        *sets(one, member("a"), member("b"), member("a")),
        *sets(two, member("a")),
        pin,
        replace(pin, seq=2),
        replace(pin, version=3),
        RemoveMember(one.room_id, "a"),
        RemoveMember(one.room_id, "a"),
    ]
    runs = split(batch)
    assert [place for run in runs for place in run] == [*range(len(batch))]
    assert [len(run) for run in runs] == [2, 1, 2, 2, 2, 1, 2]


def test_writes_of_different_rooms_share_statements() -> None:
    one, two = room(), room()
    batch: list[Write] = [
        *inserts(one, message(one, 1)),
        *inserts(two, message(two, 1)),
        *inserts_more(one, message(one, 2)),
        *sets(two, member("a")),
        *inserts_more(two, message(two, 2)),
        *inserts_more(one, message(one, 3)),
    ]
    assert split(batch) == [[0, 2], [1, 3, 4], [5], [6, 7]]


def test_writes_keep_their_order_where_they_depend_on_it() -> None:
    """A deleted room frees its name for another one, and maintenance removes what was written before it."""
    one, two = room(), room()
    batch: list[Write] = [
        *inserts(one, message(one, 1)),
        UpdateRoom(one),
        *inserts(two, message(two, 1)),
        ExpireMessages(0, 0, 1),
        *inserts_more(one, message(one, 2)),
    ]
    assert split(batch) == [[0], [1], [2], [3], [4], [5], [6]]


async def test_outcomes_are_in_the_order_of_the_writes(repository: PostgresStorage) -> None:
    one, two, unknown = room(), room(), room()
    twice = message(one, 1, "twice", id="twice")
    batch: list[Write] = [
        *inserts(one, twice),
        *inserts_more(unknown, message(unknown, 1)),
        *inserts(two, message(two, 1)),
        *inserts_more(one, replace(twice, seq=2)),
    ]
    assert await repository.writer().write(batch) == [STORED, STORED, NO_ROOM, STORED, STORED, Duplicate(1, True)]


async def fails(writer: Writer, batch: list[Write], words: str) -> None:
    with pytest.raises(StorageUnavailable, match=words):
        await writer.write(batch)


async def test_a_missing_table_is_unavailable_until_it_returns(repository: PostgresStorage, database_url: str) -> None:
    where = room()
    writer = await filled(repository, where)
    await run(database_url, b"ALTER TABLE messages RENAME TO messages_away")
    await fails(writer, inserts_more(where, message(where, 1)), 'a table is missing.*"messages" does not exist')
    with pytest.raises(StorageUnavailable, match="a table is missing"):
        await repository.messages.history(where, limit=1)
    assert "a table is missing" in str(repository.problem())
    await run(database_url, b"ALTER TABLE messages_away RENAME TO messages")
    assert await writer.write(inserts_more(where, message(where, 1))) == [STORED]
    assert repository.problem() is None


async def test_a_read_only_database_refuses_writes_and_serves_reads(
    repository: PostgresStorage, database_url: str
) -> None:
    where = room()
    writer = await filled(repository, where, message(where, 1))
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    await run(database_url, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'.encode())
    await writer.close()
    writer = repository.writer()  # an existing session keeps the setting it started with
    await fails(writer, inserts_more(where, message(where, 2)), "the database is read-only")
    assert "read-only" in str(repository.problem())
    assert await repository.messages.history(where, limit=5) == [message(where, 1)]
    writable = f"{database_url}?options=-c%20default_transaction_read_only%3Doff"
    await run(writable, f'ALTER DATABASE "{name}" RESET ALL'.encode())
    assert await writer.write(inserts_more(where, message(where, 2))) == [STORED]
    assert repository.problem() is None


async def test_a_lock_that_is_not_free_in_time_is_unavailable(database_url: str) -> None:
    where = room()
    patient = await open_postgres(database_url)
    await filled(patient, where)  # on a busy machine it may take longer
    await patient.close()
    repository = await open_postgres(database_url, write_seconds=0.5)
    writer = repository.writer()
    async with await psycopg.AsyncConnection.connect(database_url) as blocker:
        await blocker.execute(b"LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")
        await fails(writer, inserts_more(where, message(where, 1)), "in time|statement timeout")
    await ready_again(repository, writer, inserts_more(where, message(where, 1)))
    await repository.close()


async def test_closing_ends_writes_waiting_for_a_lock(database_url: str) -> None:
    """Not only once the lock is free or the minute is over."""
    repository = await open_postgres(database_url, read_seconds=60.0, write_seconds=60.0)
    where = room()
    writer = await filled(repository, where)
    async with await psycopg.AsyncConnection.connect(database_url) as blocker:
        await blocker.execute(b"LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")
        reading = asyncio.ensure_future(repository.messages.history(where, limit=1))
        writing = asyncio.ensure_future(writer.write(inserts_more(where, message(where, 1))))
        waiting = b"SELECT count(*) FROM pg_locks WHERE NOT granted"
        async with asyncio.timeout(20):
            while await (await blocker.execute(waiting)).fetchone() != (2,):
                pass
        async with asyncio.timeout(5):
            await repository.close()
            for task in (reading, writing):
                with pytest.raises(StorageUnavailable):
                    await task


async def ready_again(repository: PostgresStorage, writer: Writer, batch: list[Write]) -> None:
    """Write as a worker does: the same batch until it is stored."""
    async with asyncio.timeout(20):
        while True:
            try:
                assert await writer.write(batch) == [STORED] * len(batch)
            except StorageUnavailable:
                await until(lambda: repository.lease.tenure is not None)
            else:
                break
    assert repository.problem() is None


async def test_a_killed_connection_is_replaced(repository: PostgresStorage, database_url: str) -> None:
    """All connections are killed at once: those of the writers, the readers and the lease."""
    where = room()
    writer = await filled(repository, where)
    gained: list[Gained] = []
    repository.lease_events.on_gained = gained.append
    await run(
        database_url,
        b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        b" WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    with pytest.raises(StorageUnavailable):
        await writer.write(inserts_more(where, message(where, 1)))
    await until(lambda: repository.lease.tenure is not None)
    await ready_again(repository, writer, inserts_more(where, message(where, 1)))
    assert await repository.messages.history(where, limit=5) == [message(where, 1)]
    assert gained == []


async def test_the_password_is_never_shown(database_url: str) -> None:
    """Neither in the reported problem of a failed login nor in an error."""
    repository = PostgresStorage(database_url.replace("postgres:", "nobody:hunter2-", 1))
    await repository.start()
    await until(lambda: "connecting" not in str(repository.problem()))
    assert "hunter2" not in str(repository.problem())
    with pytest.raises(StorageUnavailable) as raised:
        await repository.writer().write(inserts(room()))
    assert "hunter2" not in str(raised.value)
    await repository.close()


async def test_an_option_in_the_url_wins_over_parleys(database_url: str) -> None:
    repository = await open_postgres(f"{database_url}?application_name=chat-1&options=-c%20work_mem%3D9MB")
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        rows = await (
            await connection.execute(
                "SELECT DISTINCT application_name FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                " AND datname = current_database()"
            )
        ).fetchall()
    assert rows == [("chat-1",)]
    await ready(repository)
    await repository.close()
