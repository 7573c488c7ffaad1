"""Guests whose names look like those of users with a role in a room: they may not enter, and are removed.

Names need not be unique. The names of accounts are verified; guests choose theirs freely.
"""

from functools import lru_cache

from chat.ports import Identity
from chat.rooms import members
from chat.rooms.parts import Parts
from chat.rooms.room import Room
from model.errors import REFUSED, ParleyError
from model.events import Left
from model.lookalikes import skeleton
from model.room import STAFF

_look = lru_cache(maxsize=10_000)(skeleton)


def is_impostor(parts: Parts, room: Room, identity: Identity) -> bool:
    """Whether this is a guest whose name looks like that of an owner or moderator of the room, or of an admin or
    organizer who is in it.
    """
    if not _may_be_one(room, identity):
        return False
    if room.looks is None:
        room.looks = {_look(member.user.name) for member in room.members.values() if member.role in STAFF}
    if not room.looks and not parts.directory.ranking:
        return False  # saves the 10 us of computing a skeleton in a storm of connects
    look = _look(identity.user.name)
    return look in room.looks or any(
        session.rooms.get(room.name) is room and _look(session.user.name) == look for session in parts.directory.ranking
    )


def check_name(parts: Parts, name: str, field: str | None = None) -> str:
    """Return the name that a guest asks for, unless it looks like the username of an account.

    Args:
        field: Where the name stands, if that is not the guest's token.

    Raises:
        ParleyError: ``reserved_name``.
    """
    if parts.names.is_taken(name):
        raise ParleyError("reserved_name", "this name belongs to an account; choose another one", field=field)
    return name


def refuse(parts: Parts, room: Room, identity: Identity) -> None:
    """Make sure that a user who is about to enter, or to post over HTTP, is not an impostor.

    Raises:
        ParleyError: ``reserved_name``.
    """
    if identity.guest:
        check_name(parts, identity.user.name)  # the account may have been registered since the guest came
    if is_impostor(parts, room, identity):
        raise ParleyError("reserved_name", "your name looks like that of a moderator of this room; choose another one")


def remove(parts: Parts, room: Room, name: str) -> None:
    """Remove the guests whose names look like that of a user who receives a role in the room."""
    look = _look(name)
    for session in tuple(room.presence.sessions):
        identity = session.actor.identity
        if _may_be_one(room, identity) and _look(identity.user.name) == look:
            members.leave(parts, room, session)
            session.reply(Left(room=room.name, reason="name"))
            if session.dialect.bound_to_address:
                session.close(REFUSED)


def _may_be_one(room: Room, identity: Identity) -> bool:
    row = room.members.get(identity.user.id)
    return identity.guest and room.record.kind != "direct" and (row is None or row.role not in STAFF)
