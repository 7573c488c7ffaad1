"""``rooms`` and ``members``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chat.queries.listing import find_members, list_rooms, which_members
from chat.rooms.access import joined_room, still_joined
from model.commands import ListMembers, ListRooms

if TYPE_CHECKING:
    from chat.rooms.context import Context
    from chat.rooms.room import Session


async def rooms(chat: Context, session: Session, command: ListRooms) -> None:
    """List public rooms, or one's own."""
    assert session.identity is not None
    await session.send_page(await list_rooms(chat, session.identity, command, session.rooms.values))


async def members(chat: Context, session: Session, command: ListMembers) -> None:
    """List the people of a room."""
    action, _ = which_members(command)
    room = joined_room(chat, session, command.room, action)
    listed = await find_members(chat, room.name, command, session.identity)
    still_joined(chat, session, room, action)
    assert listed is not None  # whoever is in a room sees it
    await session.send_page(listed)
