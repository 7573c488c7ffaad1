"""Repositories and writers after their close, and the choice of storage at the start."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from model.room import User
from storage.factory import open_storage
from storage.ports.errors import StorageUnavailable
from storage.ports.storage import Storage, Writer
from tests.contract.records import inserts, message, open_postgres, room
from tests.support.accounts import noted

READS: dict[str, Callable[[Storage], Awaitable[object]]] = {
    "start": lambda repository: repository.start(),
    "find_room": lambda repository: repository.rooms.find_room("general"),
    "head": lambda repository: repository.messages.head(1),
    "find_posted": lambda repository: repository.messages.find_posted(1, "u", "a"),
    "history": lambda repository: repository.messages.history(room(), limit=1),
    "search": lambda repository: repository.messages.history(room(), limit=1, words=["a"]),
    "listed_rooms": lambda repository: repository.rooms.listed_rooms(after="", contains="", limit=1),
    "rooms_of": lambda repository: repository.rooms.rooms_of("u", limit=1),
    "invitations": lambda repository: repository.rooms.invitations("u", after=0, limit=1),
    "kept_like": lambda repository: repository.rooms.kept_like("x"),
    "account_role": lambda repository: repository.rooms.account_role("u"),
    "share_a_room": lambda repository: repository.rooms.share_a_room("u", "v"),
    "standings": lambda repository: repository.rooms.special_members(1),
    "find_member": lambda repository: repository.rooms.find_member(1, "u"),
    "find_members": lambda repository: repository.rooms.find_members(1, ["u"]),
    "members": lambda repository: repository.rooms.members(1, after="", limit=1),
    "count_members": lambda repository: repository.rooms.count_members([1]),
    "find_user": lambda repository: repository.rooms.find_user("u"),
    "unread": lambda repository: repository.messages.unread(User("u", "u"), [(1, 0)], limit=1),
    "find_message": lambda repository: repository.messages.find_message(room(), 1),
    "search rooms": lambda repository: repository.messages.search([room()], words=["a"], before=None, limit=1),
    "changed": lambda repository: repository.messages.changed(room(), after=0, until=1, limit=1),
    "accounts": lambda repository: repository.accounts.find("a_1"),
    "logins": lambda repository: repository.logins.end("a_1", entry=noted()),
    "secrets": lambda repository: repository.secrets.find_ticket(b"", "reset", 0),
    "access": lambda repository: repository.access.notices(after=0),
    "audit": lambda repository: repository.audit.append([noted()]),
    "count_changed": lambda repository: repository.messages.count_changed(1, after=0, until=1, limit=1),
}


@pytest.mark.parametrize("name", READS)
async def test_a_closed_repository_cannot_be_read(repository: Storage, name: str) -> None:
    await repository.close()
    await repository.close()
    with pytest.raises(StorageUnavailable, match="closed"):
        await READS[name](repository)


async def test_a_closed_repository_cannot_be_written(repository: Storage, writer: Writer) -> None:
    where = room()
    await writer.write(inserts(where))
    await repository.close()
    assert repository.problem() == "the storage is closed"
    for each in (writer, repository.writer()):
        with pytest.raises(StorageUnavailable, match="closed"):
            await each.write(inserts(where, message(where, 1)))
        await each.close()


async def test_a_closed_writer_refuses_writes(repository: Storage, writer: Writer) -> None:
    where = room()
    await writer.write(inserts(where))
    await writer.close()
    await writer.close()
    with pytest.raises(StorageUnavailable, match="closed"):
        await writer.write(inserts(where, message(where, 1)))
    assert repository.problem() is None
    assert await repository.messages.history(where, limit=1) == []


async def test_a_writer_works_after_a_cancelled_write(repository: Storage, writer: Writer) -> None:
    where = room()
    await writer.write(inserts(where))
    batch = inserts(where, *(message(where, n) for n in range(1, 400)))
    task = asyncio.ensure_future(writer.write(batch))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    outcomes = await writer.write(batch)
    assert {type(outcome).__name__ for outcome in outcomes} == {"Stored"}
    assert len(await repository.messages.history(where, limit=500)) == 399


def test_the_url_chooses_the_storage() -> None:
    assert type(open_storage(None)).__name__ == "MemoryStorage"
    assert type(open_storage("")).__name__ == "MemoryStorage"
    assert type(open_storage("postgresql://localhost/x")).__name__ == "PostgresStorage"
    assert type(open_storage("postgres://localhost/x")).__name__ == "PostgresStorage"
    for wrong in ("mysql://root:secret@localhost/x", "parley.db", "postgresql://a:secret@[::1/x"):
        with pytest.raises(ValueError) as raised:
            open_storage(wrong)
        assert "secret" not in str(raised.value)


async def test_acked_messages_survive_a_restart(database_url: str) -> None:
    where = room()
    first = await open_postgres(database_url)
    await first.writer().write(inserts(where, message(where, 1)))
    await first.close()
    second = await open_postgres(database_url)
    assert await second.rooms.find_room(where.name) == where
    assert await second.messages.history(where, limit=1) == [message(where, 1)]
    await second.close()
