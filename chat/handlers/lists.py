"""``rooms`` and ``members``."""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import AsyncExitStack

from chat.handlers.resolve import Need
from chat.queries.listing import find_members, list_rooms, which_members
from chat.rooms.access import joined_room
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from model.commands import ListMembers, ListRooms
from model.events import Members


async def rooms(parts: Parts, session: Session, command: ListRooms) -> None:
    """List public rooms, or the user's own."""
    await session.send_page(await list_rooms(parts, session.actor.identity, command, session.rooms.values))


def room_to_list(parts: Parts, session: Session, command: ListMembers) -> Room:
    """Need a room that the session is in; the lists of banned and invited users are for moderators."""
    return joined_room(parts, session, command.room, which_members(command)[0])


class PageOfMembers(Need[Members | None]):
    """A page of the list; None when the user may no longer see the room."""

    async def fetch(
        self, parts: Parts, session: Session, room: Room, command: ListMembers, held: AsyncExitStack
    ) -> Members | None:
        return await find_members(parts, room.name, command, session.identity)


def members(parts: Parts, session: Session, room: Room, page: Members | None, command: ListMembers) -> Awaitable[None]:
    """Send a list of members of a room."""
    assert page is not None  # a session that is in the room may see it
    return session.send_page(page)
