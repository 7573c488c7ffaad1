"""Sanctions in memory, by room: a bounded number."""

from collections.abc import Collection
from itertools import islice

from model.room import NetworkSanction

# They last a day at most. Beyond this the oldest ones are forgotten.
SANCTIONS = 10_000


class Sanctions:
    """The sanctions of all rooms."""

    def __init__(self) -> None:
        self._all: dict[tuple[int, str, str], NetworkSanction] = {}

    def put(self, room_id: int, sanction: NetworkSanction) -> None:
        """Store a sanction, or remove a lifted one."""
        key = (room_id, sanction.network, sanction.guest_id)
        self._all.pop(key, None)
        if sanction.until:
            self._all[key] = sanction
        if len(self._all) > SANCTIONS:
            del self._all[next(iter(self._all))]

    def of_room(self, room_id: int) -> list[NetworkSanction]:
        """Return those of a room, by network and guest."""
        return [self._all[key] for key in sorted(key for key in self._all if key[0] == room_id)]

    def all(self) -> list[tuple[int, NetworkSanction]]:
        """Return those of all rooms, each with the id of its room."""
        return [(room_id, one) for (room_id, _, _), one in self._all.items()]

    def rooms_of(self, guest_ids: Collection[str]) -> set[int]:
        """Return the rooms with sanctions that follow one of these guests."""
        return {room_id for room_id, _, guest_id in self._all if guest_id in guest_ids}

    def expire(self, until: int, limit: int) -> int:
        """Remove up to ``limit`` that have ended by then. Returns how many were removed."""
        due = list(islice((key for key, one in self._all.items() if one.until <= until), max(limit, 0)))
        for key in due:
            del self._all[key]
        return len(due)

    def forget_room(self, room_id: int) -> None:
        """Remove those of a room."""
        for key in [key for key in self._all if key[0] == room_id]:
            del self._all[key]
