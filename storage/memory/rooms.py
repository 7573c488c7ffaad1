"""The rooms in memory: by id and by name, bounded, in the order in which they were used."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from msgspec.structs import replace

from model.room import RoomRecord
from storage.memory.log import Log
from storage.repository import STORED, Outcome, Refused


class Rooms:
    """Logs with their records.

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
        self._passing: OrderedDict[int, None] = OrderedDict()
        self._lasting: OrderedDict[int, None] = OrderedDict()

    def __iter__(self) -> Iterator[Log]:
        return iter(self._logs.values())

    def clear(self) -> None:
        """Forget all."""
        for each in (self._logs, self._names, self._passing, self._lasting):
            each.clear()

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
        """Rooms that are not deleted, in the order of their names."""
        return (self._logs[self._names[above]] for above in sorted(each for each in self._names if each > name))

    def insert(self, room: RoomRecord) -> Outcome:
        """See `storage.repository.InsertRoom`."""
        there = self.use(room.room_id)
        if there is not None:
            if there.record.name == room.name:
                return STORED
            return Refused(f"room {room.room_id} is named {there.record.name!r} already")
        holder = self._names.get(room.name)
        if holder is not None:
            return Refused(f"the name {room.name!r} belongs to room {holder}")
        self._logs[room.room_id] = Log(room)
        self._names[room.name] = room.room_id
        self._place(room)
        return STORED

    def update(self, room: RoomRecord) -> RoomRecord | None:
        """The record of a room as it is after a `storage.repository.UpdateRoom`, None when there is no such room."""
        log = self._logs.get(room.room_id)
        if log is None:
            return None
        there = log.record
        deleted_at = there.deleted_at or room.deleted_at
        log.describe(replace(room, name=there.name, created_at=there.created_at, deleted_at=deleted_at))
        if deleted_at is not None:
            self._free_name(log.record)
        self._place(log.record)
        return log.record

    def are_full(self) -> bool:
        """Whether those that somebody made are all that there is place for."""
        return len(self._lasting) >= self._keep - self._keep // 10

    def forget_excess(self) -> list[int]:
        """Forget the rooms beyond the bound, and tell which those were."""
        forgotten = []
        while len(self._logs) > self._keep:
            room_id, _ = (self._passing or self._lasting).popitem(last=False)
            self._free_name(self._logs.pop(room_id).record)
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
