"""Names of rooms that stay: no two of them differ by case or width alone, in storage or about to be there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chat.rooms.parts import Parts
from chat.rooms.room import Room
from chat.rooms.storing import ask
from model.errors import ParleyError
from model.text import fold_name


@asynccontextmanager
async def taking_name(parts: Parts, room: Room) -> AsyncIterator[None]:
    """Make a room stay within this context; another one whose name is like its own waits.

    Raises:
        ParleyError: ``room_exists`` when there is one of another name like this; ``unavailable``.
    """
    folded = fold_name(room.name)
    lock = parts.name_locks.setdefault(folded, asyncio.Lock())
    async with lock:
        for ending in tuple(parts.hub.ending.values()):
            if fold_name(ending.name) == folded:
                await ask(parts, ending.backlog.written())  # it was deleted, which storage does not know yet
        other = parts.kept_names.get(folded)
        # Of a room that is no longer here, storage knows everything.
        taken = other is not None and other is not room and parts.hub.rooms.get(other.name) is other
        if taken or await ask(parts, parts.storage.rooms.kept_like(room.name)):
            raise ParleyError(
                "room_exists", "a room whose name differs only in case or width already exists", field="room"
            )
        yield
        if room.record.kind != "ephemeral":
            parts.kept_names[folded] = room
