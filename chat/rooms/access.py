"""Access to rooms: every session and HTTP request reaches a room through here, whether it has joined or not.

A room that a user may not see is answered for like one that does not exist. The rules are in `model.permissions`.
A member's changed row is broadcast from here too, because the reason in it is for moderators and that member only.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from chat.ports import Actor, Identity
from chat.rooms import members, sanctions
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from chat.rooms.storing import ask
from model.errors import ParleyError, unavailable
from model.events import MemberChanged
from model.permissions import LEAST, RANK, TALK, Action, Standing, may, standing_in, within
from model.principals import CLAIMED
from model.room import Member, Role, RoomRecord, User
from model.text import check_name
from utils.wording import seconds_left

T = TypeVar("T")

# How often a query is repeated because the reader's access changed during it.
TRIES = 5
# What every user in an unrestricted room may do.
_FREE = frozenset(action for action, least in LEAST.items() if RANK[least] <= RANK["member"])


def default_role(parts: Parts, identity: Identity) -> Role:
    """Return the role of a user who has been given none in a room."""
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

    A loaded ephemeral room has every row that records more than the role "member" and a read cursor.
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
    identity = session.identity
    if not (room.unrestricted and action in _FREE) or identity is None or identity.scope is not None:
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
        raise (
            _may_not(room.record, session.actor.identity)
            if may(standing, Action.SEE)
            else ParleyError("no_such_room", field="room")
        )
    if action in TALK and session.user.id in room.blocked:
        raise ParleyError("forbidden", "this user does not want to receive messages from you", field="room")
    if action in TALK and standing != "admin":
        member = room.members.get(session.user.id)
        own = 0 if member is None else member.muted_until
        earlier = [row.muted_until for row in sanctions.rows_of_guests(room, member, session.actor)]
        muted_until = max(own, sanctions.muted_until(parts, room, member, session.actor), *earlier)
        if muted_until > (now := parts.clock.now_us()):
            left = (muted_until - now) / 1_000_000
            if left >= 1e8:
                raise ParleyError("muted")
            # In words too: only native clients receive `retry_after`.
            text = f"you are muted in this room for another {seconds_left(left)}"
            raise ParleyError("muted", text, retry_after=left)
    return standing


def _may_not(record: RoomRecord, identity: Identity | None) -> ParleyError:
    """Refuse what a standing does not allow."""
    if record.guests == "read" and identity is not None and identity.guest:
        return ParleyError("forbidden", "guests can only read in this room", field="room")
    if identity is None or identity.scope is None:
        return ParleyError("forbidden", field="room")
    return ParleyError(
        "forbidden", "the scope of this API key, or the role of its bot, does not allow this", field="room"
    )


def check_entry(parts: Parts, room: Room, member: Member | None, actor: Actor) -> Standing:
    """Return the standing that a user will have in a room that they are about to enter; ``member`` is their row.

    Raises:
        ParleyError: ``no_such_room``; ``banned`` if the room's existence is public, ``forbidden`` if it admits no
            guests.
    """
    record = room.record
    standing = standing_for(parts, record, member, actor.identity)
    direct = record.kind == "direct"
    banned = not direct and sanctions.banned_until(parts, room, member, actor)
    guests = [] if standing == "admin" or direct else sanctions.rows_of_guests(room, member, actor)
    if not banned and not guests and may(standing, Action.SEE):
        return standing  # as nearly always
    now_us = parts.clock.now_us()
    own = [*guests, member] if member is not None else guests
    if banned or any(row.banned_until > now_us for row in guests) or not may(standing, Action.SEE):
        if record.deleted_at is not None or record.kind in ("private", "direct"):
            raise ParleyError("no_such_room", field="room")
        if banned:
            raise ParleyError("banned", "guests from your network are banned from this room for now", field="room")
        if any(row.banned_until > now_us for row in own):
            raise ParleyError("banned", field="room")
        if record.guests == "no" and actor.identity.guest:
            raise ParleyError("forbidden", "this room admits no guests", field="room")
        raise ParleyError("no_such_room", field="room")
    return standing


class RoomAccess(NamedTuple):
    """A room and the standing of a user, whether in the room or not; ``member`` is the user's row, if any."""

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

    Returns None if there is no room with this name that they may see. If their role changes during ``read``, or the
    room is hidden or deleted, access is checked and ``read`` called again: they may see the room when this returns.

    Raises:
        ParleyError: ``forbidden`` if they may see the room, but not do this there; ``unavailable``.
    """
    for _ in range(TRIES):
        user_id = None if identity is None else identity.user.id
        with parts.changes.during(user_id) as own, parts.changes.during(None) as general:
            access = await _access_room(parts, name, identity)
            if access is None:
                return None
            if not may(access.standing, action):
                raise _may_not(access.record, identity)
            found = await read(access)
            if not (own.affect(access.record.room_id) or general.affect(access.record.room_id)):
                return found
    raise unavailable()


async def access_room(
    parts: Parts, name: str, identity: Identity | None, action: Action = Action.SEE
) -> RoomAccess | None:
    """Return the room of this name, for a user who may do ``action`` there; see :func:`read_as`."""

    async def read(access: RoomAccess) -> RoomAccess:
        return access

    return await read_as(parts, name, identity, read, action)


async def _access_room(parts: Parts, name: str, identity: Identity | None) -> RoomAccess | None:
    if (ending := parts.hub.ending.get(name)) is not None:
        await ask(parts, ending.backlog.written())  # its deletion is not stored yet
    room = parts.hub.rooms.get(name)
    if room is not None and not room.stored and not room.presence.people:
        return None  # it does not exist: another reader loaded it to find out
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
    """Return a user's standing in a room; ``inside`` says whether they are in it."""
    standing = standing_in(
        record,
        member,
        account_role="guest" if identity is None else identity.role,
        inside=default_role(parts, identity) if inside and identity is not None else None,
        now_us=parts.clock.now_us(),
        guest=identity is None or identity.guest,
    )
    return standing if identity is None or identity.scope is None else within(standing, identity.scope)


def member_changed(parts: Parts, room: Room, row: Member, action: str, by: User, id: str | None = None) -> None:
    """Broadcast a changed row without its reason; then send it to moderators and its user with the reason."""
    public = members.describe(parts, room, row, "member")
    room.publish_news(MemberChanged(id=id, room=room.name, action=action, member=public, by=by))
    why = members.describe(parts, room, row, "moderator")
    if not why.reason:
        return
    event = MemberChanged(room=room.name, action=action, member=why, by=by)
    room.audience.flush()
    for device, user in tuple(room.presence.sessions.items()):
        if user.id == row.user.id or may(standing_of(parts, room, device.actor.identity), Action.MUTE):
            room.audience.tell(device, event)
