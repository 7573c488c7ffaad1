"""The rooms in memory: by id and by name, bounded, in the order in which they were used."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from collections.abc import Iterator
from operator import attrgetter

from msgspec.structs import replace

from model.room import RoomRecord
from model.text import fold_name
from storage.memory.log import Log
from storage.ports.outcomes import STORED, Outcome, Refused

_weight = attrgetter("bytes")


class Logs:
    """Logs with their records.

    Attributes:
        bytes: what they weigh together (`storage.memory.weights`).

    Args:
        keep: how many. Beyond it the one goes that was used the longest time ago, and rooms that come and go by
            themselves (ephemeral ones, deleted ones) before those that somebody made: else whoever enters many rooms
            could make the server forget who may enter a private one. These leave a tenth to the others, as no more are
            to be made when they `are_full`.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._logs: dict[int, Log] = {}
        self._names: dict[str, int] = {}  # of rooms that are not deleted
        self._sorted: list[str] = []  # the same names, in order
        self._folded: dict[str, set[str]] = {}  # the same names, as they are compared
        self._passing: OrderedDict[int, None] = OrderedDict()
        self._lasting: OrderedDict[int, None] = OrderedDict()
        self.bytes = 0

    def __iter__(self) -> Iterator[Log]:
        return iter(self._logs.values())

    def clear(self) -> None:
        """Forget all."""
        for each in (self._logs, self._names, self._sorted, self._folded, self._passing, self._lasting):
            each.clear()
        self.bytes = 0

    def get(self, room_id: int) -> Log | None:
        """A room by its id; that does not count as using it."""
        return self._logs.get(room_id)

    def use(self, room_id: int) -> Log | None:
        """A room by its id, used just now."""
        log = self._logs.get(room_id)
        if log is not None:
            (self._passing if room_id in self._passing else self._lasting).move_to_end(room_id)
        return log

    def find(self, name: str) -> Log | None:
        """A room that is not deleted by its name, used just now."""
        room_id = self._names.get(name)
        return None if room_id is None else self.use(room_id)

    def named_above(self, name: str) -> Iterator[Log]:
        """Rooms that are not deleted, in the order of their names; they may come and go meanwhile."""
        while (place := bisect_right(self._sorted, name)) < len(self._sorted):
            name = self._sorted[place]
            yield self._logs[self._names[name]]

    def kept_like(self, name: str) -> bool:
        """See `storage.ports.storage.Storage.kept_like`."""
        others = (self._logs[self._names[each]].record for each in self._folded.get(fold_name(name), ()))
        return any(other.name != name and other.kind in ("public", "private") for other in others)

    def insert(self, room: RoomRecord) -> Outcome:
        """See `storage.ports.rooms.InsertRoom`."""
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
        self._folded.setdefault(fold_name(room.name), set()).add(room.name)
        self._place(room)
        return STORED

    def update(self, room: RoomRecord) -> RoomRecord | None:
        """The record of a room as it is after a `storage.ports.rooms.UpdateRoom`, None when there is no such room."""
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

    def weigh(self, log: Log) -> None:
        """Count what a room weighs now."""
        weight = log.frame + log.bytes
        self.bytes += weight - log.counted
        log.counted = weight

    def evict(self, weight: int) -> None:
        """Forget messages that weigh so much together: the oldest of those rooms whose messages weigh most.

        Their weights come down to one level, below which nobody's messages are touched.
        """
        logs = sorted(self._logs.values(), key=_weight, reverse=True)
        above = 0  # what the first ``count`` rooms weigh together
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
        """Whether those that somebody made are all that there is place for."""
        return len(self._lasting) >= self._keep - self._keep // 10

    def forget_excess(self) -> list[int]:
        """Forget the rooms beyond the bound, and tell which those were."""
        forgotten = []
        while len(self._logs) > self._keep:
            room_id, _ = (self._passing or self._lasting).popitem(last=False)
            log = self._logs.pop(room_id)
            self.bytes -= log.counted
            self._free_name(log.record)
            forgotten.append(room_id)
        return forgotten

    def _place(self, room: RoomRecord) -> None:
        passes = room.kind == "ephemeral" or room.deleted_at is not None
        new, old = (self._passing, self._lasting) if passes else (self._lasting, self._passing)
        old.pop(room.room_id, None)
        new[room.room_id] = None
        new.move_to_end(room.room_id)

    def _free_name(self, room: RoomRecord) -> None:
        if self._names.get(room.name) == room.room_id:  # another room may have it already
            del self._names[room.name]
            del self._sorted[bisect_left(self._sorted, room.name)]
            folded = fold_name(room.name)
            self._folded[folded].discard(room.name)
            if not self._folded[folded]:
                del self._folded[folded]
