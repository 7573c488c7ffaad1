"""Expiry of messages after the retention time."""

from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from model.message import Message, Quote
from model.room import RoomRecord, User
from storage.factory import open_storage
from storage.ports.messages import ChangeMessage, ExpireMessages, PinState, Unread
from storage.ports.rooms import InsertRoom, UpdateRoom
from storage.ports.storage import STORED, Outcome, Removed, Storage, Writer
from tests.contract.records import EPOCH_US, at, edit, inserts, inserts_more, message, open_postgres, room
from utils.clock import DAY_US, SystemClock

NOW = EPOCH_US


@pytest.fixture(params=["memory", "postgres"])
async def repository(request: pytest.FixtureRequest) -> AsyncIterator[Storage]:
    """Return a repository without rooms of other tests."""
    if request.param == "memory":
        opened: Storage = open_storage(None)
        await opened.start()
    else:
        opened = await open_postgres(request.getfixturevalue("database_url"))
    yield opened
    await opened.close()


def aged(where: RoomRecord, *days: float) -> list[Message]:
    """Return messages of these ages in days, each a microsecond older than a retention of as many days keeps."""
    return [message(where, NOW - round(age * DAY_US) - 1, f"{age:g} days old") for age in days]


async def expire(writer: Writer, days: int = 0, limit: int = 1000, now_us: int = NOW) -> Outcome:
    (outcome,) = await writer.write([ExpireMessages(now_us, days, limit)])
    return outcome


async def left(repository: Storage, where: RoomRecord) -> list[str]:
    return [each.content for each in await repository.messages.history(where, limit=500, include_deleted=True)]


async def test_a_message_expires_only_if_it_is_old_by_the_clock_of_postgres_too(database_url: str) -> None:
    """The clock of a server may be ahead by days: then it must not remove what it should keep."""
    repository = await open_postgres(database_url)
    writer = repository.writer()
    own, plain = room(retention_days=30), room()
    now = SystemClock().now_us()
    for where in (own, plain):
        await writer.write(inserts(where, message(where, now - 31 * DAY_US, "old"), message(where, now, "new")))
    assert await expire(writer, days=30, now_us=now + 365 * DAY_US) == Removed(2)
    assert await left(repository, own) == await left(repository, plain) == ["new"]
    await repository.close()


async def test_messages_expire_by_the_rooms_retention_or_the_servers(repository: Storage, writer: Writer) -> None:
    plain, short, long, deleted = room(), room(retention_days=2), room(retention_days=90), room(retention_days=2)
    for where in (plain, short, long, deleted):
        await writer.write(inserts(where, *aged(where, 100, 20, 3, 1)))
    await writer.write([UpdateRoom(replace(deleted, deleted_at=at(1)))])
    assert await expire(writer) == Removed(3 + 1 + 3)
    assert await left(repository, plain) == ["100 days old", "20 days old", "3 days old", "1 days old"]
    assert await left(repository, short) == await left(repository, deleted) == ["1 days old"]
    assert await left(repository, long) == ["20 days old", "3 days old", "1 days old"]
    assert await expire(writer, days=10) == Removed(2)
    assert await left(repository, plain) == ["3 days old", "1 days old"]
    assert await left(repository, long) == ["20 days old", "3 days old", "1 days old"]
    assert await expire(writer, days=10) == Removed(0)


async def test_expiry_is_exact_to_the_microsecond(repository: Storage, writer: Writer) -> None:
    """A message that is exactly as old as the retention time is kept."""
    where = room(retention_days=7)
    (due,) = aged(where, 7)
    await writer.write(inserts(where, due, message(where, due.seq + 1, "kept")))
    assert await expire(writer, days=1) == Removed(1)
    assert await left(repository, where) == ["kept"]
    assert await expire(writer, now_us=NOW + 1) == Removed(1)


