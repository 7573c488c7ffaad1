"""Changes of rooms and rows that are decided during a read from storage, so that no user reads a room they lost."""

from collections.abc import Iterator
from contextlib import contextmanager

from model.room import Member


class ConcurrentChanges:
    """The changes since a query began.

    Attributes:
        rows: the new rows of the user of the query, by room id.
        gone: the ids of rooms that were deleted, or, for a query without a user, made private.
    """

    __slots__ = ("gone", "rows")

    def __init__(self) -> None:
        self.rows: dict[int, Member] = {}
        self.gone: set[int] = set()

    def lost_access(self, room_id: int) -> bool:
        """Whether the user does not belong to a room any longer."""
        row = self.rows.get(room_id)
        return room_id in self.gone or (row is not None and not row.belongs)

    def affect(self, room_id: int) -> bool:
        """Whether the role of the user in a room may have changed."""
        return room_id in self.gone or room_id in self.rows


class ChangeTracker:
    """The queries that are under way, by the id of their user; None for queries without a user."""

    def __init__(self) -> None:
        self._queries: dict[str | None, set[ConcurrentChanges]] = {}

    @contextmanager
    def during(self, user_id: str | None) -> Iterator[ConcurrentChanges]:
        """Collect the changes while a query runs."""
        changes = ConcurrentChanges()
        queries = self._queries.setdefault(user_id, set())
        queries.add(changes)
        try:
            yield changes
        finally:
            queries.discard(changes)
            if not queries:
                del self._queries[user_id]

    def row(self, room_id: int, member: Member) -> None:
        """Note a user's new row."""
        for changes in self._queries.get(member.user.id, ()):
            changes.rows[room_id] = member

    def hidden(self, room_id: int) -> None:
        """Note that a room is no longer public."""
        for changes in self._queries.get(None, ()):
            changes.gone.add(room_id)

    def deleted(self, room_id: int) -> None:
        """Note that a room was deleted."""
        for queries in self._queries.values():
            for changes in queries:
                changes.gone.add(room_id)
