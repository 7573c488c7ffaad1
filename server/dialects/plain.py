"""The plain dialect: raw text in, ``{"sender","room","content","timestamp"}`` out, for pages that exist already."""

from __future__ import annotations

from typing import Any

import msgspec

from model.commands import AnyCommand, PostMessage
from model.events import Announcement, AnyEvent, Deleted, Edited, Entered, Error, Exited, Left, Retracted
from model.message import Message
from server.dialects.sentences import farewell, now
from server.frames import text_frame

_encode = msgspec.json.Encoder().encode

# Who speaks when the server does; `model.text` keeps people from taking the name.
SYSTEM = "SYSTEM"


class PlainMessage(msgspec.Struct, gc=False):
    """A message; or, from the sender ``SYSTEM``, what the server has to say.

    Attributes:
        sender: display name of the author.
        room: name of the room.
        content: the text.
        timestamp: RFC 3339, UTC, six decimals, ``Z``.
    """

    sender: str
    room: str
    content: str
    timestamp: str


class PlainDialect:
    """Every text frame is a message to the room of the address; what the server has to say is a ``SYSTEM`` message."""

    name = "plain"
    default_name: str | None = "Anonymous"
    default_room: str | None = "general"
    bound_to_address = True

    def command(self, text: str, home: str) -> AnyCommand:
        """See `chat.ports.Dialect.command`. Never refuses: what the text may hold is the handler's to say."""
        return PostMessage(room=home, content=text)

    def frame(self, event: AnyEvent) -> bytes | None:
        """See `chat.ports.Dialect.frame`."""
        record: Any
        match event:
            case Message():
                record = PlainMessage(event.sender, event.room, event.content, event.timestamp)
            case Entered():
                record = _notice(event.room, f"User {event.user.name} entered the chat")
            case Exited():
                record = _notice(event.room, f"User {event.user.name} left the chat")
            case Edited():
                record = _notice(event.room, f"{event.sender} edited: {event.content}")
            case Retracted() | Deleted():
                record = _notice(event.room, f"a message by {event.sender} was removed")
            case Error():
                record = _notice(event.room or "", event.message)
            case Left() if event.reason:
                record = _notice(event.room, farewell(event))
            case Announcement():
                record = PlainMessage(SYSTEM, "", f"{event.sender.name} announces: {event.content}", event.timestamp)
            case _:
                return None
        return text_frame(_encode(record))


def _notice(room: str, content: str) -> PlainMessage:
    # Notices are not stored and have no time of their own.
    return PlainMessage(SYSTEM, room, content, now())
