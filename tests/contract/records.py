"""Rooms, messages and repositories for the contract suite."""

import asyncio
from collections.abc import Callable

from model.message import Message
from model.room import RoomRecord
from storage import InsertMessage, InsertRoom, Repository, Write, Writer
from storage.postgres.lease import Pace
from storage.postgres.repository import PostgresRepository
from utils.clock import rfc3339
from utils.ids import new_room_id

EPOCH_US = 1_700_000_000_000_000
# The session of the test before may need a moment to end; nobody wants to wait 1.5 s for the next look.
PACE = Pace(poll=0.02, check=0.1, answer=3.0, grace=0.3, cap=0.2)


def room(name: str | None = None) -> RoomRecord:
    """A room that no other test has; its name too, unless one is asked for."""
    room_id = new_room_id()
    return RoomRecord(room_id, name or f"room {room_id}", rfc3339(EPOCH_US))


def message(
    where: RoomRecord,
    seq: int,
    content: str = "hello",
    *,
    id: str | None = None,
    sender_id: str = "u_ann",
    sender: str = "ann",
) -> Message:
    """A message as a room would number it: ``seq`` is small in tests, its time is not."""
    return Message(where.name, seq, seq, sender, sender_id, content, rfc3339(EPOCH_US + seq), id)


def inserts(where: RoomRecord, *messages: Message) -> list[Write]:
    """The room and its messages as one batch."""
    return [InsertRoom(where), *(InsertMessage(where.room_id, each) for each in messages)]


def inserts_more(where: RoomRecord, *messages: Message) -> list[Write]:
    """Messages of a room that is there already."""
    return [InsertMessage(where.room_id, each) for each in messages]


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for a condition; a look costs nothing, so it is looked at often."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # conditions of several processes have no event to wait for
            await asyncio.sleep(0.005)


async def ready(repository: Repository) -> None:
    """Wait until the repository can write."""
    await until(lambda: repository.trouble() is None)


async def open_postgres(url: str, **options: float) -> PostgresRepository:
    """A started Postgres repository that holds the lease."""
    repository = PostgresRepository(url, pace=PACE, **options)  # type: ignore[arg-type]  # seconds, all of them
    await repository.start()
    await ready(repository)
    return repository


async def filled(repository: Repository, where: RoomRecord, *messages: Message) -> Writer:
    """A writer that has stored the room and these messages."""
    writer = repository.writer()
    await writer.write(inserts(where, *messages))
    return writer
