"""Access to rooms: the only way to a room, for a session in it, a session outside, and an HTTP request.

A room that a user may not see answers like one that does not exist. The rules are in `model.permissions`.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from chat.ports import Identity
from chat.rooms import members
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from chat.rooms.storing import ask, unavailable
from model.errors import ParleyError
from model.permissions import LEAST, RANK, TALK, Action, Standing, may, standing_in
from model.principals import CLAIMED
from model.room import Member, Role, RoomRecord
from model.text import check_name

T = TypeVar("T")

# How often a room is read because the access of its reader changed during the query.
TRIES = 5
# What every user in an unrestricted room may do.
_FREE = frozenset(action for action, least in LEAST.items() if RANK[least] <= RANK["member"])


def default_role(parts: Parts, identity: Identity) -> Role:
    """Return the role of a user who was never given another one in a room."""
    return parts.options.guest_role if identity.guest else "member"


def standing_of(parts: Parts, room: Room, identity: Identity) -> Standing:
    """Return the standing of a user who is in a room."""
    return standing_for(parts, room.record, room.members.get(identity.user.id), identity)


def check_provable(user_id: str) -> None:
    """Refuse to give rights in a room to an id that anyone may claim.

    Raises:
        ParleyError: ``forbidden``.
    """
    if user_id.startswith(CLAIMED):
        raise ParleyError("forbidden", "anyone can claim this id, so it cannot be given rights", field="user")


def is_row_known(parts: Parts, room: Room, identity: Identity) -> bool:
    """Whether the standing of a user in a room is known without a read from storage.

    A loaded ephemeral room has every row with more than the role "member" and a read cursor.
    """
    ephemeral = room.record.kind == "ephemeral" and default_role(parts, identity) == "member"
    return ephemeral or not room.stored or identity.user.id in room.members


def joined_room(parts: Parts, session: Session, name: str, action: Action) -> Room:
    """Return the room of this name that the session is in, if it may do ``action`` there.

    Raises:
        ParleyError: ``not_joined``, ``forbidden``, ``muted``; ``bad_field`` for an invalid name.
    """
    # The name may be spelled differently (NFC, white space around it).
    room = session.rooms.get(name) or session.rooms.get(check_name(name, "room"))
    if room is None:
        raise ParleyError("not_joined", field="room")
    if not (room.unrestricted and action in _FREE):
        if room.muted_until <= parts.clock.now_us():
            members.lift(parts, room)
        require(parts, room, session, action)
    return room


def require(parts: Parts, room: Room, session: Session, action: Action) -> Standing:
    """Return the standing of a session in a room that it is in, if it may do ``action`` there.

    Raises:
        ParleyError: ``forbidden``, ``muted``, ``no_such_room``.
    """
    standing = standing_of(parts, room, session.actor.identity)
    if not may(standing, action):
        raise ParleyError("forbidden" if may(standing, Action.SEE) else "no_such_room", field="room")
    if action in TALK and standing != "admin":
        member = room.members.get(session.user.id)
        if member is not None and member.muted_until > (now := parts.clock.now_us()):
            left = (member.muted_until - now) / 1_000_000
            raise ParleyError("muted", retry_after=left if left < 1e8 else None)
    return standing


def check_entry(parts: Parts, record: RoomRecord, member: Member | None, identity: Identity) -> Standing:
    """Return the standing that a user will have in a room which they are about to enter.

    Raises:
        ParleyError: ``no_such_room``; ``banned`` where all users may know that the room exists.
    """
    standing = standing_for(parts, record, member, identity)
    if not may(standing, Action.SEE):
        kept_out = member is not None and member.banned_until > parts.clock.now_us()
        raise ParleyError("banned" if kept_out and record.kind != "private" else "no_such_room", field="room")
    return standing


class RoomAccess(NamedTuple):
    """A room and the standing of a user, who may be in it or not; ``member`` is their row, if they have one."""

    record: RoomRecord
    standing: Standing
    member: Member | None


async def read_as(
    parts: Parts,
    name: str,
    identity: Identity | None,
    read: Callable[[RoomAccess], Awaitable[T]],
    action: Action = Action.SEE,
) -> T | None:
    """Return what ``read`` finds in the room of this name, for a user who may do ``action`` there without joining it.

    None when there is no room of this name that they may see. If their role changes during ``read``, or the room is
    hidden or deleted, their access is checked and ``read`` called again: so they may see the room when it returns.

    Raises:
        ParleyError: ``forbidden`` for a room that they may see and not do this to; ``unavailable``.
    """
    for _ in range(TRIES):
        user_id = None if identity is None else identity.user.id
        with parts.changes.during(user_id) as own, parts.changes.during(None) as general:
            access = await _access_room(parts, name, identity)
            if access is None:
                return None
            if not may(access.standing, action):
                raise ParleyError("forbidden", field="room")
            found = await read(access)
            if not (own.affect(access.record.room_id) or general.affect(access.record.room_id)):
                return found
    raise unavailable()


async def _access_room(parts: Parts, name: str, identity: Identity | None) -> RoomAccess | None:
    if (ending := parts.hub.ending.get(name)) is not None:
        await ask(parts, ending.backlog.written())  # storage does not know yet that it was deleted
    room = parts.hub.rooms.get(name)
    if room is not None and not room.stored and not room.presence.people:
        return None  # it does not exist: another reader has loaded it
    record = room.record if room is not None else await ask(parts, parts.storage.rooms.find_room(name))
    if record is None:
        return None
    member = None
    if identity is not None and room is None:
        member = await ask(parts, parts.storage.rooms.find_member(record.room_id, identity.user.id))
    elif identity is not None and room is not None and not is_row_known(parts, room, identity):
        member = await members.fetch(parts, room, identity.user.id)
    inside = room is not None and identity is not None and identity.user.id in room.presence.people
    if room is not None:
        record = room.record  # as it is now
        member = room.members.get(identity.user.id, member) if identity is not None else None
    standing = standing_for(parts, record, member, identity, inside=inside)
    return RoomAccess(record, standing, member) if may(standing, Action.SEE) else None


def standing_for(
    parts: Parts, record: RoomRecord, member: Member | None, identity: Identity | None, *, inside: bool = True
) -> Standing:
    """Return a user's standing in a room that they are in or, unless ``inside``, are not in."""
    return standing_in(
        record,
        member,
        account_role="guest" if identity is None else identity.role,
        inside=default_role(parts, identity) if inside and identity is not None else None,
        now_us=parts.clock.now_us(),
    )
