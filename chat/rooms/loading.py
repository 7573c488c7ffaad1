"""Loading a room: what it is comes from storage once, however many sessions ask at the same time."""

from __future__ import annotations

import asyncio
import logging

from chat.rooms import members
from chat.rooms.parts import Parts
from chat.rooms.room import Room
from chat.rooms.space import make_space
from chat.rooms.storing import ask, reach_storage, require_storage, unavailable
from model.errors import ParleyError
from model.room import RoomRecord
from utils.clock import rfc3339
from utils.ids import new_room_id

log = logging.getLogger(__name__)

# How far a log may be ahead of the clock without a warning: clocks of two servers differ, and a flood raises seqs.
CLOCK_SECONDS = 60.0


async def load(parts: Parts, name: str, opener: str = "") -> Room:
    """Return the ready room of this name.

    Nothing may be awaited between this and entering the room, unless one is `members.pinned` it: a room where
    nobody is may be forgotten.

    Raises:
        ParleyError: ``unavailable``, ``too_many_rooms``.
    """
    while (room := parts.hub.rooms.get(name)) is None:
        waiting = parts.loading.get(name)
        if waiting is not None:
            if await asyncio.shield(waiting):
                raise unavailable()
            continue  # it is there, unless it was forgotten again, or its reader gave up, or may open no more rooms
        done = parts.loading[name] = asyncio.get_running_loop().create_future()
        failed = False
        try:
            make_space(parts, opener)
            with parts.hub.reserve(opener):
                return await _read_room(parts, name, opener)
        except Exception as error:
            failed = not isinstance(error, ParleyError) or error.code == "unavailable"
            raise
        finally:
            del parts.loading[name]
            done.set_result(failed)
    return room


async def _read_room(parts: Parts, name: str, opener: str) -> Room:
    await reach_storage(parts)
    require_storage(parts)
    storage = parts.storage
    if (ending := parts.hub.ending.get(name)) is not None:
        await ask(parts, ending.backlog.written())  # its name is not free in storage before
    if (idle := parts.hub.take_idle(name)) is not None:
        room = parts.hub.open(
            idle.record, parts.pool.of(idle.record.room_id), stored=True, head=idle.head, opener=opener
        )
        room.members, room.last_spoke = idle.members, idle.last_spoke
    elif (record := await ask(parts, storage.rooms.find_room(name))) is None:
        record = RoomRecord(new_room_id(), name, rfc3339(parts.clock.now_us()))
        room = parts.hub.open(record, parts.pool.of(record.room_id), stored=False, head=0, opener=opener)
    else:
        head = await ask(parts, storage.messages.head(record.room_id))
        _compare_clock(parts, head)
        if record.kind == "direct":
            rows = await ask(parts, storage.rooms.members(record.room_id, after="", limit=2))
        else:
            rows = await ask(parts, storage.rooms.special_members(record.room_id))
        room = parts.hub.open(record, parts.pool.of(record.room_id), stored=True, head=head, opener=opener)
        room.members = {member.user.id: member for member in rows}
    members.lift(parts, room)
    return room


def _compare_clock(parts: Parts, head: int) -> None:
    """Warn once that a room was written with a clock that is ahead of this one."""
    ahead = (head - parts.clock.now_us()) / 1e6
    if ahead > CLOCK_SECONDS and not parts.clock_differs:
        parts.clock_differs = True
        log.warning(
            "a room has messages dated %.0f seconds in the future: this clock is slow, or an earlier one was fast; "
            "until then start and end do not find new messages there, and their retention counts from that time",
            ahead,
        )
