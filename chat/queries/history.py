"""Reading messages, for every dialect and for HTTP: a page of a room's past, one message, an export, a search."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from msgspec.structs import replace

from chat.delivery.paging import FIRST_READ, PAGE_BYTES, PageTurns, next_read, read_fitting, size_of
from chat.ports import Identity
from chat.queries.listing import Inside, own_room, rooms_of
from chat.rooms.access import RoomAccess, read_as
from chat.rooms.parts import Parts
from chat.rooms.storing import ask
from chat.rooms.tail import with_quotes
from model.commands import ReadHistory, Search
from model.errors import ParleyError, unavailable
from model.events import HistoryPage, SearchPage
from model.message import Message
from model.permissions import Action
from model.text import check_time
from utils.words import cut_words, cut_words_v1

NOTHING = HistoryPage(room="", messages=[], has_older=False, has_newer=False)
# Maximum number of messages in one part of an export.
EXPORT_PAGE = 500
# Hits in the first read for a page: finding them costs more than reading a page of the default size.
FIRST_HITS = 50

# Reads up to a number of messages, oldest first: those right before a seq, right after another one, or the newest.
_Find = Callable[[int, int | None, int | None], Awaitable[list[Message]]]


async def read_history(
    parts: Parts,
    name: str,
    asked: ReadHistory,
    identity: Identity | None,
    *,
    max_bytes: int = PAGE_BYTES,
    bare: bool = False,
) -> HistoryPage | None:
    """Return a page of the room ``name``, including everything that was broadcast before it was read.

    Returns None if there is no such room, or ``identity`` may not see it. The page ends before ``max_bytes`` as sent,
    but has at least one message. A ``bare`` page is for clients that receive no reactions.

    Raises:
        ParleyError: ``unavailable`` when storage does not answer in time; ``bad_field`` for a ``q`` without a word, or
            an invalid time; ``forbidden`` for ``include_deleted``.
    """
    words: list[str] = []
    if asked.q is not None and not (words := cut_words(asked.q)):
        raise ParleyError("bad_field", "q contains no word to search for", field="q")
    if asked.around is not None and not (asked.before is None and asked.after is None):
        raise ParleyError("bad_field", "around cannot be combined with before or after", field="around")
    since, until = _time(asked.start, "start"), _time(asked.end, "end")
    action = Action.SEE_DELETED if asked.include_deleted else Action.SEE

    async def read(seen: RoomAccess) -> HistoryPage:
        async def find(limit: int, before: int | None, after: int | None) -> list[Message]:
            found = await ask(
                parts,
                parts.storage.messages.history(
                    seen.record,
                    limit=limit,
                    before=before,
                    after=after,
                    since=since,
                    until=until,
                    sender=asked.sender,
                    words=words,
                    old_words=cut_words_v1(asked.q or ""),
                    pinned=asked.pinned,
                    include_deleted=asked.include_deleted,
                ),
            )
            return [replace(message, reactions=None) for message in found] if bare else found

        await _wait_for_writes(parts, name)
        with _reading(parts, name) as missed:
            messages, has_older, has_newer = await _read_page(parts.pages, find, asked, max_bytes)
        messages = _as_of_now(parts, name, messages, missed, include_deleted=asked.include_deleted)
        return HistoryPage(id=asked.id, room=name, messages=messages, has_older=has_older, has_newer=has_newer)

    return await read_as(parts, name, identity, read, action)


async def _read_page(
    pages: PageTurns, find: _Find, asked: ReadHistory, max_bytes: int
) -> tuple[list[Message], bool, bool]:
    """Return the messages, and whether there are older and newer ones."""
    before, after = asked.before, asked.after
    if asked.around is not None:  # the message at that seq, if there is one, and half a page on each side
        older, has_older = await _read_side(
            pages, find, (asked.limit + 1) // 2, before=asked.around + 1, max_bytes=max_bytes // 2
        )
        left = max_bytes - sum(map(size_of, older))
        newer, has_newer = await _read_side(
            pages, find, asked.limit - len(older), after=asked.around, max_bytes=left, least=0
        )
        return older + newer, has_older, has_newer
    messages, more = await _read_side(pages, find, asked.limit, before=before, after=after, max_bytes=max_bytes)
    beyond = before is not None and bool(await find(1, None, before - 1))
    if after is None:
        return messages, more, beyond
    return messages, bool(await find(1, after + 1, None)), more or beyond


async def _read_side(
    pages: PageTurns,
    find: _Find,
    limit: int,
    *,
    before: int | None = None,
    after: int | None = None,
    max_bytes: int,
    least: int = 1,
) -> tuple[list[Message], bool]:
    """Return messages, oldest first, and whether there are more in the direction of reading.

    Those right after ``after``, or else those right before ``before``.
    """

    async def read(count: int, last: Message | None) -> Sequence[Message]:
        if after is not None:
            return await find(count, before, after if last is None else last.seq)
        return (await find(count, before if last is None else last.seq, None))[::-1]

    found, more = await read_fitting(pages, read, limit, max_bytes=max_bytes, least=least)
    return found if after is not None else found[::-1], more


async def find_message(parts: Parts, name: str, seq: int, identity: Identity | None) -> Message:
    """Return the current state of the message at ``seq``.

    Raises:
        ParleyError: ``no_such_room``; ``no_such_message``, also if it was deleted; ``unavailable``.
    """

    async def read(seen: RoomAccess) -> list[Message]:
        room = parts.hub.rooms.get(name)
        if room is not None and (state := room.tail.state(seq)) is not None:
            return room.tail.with_quotes([state])
        # A message that is not in the tail is stored.
        with _reading(parts, name) as missed:
            stored = await ask(parts, parts.storage.messages.find_message(seen.record, seq))
        return [] if stored is None else _as_of_now(parts, name, [stored], missed)

    states = await read_as(parts, name, identity, read)
    if states is None:
        raise ParleyError("no_such_room", field="room")
    if not states or states[0].deleted_at is not None:
        raise ParleyError("no_such_message", field="seq")
    return states[0]


class ExportPlace(NamedTuple):
    """Where a page of an export begins.

    Attributes:
        room_id: the room's, which may lose its name to another room in the meantime.
        after, until: seqs; the page has messages between them. ``until`` is that of the first page.
        limit: maximum number of messages.
    """

    room_id: int
    after: int
    until: int
    limit: int


async def export_page(
    parts: Parts, name: str, identity: Identity | None, place: ExportPlace | None
) -> tuple[list[Message], ExportPlace | None]:
    """Return a page of all messages that a room had at the first page, oldest first, and where the next page begins.

    Deleted messages are included with their content. The caller must be a moderator at each page. ``place`` is None
    for the first page, as the result is after the last one.

    Raises:
        ParleyError: ``no_such_room``, ``forbidden``, ``unavailable``.
    """
    room_id, after, until, limit = place or ExportPlace(0, 0, 0, min(FIRST_READ, EXPORT_PAGE))

    async def read(seen: RoomAccess) -> tuple[int, list[Message], dict[int, Message], int]:
        nonlocal until
        record = seen.record
        if not until:
            await _wait_for_writes(parts, name)
            until = await ask(parts, parts.storage.messages.head(record.room_id)) + 1
        page = parts.storage.messages.history(record, limit=limit, after=after, before=until, include_deleted=True)
        with _reading(parts, name) as missed:
            messages = await ask(parts, page)
            async with parts.pages.turn() as slices:
                size = sum(map(size_of, messages))
                parts.pages.spend(2 * slices.ran())
        return record.room_id, messages, missed, size

    found = await read_as(parts, name, identity, read, Action.EXPORT)
    if found is None or room_id not in (0, found[0]):
        raise ParleyError("no_such_room", field="room")
    room_id, messages, missed, size = found
    states = _as_of_now(parts, name, messages, missed, include_deleted=True)
    if len(messages) < limit:
        return states, None
    return states, ExportPlace(room_id, messages[-1].seq, until, next_read(EXPORT_PAGE, len(messages), size))


async def search_messages(
    parts: Parts, identity: Identity, asked: Search, inside: Inside, *, max_bytes: int = PAGE_BYTES
) -> SearchPage:
    """Find messages that contain all the words, newest first, in the rooms that a user is in or belongs to.

    Finds nothing in a room to which the user loses access during the search. ``inside`` returns the rooms that the
    session is in at the time of the call.

    Raises:
        ParleyError: ``bad_field`` for a ``q`` without a word or an invalid cursor; ``unavailable``.
    """
    words, old_words = cut_words(asked.q), cut_words_v1(asked.q)
    if not words:
        raise ParleyError("bad_field", "q contains no word to search for", field="q")
    start = _read_cursor(asked.cursor)
    with parts.changes.during(identity.user.id) as changes, ExitStack() as reading:
        rooms = {
            record.room_id: (record, member) for record, member in await rooms_of(parts, identity, inside, changes)
        }
        records = [record for record, _ in rooms.values()]
        missed = {record.name: reading.enter_context(_reading(parts, record.name)) for record in records}

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
        states |= {(name, state.seq): state for state in _as_of_now(parts, name, of_room, missed[name])}
    places = [(message.room, message.seq) for message in messages]
    return SearchPage(
        id=asked.id,
        messages=[states[place] for place in places if place in states],  # without those deleted in the meantime
        has_older=more,
        cursor=f"{hits[-1][1].seq}.{hits[-1][0]}" if more else None,
    )


def _time(text: str | None, field: str) -> int | None:
    """Convert a time to a seq: the Unix microseconds of a message, or slightly more."""
    return None if text is None else check_time(text, field)


@contextmanager
def _reading(parts: Parts, name: str) -> Iterator[dict[int, Message]]:
    """Collect the changes of messages that a read from storage may miss; see `Tail.reading`."""
    room = parts.hub.rooms.get(name)
    if room is None:
        yield {}
    else:
        with room.tail.reading(room.backlog.unconfirmed) as missed:
            yield missed


def _as_of_now(
    parts: Parts, name: str, messages: list[Message], missed: dict[int, Message], *, include_deleted: bool = False
) -> list[Message]:
    """Return the messages with the changes that the read ``missed``, and with those in the room's tail."""
    room = parts.hub.rooms.get(name)
    changes = missed if room is None else missed | room.tail.changes()
    states: list[Message] = []
    for message in messages:
        state = changes.get(message.seq, message)
        if state.deleted_at is None:
            states.append(state)
        elif include_deleted:  # with its content, which only storage has
            states.append(replace(message, version=state.version, deleted_at=state.deleted_at))
    return with_quotes(states, changes.get)


async def _wait_for_writes(parts: Parts, name: str) -> None:
    room = parts.hub.rooms.get(name)
    if room is not None:
        if room.backlog.unconfirmed and room.worker.problem is not None:
            raise unavailable()  # without waiting for the time-out
        await ask(parts, room.backlog.written())


def _read_cursor(text: str | None) -> tuple[int, int] | None:
    """Return the (seq, room_id) below which the page begins."""
    if text is None:
        return None
    seq, dot, room_id = text.partition(".")
    if not (dot and seq.isascii() and seq.isdigit() and room_id.isascii() and room_id.isdigit() and len(text) <= 40):
        raise ParleyError("bad_field", "cursor is not valid", field="cursor")
    return min(int(seq), 2**53), min(int(room_id), 2**63 - 1)