async def test_expiry_removes_at_most_the_limit_at_once(repository: Storage, writer: Writer) -> None:
    rooms = [room(retention_days=n % 3) for n in range(5)]
    for where in rooms:
        await writer.write(inserts(where, *aged(where, 9, 8, 7, 6), *aged(where, 0)))
    counts: list[Outcome] = []
    while counts[-1:] != [Removed(0)]:
        counts.append(await expire(writer, days=5, limit=7))
    assert counts == [Removed(7), Removed(7), Removed(6), Removed(0)]
    for where in rooms:
        assert await left(repository, where) == ["0 days old"]
    assert await expire(writer, days=5, limit=0) == Removed(0)


async def test_a_changed_retention_applies_to_existing_messages(repository: Storage, writer: Writer) -> None:
    """The new retention counts at once, for existing messages too."""
    where = room()
    await writer.write(inserts(where, *aged(where, 100, 3, 1)))
    assert await expire(writer, days=200) == Removed(0)
    assert await writer.write([UpdateRoom(replace(where, retention_days=30)), ExpireMessages(NOW, 200, 9)]) == [
        STORED,
        Removed(1),
    ]
    await writer.write([UpdateRoom(replace(where, retention_days=0))])
    assert await expire(writer, days=200) == Removed(0)
    assert await expire(writer, days=2) == Removed(1)
    assert await left(repository, where) == ["1 days old"]


async def test_messages_expire_as_time_passes(repository: Storage, writer: Writer) -> None:
    """A room that was checked, emptied and written to again is due again."""
    where, other = room(), room(retention_days=1)
    for day in range(1, 6):
        now = NOW + day * DAY_US
        await writer.write(inserts(where, message(where, now - 5)) + inserts(other, message(other, now - 5)))
        assert await expire(writer, days=2, now_us=now) == Removed((day > 1) + (day > 2))
        assert await expire(writer, days=2, now_us=now) == Removed(0)
    assert await expire(writer, days=2, now_us=NOW + 90 * DAY_US) == Removed(3)
    assert await expire(writer, days=2, now_us=NOW + 90 * DAY_US) == Removed(0)
    await writer.write(inserts_more(where, message(where, NOW + 90 * DAY_US + 5)))
    assert await expire(writer, days=2, now_us=NOW + 93 * DAY_US) == Removed(1)


async def test_expired_messages_leave_nothing_behind(repository: Storage, writer: Writer) -> None:
    """Neither their ids, mentions, quotes nor changes."""
    where = room(retention_days=2)
    old = replace(aged(where, 9)[0], id="a", mentions=("ann",))
    reply = replace(aged(where, 1)[0], reply_to=Quote(old.seq))
    await writer.write(inserts(where, old, reply))
    pin = ChangeMessage(where.room_id, old.seq, NOW + 5, pin=PinState(at(1), "u1"))
    await writer.write([edit(where, old, NOW + 4, "edited", mentions=("bob",)), pin])
    assert await repository.messages.head(where.room_id) == NOW + 5
    assert await expire(writer) == Removed(1)
    assert await repository.messages.find_message(where, old.seq) is None
    assert await repository.messages.find_posted(where.room_id, old.sender_id, "a") is None
    assert await repository.messages.history(where, limit=9, pinned=True) == []
    assert await repository.messages.changed(where, after=NOW, until=NOW + 9, limit=9) == []
    assert await repository.messages.head(where.room_id) == reply.seq
    found = await repository.messages.find_message(where, reply.seq)
    assert found is not None
    assert found.reply_to == Quote(old.seq)
    for name in ("ann", "bob"):
        unread = await repository.messages.unread(User("u_x", name), [(where.room_id, 0)], limit=9)
        assert unread == {where.room_id: Unread(1, 0)}
    # So the same id may be used for a new message.
    again = replace(message(where, NOW + 9, "another", id="a"), sender_id=old.sender_id)
    assert await writer.write(inserts_more(where, again)) == [STORED]


async def test_expiry_covers_more_rooms_than_one_batch_reads(repository: Storage, writer: Writer) -> None:
    rooms = [room() for _ in range(2300)]
    await writer.write([InsertRoom(where) for where in rooms])
    await writer.write([write for where in rooms for write in inserts_more(where, *aged(where, 5, 1))])
    assert await expire(writer, days=3, limit=1500) == Removed(1500)
    assert await expire(writer, days=3, limit=1500) == Removed(800)
    assert await left(repository, rooms[0]) == ["1 days old"]
