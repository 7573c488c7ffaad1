"""Reading a page of a room's past, for every dialect and for HTTP."""

from __future__ import annotations

from msgspec import Struct

from chat.context import RETRY_AFTER, Context
from model.commands import ReadHistory
from model.errors import ParleyError
from model.message import Message
from model.room import RoomRecord
from utils.words import cut_words


class Page(Struct, frozen=True):
    """Messages oldest first, and whether there are more that fit the question on either side."""

    messages: list[Message]
    has_older: bool
    has_newer: bool


async def read_history(chat: Context, name: str, asked: ReadHistory) -> Page:
    """The page that was asked for, with everything in it that was broadcast before it was read.

    Raises:
        ParleyError: ``unavailable`` when storage does not answer in time; ``bad_field`` for a ``q`` without a word.
    """
    words: list[str] = []
    if asked.q is not None and not (words := cut_words(asked.q)):
        raise ParleyError("bad_field", "q holds no word to look for", field="q")
    record = await _record(chat, name)
    if record is None:
        return Page([], False, False)
    room = record

    async def find(limit: int, before: int | None, after: int | None) -> list[Message]:
        repository = chat.repository
        return await chat.ask(
            repository.history(room, limit=limit, before=before, after=after, sender=asked.sender, words=words)
        )

    before, after = asked.before, asked.after
    messages = await find(asked.limit + 1, before, after)
    more = len(messages) > asked.limit
    if after is None:
        messages = messages[1:] if more else messages
        older, newer = more, before is not None and bool(await find(1, None, before - 1))
    else:
        messages = messages[:-1] if more else messages
        newer = more or (before is not None and bool(await find(1, None, before - 1)))
        older = bool(await find(1, after + 1, None))
    return Page(_as_of_now(chat, name, messages), older, newer)


def _as_of_now(chat: Context, name: str, messages: list[Message]) -> list[Message]:
    """With what was changed while storage read: who asked was told of that before the page, and not again after it."""
    room = chat.hub.rooms.get(name)
    changes = room.tail.changes() if room is not None else {}
    states = [changes.get(message.seq, message) for message in messages]
    return [state for state in states if state.deleted_at is None]


async def _record(chat: Context, name: str) -> RoomRecord | None:
    room = chat.hub.rooms.get(name)
    if room is None:
        return await chat.ask(chat.repository.find_room(name))
    if room.unsettled and room.worker.trouble is not None:
        raise ParleyError("unavailable", retry_after=RETRY_AFTER)  # it would only wait for its time-out
    await chat.ask(room.written())
    return room.record
