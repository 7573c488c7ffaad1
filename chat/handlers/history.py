"""``history``."""

from __future__ import annotations

from collections.abc import Awaitable

from chat.queries.history import read_history
from chat.rooms.access import joined_room, still_joined
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from model.commands import ReadHistory
from model.events import HistoryPage
from model.permissions import Action


def history(parts: Parts, session: Session, command: ReadHistory) -> Awaitable[None]:
    """Send a page of messages. The session's later commands wait until it was read off the connection."""
    action = Action.SEE_DELETED if command.include_deleted else Action.SEE
    room = joined_room(parts, session, command.room, action)
    return _history(parts, session, room, command, action)


async def _history(parts: Parts, session: Session, room: Room, command: ReadHistory, action: Action) -> None:
    page = await read_history(parts, room.name, command, session.identity, max_bytes=parts.page_bytes)
    still_joined(parts, session, room, action)
    await session.send_page(
        HistoryPage(
            id=command.id,
            room=room.name,
            messages=page.messages,
            has_older=page.has_older,
            has_newer=page.has_newer,
        )
    )
