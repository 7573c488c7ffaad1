"""How many rooms there may be for one account, for the guests of one address, and on the server; and which are closed
first when there are as many as there may be.
"""

from __future__ import annotations

from chat.ports import Actor
from chat.rooms import members
from chat.rooms.parts import Parts
from model.errors import ParleyError
from model.events import Left

# When to ask again after there was no space.
FULL_SECONDS = 10.0


def make_space(parts: Parts, opener: str) -> None:
    """Make sure that one more room may be opened, by closing rooms that were made by joining and are empty.

    Raises:
        ParleyError: ``too_many_rooms``.
    """
    hub, options = parts.hub, parts.options
    while opener and hub.opened_by(opener) >= options.address_rooms:
        if not _close_one(parts, opener):
            text = "you, or the guests of your address, have too many rooms open"
            raise ParleyError("too_many_rooms", text, retry_after=FULL_SECONDS)
    while len(hub.rooms) + hub.opening >= options.server_rooms:
        if not _close_one(parts, ""):
            text = "too many rooms are open on this server"
            raise ParleyError("too_many_rooms", text, retry_after=FULL_SECONDS)


def _close_one(parts: Parts, opener: str) -> bool:
    room = parts.hub.find_empty(opener)
    if room is None:
        return False
    for session in tuple(room.presence.sessions):
        members.remove(room, session, Left(room=room.name, reason="closed"))
    parts.hub.free(room)
    return parts.hub.rooms.get(room.name) is not room


def admit_room(parts: Parts, actor: Actor, *, take: bool = True) -> None:
    """Make sure that the session may make one more room that stays; ``take`` counts it.

    Raises:
        ParleyError: ``too_many_rooms``.
    """
    if parts.storage.is_full():
        raise ParleyError("too_many_rooms", "the server cannot store any more rooms")
    parts.makers.admit(actor, parts.clock.monotonic(), take=take)
