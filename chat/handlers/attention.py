"""``typing`` and ``read``: what people are about. Neither is answered, unless it is refused."""

from __future__ import annotations

from collections.abc import Awaitable

from msgspec.structs import replace

from chat.rooms import members
from chat.rooms.access import joined_room
from chat.rooms.parts import Parts
from chat.rooms.reading import raise_cursor
from chat.rooms.room import Room, Session
from chat.rooms.storing import admit
from model.commands import MarkRead, Typing
from model.errors import ParleyError
from model.events import Typing as TypingEvent
from model.permissions import Action
from model.room import Member

# How long a client shows it, and how often somebody's is passed on at most.
TYPING_SECONDS = 5.0
TYPING_PAUSE = 2.0


def typing(parts: Parts, session: Session, command: Typing) -> None:
    """Show the others that something is being written; not in a crowd, and not more often than they need."""
    room = joined_room(parts, session, command.room, Action.TYPE)
    if room.presence.may_type(session.user.id, parts.clock.monotonic(), TYPING_PAUSE):
        room.broadcast(TypingEvent(room=room.name, user=session.user, expires=TYPING_SECONDS), ephemeral=True)


def mark_read(parts: Parts, session: Session, command: MarkRead) -> Awaitable[None] | None:
    """Raise one's read cursor. In an ephemeral room that makes the room one of one's own."""
    room = joined_room(parts, session, command.room, Action.MARK_READ)
    if command.seq > room.head:
        raise ParleyError("no_such_message", field="seq")
    member = room.members.get(session.user.id)
    if member is None:
        return _mark_later(parts, session, command)
    _raise(parts, room, member, command.seq)
    return None


async def _mark_later(parts: Parts, session: Session, command: MarkRead) -> None:
    room = joined_room(parts, session, command.room, Action.MARK_READ)
    member = await members.fetch(parts, room, session.user.id)
    if not session.ended and session.rooms.get(room.name) is room:
        member = room.members.get(session.user.id, member) or Member(session.user)
        members.cache(parts, room, member)
        _raise(parts, room, member, command.seq)


def _raise(parts: Parts, room: Room, member: Member, seq: int) -> None:
    if seq > member.read_seq:
        admit(parts, room, "")
        raised = replace(members.as_known(parts, member, member.user), read_seq=seq)
        raise_cursor(parts, room, raised)
