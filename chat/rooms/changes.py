"""What becomes of rooms and memberships while storage is asked about them, for whoever asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from model.room import Member


class Watch:
    """What was decided since somebody began to ask.

    Attributes:
        rows: the rows of the person it is about, as they were last told or stored, by room id.
        gone: ids of rooms that were deleted, or, when it is about nobody, made private.
    """

    __slots__ = ("gone", "rows")

    def __init__(self) -> None:
        self.rows: dict[int, Member] = {}
        self.gone: set[int] = set()

    def has_lost(self, room_id: int) -> bool:
        """Whether the person is nothing in a room any more."""
        row = self.rows.get(room_id)
        return room_id in self.gone or (row is not None and row.role is None and not row.read_seq)

    def has_changed(self, room_id: int) -> bool:
        """Whether the person may be something else in a room than before."""
        return room_id in self.gone or room_id in self.rows


class Watches:
    """Who asks storage about somebody's rooms, or with None about everybody's."""

    def __init__(self) -> None:
        self._watches: dict[str | None, set[Watch]] = {}

    @contextmanager
    def of(self, user_id: str | None) -> Iterator[Watch]:
        """A watch for as long as storage is asked."""
        watch = Watch()
        watches = self._watches.setdefault(user_id, set())
        watches.add(watch)
        try:
            yield watch
        finally:
            watches.discard(watch)
            if not watches and self._watches.get(user_id) is watches:
                del self._watches[user_id]

    def row(self, room_id: int, member: Member) -> None:
        """Somebody's row is this one now."""
        for watch in self._watches.get(member.user.id, ()):
            watch.rows[room_id] = member

    def hidden(self, room_id: int) -> None:
        """A room is not everybody's any more."""
        for watch in self._watches.get(None, ()):
            watch.gone.add(room_id)

    def deleted(self, room_id: int) -> None:
        """A room is nobody's any more."""
        for watches in self._watches.values():
            for watch in watches:
                watch.gone.add(room_id)
