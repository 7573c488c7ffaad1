"""The rooms port in Postgres."""

from collections.abc import Sequence

from psycopg.rows import TupleRow

from model.room import Invitation, Member, NetworkSanction, RoomRecord, User
from model.text import fold_name
from storage.postgres.connection.pool import Fetch
from storage.postgres.sql import rooms as sql
from storage.postgres.sql import sanctions as sql_sanctions


class PostgresRoomRepository:
    """Reads of rooms and members in Postgres."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    async def find_room(self, name: str) -> RoomRecord | None:
        rows = await self._fetch(sql.FIND_ROOM, {"name": name})
        return RoomRecord(*rows[0]) if rows else None

    async def find_room_by_id(self, room_id: int) -> RoomRecord | None:
        rows = await self._fetch(sql.FIND_ROOM_BY_ID, {"room_id": room_id})
        return RoomRecord(*rows[0]) if rows else None

    async def kept_like(self, name: str) -> bool:
        return bool(await self._fetch(sql.KEPT_LIKE, {"folded": fold_name(name), "name": name}))

    async def listed_rooms(self, *, after: str, contains: str, limit: int) -> list[RoomRecord]:
        values = {"after": after, "part": fold_name(contains), "limit": max(limit, 0)}
        return [RoomRecord(*row) for row in await self._fetch(sql.LISTED_ROOMS, values, search=True)]

    async def rooms_of(self, user_id: str, *, limit: int) -> list[tuple[RoomRecord, Member]]:
        rows = await self._fetch(sql.ROOMS_OF, {"user_id": user_id, "limit": max(limit, 0)})
        return list(map(_room_and_member_of, rows))

    async def invitations(self, user_id: str, *, after: int, limit: int) -> list[tuple[RoomRecord, Member]]:
        values = {"user_id": user_id, "after": after, "limit": max(limit, 0)}
        return list(map(_room_and_member_of, await self._fetch(sql.INVITATIONS, values)))

    async def all_rooms(self, *, after: int, limit: int) -> list[RoomRecord]:
        rows = await self._fetch(sql.ALL_ROOMS, {"after": after, "limit": max(limit, 0)})
        return [RoomRecord(*row) for row in rows]

    async def rows_of(self, user_id: str, *, after: int, limit: int) -> list[tuple[RoomRecord, Member]]:
        values = {"user_id": user_id, "after": after, "limit": max(limit, 0)}
        return list(map(_room_and_member_of, await self._fetch(sql.ROWS_OF, values)))

    async def rooms_invited_to_by(self, user_ids: Sequence[str]) -> list[RoomRecord]:
        return [RoomRecord(*row) for row in await self._fetch(sql.INVITED_BY, {"users": list(user_ids)})]

    async def rooms_sanctioned_for(self, user_ids: Sequence[str]) -> list[RoomRecord]:
        return [RoomRecord(*row) for row in await self._fetch(sql.SANCTIONED_FOR, {"users": list(user_ids)})]

    async def special_members(self, room_id: int) -> list[Member]:
        return list(map(member_of, await self._fetch(sql.SPECIAL_MEMBERS, {"room_id": room_id})))

    async def sanctions(self, room_id: int) -> list[NetworkSanction]:
        return [NetworkSanction(*row) for row in await self._fetch(sql_sanctions.SANCTIONS_OF, {"room_id": room_id})]

    async def find_member(self, room_id: int, user_id: str) -> Member | None:
        rows = await self._fetch(sql.FIND_MEMBER, {"room_id": room_id, "user_id": user_id})
        return member_of(rows[0]) if rows else None

    async def find_members(self, room_id: int, user_ids: Sequence[str]) -> list[Member]:
        rows = await self._fetch(sql.FIND_MEMBERS, {"room_id": room_id, "users": list(user_ids)})
        return list(map(member_of, rows))

    async def members(self, room_id: int, *, after: str, limit: int) -> list[Member]:
        values = {"room_id": room_id, "after": after, "limit": max(limit, 0)}
        return list(map(member_of, await self._fetch(sql.MEMBERS_OF, values)))

    async def count_members(self, room_ids: Sequence[int]) -> dict[int, int]:
        return dict(await self._fetch(sql.COUNT_MEMBERS, {"rooms": list(room_ids)}))

    async def find_user(self, user_id: str) -> User | None:
        rows = await self._fetch(sql.FIND_USER, {"user_id": user_id})
        return User(*rows[0]) if rows else None

    async def account_role(self, user_id: str) -> str:
        rows = await self._fetch(sql.ACCOUNT_ROLE, {"user_id": user_id})
        return str(rows[0][0]) if rows else ""

    async def share_a_room(self, one: str, other: str) -> bool:
        return bool(await self._fetch(sql.SHARED_ROOM, {"user_id": one, "other_id": other}))

    async def peers(self, user_id: str, room_ids: Sequence[int]) -> dict[int, User]:
        rows = await self._fetch(sql.PEERS, {"user_id": user_id, "rooms": list(room_ids)})
        return {room_id: User(other_id, name) for room_id, other_id, name in rows}


def member_of(row: TupleRow) -> Member:
    """Make a member of the columns of `storage.postgres.sql.rooms`."""
    user_id, name, *state, invited_at, inviter_id, inviter, account_role = row
    invitation = Invitation(by=User(id=inviter_id, name=inviter), at=invited_at) if invited_at else None
    return Member(*(User(id=user_id, name=name), *state, invitation, account_role))


def _room_and_member_of(row: TupleRow) -> tuple[RoomRecord, Member]:
    """Make a room and a member of the columns of both."""
    return RoomRecord(*row[: len(sql.ROOM_COLUMNS)]), member_of(row[len(sql.ROOM_COLUMNS) :])
