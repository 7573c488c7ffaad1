"""Names of rooms that stay: no two of them differ by case or width alone, in storage or about to be there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from model.errors import ParleyError
from model.text import fold_name

if TYPE_CHECKING:
    from chat.rooms.context import Context
    from chat.rooms.room import Room


class Names:
    """Rooms that were made to stay here, and who is about to make one, by name as names are compared."""

    def __init__(self) -> None:
        self._kept: WeakValueDictionary[str, Room] = WeakValueDictionary()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def taking(self, chat: Context, room: Room) -> AsyncIterator[None]:
        """Make this room one that stays meanwhile; whoever wants a name like its own waits.

        Raises:
            ParleyError: ``room_exists`` when there is one of another name like this; ``unavailable``.
        """
        folded = fold_name(room.name)
        lock = self._locks.setdefault(folded, asyncio.Lock())
        async with lock:
            for ending in tuple(chat.hub.ending.values()):
                if fold_name(ending.name) == folded:
                    await chat.ask(ending.backlog.written())  # it was deleted, which storage does not know yet
            other = self._kept.get(folded)
            # Of a room that is not here any more storage knows all.
            taken = other is not None and other is not room and chat.hub.rooms.get(other.name) is other
            if taken or await chat.ask(chat.storage.rooms.kept_like(room.name)):
                raise ParleyError(
                    "room_exists", "a room whose name differs only in case or width already exists", field="room"
                )
            yield
            self._kept[folded] = room
