"""Reading a page of a room's past, for every dialect and for HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from chat.delivery.paging import FIRST_READ, PAGE_BYTES, Find, PageTurns, next_read, read_fitting, size_of
from chat.ports import Identity
from chat.rooms.access import RoomAccess, read_as
from chat.rooms.parts import Parts
from chat.rooms.room import Room
from chat.rooms.storing import ask, unavailable
from model.commands import ReadHistory
from model.errors import ParleyError
from model.message import Message
from model.permissions import Action
from model.room import RoomRecord
from utils.clock import microseconds
from utils.words import cut_words, cut_words_v1


class Page(Struct, frozen=True):
    """Messages oldest first, and whether there are more that fit the question on either side."""

    messages: list[Message]
    has_older: bool
    has_newer: bool


NOTHING = Page([], False, False)
# Messages of one part of an export, at most.
EXPORT_PAGE = 500


async def read_history(
    parts: Parts,
    name: str,
    asked: ReadHistory,
    identity: Identity | None,
    *,
    max_bytes: int = PAGE_BYTES,
    bare: bool = False,
) -> Page:
    """As :func:`find_history`; of a room that ``identity`` may not see, or that there is not, an empty page."""
    return await find_history(parts, name, asked, identity, max_bytes=max_bytes, bare=bare) or NOTHING


async def find_history(
    parts: Parts,
    name: str,
    asked: ReadHistory,
    identity: Identity | None,
    *,
    max_bytes: int = PAGE_BYTES,
    bare: bool = False,
) -> Page | None:
    """The page that was asked for, with everything in it that was broadcast before it was read.

    None when there is no such room, or ``identity`` may not see it. What does not fit into ``max_bytes`` as sent is on
    the next page; one message is there whatever its size. A ``bare`` page is for who is not told of reactions.

    Raises:
        ParleyError: ``unavailable`` when storage does not answer in time; ``bad_field`` for a ``q`` without a word, or
            what is no time; ``forbidden`` for ``include_deleted``.
    """
    words: list[str] = []
    if asked.q is not None and not (words := cut_words(asked.q)):
        raise ParleyError("bad_field", "q contains no word to search for", field="q")
    if asked.around is not None and not (asked.before is None and asked.after is None):
        raise ParleyError("bad_field", "around cannot be combined with before or after", field="around")
    first, last = _time(asked.start, "start"), _time(asked.end, "end")
    action = Action.SEE_DELETED if asked.include_deleted else Action.SEE

    async def read(seen: RoomAccess) -> Page:
        find = partial(_find, parts, seen.record, asked, words, first, last, bare)
        await _wait_for_writes(parts, parts.hub.rooms.get(name))
        page = await _read_page(parts.pages, find, asked, max_bytes)
        return replace(page, messages=as_of_now(parts, name, page.messages, include_deleted=asked.include_deleted))

    return await read_as(parts, name, identity, read, action)


async def _find(
    parts: Parts,
    record: RoomRecord,
    asked: ReadHistory,
    words: list[str],
    since: int | None,
    until: int | None,
    bare: bool,
    limit: int,
    before: int | None,
    after: int | None,
) -> list[Message]:
    found = await ask(
        parts,
        parts.storage.messages.history(
            record,
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


async def _read_page(pages: PageTurns, find: Find, asked: ReadHistory, max_bytes: int) -> Page:
    before, after = asked.before, asked.after
    if asked.around is not None:
        return await _around(pages, find, asked.around, asked.limit, max_bytes)
    messages, more = await read_fitting(pages, find, asked.limit, before=before, after=after, max_bytes=max_bytes)
    if after is None:
        older, newer = more, before is not None and bool(await find(1, None, before - 1))
    else:
        newer = more or (before is not None and bool(await find(1, None, before - 1)))
        older = bool(await find(1, after + 1, None))
    return Page(messages, older, newer)


async def find_message(parts: Parts, name: str, seq: int, identity: Identity | None) -> Message:
    """The message at ``seq`` as it is now.

    Raises:
        ParleyError: ``no_such_room``; ``no_such_message``, also when it was deleted; ``unavailable``.
    """

    async def read(seen: RoomAccess) -> list[Message]:
        room = parts.hub.rooms.get(name)
        if room is not None and (state := room.tail.state(seq)) is not None:
            return room.tail.with_quotes([state])
        # What the tail does not have is stored.
        stored = await ask(parts, parts.storage.messages.find_message(seen.record, seq))
        return [] if stored is None else as_of_now(parts, name, [stored])

    states = await read_as(parts, name, identity, read)
    if states is None:
        raise ParleyError("no_such_room", field="room")
    if not states or states[0].deleted_at is not None:
        raise ParleyError("no_such_message", field="seq")
    return states[0]


async def export(parts: Parts, name: str, identity: Identity | None) -> AsyncGenerator[list[Message], None]:
    """Everything that was said in a room before this was asked, oldest first, page after page.

    Deleted messages are there with what they held. Who asks must be a moderator for as long as it takes.

    Raises:
        ParleyError: ``no_such_room``, ``forbidden``, ``unavailable``; perhaps only after some pages.
    """
    after, room_id, until = 0, 0, 0

    limit = min(FIRST_READ, EXPORT_PAGE)

    async def read(seen: RoomAccess) -> tuple[int, list[Message], int]:
        nonlocal until
        record = seen.record
        if not until:
            await _wait_for_writes(parts, parts.hub.rooms.get(name))
            until = await ask(parts, parts.storage.messages.head(record.room_id)) + 1
        messages = await ask(
            parts, parts.storage.messages.history(record, limit=limit, after=after, before=until, include_deleted=True)
        )
        async with parts.pages.turn() as slices:
            size = sum(map(size_of, messages))
            parts.pages.spend(2 * slices.ran())
        return record.room_id, messages, size

    while True:
        found = await read_as(parts, name, identity, read, Action.EXPORT)
        if found is None or room_id not in (0, found[0]):
            raise ParleyError("no_such_room", field="room")
        room_id, messages, size = found
        yield as_of_now(parts, name, messages, include_deleted=True)
        if len(messages) < limit:
            return
        after = messages[-1].seq
        limit = next_read(EXPORT_PAGE, len(messages), size)


async def _around(pages: PageTurns, find: Find, seq: int, limit: int, max_bytes: int) -> Page:
    """With the message at ``seq``, if it is there, and as much on each side of it."""
    older, has_older = await read_fitting(pages, find, (limit + 1) // 2, before=seq + 1, max_bytes=max_bytes // 2)
    left = max_bytes - sum(map(size_of, older))
    newer, has_newer = await read_fitting(pages, find, limit - len(older), after=seq, max_bytes=left, least=0)
    return Page(older + newer, has_older, has_newer)


def _time(text: str | None, field: str) -> int | None:
    """The place in a log that a time is: a seq is the Unix microseconds of its message, or right behind."""
    if text is None:
        return None
    try:
        when = datetime.fromisoformat(text)
        if when.tzinfo is None:
            raise ValueError
        return max(0, microseconds(text))
    except (ValueError, OverflowError):
        raise ParleyError("bad_field", f"{field} must be a time such as 2026-11-21T08:31:11Z", field=field) from None


def as_of_now(parts: Parts, name: str, messages: list[Message], *, include_deleted: bool = False) -> list[Message]:
    """Return the messages with the changes that the room's tail still has; any of them may be newer than the read."""
    room = parts.hub.rooms.get(name)
    if room is None:
        return messages
    changes = room.tail.changes()
    states: list[Message] = []
    for message in messages:
        state = changes.get(message.seq, message)
        if state.deleted_at is None:
            states.append(state)
        elif include_deleted:  # with what it held, which only storage has
            states.append(replace(message, version=state.version, deleted_at=state.deleted_at))
    return room.tail.with_quotes(states)


async def _wait_for_writes(parts: Parts, room: Room | None) -> None:
    if room is not None:
        if room.backlog.unconfirmed and room.worker.problem is not None:
            raise unavailable()  # it would only wait for its time-out
        await ask(parts, room.backlog.written())
