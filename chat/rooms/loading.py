"""Load rooms: read each one from storage once, however many sessions need it, if there is space for one more."""

import asyncio
import logging
from collections.abc import Sequence

from chat.rooms import members
from chat.rooms.parts import Parts
from chat.rooms.room import Room
from chat.rooms.storing import ask, reach_storage, require_storage
from model.errors import ParleyError, unavailable
from model.events import Left
from model.room import Member, RoomRecord
from utils.clock import rfc3339
from utils.ids import new_room_id

log = logging.getLogger(__name__)

# How far a log may be ahead of the clock without a warning: clocks of servers differ, and a flood raises seqs.
CLOCK_SECONDS = 60.0
# When to retry if there was no space for a room.
FULL_SECONDS = 10.0


async def load(parts: Parts, name: str, opener: str = "") -> Room:
    """Return the room of this name, loaded; if it must be loaded, it counts for ``opener``.

    Enter the room before the next await, or keep it with `members.pinned`: an empty room may be unloaded.

    Raises:
        ParleyError: ``unavailable``, ``too_many_rooms``.
    """
    while (room := parts.hub.rooms.get(name)) is None:
        waiting = parts.loading.get(name)
        if waiting is not None:
            if await asyncio.shield(waiting):
                raise unavailable()
            continue  # look again: the other task may have loaded the room, or given up for a reason of its own
        done = parts.loading[name] = asyncio.get_running_loop().create_future()
        failed = False
        parts.hub.count(opener, 1)
        try:
            _make_space(parts, opener)
            return await _read_room(parts, name, opener)
        except BaseException as error:
            parts.hub.count(opener, -1)
            refused = isinstance(error, ParleyError) and error.code != "unavailable"
            failed = isinstance(error, Exception) and not refused  # nor cancelled
            raise
        finally:
            del parts.loading[name]
            done.set_result(failed)
    return room


def _make_space(parts: Parts, opener: str) -> None:
    """Make space for one more room, which is already counted.

    Only rooms created by joining that have no messages and at most one user are closed.

    Raises:
        ParleyError: ``too_many_rooms``.
    """
    hub, options = parts.hub, parts.options
    while opener and hub.loaded[opener] > options.address_rooms:
        _close_expendable(parts, opener, "you, or the guests of your address, have too many rooms loaded")
    while len(hub.rooms) + len(parts.loading) > options.server_rooms:
        _close_expendable(parts, "", "too many rooms are loaded on this server")


def _close_expendable(parts: Parts, opener: str, refusal: str) -> None:
    room = parts.hub.find_expendable(opener)
    if room is None:
        raise ParleyError("too_many_rooms", refusal, retry_after=FULL_SECONDS)
    for session in tuple(room.presence.sessions):
        members.remove(room, session, Left(room=room.name, reason="closed"))
    parts.hub.free(room)


async def _read_room(parts: Parts, name: str, opener: str) -> Room:
    await reach_storage(parts)
    require_storage(parts)
    storage = parts.storage
    if (ending := parts.hub.ending.get(name)) is not None:
        await ask(parts, ending.backlog.written())  # until then its name is taken in storage
    if (freed := parts.hub.take_freed(name)) is not None:
        room = parts.hub.open(
            freed.record, parts.pool.of(freed.record.room_id), stored=True, head=freed.head, opener=opener
        )
        room.members, room.sanctions, room.blocked = freed.members, freed.sanctions, freed.blocked
        room.last_spoke = freed.last_spoke
    elif (record := await ask(parts, storage.rooms.find_room(name))) is None:
        record = RoomRecord(new_room_id(), name, rfc3339(parts.clock.now_us()))
        room = parts.hub.open(record, parts.pool.of(record.room_id), stored=False, head=0, opener=opener)
    else:
        head = await ask(parts, storage.messages.head(record.room_id))
        _compare_clock(parts, head)
        rows = await ask(
            parts,
            storage.rooms.members(record.room_id, after="", limit=2)
            if record.kind == "direct"
            else storage.rooms.special_members(record.room_id),
        )
        blocked = await _blocked(parts, rows) if record.kind == "direct" else frozenset()
        # Those of networks follow the ban or mute of a user, so most rooms are loaded with one read less.
        sanctioned = record.kind != "direct" and any(row.banned_until or row.muted_until for row in rows)
        kept_out = await ask(parts, storage.rooms.sanctions(record.room_id)) if sanctioned else ()
        room = parts.hub.open(record, parts.pool.of(record.room_id), stored=True, head=head, opener=opener)
        for sanction in kept_out:
            room.sanction(sanction)
        room.blocked = blocked
        room.members = {member.user.id: member for member in rows}
    members.lift(parts, room)
    return room


async def _blocked(parts: Parts, rows: Sequence[Member]) -> frozenset[str]:
    """Return those of the two users of a direct room who are blocked by the other one."""
    blocks = await ask(parts, parts.storage.safety.blocks([row.user.id for row in rows]))
    return frozenset(blocked for _, blocked in blocks)


def _compare_clock(parts: Parts, head: int) -> None:
    """Warn once about a room that was written with a clock ahead of this one."""
    ahead = (head - parts.clock.now_us()) / 1e6
    if ahead > CLOCK_SECONDS and not parts.clock_differs:
        parts.clock_differs = True
        log.warning(
            "a room has messages dated %.0f seconds in the future: check this machine's clock; until it has passed the "
            "time of those messages, the history filters start and end miss new ones, and their retention counts from "
            "that time",
            ahead,
        )
