"""Searching the messages of all rooms of a user."""

from collections.abc import Sequence

from chat.delivery.paging import PAGE_BYTES, read_fitting
from chat.ports import Identity
from chat.queries.history import as_of_now
from chat.queries.listing import Inside, own_room, rooms_of
from chat.rooms.parts import Parts
from chat.rooms.storing import ask
from model.commands import Search
from model.errors import ParleyError
from model.events import SearchPage
from model.message import Message
from utils.words import cut_words, cut_words_v1

# Hits of the first read for a page: looking for them costs more than reading a page of the default size.
FIRST_HITS = 50


async def search_messages(
    parts: Parts, identity: Identity, asked: Search, inside: Inside, *, max_bytes: int = PAGE_BYTES
) -> SearchPage:
    """Find messages that contain all the words, newest first, in the rooms that a user is in or belongs to.

    Nothing is found in a room that the user loses while storage searches. ``inside`` returns the rooms that the session
    is in, at the time of the call.

    Raises:
        ParleyError: ``bad_field`` for a ``q`` without a word or an invalid cursor; ``unavailable``.
    """
    words, old_words = cut_words(asked.q), cut_words_v1(asked.q)
    if not words:
        raise ParleyError("bad_field", "q contains no word to search for", field="q")
    start = _read_cursor(asked.cursor)
    with parts.changes.during(identity.user.id) as changes:
        rooms = {
            record.room_id: (record, member) for record, member in await rooms_of(parts, identity, inside, changes)
        }
        records = [record for record, _ in rooms.values()]

        async def read(count: int, last: tuple[int, Message] | None) -> Sequence[tuple[int, Message]]:
            before = start if last is None else (last[1].seq, last[0])
            found = parts.storage.messages.search(records, words=words, old_words=old_words, before=before, limit=count)
            return await ask(parts, found)

        hits, more = await read_fitting(parts.pages, read, asked.limit, max_bytes=max_bytes, first=FIRST_HITS + 1)
    kept = {room_id for room_id, row in rooms.items() if own_room(parts, identity, *row, inside, changes) is not None}
    messages = [message for room_id, message in hits if room_id in kept]
    states: dict[tuple[str, int], Message] = {}
    for name in {message.room for message in messages}:
        of_room = [message for message in messages if message.room == name]
        states |= {(name, state.seq): state for state in as_of_now(parts, name, of_room)}
    places = [(message.room, message.seq) for message in messages]
    return SearchPage(
        id=asked.id,
        messages=[states[place] for place in places if place in states],  # without those deleted in the meantime
        has_older=more,
        cursor=f"{hits[-1][1].seq}.{hits[-1][0]}" if more else None,
    )


def _read_cursor(text: str | None) -> tuple[int, int] | None:
    """Return the (seq, room_id) below which the page begins."""
    if text is None:
        return None
    seq, dot, room_id = text.partition(".")
    if not (dot and seq.isascii() and seq.isdigit() and room_id.isascii() and room_id.isdigit() and len(text) <= 40):
        raise ParleyError("bad_field", "cursor is not valid", field="cursor")
    return min(int(seq), 2**53), min(int(room_id), 2**63 - 1)
