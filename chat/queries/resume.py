"""Resuming: a session receives what it missed in a room, each state once, as fast as the client reads."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from msgspec.structs import replace

from chat.delivery.paging import FIRST_READ, next_read, size_of
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from chat.rooms.storing import ask
from chat.rooms.tail import kept_bytes
from model.errors import EPOCH_CHANGED, ParleyError
from model.events import Synced
from model.message import Message
from storage.ports.errors import Forgotten
from utils.backoff import Backoff

# Maximum number of messages in one read, and the size of one write: this share of the bytes that may be queued for a
# client (SLOW_BYTES_HIGH).
PAGE = 200
CHUNK_SHARE = 16
# Most messages that are sent at once, with the snapshot: a task for each client costs a reconnect storm more. The joins
# of one read from a connection, up to 64, then take 2 to 3 ms (measured).
AT_ONCE = 16


def missed_little(parts: Parts, session: Session, room: Room, since: int) -> Sequence[Message] | None:
    """Return the states with ``version > since``; None if they are not all in memory, or too many to send at once."""
    if session.congested:
        return None
    missed = room.tail.few_since(since, min(AT_ONCE, parts.limits.resume_limit))
    if missed is None or sum(map(kept_bytes, missed)) * CHUNK_SHARE > parts.hub.slow_high:
        return None
    return missed


def replay(parts: Parts, session: Session, room: Room, since: int) -> Coroutine[Any, Any, None]:
    """Send every state with ``version > since``, then ``synced``, then what was broadcast during the replay.

    The session was added to the room's audience as ``syncing`` in the same loop iteration in which this is called: the
    states in the tail now, and the frames that the audience withholds from now on, are everything above the tail's
    floor. All messages below it are stored, since the tail evicts only stored ones. They are read in pages, each after
    the client has read the previous one. While storage is unavailable the replay waits, as long as the client stays
    connected. A session that leaves the room or is removed, on this or another device, receives nothing more.

    A message may change between the start of the replay and its read. Storage then has only its new state, and the
    change itself follows ``synced``, when the client must already have the message: so it is sent last, as of ``head``.
    """
    return _replay(parts, session, room, since, room.head, room.tail.floor, room.tail.since(since))


async def _replay(
    parts: Parts, session: Session, room: Room, since: int, head: int, floor: int, tail: Sequence[Message]
) -> None:
    sent = {message.seq for message in tail}
    changed: dict[int, Message] = {}
    backoff = Backoff()
    after, more, limit = since, since < floor, FIRST_READ
    while more and room.audience.is_syncing(session):
        try:
            page = await ask(parts, parts.storage.messages.changed(room.record, after=after, until=floor, limit=limit))
        except ParleyError:
            await asyncio.sleep(backoff.next())
            continue
        except Forgotten:  # memory storage evicted messages in the meantime
            session.close(EPOCH_CHANGED)  # the client reconnects, and its next `joined` says to load history
            return
        changed |= {state.seq: state for state in page if state.version > head}
        missed = [state for state in page if state.version <= head and state.seq not in sent]
        sent |= {state.seq for state in missed}
        await _send(parts, session, room, missed)
        more = len(page) == limit
        if more:
            after = page[-1].version
            limit = next_read(PAGE, len(page), sum(map(size_of, page)))
    await _send(parts, session, room, tail)
    left = [state for state in changed.values() if state.seq not in sent and state.deleted_at is None]
    await _send(parts, session, room, [replace(state, version=head) for state in left])
    if not room.audience.is_syncing(session):
        session.released()  # it has left the room
        return
    session.send(Synced(room=room.name, head=head))
    session.released()
    for data in room.audience.release(session):
        session.write(data)


async def _send(parts: Parts, session: Session, room: Room, messages: Sequence[Message]) -> None:
    chunk = bytearray()
    for message in messages:
        if not room.audience.is_syncing(session):
            return
        chunk += session.dialect.frame(message) or b""
        if len(chunk) * CHUNK_SHARE >= parts.hub.slow_high:
            await session.write_page(bytes(chunk))
            chunk.clear()
            await asyncio.sleep(0)  # let other work run
    if chunk:
        await session.write_page(bytes(chunk))
