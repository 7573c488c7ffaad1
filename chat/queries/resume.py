"""Bringing a session up to date with a room: what it missed, each state once, as fast as it reads."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec.structs import replace

from chat.delivery.paging import FIRST_READ, next_read, size_of
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from chat.rooms.storing import ask
from model.errors import EPOCH_CHANGED, ParleyError
from model.events import Synced
from model.message import Message
from storage.ports.errors import Forgotten
from utils.backoff import Backoff

# Messages of one read at most, and the part of what may wait (SLOW_BYTES_HIGH) that one write fills.
PAGE = 200
CHUNK_SHARE = 16


async def replay(parts: Parts, session: Session, room: Room, since: int) -> None:
    """Send every state with ``version > since``, then ``synced``, then what was broadcast meanwhile.

    The session was added to the room's audience as ``syncing`` in the same step in which this begins to run: what the
    tail holds now and what the audience holds back from now on are all there is above the tail's floor. Messages below
    it are all stored, since the tail evicts nothing else, and are read in pages, each when the client has read the one
    before. While storage is away it waits, as long as the client does.

    Whoever is sent out, or leaves on another device, gets nothing more.

    A message may be changed after that step and before it was read. Storage has its new state alone, and the change
    comes behind ``synced``, to a client that must have the message by then: so it gets it, last and as of ``head``.
    """
    head, floor, tail = room.head, room.tail.floor, room.tail.since(since)
    told = {message.seq for message in tail}
    changed: dict[int, Message] = {}
    backoff = Backoff()
    after, more, limit = since, since < floor, FIRST_READ
    while more and room.audience.is_syncing(session):
        try:
            page = await ask(parts, parts.storage.messages.changed(room.record, after=after, until=floor, limit=limit))
        except ParleyError:
            await asyncio.sleep(backoff.next())
            continue
        except Forgotten:  # memory was full meanwhile: the client comes again, and is told to load history
            session.close(EPOCH_CHANGED)
            return
        changed |= {state.seq: state for state in page if state.version > head}
        missed = [state for state in page if state.version <= head and state.seq not in told]
        told |= {state.seq for state in missed}
        await _send(parts, session, room, missed)
        more = len(page) == limit
        if more:
            after = page[-1].version
            limit = next_read(PAGE, len(page), sum(map(size_of, page)))
    await _send(parts, session, room, tail)
    left = [state for state in changed.values() if state.seq not in told and state.deleted_at is None]
    await _send(parts, session, room, [replace(state, version=head) for state in left])
    if not room.audience.is_syncing(session):
        return
    session.send(Synced(room=room.name, head=head))
    waiting = room.audience.release(session)
    session.released()
    for data in waiting:
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
            await asyncio.sleep(0)  # others have their turn
    if chunk:
        await session.write_page(bytes(chunk))
