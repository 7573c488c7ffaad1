"""The rooms dialect of ``/ws``: ``{"type","payload"}`` both ways, for clients that name rooms and themselves by ids.

Such a client says who it is in each ``create_room`` and ``join``, and cannot prove it: the first one binds the
connection (`model.commands.Claim`). Its ``room_id`` is the room's name here, its ``room_name`` the title.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from model.commands import AnyCommand, Claim, CreateRoom, Join, Leave, Name, Ping, PostMessage, Title, UserId
from model.events import (
    Announcement,
    AnyEvent,
    Deleted,
    Edited,
    Entered,
    Error,
    Exited,
    Joined,
    Left,
    Pong,
    Retracted,
    RoomInfo,
    RoomState,
)
from model.message import Message
from model.principals import CLAIMED, principal_id, shown_id
from model.room import User
from model.text import check_user_name
from server.codec.frames import text_frame
from server.dialects.refusals import invalid, unreadable

_encode = msgspec.json.Encoder().encode


class JoinPayload(msgspec.Struct, gc=False):
    """Which room, and who one says one is: texts of 1 to 64 characters."""

    room_id: Name
    user_id: UserId
    user_name: Name


class CreatePayload(JoinPayload, gc=False):
    """As for ``join``, and what the room is to be called; ``room_name`` may be empty."""

    room_name: Title


class MessagePayload(msgspec.Struct, gc=False):
    """What to say, and where."""

    room_id: Name
    message: str


class LeavePayload(msgspec.Struct, gc=False):
    """Which room."""

    room_id: Name


class _Frame(msgspec.Struct, gc=False, tag_field="type"):
    pass


class CreateFrame(_Frame, gc=False, tag="create_room"):
    """Make a room that stays, as its owner, and enter it."""

    payload: CreatePayload


class JoinFrame(_Frame, gc=False, tag="join"):
    """Enter a room that is there."""

    payload: JoinPayload


class MessageFrame(_Frame, gc=False, tag="message"):
    """Say something in a room that one is in."""

    payload: MessagePayload


class LeaveFrame(_Frame, gc=False, tag="leave"):
    """Leave a room."""

    payload: LeavePayload


class PingFrame(_Frame, gc=False, tag="ping"):
    """Ask for a ``pong``. The payload is null, or left out; whatever it is, nothing depends on it."""


_AnyFrame = CreateFrame | JoinFrame | MessageFrame | LeaveFrame | PingFrame
_decode: Callable[[str], _AnyFrame] = msgspec.json.Decoder(_AnyFrame).decode

# Refusals of the chat begin with the name of a field where they are about its value.
_FIELDS = {"room": "room_id", "title": "room_name", "content": "message"}


class RoomsDialect:
    """Frames of a type and a payload; rooms and people have ids of the client's own."""

    name = "rooms"
    default_name: str | None = None
    default_room: str | None = None
    bound_to_address = False
    welcomes = False

    def command(self, text: str, home: str) -> AnyCommand | Claim:
        """See `chat.ports.Dialect.command`. Errors: ``bad_json``, ``bad_field`` with the payload's, ``unknown_type``;
        ``reserved_name`` for a ``user_name`` like the server's own.
        """
        try:
            frame = _decode(text)
        except msgspec.ValidationError as error:
            raise invalid(str(error), inside="payload.") from error
        except (msgspec.DecodeError, RecursionError) as error:
            raise unreadable(text) from error
        match frame:
            case MessageFrame(payload=said):
                return PostMessage(room=said.room_id, content=said.message)
            case JoinFrame(payload=asked):
                return Claim(user=_claimed(asked), then=Join(room=asked.room_id, create=False))
            case CreateFrame(payload=wanted):
                return Claim(user=_claimed(wanted), then=CreateRoom(room=wanted.room_id, title=wanted.room_name))
            case LeaveFrame(payload=left):
                return Leave(room=left.room_id)
            case PingFrame():
                return Ping()

    def frame(self, event: AnyEvent) -> bytes | None:
        """See `chat.ports.Dialect.frame`."""
        match event:
            case Message():
                return _told(
                    "message",
                    room_id=event.room,
                    user_id=shown_id(event.sender_id, CLAIMED),
                    user_name=event.sender,
                    message=event.content,
                    seq=event.seq,
                    timestamp=event.timestamp,
                )
            case Entered():
                return _told("user_joined", room_id=event.room, **_person(event.user))
            case Exited():
                return _told("user_left", room_id=event.room, **_person(event.user))
            case Edited():
                return _told("message_edited", room_id=event.room, seq=event.seq, message=event.content)
            case Deleted() | Retracted():
                return _told("message_deleted", room_id=event.room, seq=event.seq)
            case RoomState(action="create_room"):
                return _told("room_created", room_id=event.room, room_name=_name(event.room, event.info))
            case Joined():
                users = [_person(user) for user in event.members]
                return _told("joined", room_id=event.room, room_name=_name(event.room, event.info), users=users)
            case Left():
                return _told("left", room_id=event.room, **({"reason": event.reason} if event.reason else {}))
            case Error():
                return _told("error", code=event.code, message=_in_its_words(event))
            case Pong():
                return _told("pong", timestamp=event.timestamp)
            case Announcement():
                return _told(
                    "announcement", message=event.content, user_name=event.sender.name, timestamp=event.timestamp
                )
            case _:
                return None


def _told(type: str, **payload: Any) -> bytes:
    return text_frame(_encode({"type": type, "payload": payload}))


def _claimed(payload: JoinPayload) -> User:
    return User(
        principal_id(CLAIMED, payload.user_id, "user_id"),
        check_user_name(payload.user_name, "user_name"),
    )


def _person(user: User) -> dict[str, str]:
    return {"user_id": shown_id(user.id, CLAIMED), "user_name": user.name}


def _name(room: str, info: RoomInfo) -> str:
    return info.title or room


def _in_its_words(error: Error) -> str:
    """The sentence, with the field called as the client calls it."""
    field, message = error.field or "", error.message
    known = _FIELDS.get(field)
    if known is not None and message.startswith((f"{field} ", f"{field}:")):
        return known + message[len(field) :]
    return message
