"""``history``."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from chat.gate import joined_room, still_joined
from chat.history import read_history
from model.commands import ReadHistory
from model.events import HistoryPage
from model.message import Message
from model.permissions import Action

if TYPE_CHECKING:
    from chat.context import Context
    from chat.room import Room
    from chat.session import Session

# A page of history is one frame, and must not cut a reader off by itself: at four bytes a character it fills half of
# what may wait (SLOW_BYTES_HIGH). What does not fit is the next page.
PAGE_SHARE = 8


def history(chat: Context, session: Session, command: ReadHistory) -> Awaitable[None]:
    """Send a page of messages. The session's later commands wait until it was read off the connection."""
    action = Action.SEE_DELETED if command.include_deleted else Action.SEE
    room = joined_room(chat, session, command.room, action)
    return _history(chat, session, room, command, action)


async def _history(chat: Context, session: Session, room: Room, command: ReadHistory, action: Action) -> None:
    page = await read_history(chat, room.name, command, session.identity)
    still_joined(chat, session, room, action)
    messages, has_older, has_newer = page.messages, page.has_older, page.has_newer
    fitting = _fit(messages, from_oldest=command.after is not None, max_chars=chat.hub.slow_high // PAGE_SHARE)
    if len(fitting) < len(messages):
        has_older, has_newer = (has_older, True) if command.after is not None else (True, has_newer)
    session.reply(
        HistoryPage(id=command.id, room=room.name, messages=fitting, has_older=has_older, has_newer=has_newer)
    )
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
