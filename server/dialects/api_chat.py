"""The dialect of ``/api/chat``: ``{"event", ...}`` in both directions, for applications whose users have accounts.

A connection is in one room, the one in its address, so frames name no room. A message's ``id`` is its seq.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from chat.ports import Dialect
from model import commands
from model.commands import AnyCommand, DeleteMessage, EditMessage, PostMessage, Seq
from model.errors import ParleyError
from model.events import (
    Announcement,
    AnyEvent,
    Deleted,
    Edited,
    Entered,
    Error,
    Exited,
    Left,
    Retracted,
    Typing,
)
from model.message import Message
from model.principals import APPLICATION, Mark, kind_of, shown_id
from model.room import DEFAULT_ROOM, User
from server.codec.frames import text_frame
from server.dialects.refusals import invalid, unreadable
from server.dialects.sentences import farewell
from utils.clock import Clock, rfc3339
from utils.encoding import to_json

MAX_SEQ = 2**53 - 1
# A page may have kept the id as a string, for example in an attribute of an element.
_MessageId = Seq | str


# Requests.


class _Request(Struct, gc=False, tag_field="event"):
    """Any request."""


class MessageRequest(_Request, gc=False, tag="message"):
    """Post a message."""

    content: str


class TypingRequest(_Request, gc=False, tag="typing"):
    """Show others that the user is typing."""


class EditRequest(_Request, gc=False, tag="edit"):
    """Edit one of your own messages, within the edit window."""

    id: _MessageId
    content: str


class DeleteRequest(_Request, gc=False, tag="delete"):
    """Delete one of your own messages."""

    id: _MessageId


_AnyRequest = MessageRequest | TypingRequest | EditRequest | DeleteRequest
_decode: Callable[[str], _AnyRequest] = msgspec.json.Decoder(_AnyRequest).decode


# Frames.


class _Frame(Struct, gc=False, tag_field="event"):
    """Any frame."""


class _PersonFrame(_Frame, gc=False, omit_defaults=True):
    userid: str
    username: str
    kind: Mark = ""


class MessageFrame(_Frame, gc=False, omit_defaults=True, tag="message"):
    """A user, possibly you, posted a message. ``edit`` and ``delete`` refer to it by its ``id``.

    ``kind`` marks guests (``guest``), users with an id that anyone may claim (``claimed``) and bots (``bot``), as it
    does in the other frames that name a user.
    """

    id: int
    room: str
    userid: str
    username: str
    content: str
    timestamp: str
    kind: Mark = ""


class JoinFrame(_PersonFrame, gc=False, tag="join"):
    """A user, possibly you, came online in the room. Sent at most once a second, and not in rooms of more than 200."""


class LeaveFrame(_PersonFrame, gc=False, tag="leave"):
    """A user's last connection left the room."""


class TypingFrame(_PersonFrame, gc=False, tag="typing"):
    """A user is typing; stop showing it after a few seconds, or when a message from them arrives."""


class EditFrame(_Frame, gc=False, tag="edit"):
    """A message was edited."""

    id: int
    content: str
    edited_at: str


class DeleteFrame(_Frame, gc=False, tag="delete"):
    """A message was deleted, or could not be stored and was retracted."""

    id: int
    deleted_at: str


class AnnouncementFrame(_Frame, gc=False, tag="announcement"):
    """An admin made an announcement to all users."""

    content: str
    username: str
    timestamp: str


class ErrorFrame(_Frame, gc=False, tag="error"):
    """A request was refused, or you were removed from the room, or the room was deleted: a sentence that says why."""

    content: str


class ApiChatDialect(Dialect):
    """Events of the room in the address. The server's own notices are ``error`` events."""

    name = "events"
    default_room = DEFAULT_ROOM
    bound_to_address = True

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def command(self, text: str, address_room: str) -> AnyCommand:
        """Decode a frame. Errors: ``bad_json``, ``bad_field`` with the field, ``unknown_type``."""
        try:
            request = _decode(text)
        except msgspec.ValidationError as error:
            raise invalid(str(error), tag="event") from error
        except (msgspec.DecodeError, RecursionError) as error:
            raise unreadable(text) from error
        match request:
            case MessageRequest(content=content):
                return PostMessage(room=address_room, content=content)
            case TypingRequest():
                return commands.Typing(room=address_room)
            case EditRequest(id=id, content=content):
                return EditMessage(room=address_room, seq=_seq(id), content=content)
            case DeleteRequest(id=id):
                return DeleteMessage(room=address_room, seq=_seq(id))

    def frame(self, event: AnyEvent) -> bytes | None:
        record: Any
        match event:
            case Message():
                record = message_frame(event)
            case Entered():
                record = JoinFrame(*_person(event.user))
            case Exited():
                record = LeaveFrame(*_person(event.user))
            case Typing():
                record = TypingFrame(*_person(event.user))
            case Edited():
                record = EditFrame(event.seq, event.content, event.edited_at)
            case Deleted():
                record = DeleteFrame(event.seq, event.deleted_at)
            case Retracted():
                record = DeleteFrame(event.seq, rfc3339(self._clock.now_us()))
            case Error():
                record = ErrorFrame(event.message)
            case Left() if event.reason:
                record = ErrorFrame(farewell(event))
            case Announcement():
                record = AnnouncementFrame(event.content, event.sender.name, event.timestamp)
            case _:
                return None
        return text_frame(to_json(record))


def message_frame(message: Message) -> MessageFrame:
    """Return the frame of a message; the history that is read over HTTP consists of these frames too."""
    return MessageFrame(
        message.seq,
        message.room,
        shown_id(message.sender_id, APPLICATION),
        message.sender,
        message.content,
        message.timestamp,
        kind_of(message.author_id),
    )


def _person(user: User) -> tuple[str, str, Mark]:
    return shown_id(user.id, APPLICATION), user.name, kind_of(user.id)


def _seq(id: int | str) -> int:
    if isinstance(id, int):
        return id
    if not (id.isascii() and id.isdigit() and len(id) <= len(str(MAX_SEQ)) and int(id) <= MAX_SEQ):
        raise ParleyError("bad_field", "id must be the id of a message", field="id")
    return int(id)
