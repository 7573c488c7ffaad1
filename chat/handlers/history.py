"""``history``."""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import AsyncExitStack

from chat.handlers.resolve import Need
from chat.queries.history import Page, read_history
from chat.rooms.access import joined_room
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from model.commands import ReadHistory
from model.events import HistoryPage
from model.permissions import Action


def room_to_page(parts: Parts, session: Session, command: ReadHistory) -> Room:
    """Need a room that the session is in; deleted messages are for moderators."""
    return joined_room(parts, session, command.room, Action.SEE_DELETED if command.include_deleted else Action.SEE)


class PageOfHistory(Need[Page]):
    """A page, no larger than one that may be sent over WebSocket."""

    async def fetch(
        self, parts: Parts, session: Session, room: Room, command: ReadHistory, held: AsyncExitStack
    ) -> Page:
        return await read_history(parts, room.name, command, session.identity, max_bytes=parts.page_bytes)


def history(parts: Parts, session: Session, room: Room, page: Page, command: ReadHistory) -> Awaitable[None]:
    """Send a page of messages. The session's later commands wait until the client has read it."""
    return session.send_page(
        HistoryPage(
            id=command.id,
            room=room.name,
            messages=page.messages,
            has_older=page.has_older,
            has_newer=page.has_newer,
        )
    )
