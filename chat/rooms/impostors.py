"""Guests whose names look like those of people who have a role in a room: they are not let in, or sent out.

Names need not be unique, and accounts answer for themselves; a guest is whoever they say they are.
"""

from __future__ import annotations

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
    """Whether this is a guest with a name like that of an owner or moderator of the room, or of an admin or organizer
    who is in it.
    """
    user = identity.user
    if not _may_be_one(room, identity):
        return False
    if room.looks is None:
        room.looks = {_look(member.user.name) for member in room.members.values() if member.role in STAFF}
    if not room.looks and not parts.directory.ranking:
        return False  # without looking at every name of a storm of connects: that is 10 us each
    look = _look(user.name)
    return look in room.looks or any(
        session.rooms.get(room.name) is room and _look(session.user.name) == look for session in parts.directory.ranking
    )


def refuse(parts: Parts, room: Room, identity: Identity) -> None:
    """Make sure that somebody who is about to enter, or to talk from outside, is no impostor.

    Raises:
        ParleyError: ``reserved_name``.
    """
    if is_impostor(parts, room, identity):
        raise ParleyError("reserved_name", "your name looks like that of a moderator of this room; choose another one")


def remove(parts: Parts, room: Room, name: str) -> None:
    """Send guests out who are in a room under a name like this one, whose bearer has a role there from now on."""
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
