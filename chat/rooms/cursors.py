"""Read cursors that were raised, but not broadcast and stored yet."""

import asyncio
from collections.abc import Callable

from chat.rooms.room import Room
from model.room import Member

# Seconds between two broadcasts of the cursors.
PAUSE = 1.0


class ReadCursors:
    """Raised cursors, by room. Bounded by the users in the rooms: the cursor of a user who leaves is stored at once."""

    def __init__(self) -> None:
        self._raised: dict[Room, set[str]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, room: Room, user_id: str, flush: Callable[[], None]) -> None:
        """Note a raised cursor, and call ``flush`` within a second."""
        self._raised.setdefault(room, set()).add(user_id)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PAUSE, flush)

    def discard(self, room: Room, user_id: str) -> bool:
        """Drop a cursor whose row the caller stores. Returns whether there was one."""
        waiting = self._raised.get(room, set())
        raised = user_id in waiting
        waiting.discard(user_id)
        if not waiting:
            self.forget(room)
        return raised

    def forget(self, room: Room) -> None:
        """Drop all cursors of a deleted room."""
        self._raised.pop(room, None)

    def take(self) -> list[tuple[Room, Member]]:
        """Return and drop all rows whose cursors were raised."""
        self._stop_timer()
        raised, self._raised = self._raised, {}
        return [
            (room, room.members[user_id])
            for room, user_ids in raised.items()
            for user_id in user_ids & room.members.keys()
        ]

    def close(self) -> None:
        """Drop all cursors."""
        self._stop_timer()
        self._raised.clear()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
