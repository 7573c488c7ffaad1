"""The rooms in memory, by id and by name: a bounded number, in the order of their last use."""

from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from collections.abc import Iterator
from operator import attrgetter

from msgspec.structs import replace

from model.room import RoomRecord
from model.text import fold_name
from storage.memory.log import Log
from storage.ports.storage import STORED, Outcome, Refused

# Read in place of an unknown room. Never written to.
_EMPTY = Log(RoomRecord(room_id=0, name="", created_at=""))


class Logs:
    """All rooms with their messages.

    Attributes:
        bytes: their total weight (`storage.memory.weights`).

    Args:
        keep: the number of rooms kept. Beyond it the least recently used one is evicted: first a *passing* one
            (ephemeral or deleted), then a *lasting* one. Otherwise a client that enters many rooms could make the
            server forget who may enter a private one. Lasting rooms leave a tenth of the space to the others: no more
            are created once they `are_full`.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._logs: dict[int, Log] = {}
        self._names: dict[str, int] = {}  # of rooms that are not deleted
        self._sorted: list[str] = []  # the same names, sorted
        self._passing: OrderedDict[int, None] = OrderedDict()
        self._lasting: OrderedDict[int, None] = OrderedDict()
        self.bytes = 0

    def __iter__(self) -> Iterator[Log]:
        return iter(self._logs.values())

    def get(self, room_id: int) -> Log | None:
        """Return the room; this does not count as a use."""
        return self._logs.get(room_id)

    def peek(self, room_id: int) -> Log:
        """Return the room for reading, an empty one if it is unknown; this does not count as a use."""
        return self._logs.get(room_id, _EMPTY)

    def use(self, room_id: int) -> Log | None:
        """Return the room, and mark it as the most recently used."""
        log = self._logs.get(room_id)
        if log is not None:
            (self._passing if room_id in self._passing else self._lasting).move_to_end(room_id)
        return log

    def read(self, room_id: int) -> Log:
        """Return the room for reading, an empty one if it is unknown, and mark it as the most recently used."""
        return self.use(room_id) or _EMPTY

    def find(self, name: str) -> Log | None:
        """Return the undeleted room with this name, and mark it as the most recently used."""
        room_id = self._names.get(name)
        return None if room_id is None else self.use(room_id)

    def named_above(self, name: str) -> Iterator[Log]:
        """Iterate over undeleted rooms, by name. Rooms may be added and removed during the iteration."""
        while (place := bisect_right(self._sorted, name)) < len(self._sorted):
            name = self._sorted[place]
            yield self._logs[self._names[name]]

    def kept_like(self, name: str) -> bool:
        """Whether a public or private room has another name with the same folded form."""
        folded = fold_name(name)
        alike = (log.record for log in self if log.record.deleted_at is None and log.folded[0] == folded)
        return any(room.name != name and room.kind in ("public", "private") for room in alike)

    def insert(self, room: RoomRecord) -> Outcome:
        """Carry out an `InsertRoom`."""
        there = self.use(room.room_id)
        if there is not None:
            if there.record.name == room.name:
                return STORED
            return Refused(f"room {room.room_id} is named {there.record.name!r} already")
        holder = self._names.get(room.name)
        if holder is not None:
            return Refused(f"the name {room.name!r} belongs to room {holder}")
        log = self._logs[room.room_id] = Log(room)
        self.weigh(log)
        self._names[room.name] = room.room_id
        insort(self._sorted, room.name)
        self._place(room)
        return STORED

    def update(self, room: RoomRecord) -> RoomRecord | None:
        """Carry out an `UpdateRoom`. Returns the new record, None if the room is unknown."""
        log = self._logs.get(room.room_id)
        if log is None:
            return None
        there = log.record
        deleted_at = there.deleted_at or room.deleted_at
        log.describe(replace(room, name=there.name, created_at=there.created_at, deleted_at=deleted_at))
        if deleted_at is not None:
            self._free_name(log.record)
        self._place(log.record)
        self.weigh(log)
        return log.record

    def remove(self, room_id: int) -> None:
        """Remove a deleted room for good."""
        del self._passing[room_id]
        self._drop(room_id)

    def weigh(self, log: Log) -> None:
        """Update the counted weight of a room."""
        weight = log.frame + log.bytes
        self.bytes += weight - log.counted
        log.counted = weight

    def evict(self, weight: int) -> None:
        """Evict messages of this total weight: the oldest messages of the heaviest rooms.

        The weights of those rooms are reduced to one level; rooms below it lose nothing.
        """
        logs = sorted(self._logs.values(), key=attrgetter("bytes"), reverse=True)
        above = 0  # weight of the first ``count`` rooms together
        for count, log in enumerate(logs, 1):
            above += log.bytes
            lower = logs[count].bytes if count < len(logs) else 0
            if above - count * lower >= weight or not lower:
                level = max(0, (above - weight) // count)
                break
        else:
            return
        for log in logs[:count]:
            log.evict_down_to(level)
            self.weigh(log)

    def are_full(self) -> bool:
        """Whether there is no space for another lasting room."""
        return len(self._lasting) >= self._keep - self._keep // 10

    def forget_excess(self) -> list[int]:
        """Evict the rooms beyond the bound and return their ids."""
        forgotten = []
        while len(self._logs) > self._keep:
            room_id, _ = (self._passing or self._lasting).popitem(last=False)
            self._drop(room_id)
            forgotten.append(room_id)
        return forgotten

    def _drop(self, room_id: int) -> None:
        log = self._logs.pop(room_id)
        self.bytes -= log.counted
        self._free_name(log.record)

    def _place(self, room: RoomRecord) -> None:
        passes = room.kind == "ephemeral" or room.deleted_at is not None
        new, old = (self._passing, self._lasting) if passes else (self._lasting, self._passing)
        old.pop(room.room_id, None)
        new[room.room_id] = None
        new.move_to_end(room.room_id)

    def _free_name(self, room: RoomRecord) -> None:
        if self._names.get(room.name) == room.room_id:  # another room may have the name already
            del self._names[room.name]
            del self._sorted[bisect_left(self._sorted, room.name)]
