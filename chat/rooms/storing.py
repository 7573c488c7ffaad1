"""Read from storage, and queue writes to it."""

import asyncio
from collections.abc import Awaitable, Coroutine
from contextlib import suppress
from contextvars import ContextVar
from typing import TypeVar

from chat.delivery.paging import too_many
from chat.ports import Identity
from chat.rooms.jobs import RecordJob
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from model.errors import ParleyError, moved, unavailable
from storage.ports.errors import StorageUnavailable, TooManyReads
from storage.ports.rooms import InsertRoom
from storage.ports.storage import READER, Write
from utils.fairness import Party

T = TypeVar("T")

# Seconds that a read from storage may take.
READ_SECONDS = 5.0
# How long a command waits until storage is reached for the first time, in seconds: a server and its database are often
# started together, and clients connect at once.
FIRST_SECONDS = 5.0

# The tenure (`chat.rooms.hub.Hub`) in which this task's command began: in a later one it must not go on.
TENURE: ContextVar[int | None] = ContextVar("tenure", default=None)


def reads_for(identity: Identity | None, network: str) -> None:
    """Make this task read from storage on behalf of an account, or of a network and one of its guests."""
    user_id = "" if identity is None else identity.user.id
    own = identity is not None and not (identity.guest and network)
    READER.set(Party(user_id) if own else Party(network, user_id))


# Reading.


def require_tenure(parts: Parts, tenure: int) -> None:
    """Refuse, as ``unavailable``, to go on in a later tenure than this one."""
    if parts.hub.tenure != tenure:
        raise moved()


def require_storage(parts: Parts) -> None:
    """Refuse a command as ``unavailable`` if it would only run into its timeout and delay later commands."""
    if parts.storage.problem() is not None:
        raise unavailable()


async def reach_storage(parts: Parts) -> None:
    """Wait at most `FIRST_SECONDS` until storage is reached for the first time since the start."""
    if not parts.storage_reached:
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_SECONDS):
                if parts.storage.problem() is not None:
                    await parts.storage.reached()
                parts.storage_reached = True


async def ask(parts: Parts, read: Awaitable[T]) -> T:
    """Return the answer of storage.

    Raises:
        ParleyError: ``unavailable`` if it cannot answer within `READ_SECONDS`; ``rate_limited`` if too many reads of
            this `READER` are queued, ``overloaded`` if too many are queued in total.
    """
    begun = TENURE.get()
    tenure = parts.hub.tenure if begun is None else begun
    try:
        await reach_storage(parts)
        if not parts.storage_reached:
            raise StorageUnavailable("it was never reached")
        require_tenure(parts, tenure)
        async with asyncio.timeout(READ_SECONDS):
            answer = await read
        require_tenure(parts, tenure)
        return answer
    except TooManyReads as error:
        raise too_many("reads", own=error.own) from error
    except (StorageUnavailable, TimeoutError) as error:
        raise unavailable() from error
    finally:
        if isinstance(read, Coroutine):  # it may not have begun
            read.close()


# Writing.


def check_space(parts: Parts, room: Room, content: str) -> int:
    """Make sure, before a broadcast, that a write with this content fits into the queue.

    Returns its size: an upper bound of its bytes in memory and in UTF-8.

    Raises:
        ParleyError: ``shutting_down``, ``overloaded``.
    """
    if parts.draining:
        raise ParleyError("shutting_down", retry_after=1.0)
    size = len(content) if content.isascii() else 4 * len(content)
    room.worker.check_space(room.backlog, size)
    return size


def store(
    parts: Parts,
    room: Room,
    write: Write,
    author: Session | None = None,
    id: str | None = None,
    *,
    last: bool = True,
) -> None:
    """Queue a change of a room or a member, after the room itself; ``id`` is the command's, for the ack."""
    ensure_stored(parts, room)
    room.worker.submit(RecordJob(parts.hub, room, write, author, id, last=last))


def ensure_stored(parts: Parts, room: Room) -> None:
    """Queue the room itself, unless it is already queued or stored."""
    if not room.stored:
        room.stored = True
        room.worker.submit(RecordJob(parts.hub, room, InsertRoom(room.record)))
