"""The events dialect of ``/api/chat``: ``{"event", ...}`` both ways, for people of an application with accounts.

A connection is in one room, that of its address, so frames name none. A message's ``id`` is its seq.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

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
from model.principals import ACCOUNT, shown_id
from model.room import User
from server.codec.frames import text_frame
from server.dialects.refusals import invalid, unreadable
from server.dialects.sentences import farewell, now

_encode = msgspec.json.Encoder().encode

MAX_SEQ = 2**53 - 1
# A page may have kept it as a text, say as an attribute of an element.
_MessageId = Seq | str


class _Frame(msgspec.Struct, gc=False, tag_field="event"):
    pass


class MessageFrame(_Frame, gc=False, tag="message"):
    """Say something."""

    content: str


class TypingFrame(_Frame, gc=False, tag="typing"):
    """Say that something is being written."""


class DeleteFrame(_Frame, gc=False, tag="delete"):
    """Delete a message of one's own."""

    id: _MessageId


class EditFrame(_Frame, gc=False, tag="edit"):
    """Change a message of one's own, for a while after it was sent."""

    id: _MessageId
    content: str


_AnyFrame = MessageFrame | TypingFrame | EditFrame | DeleteFrame
_decode: Callable[[str], _AnyFrame] = msgspec.json.Decoder(_AnyFrame).decode


class EventsDialect:
    """Events of the one room of the address; what the server has to say is an ``error`` event."""

    name = "events"
    default_name: str | None = None
    default_room: str | None = "general"
    bound_to_address = True
    welcomes = False

    def command(self, text: str, home: str) -> AnyCommand:
        """See `chat.ports.Dialect.command`. Errors: ``bad_json``, ``bad_field`` with the field, ``unknown_type``."""
        try:
            frame = _decode(text)
        except msgspec.ValidationError as error:
            raise invalid(str(error), tag="event") from error
        except (msgspec.DecodeError, RecursionError) as error:
            raise unreadable(text) from error
        match frame:
            case MessageFrame(content=content):
                return PostMessage(room=home, content=content)
            case TypingFrame():
                return commands.Typing(room=home)
            case EditFrame(id=id, content=content):
                return EditMessage(room=home, seq=_seq(id), content=content)
            case DeleteFrame(id=id):
                return DeleteMessage(room=home, seq=_seq(id))

    def frame(self, event: AnyEvent) -> bytes | None:
        """See `chat.ports.Dialect.frame`."""
        match event:
            case Message():
                return _told(
                    "message",
                    id=event.seq,
                    room=event.room,
                    userid=shown_id(event.sender_id, ACCOUNT),
                    username=event.sender,
                    content=event.content,
                    timestamp=event.timestamp,
                )
            case Entered():
                return _told("join", **_person(event.user))
            case Exited():
                return _told("leave", **_person(event.user))
            case Typing():
                return _told("typing", **_person(event.user))
            case Edited():
                return _told("edit", id=event.seq, content=event.content, edited_at=event.edited_at)
            case Deleted():
                return _told("delete", id=event.seq, deleted_at=event.deleted_at)
            case Retracted():
                return _told("delete", id=event.seq, deleted_at=now())
            case Error():
                return _told("error", content=event.message)
            case Left() if event.reason:
                return _told("error", content=farewell(event))
            case Announcement():
                return _told(
                    "announcement", content=event.content, username=event.sender.name, timestamp=event.timestamp
                )
            case _:
                return None


def _told(event: str, **fields: Any) -> bytes:
    return text_frame(_encode({"event": event, **fields}))


def _person(user: User) -> dict[str, str]:
    return {"userid": shown_id(user.id, ACCOUNT), "username": user.name}


def _seq(id: int | str) -> int:
    if isinstance(id, int):
        return id
    if not (id.isascii() and id.isdigit() and len(id) <= len(str(MAX_SEQ)) and int(id) <= MAX_SEQ):
        raise ParleyError("bad_field", "id takes the id of a message", field="id")
    return int(id)
