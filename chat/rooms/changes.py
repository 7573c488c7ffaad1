"""Collects the changes that happen while storage is read, so that an answer is never older than events already sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from chat.rooms.room import Room
from model.room import Member
from storage.ports.storage import Write


@dataclass(eq=False, slots=True)
class ConcurrentChanges:
    """The changes since a query began.

    Attributes:
        rows: the new rows of the user of the query, by room id.
        members: the new rows of the room of the query, by user id.
        unstored: the user's rows that storage may not return, with their rooms, by room id, the newest last: ``rows``,
            and those whose writes were queued when the query began.
        gone: the ids of rooms that were deleted, or, for a query without a user, made private.
    """

    unstored: dict[int, tuple[Room, Member]]
    rows: dict[int, Member] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)

    def affect(self, room_id: int) -> bool:
        """Whether the role of the user in a room may have changed."""
        return room_id in self.gone or room_id in self.rows


class ChangeTracker:
    """The running queries, by the id of their user or room, None for queries without either; and the rows queued for
    storage, by the ids of their user and room.
    """

    def __init__(self) -> None:
        self._queries: dict[str | int | None, set[ConcurrentChanges]] = {}
        self._queued: dict[str | int | None, dict[int, tuple[Room, Member, Write]]] = {}

    @contextmanager
    def during(self, of: str | int | None) -> Iterator[ConcurrentChanges]:
        """Collect the changes while a query of a user or a room runs."""
        queued = self._queued.get(of, {})
        changes = ConcurrentChanges({room_id: (room, member) for room_id, (room, member, _) in queued.items()})
        queries = self._queries.setdefault(of, set())
        queries.add(changes)
        try:
            yield changes
        finally:
            queries.discard(changes)
            if not queries:
                del self._queries[of]

    def row(self, room: Room, member: Member, write: Write) -> None:
        """Note a user's new row, which ``write`` stores."""
        room_id = room.record.room_id
        queued = self._queued.setdefault(member.user.id, {})
        queued.pop(room_id, None)  # so that the newest row is the last
        queued[room_id] = (room, member, write)
        for changes in self._queries.get(member.user.id, ()):
            changes.rows[room_id] = member
            changes.unstored.pop(room_id, None)
            changes.unstored[room_id] = (room, member)
        for changes in self._queries.get(room_id, ()):
            changes.members[member.user.id] = member

    def confirmed(self, room_id: int, user_id: str, write: Write) -> None:
        """Note that storage has answered a write of a row."""
        queued = self._queued.get(user_id, {})
        if room_id in queued and queued[room_id][2] is write:
            del queued[room_id]
            if not queued:
                del self._queued[user_id]

    def forget(self) -> None:
        """Forget the queued rows: this server does not store them any more."""
        self._queued.clear()

    def hidden(self, room_id: int) -> None:
        """Note that a room is no longer public."""
        for changes in self._queries.get(None, ()):
            changes.gone.add(room_id)

    def deleted(self, room_id: int) -> None:
        """Note that a room was deleted."""
        for queries in self._queries.values():
            for changes in queries:
                changes.gone.add(room_id)
