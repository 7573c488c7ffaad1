"""Commands that read: ``history``, ``search``, ``rooms`` and ``members``.

The session's later commands wait until the client has read the page.
"""

from collections.abc import Awaitable
from contextlib import AsyncExitStack

from chat.handlers.resolve import Need
from chat.queries.history import read_history, search_messages
from chat.queries.listing import find_members, list_rooms, which_members
from chat.rooms.access import joined_room
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from model.commands import ListMembers, ListRooms, ReadHistory, Search
from model.events import HistoryPage, Members
from model.permissions import Action


async def search(parts: Parts, session: Session, command: Search) -> None:
    """Send a page of messages that contain all the words."""
    identity, inside = session.actor.identity, session.rooms.values
    await session.send_page(await search_messages(parts, identity, command, inside, max_bytes=parts.page_bytes))


async def rooms(parts: Parts, session: Session, command: ListRooms) -> None:
    """List public rooms, or the user's own."""
    await session.send_page(await list_rooms(parts, session.actor.identity, command, session.rooms.values))


def room_of_history(parts: Parts, session: Session, command: ReadHistory) -> Room:
    """Need a room that the session is in; deleted messages are for moderators."""
    return joined_room(parts, session, command.room, Action.SEE_DELETED if command.include_deleted else Action.SEE)


def room_of_list(parts: Parts, session: Session, command: ListMembers) -> Room:
    """Need a room that the session is in; the lists of banned and invited users are for moderators."""
    return joined_room(parts, session, command.room, which_members(command)[0])


class PageOfHistory(Need[HistoryPage | None]):
    """Need a page, no larger than one over WebSocket may be."""

    async def fetch(
        self, parts: Parts, session: Session, room: Room, command: ReadHistory, held: AsyncExitStack
    ) -> HistoryPage | None:
        return await read_history(parts, room.name, command, session.identity, max_bytes=parts.page_bytes)


class PageOfMembers(Need[Members | None]):
    """Need a page of the list; None if the user may no longer see the room."""

    async def fetch(
        self, parts: Parts, session: Session, room: Room, command: ListMembers, held: AsyncExitStack
    ) -> Members | None:
        return await find_members(parts, room.name, command, session.identity)


def send_page(
    parts: Parts, session: Session, room: Room, page: HistoryPage | Members | None, command: object
) -> Awaitable[None]:
    """Send the page."""
    assert page is not None  # a session that is in the room may see it
    return session.send_page(page)
