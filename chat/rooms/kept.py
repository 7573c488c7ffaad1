"""Rooms that stay: how many an actor may create, and their names, no two of which differ only in case or width."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chat.ports import Actor
from chat.rooms.parts import Parts
from chat.rooms.room import Room
from chat.rooms.storing import ask
from model.errors import ParleyError
from model.text import fold_name


def admit_room(parts: Parts, actor: Actor, *, take: bool = True) -> None:
    """Make sure that the actor may create one more room that stays; ``take`` counts it.

    Raises:
        ParleyError: ``too_many_rooms``.
    """
    if parts.storage.is_full():
        raise ParleyError("too_many_rooms", "the server cannot store any more rooms")
    parts.makers.admit(actor, parts.clock.monotonic(), take=take)


@asynccontextmanager
async def taking_name(parts: Parts, room: Room) -> AsyncIterator[None]:
    """Make a room stay within this context; another room with a similar name waits.

    Raises:
        ParleyError: ``room_exists`` when another room with a similar name stays; ``unavailable``.
    """
    folded = fold_name(room.name)
    lock = parts.name_locks.setdefault(folded, asyncio.Lock())
    async with lock:
        for ending in tuple(parts.hub.ending.values()):
            if fold_name(ending.name) == folded:
                await ask(parts, ending.backlog.written())  # storage does not know yet that it was deleted
        other = parts.kept_names.get(folded)
        # Storage knows all about a room that is no longer loaded.
        taken = other is not None and other is not room and parts.hub.rooms.get(other.name) is other
        if taken or await ask(parts, parts.storage.rooms.kept_like(room.name)):
            raise ParleyError(
                "room_exists", "a room whose name differs only in case or width already exists", field="room"
            )
        yield
        if room.record.kind != "ephemeral":
            parts.kept_names[folded] = room
