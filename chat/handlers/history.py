"""``history``."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from chat.handlers.access import joined_room
from chat.history import read_history
from model.commands import ReadHistory
from model.events import HistoryPage
from model.message import Message

if TYPE_CHECKING:
    from chat.context import Context
    from chat.session import Session

# A page of history is one frame, and must not cut a reader off by itself: at four bytes a character it fills half of
# what may wait (SLOW_BYTES_HIGH). What does not fit is the next page.
PAGE_SHARE = 8


def history(chat: Context, session: Session, command: ReadHistory) -> Awaitable[None]:
    """Send a page of messages. The session's later commands wait until it was read off the connection."""
    room = joined_room(session, command.room)
    return _history(chat, session, room.name, command)


async def _history(chat: Context, session: Session, name: str, command: ReadHistory) -> None:
    page = await read_history(chat, name, command)
    messages, has_older, has_newer = page.messages, page.has_older, page.has_newer
    fitting = _fit(messages, from_oldest=command.after is not None, max_chars=chat.hub.slow_high // PAGE_SHARE)
    if len(fitting) < len(messages):
        has_older, has_newer = (has_older, True) if command.after is not None else (True, has_newer)
    session.reply(HistoryPage(id=command.id, room=name, messages=fitting, has_older=has_older, has_newer=has_newer))
    await session.drained()


def _fit(messages: list[Message], *, from_oldest: bool, max_chars: int) -> list[Message]:
    """As many as ``max_chars`` allow, at least one, from the end that the reader goes on from."""
    total = 0
    ordered = messages if from_oldest else messages[::-1]
    for count, message in enumerate(ordered):
        total += len(message.content)
        if total > max_chars and count:
            return messages[:count] if from_oldest else messages[-count:]
    return messages
