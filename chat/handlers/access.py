"""The gate: the only way a handler reaches a room on behalf of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.errors import ParleyError
from model.text import check_name

if TYPE_CHECKING:
    from chat.room import Room
    from chat.session import Session


def joined_room(session: Session, name: str) -> Room:
    """The room of this name that the session is in.

    Raises:
        ParleyError: ``not_joined``; ``bad_field`` when it is no name at all.
    """
    room = session.rooms.get(name)
    if room is None:  # perhaps written in another way (NFC, white space around it)
        room = session.rooms.get(check_name(name, "room"))
        if room is None:
            raise ParleyError("not_joined", field="room")
    return room
