"""``typing`` and ``read``: what users do in a room without posting. Neither is answered unless it is refused."""

from msgspec.structs import replace

from chat.rooms import members
from chat.rooms.access import joined_room
from chat.rooms.parts import Parts
from chat.rooms.reading import raise_cursor
from chat.rooms.room import Room, Session
from chat.rooms.storing import check_space
from model.commands import MarkRead, Typing
from model.errors import ParleyError
from model.events import Typing as TypingEvent
from model.permissions import Action
from model.room import Member

# Seconds that a client shows it, and the shortest time between two broadcasts for one user.
TYPING_SECONDS = 5.0
TYPING_PAUSE = 2.0


def typing(parts: Parts, session: Session, room: Room, _: None, command: Typing) -> None:
    """Broadcast that the user is typing; not in a crowd, and not more often than clients need."""
    if room.presence.may_type(session.user.id, parts.clock.monotonic(), TYPING_PAUSE):
        room.publish(TypingEvent(room=room.name, user=session.user, expires=TYPING_SECONDS), ephemeral=True)


def room_to_read(parts: Parts, session: Session, command: MarkRead) -> Room:
    """Need a room that the session is in and that has this seq."""
    room = joined_room(parts, session, command.room, Action.MARK_READ)
    if command.seq > room.head:
        raise ParleyError("no_such_message", field="seq")
    return room


def mark_read(parts: Parts, session: Session, room: Room, row: Member | None, command: MarkRead) -> None:
    """Raise the user's read cursor. With a cursor, an ephemeral room is listed among the user's own."""
    member = row or Member(session.user)
    if session.user.id not in room.members:
        members.cache(parts, room, member)
    if command.seq > member.read_seq:
        check_space(parts, room, "")
        raise_cursor(parts, room, replace(members.as_known(parts, member, member.user), read_seq=command.seq))
