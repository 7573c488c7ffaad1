"""``rooms`` and ``members``."""

from __future__ import annotations

from chat.queries.listing import find_members, list_rooms, which_members
from chat.rooms.access import joined_room, still_joined
from chat.rooms.parts import Parts
from chat.rooms.room import Session
from model.commands import ListMembers, ListRooms


async def rooms(parts: Parts, session: Session, command: ListRooms) -> None:
    """List public rooms, or one's own."""
    assert session.identity is not None
    await session.send_page(await list_rooms(parts, session.identity, command, session.rooms.values))


async def members(parts: Parts, session: Session, command: ListMembers) -> None:
    """List the people of a room."""
    action, _ = which_members(command)
    room = joined_room(parts, session, command.room, action)
    listed = await find_members(parts, room.name, command, session.identity)
    still_joined(parts, session, room, action)
    assert listed is not None  # whoever is in a room sees it
    await session.send_page(listed)
