"""The messages port in Postgres."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from psycopg.rows import TupleRow

from model.emoji import qualify
from model.message import Message, Quote
from model.room import RoomRecord, User
from model.text import fold_name
from storage.ports.messages import ENDLESS, Posted, Unread, bounds
from storage.postgres.connection.pool import Fetch
from storage.postgres.connection.session import as_json
from storage.postgres.sql import messages as sql
from storage.postgres.sql.pages import HISTORY, SEARCH, SEARCH_OLD_WORDS, HistoryKind

# A search with up to this many hits in the whole database reads those, in 30 ms or less. With more, it walks along the
# log of each room: even among ten million messages, every 500th is then a hit.
RARE_HITS = 20_000


class PostgresMessageRepository:
    """Reads of messages in Postgres."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._words_are_new = False

    def forget_words(self) -> None:
        """Check again for messages that an older version indexed: the database may be another one."""
        self._words_are_new = False

    async def head(self, room_id: int) -> int:
        rows = await self._fetch(sql.HEAD, {"room_id": room_id})
        return int(rows[0][0]) if rows else 0

    async def find_posted(self, room_id: int, sender_id: str, id: str) -> Posted | None:
        rows = await self._fetch(sql.FIND_POSTED, {"room_id": room_id, "sender_id": sender_id, "id": id})
        found = [sql.PostedRow(*row) for row in rows]
        return Posted(found[0].seq, found[0].first_body) if found else None

    async def find_message(self, room: RoomRecord, seq: int) -> Message | None:
        rows = await self._fetch(sql.FIND_MESSAGE, {"room_id": room.room_id, "seq": seq})
        return _message_of(room.name, rows[0]) if rows else None

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
        kind = HistoryKind(
            oldest_first=after is not None,
            sender=sender is not None,
            words=bool(words),
            pinned=pinned,
            include_deleted=include_deleted,
            old_words=await self._asks_old(words, old_words),
        )
        above, below = bounds(before, after, since, until)
        values: dict[str, Any] = {"room_id": room.room_id, "after": above, "before": below, "limit": max(limit, 0)}
        if sender is not None:
            values["sender"] = sender
        if words:
            values |= _words(words, old_words)
        page = [_message_of(room.name, row) for row in await self._fetch(HISTORY[kind], values, search=kind.words)]
        return page if kind.oldest_first else page[::-1]

    async def find_sender(self, room: RoomRecord, sender_id: str, *, limit: int) -> User | None:
        values = {"room_id": room.room_id, "sender_id": sender_id, "limit": limit}
        rows = await self._fetch(sql.FIND_SENDER, values)
        return User(sender_id, rows[0][0]) if rows else None

    async def by_senders(
        self, room: RoomRecord, sender_ids: Sequence[str], *, after: int, limit: int
    ) -> tuple[list[Message], int | None]:
        values: dict[str, Any] = {"room_id": room.room_id, "after": after, "limit": max(limit, 0)}
        ((until, count),) = await self._fetch(sql.WINDOW, values)
        if until is None:
            return [], None
        rows = await self._fetch(sql.BY_SENDERS, {**values, "until": until, "senders": list(sender_ids)})
        return [_message_of(room.name, row) for row in rows], until if count == limit else None

    async def rooms_of_senders(
        self, sender_ids: Sequence[str], *, after: tuple[int, int], limit: int
    ) -> tuple[list[tuple[int, int]], tuple[int, int] | None]:
        values: dict[str, Any] = {"room_id": after[0], "after": after[1], "skipped": limit - 1}
        end = await self._fetch(sql.END_OF_WINDOW, values)
        last_room, until = end[0] if end else (ENDLESS, ENDLESS)
        values |= {"last_room": last_room, "until": until, "senders": list(sender_ids)}
        found = [(row[0], row[1]) for row in await self._fetch(sql.FIRST_BY_SENDERS, values)]
        return found, (last_room, until) if end else None

    async def search(
        self,
        rooms: Sequence[RoomRecord],
        *,
        words: Sequence[str],
        before: tuple[int, int] | None,
        limit: int,
        old_words: Sequence[str] = (),
    ) -> list[tuple[int, Message]]:
        names = {room.room_id: room.name for room in rooms}
        if not names or limit <= 0:
            return []
        seq, room_id = (ENDLESS, ENDLESS) if before is None else before
        values = _words(words, old_words) | {
            "rooms": list(names),
            "before": seq,
            "before_room": room_id,
            "probe": RARE_HITS + 1,
            "share": -(-limit // len(names)),  # rounded up: together a page
            "last": limit - 1,
            "limit": limit,
        }
        text = SEARCH_OLD_WORDS if await self._asks_old(words, old_words) else SEARCH
        found = await self._fetch(text, values, search=True)
        return [(row[0], _message_of(names[row[0]], row[1:])) for row in found]

    async def _asks_old(self, words: Sequence[str], old_words: Sequence[str]) -> bool:
        """Whether a search must use both cuts of its words: they differ, and some messages still have the old one."""
        if not words or self._words_are_new or set(words) == set(old_words):
            return False
        self._words_are_new = not await self._fetch(sql.HAS_OLD_WORDS, {})
        return not self._words_are_new

    async def changed(self, room: RoomRecord, *, after: int, until: int, limit: int) -> list[Message]:
        values = {"room_id": room.room_id, "after": after, "until": until, "limit": max(limit, 0)}
        return list(map(partial(_message_of, room.name), await self._fetch(sql.CHANGED, values)))

    async def count_changed(self, room_id: int, *, after: int, until: int, limit: int) -> int:
        values = {"room_id": room_id, "after": after, "until": until, "limit": max(limit, 0)}
        rows = await self._fetch(sql.COUNT_CHANGED, values)
        return int(rows[0][0]) if rows else 0

    async def unread(self, user: User, cursors: Sequence[tuple[int, int]], *, limit: int) -> dict[int, Unread]:
        values = {
            "cursors": as_json([{"room_id": room_id, "seq": seq} for room_id, seq in cursors]),
            "user_id": user.id,
            "name": fold_name(user.name),
            "limit": max(limit, 0),
        }
        return {room_id: Unread(*counts) for room_id, *counts in await self._fetch(sql.UNREAD, values)}


def _words(words: Sequence[str], old_words: Sequence[str]) -> dict[str, Any]:
    """Return the parameters of a search; NULL without old words, because every message contains all of no words."""
    return {"words": list(words), "old_words": list(old_words) or None}


def _message_of(room: str, row: TupleRow) -> Message:
    """Make a message of `storage.postgres.sql.messages.WHOLE`: the record's fields in their order, and a quote."""
    *head, reply_to, mentions, reactions, pinned_at, pinned_by, alias_of, quote = row
    if reply_to is not None:
        reply_to = Quote(reply_to, *(quote or ()))
    if reactions:
        reactions = _qualified(reactions)
    return Message(*(room, *head, reply_to, tuple(mentions or ()), reactions, pinned_at, pinned_by, alias_of))


def _qualified(reactions: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return reactions by the emoji that would be stored today: emoji that look the same are the same."""
    if all(emoji == qualify(emoji) for emoji in reactions):
        return reactions
    found: dict[str, dict[str, None]] = {}
    for emoji, people in reactions.items():
        found.setdefault(qualify(emoji) or emoji, {}).update(dict.fromkeys(people))
    return {emoji: list(people) for emoji, people in found.items()}
