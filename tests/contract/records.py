"""Rooms, messages and repositories for the contract suite."""

import asyncio
from collections.abc import Callable
from typing import Any

from model.message import Message, body_hash
from model.room import Member, Role, RoomRecord, User
from storage.ports.messages import ChangeMessage, InsertMessage
from storage.ports.rooms import InsertRoom, SetMember
from storage.ports.storage import Storage, Write, Writer
from storage.postgres.connection.lease import Pace
from storage.postgres.storage import PostgresStorage
from utils.clock import rfc3339
from utils.ids import new_room_id

EPOCH_US = 1_700_000_000_000_000
# The session of the previous test may need a moment to end; do not wait 1.5 s for the next attempt.
PACE = Pace(poll=0.02, check=0.1, answer=3.0, grace=0.3, cap=0.2)


def room(name: str | None = None, **fields: Any) -> RoomRecord:
    """Return a room that no other test uses, with an unused name unless one is given."""
    room_id = new_room_id()
    return RoomRecord(room_id, name or f"room {room_id}", rfc3339(EPOCH_US), **fields)


def member(user_id: str = "u_ann", role: Role | None = "member", *, name: str = "ann", **fields: Any) -> Member:
    """Return a user in a room."""
    return Member(User(user_id, name), role, **fields)


def message(
    where: RoomRecord,
    seq: int,
    content: str = "hello",
    *,
    id: str | None = None,
    sender_id: str = "u_ann",
    sender: str = "ann",
    **fields: Any,
) -> Message:
    """Return a message as a room would number it: ``seq`` is small in tests, its time is not."""
    return Message(where.name, seq, seq, sender, sender_id, content, at(seq), id, **fields)


def hash_of(content: str) -> int:
    """Return the fingerprint of a message with this text."""
    return body_hash(message(room(), 1, content))


def at(seq: int) -> str:
    """Return the time of a message or a change."""
    return rfc3339(EPOCH_US + seq)


def inserts(where: RoomRecord, *messages: Message) -> list[Write]:
    """Return the room and its messages as one batch."""
    return [InsertRoom(where), *(InsertMessage(where.room_id, each) for each in messages)]


def inserts_more(where: RoomRecord, *messages: Message) -> list[Write]:
    """Return messages of an existing room as one batch."""
    return [InsertMessage(where.room_id, each) for each in messages]


def edit(where: RoomRecord, before: Message, version: int, content: str, **fields: Any) -> ChangeMessage:
    """Return an edit of a message."""
    first_body = body_hash(before)
    return ChangeMessage(
        where.room_id, before.seq, version, content, first_body=first_body, edited_at=at(version), **fields
    )


def delete(where: RoomRecord, seq: int, version: int) -> ChangeMessage:
    """Return the deletion of a message."""
    return ChangeMessage(where.room_id, seq, version, deleted_at=at(version))


def sets(where: RoomRecord, *members: Member) -> list[Write]:
    """Return writes of member rows."""
    return [SetMember(where.room_id, each) for each in members]


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for a condition, which is checked often as that costs little."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # conditions of several processes have no event to wait for
            await asyncio.sleep(0.005)


async def ready(repository: Storage) -> None:
    """Wait until the repository can write."""
    await until(lambda: repository.problem() is None)


async def open_postgres(url: str, **options: float) -> PostgresStorage:
    """Open and start a Postgres repository that holds the lease."""
    repository = PostgresStorage(url, pace=PACE, **options)  # type: ignore[arg-type]  # seconds, all of them
    await repository.start()
    await ready(repository)
    return repository


async def filled(repository: Storage, where: RoomRecord, *messages: Message) -> Writer:
    """Return a writer that has stored the room and these messages."""
    writer = repository.writer()
    await writer.write(inserts(where, *messages))
    return writer
