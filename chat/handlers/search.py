"""``search``: words in all rooms of one's own."""

from __future__ import annotations

from chat.delivery.paging import PAGE_BYTES, next_read, size_of
from chat.ports import Identity
from chat.queries.history import as_of_now
from chat.queries.listing import Inside, own_room, rooms_of
from chat.rooms.parts import Parts
from chat.rooms.room import Session
from chat.rooms.storing import ask
from model.commands import Search
from model.errors import ParleyError
from model.events import SearchPage
from model.message import Message
from model.room import RoomRecord
from utils.words import cut_words, cut_words_v1

Place = tuple[int, int]
# Hits of the first read for a page: looking for them costs more than reading a page of the default size.
FIRST_HITS = 50


async def search(parts: Parts, session: Session, command: Search) -> None:
    """Send a page of what was found. The session's later commands wait until it was read off the connection."""
    page = await find(parts, session.actor.identity, command, session.rooms.values, max_bytes=parts.page_bytes)
    await session.send_page(page)


async def find(
    parts: Parts, identity: Identity, asked: Search, inside: Inside, *, max_bytes: int = PAGE_BYTES
) -> SearchPage:
    """Find messages that hold all the words, newest first, in the rooms that a user is in or belongs to.

    Nothing is found in a room that the user loses while storage searches. ``inside`` returns the rooms that the session
    is in, at the time of the call.

    Raises:
        ParleyError: ``bad_field`` for a ``q`` without a word or a cursor of somewhere else; ``unavailable``.
    """
    if not cut_words(asked.q):
        raise ParleyError("bad_field", "q contains no word to search for", field="q")
    before = _read_cursor(asked.cursor)
    with parts.changes.during(identity.user.id) as changes:
        rooms = {
            record.room_id: (record, member) for record, member in await rooms_of(parts, identity, inside, changes)
        }
        records = [record for record, _ in rooms.values()]
        found, more = await _read_fitting(parts, records, asked.q, before, asked.limit, max_bytes)
    kept = {room_id for room_id, row in rooms.items() if own_room(parts, identity, *row, inside, changes) is not None}
    return _page(parts, asked, found, kept, more=more)


async def _read_fitting(
    parts: Parts, rooms: list[RoomRecord], q: str, before: Place | None, limit: int, max_bytes: int
) -> tuple[list[tuple[int, Message]], bool]:
    """As many hits as ``limit`` and ``max_bytes`` allow, at least one, and whether there are more."""
    words, old_words = cut_words(q), cut_words_v1(q)
    found: list[tuple[int, Message]] = []
    size = 0
    while True:
        wanted = next_read(limit + 1 - len(found), len(found), size, max_bytes) if found else min(limit, FIRST_HITS) + 1
        part = await ask(
            parts, parts.storage.messages.search(rooms, words=words, old_words=old_words, before=before, limit=wanted)
        )
        async with parts.pages.turn() as slices:
            full = False
            for room_id, message in part:
                size += size_of(message)
                full = bool(found) and (len(found) == limit or size > max_bytes)
                if full:
                    break
                found.append((room_id, message))
            parts.pages.spend(2 * slices.ran())  # they will be encoded once more, and sent
        if full or len(part) < wanted:
            return found, full
        before = (part[-1][1].seq, part[-1][0])


def _page(parts: Parts, asked: Search, page: list[tuple[int, Message]], kept: set[int], *, more: bool) -> SearchPage:
    cursor = f"{page[-1][1].seq}.{page[-1][0]}" if more else None
    messages = [message for room_id, message in page if room_id in kept]
    states: dict[tuple[str, int], Message] = {}
    for name in {message.room for message in messages}:
        of_room = [message for message in messages if message.room == name]
        states |= {(name, state.seq): state for state in as_of_now(parts, name, of_room)}
    places = [(message.room, message.seq) for message in messages]
    shown = [states[place] for place in places if place in states]  # without what was deleted meanwhile
    return SearchPage(id=asked.id, messages=shown, has_older=more, cursor=cursor)


def _read_cursor(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    seq, dot, room_id = text.partition(".")
    if not (dot and seq.isascii() and seq.isdigit() and room_id.isascii() and room_id.isdigit() and len(text) <= 40):
        raise ParleyError("bad_field", "cursor is not valid", field="cursor")
    return min(int(seq), 2**53), min(int(room_id), 2**63 - 1)
