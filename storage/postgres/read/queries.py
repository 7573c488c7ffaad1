"""What is read: the half of the repository in Postgres that knows statements and rows, and no connections."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any

from model.message import Message
from model.room import Member, RoomRecord, User
from model.text import fold_name
from storage.ports.messages import Posted, Unread
from storage.postgres.connection.session import as_json
from storage.postgres.read.rows import member_of, message_of, room_and_member_of
from storage.postgres.sql import messages as sql
from storage.postgres.sql import rooms as sql_rooms

_ENDLESS = 2**63 - 1

# A search with no more hits than this in the whole database takes those, in 30 ms or less. With more, each room's log
# is walked: among ten million messages every 500th or more is a hit then.
RARE_HITS = 20_000


class PostgresReads(ABC):
    """The reads of `storage.ports.storage.Storage`, through :meth:`_read`."""

    _words_are_new = False  # no message has words of an older cut; for good, unless another database takes its place

    @abstractmethod
    async def _read(self, text: bytes, values: dict[str, Any], *, search: bool = False) -> list[tuple[Any, ...]]:
        """The rows; none when a value is one that Postgres cannot hold (NUL in a text): then it holds no such row.

        ``search`` says that it may have to read much, so that what reads little does not wait for it. Raises
        `StorageUnavailable`.
        """

    # --- rooms and people ------------------------------------------------------------------------------------------

    async def find_room(self, name: str) -> RoomRecord | None:
        """See `storage.ports.storage.Storage.find_room`."""
        rows = await self._read(sql_rooms.FIND_ROOM, {"name": name})
        return RoomRecord(*rows[0]) if rows else None

    async def kept_like(self, name: str) -> bool:
        """See `storage.ports.storage.Storage.kept_like`."""
        return bool(await self._read(sql_rooms.KEPT_LIKE, {"folded": fold_name(name), "name": name}))

    async def listed_rooms(self, *, after: str, contains: str, limit: int) -> list[RoomRecord]:
        """See `storage.ports.storage.Storage.listed_rooms`."""
        values = {"after": after, "part": fold_name(contains), "limit": max(limit, 0)}
        return [RoomRecord(*row) for row in await self._read(sql_rooms.LISTED_ROOMS, values, search=True)]

    async def rooms_of(self, user_id: str, *, limit: int) -> list[tuple[RoomRecord, Member]]:
        """See `storage.ports.storage.Storage.rooms_of`."""
        rows = await self._read(sql_rooms.ROOMS_OF, {"user_id": user_id, "limit": max(limit, 0)})
        return list(map(room_and_member_of, rows))

    async def invitations(self, user_id: str, *, after: int, limit: int) -> list[tuple[RoomRecord, Member]]:
        """See `storage.ports.storage.Storage.invitations`."""
        values = {"user_id": user_id, "after": after, "limit": max(limit, 0)}
        return list(map(room_and_member_of, await self._read(sql_rooms.INVITATIONS, values)))

    async def standings(self, room_id: int) -> list[Member]:
        """See `storage.ports.storage.Storage.standings`."""
        return list(map(member_of, await self._read(sql_rooms.STANDINGS, {"room_id": room_id})))

    async def find_member(self, room_id: int, user_id: str) -> Member | None:
        """See `storage.ports.storage.Storage.find_member`."""
        rows = await self._read(sql_rooms.FIND_MEMBER, {"room_id": room_id, "user_id": user_id})
        return member_of(rows[0]) if rows else None

    async def members(self, room_id: int, *, after: str, limit: int) -> list[Member]:
        """See `storage.ports.storage.Storage.members`."""
        values = {"room_id": room_id, "after": after, "limit": max(limit, 0)}
        return list(map(member_of, await self._read(sql_rooms.MEMBERS, values)))

    async def count_members(self, room_ids: Sequence[int]) -> dict[int, int]:
        """See `storage.ports.storage.Storage.count_members`."""
        return dict(await self._read(sql_rooms.COUNT_MEMBERS, {"rooms": list(room_ids)}))

    async def find_user(self, user_id: str) -> User | None:
        """See `storage.ports.storage.Storage.find_user`."""
        rows = await self._read(sql_rooms.FIND_USER, {"user_id": user_id})
        return User(*rows[0]) if rows else None

    async def account_role(self, user_id: str) -> str:
        """See `storage.ports.storage.Storage.account_role`."""
        rows = await self._read(sql_rooms.ACCOUNT_ROLE, {"user_id": user_id})
        return str(rows[0][0]) if rows else ""

    async def share_a_room(self, one: str, other: str) -> bool:
        """See `storage.ports.storage.Storage.share_a_room`."""
        return bool(await self._read(sql_rooms.SHARED_ROOM, {"user_id": one, "other_id": other}))

    async def peers(self, user_id: str, room_ids: Sequence[int]) -> dict[int, User]:
        """See `storage.ports.storage.Storage.peers`."""
        rows = await self._read(sql_rooms.PEERS, {"user_id": user_id, "rooms": list(room_ids)})
        return {room_id: User(other_id, name) for room_id, other_id, name in rows}

    async def unread(self, user: User, cursors: Sequence[tuple[int, int]], *, limit: int) -> dict[int, Unread]:
        """See `storage.ports.storage.Storage.unread`."""
        values = {
            "cursors": as_json([{"room_id": room_id, "seq": seq} for room_id, seq in cursors]),
            "user_id": user.id,
            "name": fold_name(user.name),
            "limit": max(limit, 0),
        }
        return {room_id: Unread(*counts) for room_id, *counts in await self._read(sql.UNREAD, values)}

    # --- messages --------------------------------------------------------------------------------------------------

    async def head(self, room_id: int) -> int:
        """See `storage.ports.storage.Storage.head`."""
        rows = await self._read(sql.HEAD, {"room_id": room_id})
        return int(rows[0][0]) if rows else 0

    async def find_posted(self, room_id: int, sender_id: str, id: str) -> Posted | None:
        """See `storage.ports.storage.Storage.find_posted`."""
        rows = await self._read(sql.FIND_POSTED, {"room_id": room_id, "sender_id": sender_id, "id": id})
        if not rows:
            return None
        seq, content, kept = rows[0]
        return Posted(seq, sql.first_body(content, kept))

    async def find_message(self, room: RoomRecord, seq: int) -> Message | None:
        """See `storage.ports.storage.Storage.find_message`."""
        rows = await self._read(sql.FIND_MESSAGE, {"room_id": room.room_id, "seq": seq})
        return message_of(room.name, rows[0]) if rows else None

    async def history(
        self,
        room: RoomRecord,
        *,
        limit: int,
        before: int | None = None,
        after: int | None = None,
        since: int | None = None,
        until: int | None = None,
        sender: str | None = None,
        words: Sequence[str] = (),
        pinned: bool = False,
        include_deleted: bool = False,
        old_words: Sequence[str] = (),
    ) -> list[Message]:
        """See `storage.ports.storage.Storage.history`."""
        kind = sql.HistoryKind(
            oldest_first=after is not None,
            sender=sender is not None,
            words=bool(words),
            pinned=pinned,
            include_deleted=include_deleted,
            old_words=await self._asks_old(words, old_words),
        )
        values: dict[str, Any] = {
            "room_id": room.room_id,
            "after": max(-1 if after is None else after, -1 if since is None else since - 1),
            "before": min(_ENDLESS if before is None else before, _ENDLESS if until is None else until),
            "limit": max(limit, 0),
        }
        if sender is not None:
            values["sender"] = sender
        if words:
            values["words"] = list(words)
            values["old_words"] = list(old_words) or None  # NULL: nothing has no words at all
        found = await self._read(sql.HISTORY[kind], values, search=kind.words)
        page = list(map(partial(message_of, room.name), found))
        if not kind.oldest_first:
            page.reverse()
        return page

    async def search(
        self,
        rooms: Sequence[RoomRecord],
        *,
        words: Sequence[str],
        before: tuple[int, int] | None,
        limit: int,
        old_words: Sequence[str] = (),
    ) -> list[tuple[int, Message]]:
        """See `storage.ports.storage.Storage.search`."""
        names = {room.room_id: room.name for room in rooms}
        if not names or limit <= 0:
            return []
        seq, room_id = (_ENDLESS, _ENDLESS) if before is None else before
        values = {
            "rooms": list(names),
            "words": list(words),
            "old_words": list(old_words) or None,
            "before": seq,
            "before_room": room_id,
            "probe": RARE_HITS + 1,
            "share": -(-limit // len(names)),  # rounded up: together a page
            "last": limit - 1,
            "limit": limit,
        }
        text = sql.SEARCH_OLD_WORDS if await self._asks_old(words, old_words) else sql.SEARCH
        found = await self._read(text, values, search=True)
        return [(row[0], message_of(names[row[0]], row[1:])) for row in found]

    async def _asks_old(self, words: Sequence[str], old_words: Sequence[str]) -> bool:
        """Whether a search must ask for both cuts: they differ, and not every message has been cut again."""
        if not words or self._words_are_new or set(words) == set(old_words):
            return False
        self._words_are_new = not await self._read(sql.HAS_OLD_WORDS, {})
        return not self._words_are_new

    async def changed(self, room: RoomRecord, *, after: int, until: int, limit: int) -> list[Message]:
        """See `storage.ports.storage.Storage.changed`."""
        values = {"room_id": room.room_id, "after": after, "until": until, "limit": max(limit, 0)}
        return list(map(partial(message_of, room.name), await self._read(sql.CHANGED, values)))

    async def count_changed(self, room_id: int, *, after: int, until: int, limit: int) -> int:
        """See `storage.ports.storage.Storage.count_changed`."""
        values = {"room_id": room_id, "after": after, "until": until, "limit": max(limit, 0)}
        rows = await self._read(sql.COUNT_CHANGED, values)
        return int(rows[0][0]) if rows else 0
