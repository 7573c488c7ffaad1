"""Members' rows in memory, by room and by user, bounded for each room."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator
from heapq import nsmallest
from itertools import islice

from model.room import STAFF, Member
from storage.memory.weights import weigh_member
from storage.ports.rooms import ExpireGuests, ExpireInvitations


class _Roster:
    """The rows of one room, and the sorted ids of their users."""

    __slots__ = ("bytes", "ids", "rows", "with_role")

    def __init__(self) -> None:
        self.rows: dict[str, Member] = {}
        self.ids: list[str] = []
        self.with_role = 0
        self.bytes = 0

    def put(self, member: Member) -> None:
        user_id = member.user.id
        before = self.rows.get(user_id)
        if before is None:
            insort(self.ids, user_id)
        self.bytes += weigh_member(member) - (0 if before is None else weigh_member(before))
        self.with_role += (member.role is not None) - (before is not None and before.role is not None)
        self.rows[user_id] = member

    def drop(self, user_id: str) -> bool:
        before = self.rows.pop(user_id, None)
        if before is None:
            return False
        self.with_role -= before.role is not None
        self.bytes -= weigh_member(before)
        del self.ids[bisect_left(self.ids, user_id)]
        return True


# Read in place of a room without rows. Never written to.
_EMPTY = _Roster()


class Members:
    """The rows of all rooms.

    Attributes:
        bytes: their total weight (`storage.memory.weights`).

    Args:
        keep: rows kept for each room. Beyond it a hundredth of them is evicted: first plain members who are neither
            banned nor muted, the least recently active ones first.
        keep_bytes: bytes kept for all rooms together. Beyond it the largest room loses some, in the same order.
    """

    def __init__(self, keep: int, keep_bytes: int) -> None:
        self._keep = keep
        self._keep_bytes = keep_bytes
        self._rosters: dict[int, _Roster] = {}
        self._rooms: dict[str, dict[int, None]] = {}  # by user, the most recently stored room last
        self.bytes = 0

    def put(self, room_id: int, member: Member) -> None:
        """Store a row, replacing the earlier one."""
        roster = self._rosters.setdefault(room_id, _Roster())
        self.bytes -= roster.bytes
        roster.put(member)
        self.bytes += roster.bytes
        rooms = self._rooms.setdefault(member.user.id, {})
        rooms.pop(room_id, None)
        rooms[room_id] = None
        if len(roster.rows) > self._keep:
            self._evict(room_id, len(roster.rows) - self._keep + self._keep // 100)
        while self.bytes > self._keep_bytes:
            largest = max(self._rosters, key=lambda each: self._rosters[each].bytes)
            self._evict(largest, len(self._rosters[largest].rows) // 10 + 1)

    def _evict(self, room_id: int, count: int) -> None:
        for evicted in nsmallest(count, self._rosters[room_id].rows.values(), key=_worth):
            self.drop(room_id, evicted.user.id)

    def drop(self, room_id: int, user_id: str) -> None:
        """Remove a row, if there is one."""
        roster = self._rosters.get(room_id, _EMPTY)
        before = roster.bytes
        if roster.drop(user_id):
            self.bytes += roster.bytes - before
            self._leave(room_id, user_id)
            if not roster.rows:
                del self._rosters[room_id]

    def forget_room(self, room_id: int) -> None:
        """Remove all rows of a room."""
        roster = self._rosters.pop(room_id, _EMPTY)
        self.bytes -= roster.bytes
        for user_id in roster.ids:
            self._leave(room_id, user_id)

    def expire(self, room_ids: Iterable[int], is_due: Callable[[Member], bool], limit: int) -> int:
        """Remove up to ``limit`` rows of these rooms. Returns how many were removed."""
        rows = ((room_id, row) for room_id in room_ids for row in self.rows(room_id))
        due = list(islice(((room_id, row.user.id) for room_id, row in rows if is_due(row)), max(limit, 0)))
        for room_id, user_id in due:
            self.drop(room_id, user_id)
        return len(due)

    def _leave(self, room_id: int, user_id: str) -> None:
        rooms = self._rooms[user_id]
        del rooms[room_id]
        if not rooms:
            del self._rooms[user_id]

    def find(self, room_id: int, user_id: str) -> Member | None:
        """Find a user's row in a room."""
        return self._rosters.get(room_id, _EMPTY).rows.get(user_id)

    def rows_of(self, user_id: str) -> list[tuple[int, Member]]:
        """Return a user's rows with the ids of their rooms, the most recently stored row last."""
        return [(room_id, self._rosters[room_id].rows[user_id]) for room_id in self._rooms.get(user_id, ())]

    def all_rows(self) -> list[tuple[int, Member]]:
        """Return all rows with the ids of their rooms; those of a user in the order in which they were stored."""
        return [pair for user_id in self._rooms for pair in self.rows_of(user_id)]

    def newest(self, user_id: str) -> Member | None:
        """Return the user's row that was stored last."""
        rooms = self._rooms.get(user_id)
        return None if rooms is None else self._rosters[next(reversed(rooms))].rows[user_id]

    def rows(self, room_id: int, after: str | None = None) -> Iterator[Member]:
        """Iterate over a room's rows by user id: those above ``after``, or all of them."""
        roster = self._rosters.get(room_id, _EMPTY)
        first = 0 if after is None else bisect_right(roster.ids, after)
        return (roster.rows[user_id] for user_id in islice(roster.ids, first, None))

    def size(self, room_id: int) -> int:
        """Count the rows of a room."""
        return len(self._rosters.get(room_id, _EMPTY).rows)

    def count(self, room_id: int) -> int:
        """Count the rows of a room that have a role."""
        return self._rosters.get(room_id, _EMPTY).with_role


def is_old_invitation(member: Member, write: ExpireInvitations) -> bool:
    """Whether an `ExpireInvitations` removes the row."""
    other = member.belongs or member.banned_until or member.muted_until
    return not other and member.invitation is not None and member.invitation.at <= write.until


def is_old_guest(member: Member, write: ExpireGuests) -> bool:
    """Whether an `ExpireGuests` removes the row, if the room is public or ephemeral."""
    return (
        member.user.id.startswith("g_")
        and member.role in (None, "member")
        and member.used < write.until
        and max(member.banned_until, member.muted_until) <= write.now_us
        and member.invitation is None
        and member.user.id not in write.present
    )


def _worth(member: Member) -> tuple[int, int]:
    """Sort key: the least important rows of a room come first."""
    restricted = member.role == "readonly" or member.banned_until > 0 or member.muted_until > 0
    rank = 2 if member.role in STAFF else int(restricted)
    return rank, max(member.used, 0 if member.invitation is None else member.invitation.at)
