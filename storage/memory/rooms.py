"""The rooms port in memory."""

from collections.abc import Callable, Sequence
from heapq import nsmallest
from itertools import islice

from model.room import Member, NetworkSanction, RoomRecord, User
from model.text import fold_name
from storage.memory.contents import Contents

# A room with no more members than this is examined without waiting for a turn.
_FEW_MEMBERS = 100


class MemoryRoomRepository:
    """Reads of rooms and members in memory."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    async def find_room(self, name: str) -> RoomRecord | None:
        log = self._contents.logs.find(name)
        return None if log is None else log.record

    async def find_room_by_id(self, room_id: int) -> RoomRecord | None:
        log = self._contents.logs.use(room_id)
        return None if log is None or log.record.deleted_at is not None else log.record

    async def kept_like(self, name: str) -> bool:
        return self._contents.logs.kept_like(name)

    async def listed_rooms(self, *, after: str, contains: str, limit: int) -> list[RoomRecord]:
        part = fold_name(contains)
        found: list[RoomRecord] = []
        async with self._contents.turn(self._contents.searches) as slices:
            for log in self._contents.logs.named_above(after):
                if len(found) >= limit:
                    break
                if (part in log.folded[0] or part in log.folded[1]) and log.is_listed():
                    found.append(log.record)
                if slices.over():
                    await slices.pause()
        return found

    async def rooms_of(self, user_id: str, *, limit: int) -> list[tuple[RoomRecord, Member]]:
        return await self._rows_of(user_id, limit, lambda row: row.used if row.belongs else None)

    async def invitations(self, user_id: str, *, after: int, limit: int) -> list[tuple[RoomRecord, Member]]:
        return await self._rows_of(
            user_id, limit, lambda row: row.invitation.at if row.invitation and row.invitation.at > after else None
        )

    async def _rows_of(
        self, user_id: str, limit: int, rank: Callable[[Member], int | None]
    ) -> list[tuple[RoomRecord, Member]]:
        """List a user's rows with their rooms, the highest rank first, equal ones by name; omit rows without a rank."""
        found: list[tuple[int, str, RoomRecord, Member]] = []
        members, logs = self._contents.members, self._contents.logs
        async with self._contents.turn(self._contents.lists) as slices:
            for room_id, row in members.rows_of(user_id):
                log = logs.get(room_id)
                if log is not None and (ranked := rank(row)) is not None:
                    found.append((-ranked, log.record.name, log.record, row))
                if slices.over():
                    await slices.pause()
            found.sort(key=lambda each: each[:2])
            return [(record, row) for _, _, record, row in found[: max(limit, 0)]]

    async def all_rooms(self, *, after: int, limit: int) -> list[RoomRecord]:
        ids = nsmallest(
            max(limit, 0), (log.record.room_id for log in self._contents.logs if log.record.room_id > after)
        )
        return [self._contents.logs.peek(room_id).record for room_id in ids]

    async def rows_of(self, user_id: str, *, after: int, limit: int) -> list[tuple[RoomRecord, Member]]:
        rows = sorted(
            (each for each in self._contents.members.rows_of(user_id) if each[0] > after), key=lambda each: each[0]
        )
        return [(self._contents.logs.peek(room_id).record, row) for room_id, row in rows[: max(limit, 0)]]

    async def rooms_invited_to_by(self, user_ids: Sequence[str]) -> list[RoomRecord]:
        found: list[RoomRecord] = []
        async with self._contents.turn(self._contents.lists) as slices:
            for log in sorted(self._contents.logs, key=lambda log: log.record.room_id):
                rows = self._contents.members.rows(log.record.room_id)
                if any(row.invitation is not None and row.invitation.by.id in user_ids for row in rows):
                    found.append(log.record)
                if slices.over():
                    await slices.pause()
        return found

    async def rooms_sanctioned_for(self, user_ids: Sequence[str]) -> list[RoomRecord]:
        ids = self._contents.sanctions.rooms_of(user_ids)
        return [log.record for room_id in sorted(ids) if (log := self._contents.logs.get(room_id)) is not None]

    async def special_members(self, room_id: int) -> list[Member]:
        self._contents.logs.use(room_id)
        return [
            row
            for row in self._contents.members.rows(room_id)
            if row.role not in (None, "member") or row.banned_until or row.muted_until or row.invitation is not None
        ]

    async def sanctions(self, room_id: int) -> list[NetworkSanction]:
        return self._contents.sanctions.of_room(room_id)

    async def find_member(self, room_id: int, user_id: str) -> Member | None:
        self._contents.logs.use(room_id)
        return self._contents.members.find(room_id, user_id)

    async def find_members(self, room_id: int, user_ids: Sequence[str]) -> list[Member]:
        self._contents.logs.use(room_id)
        found = (self._contents.members.find(room_id, user_id) for user_id in sorted(set(user_ids)))
        return [member for member in found if member is not None]

    async def members(self, room_id: int, *, after: str, limit: int) -> list[Member]:
        self._contents.logs.use(room_id)
        if self._contents.members.size(room_id) <= _FEW_MEMBERS:
            return self._with_role(room_id, after, limit)
        async with self._contents.turn(self._contents.lists):
            return self._with_role(room_id, after, limit)

    def _with_role(self, room_id: int, after: str, limit: int) -> list[Member]:
        rows = self._contents.members.rows(room_id, after)
        return list(islice((row for row in rows if row.role is not None), max(limit, 0)))

    async def count_members(self, room_ids: Sequence[int]) -> dict[int, int]:
        count = self._contents.members.count
        return {room_id: counted for room_id in room_ids if (counted := count(room_id))}

    async def find_user(self, user_id: str) -> User | None:
        row = self._contents.members.newest(user_id)
        return None if row is None else row.user

    async def account_role(self, user_id: str) -> str:
        row = self._contents.members.newest(user_id)
        return "" if row is None else row.account_role

    async def share_a_room(self, one: str, other: str) -> bool:
        rows_of = self._contents.members.rows_of
        others = {room_id for room_id, row in rows_of(other) if row.belongs}
        return any(row.belongs and room_id in others for room_id, row in rows_of(one))

    async def peers(self, user_id: str, room_ids: Sequence[int]) -> dict[int, User]:
        rows = self._contents.members.rows
        return {room_id: row.user for room_id in room_ids for row in rows(room_id) if row.user.id != user_id}
