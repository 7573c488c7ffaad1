"""``rooms`` and ``members``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chat.gate import joined_room, still_joined
from chat.listing import list_members, list_rooms
from model.commands import ListMembers, ListRooms
from model.permissions import Action

if TYPE_CHECKING:
    from chat.context import Context
    from chat.session import Session


async def rooms(chat: Context, session: Session, command: ListRooms) -> None:
    """List public rooms, or one's own."""
    assert session.identity is not None
    session.reply(await list_rooms(chat, session.identity, command, session.rooms.values()))


async def members(chat: Context, session: Session, command: ListMembers) -> None:
    """List the people of a room."""
    room = joined_room(chat, session, command.room, Action.SEE)
    listed = await list_members(chat, room.record, command)
    still_joined(chat, session, room, Action.SEE)
    session.reply(listed)
