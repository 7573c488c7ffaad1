"""The plain dialect: raw text in, ``{"sender","room","content","timestamp"}`` out, for existing pages."""

from typing import Any

import msgspec

from chat.ports import Dialect
from model.commands import AnyCommand, PostMessage
from model.events import Announcement, AnyEvent, Deleted, Edited, Entered, Error, Exited, Left, Retracted
from model.message import Message
from model.principals import Mark, kind_of
from model.room import DEFAULT_ROOM, User
from server.codec.frames import text_frame
from server.dialects.sentences import farewell, quoted
from utils.clock import Clock, rfc3339
from utils.encoding import to_json

# The sender of the server's notices. `model.text` reserves the name.
SYSTEM = "SYSTEM"
DEFAULT_NAME = "Anonymous"


class PlainMessage(msgspec.Struct, gc=False, omit_defaults=True):
    """A message; or, from the sender ``SYSTEM``, a notice of the server, in which names and texts of users are in
    quotation marks. An edit comes from its author, as ``edited: `` and the new text of the message.

    Attributes:
        sender: display name of the author.
        room: name of the room.
        content: the text.
        timestamp: RFC 3339, UTC, six decimals, ``Z``.
        kind: of a guest ``guest``, of a user with an id that anyone may claim ``claimed``, of a bot ``bot``.
    """

    sender: str
    room: str
    content: str
    timestamp: str
    kind: Mark = ""


class PlainDialect(Dialect):
    """Every text frame is a message to the room in the address; the server's notices are ``SYSTEM`` messages."""

    name = "plain"
    default_name = DEFAULT_NAME
    default_room = DEFAULT_ROOM
    bound_to_address = True

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def command(self, text: str, address_room: str) -> AnyCommand:
        """Decode a frame: any text is one, and the handler validates it."""
        return PostMessage(room=address_room, content=text)

    def frame(self, event: AnyEvent) -> bytes | None:
        record: Any
        match event:
            case Message():
                record = PlainMessage(
                    event.sender, event.room, event.content, event.timestamp, kind_of(event.author_id)
                )
            case Entered():
                record = self._notice(event.room, f"User {_called(event.user)} entered the chat")
            case Exited():
                record = self._notice(event.room, f"User {_called(event.user)} left the chat")
            case Edited():
                # Sent as the author: a user's text is never sent in the server's name.
                record = PlainMessage(event.sender, event.room, f"edited: {event.content}", event.edited_at, event.kind)
            case Retracted() | Deleted():
                record = self._notice(event.room, f"a message by {quoted(event.sender)} was removed")
            case Error():
                record = self._notice(event.room or "", event.message)
            case Left() if event.reason:
                record = self._notice(event.room, farewell(event))
            case Announcement():
                content = f"{quoted(event.sender.name)} announces: {event.content}"
                record = PlainMessage(SYSTEM, "", content, event.timestamp)
            case _:
                return None
        return text_frame(to_json(record))

    def _notice(self, room: str, content: str) -> PlainMessage:
        # Notices are not stored and have no timestamp of their own.
        return PlainMessage(SYSTEM, room, content, rfc3339(self._clock.now_us()))


def _called(user: User) -> str:
    """Return a one-word name unquoted, as pages expect it, and quote a longer one, which might read as a sentence."""
    return quoted(user.name) if " " in user.name else user.name
