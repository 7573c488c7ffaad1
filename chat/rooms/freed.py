"""Keep a small copy of the state of freed rooms for a while, so that a join soon after costs no reads."""

from collections import OrderedDict
from typing import NamedTuple

from chat.rooms.room import Room, is_default
from model.room import Member, NetworkSanction, RoomRecord

# The number of rooms kept, and of their rows and speakers in total; above it the least recently left are dropped.
ROOMS = 1000
ENTRIES = 20_000
# How long a room is kept; in slow mode until its pause is over, so that leaving does not end the pause.
SECONDS = 600.0


class FreedRoom(NamedTuple):
    """The state of a room, equal to the stored one; see `Room` for the fields.

    Attributes:
        epoch: the server's epoch when the room was loaded. In another epoch the state is not trusted.
        until: when it expires, by the event loop's clock.
    """

    record: RoomRecord
    head: int
    members: dict[str, Member]
    sanctions: dict[str, dict[str, NetworkSanction]]
    blocked: frozenset[str]
    last_spoke: OrderedDict[str, float]
    epoch: str
    until: float

    @property
    def size(self) -> int:
        """The rows, sanctions and speakers that it counts for."""
        return len(self.members) + sum(map(len, self.sanctions.values())) + len(self.last_spoke)


class FreedRooms:
    """The rooms that were left last, by name. All of them are stored completely, so any may be dropped."""

    def __init__(self) -> None:
        self._rooms: OrderedDict[str, FreedRoom] = OrderedDict()
        self._entries = 0

    def keep(self, room: Room, now: float) -> None:
        """Keep the state of a stored room that is about to be freed."""
        record, direct = room.record, room.record.kind == "direct"
        members = {user_id: row for user_id, row in room.members.items() if direct or not is_default(row)}
        until = now + max(SECONDS, record.slow_mode)
        freed = self._rooms[room.name] = FreedRoom(
            record, room.head, members, room.sanctions, room.blocked, room.last_spoke, room.epoch, until
        )
        self._entries += freed.size
        while len(self._rooms) > ROOMS or self._entries > ENTRIES:
            self._entries -= self._rooms.popitem(last=False)[1].size

    def take(self, name: str, epoch: str, now: float) -> FreedRoom | None:
        """Stop keeping a room, and return it if it can be trusted."""
        freed = self._rooms.pop(name, None)
        if freed is None:
            return None
        self._entries -= freed.size
        return freed if freed.epoch == epoch and now < freed.until else None
