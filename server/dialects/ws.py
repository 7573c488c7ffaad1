"""The dialect of ``/ws``: ``{"type","payload"}`` in both directions, for clients with their own ids of rooms and users.

Such a client states its user in each ``create_room`` and ``join`` and cannot prove it: the first one binds the
connection (`model.commands.Claim`). Its ``room_id`` is the room's name in Parley, its ``room_name`` the title.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from chat.ports import Dialect
from model.commands import AnyCommand, Claim, CreateRoom, Join, Leave, Ping, PostMessage
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
    RoomState,
)
from model.message import Message
from model.principals import CLAIMED, Mark, kind_of, principal_id, shown_id
from model.room import User
from model.text import check_user_name
from server.codec.frames import text_frame
from server.dialects.refusals import invalid, unreadable
from server.dialects.ws_frames import (
    AnnouncementFrame,
    AnnouncementPayload,
    AnyRequest,
    CreateRoomRequest,
    EditedPayload,
    ErrorFrame,
    ErrorPayload,
    JoinedFrame,
    JoinedPayload,
    JoinPayload,
    JoinRequest,
    LeaveRequest,
    LeftFrame,
    LeftPayload,
    MessageDeletedFrame,
    MessageEditedFrame,
    MessageFrame,
    MessagePayload,
    MessageRef,
    MessageRequest,
    Person,
    PersonPayload,
    PingRequest,
    PongFrame,
    PongPayload,
    RoomCreatedFrame,
    RoomPayload,
    UserJoinedFrame,
    UserLeftFrame,
)
from utils.encoding import EncodedOnce, to_json

_decode: Callable[[str], AnyRequest] = msgspec.json.Decoder(AnyRequest).decode

# Errors of the chat begin with the name of the field whose value is wrong.
_FIELDS = {"room": "room_id", "title": "room_name", "content": "message"}


class WsDialect(Dialect):
    """Frames with a type and a payload; rooms and users have the client's own ids."""

    name = "rooms"

    def command(self, text: str, address_room: str) -> AnyCommand | Claim:
        """Decode a frame. Errors: ``bad_json``, ``bad_field`` with the payload's, ``unknown_type``;
        ``reserved_name`` for a ``user_name`` like the server's own.
        """
        try:
            request = _decode(text)
        except msgspec.ValidationError as error:
            raise invalid(str(error), inside="payload.") from error
        except (msgspec.DecodeError, RecursionError) as error:
            raise unreadable(text) from error
        match request:
            case MessageRequest(payload=post):
                return PostMessage(room=post.room_id, content=post.message)
            case JoinRequest(payload=join):
                return Claim(user=_claimed(join), then=Join(room=join.room_id, create=False))
            case CreateRoomRequest(payload=room):
                return Claim(user=_claimed(room), then=CreateRoom(room=room.room_id, title=room.room_name))
            case LeaveRequest(payload=leave):
                return Leave(room=leave.room_id)
            case PingRequest():
                return Ping()

    def frame(self, event: AnyEvent) -> bytes | None:
        record: Any
        match event:
            case Message():
                record = MessageFrame(
                    MessagePayload(
                        event.room,
                        shown_id(event.sender_id, CLAIMED),
                        event.sender,
                        event.content,
                        event.seq,
                        event.timestamp,
                        kind_of(event.author_id),
                    )
                )
            case Entered():
                record = UserJoinedFrame(PersonPayload(event.room, *_person(event.user)))
            case Exited():
                record = UserLeftFrame(PersonPayload(event.room, *_person(event.user)))
            case Edited():
                record = MessageEditedFrame(EditedPayload(event.room, event.seq, event.content))
            case Deleted() | Retracted():
                record = MessageDeletedFrame(MessageRef(event.room, event.seq))
            case RoomState(action="create_room"):
                record = RoomCreatedFrame(RoomPayload(event.room, event.info.title or event.room))
            case Joined():
                users = EncodedOnce.of(event.members).mapped(_as_person)
                record = JoinedFrame(JoinedPayload(event.room, event.info.title or event.room, users))
            case Left():
                record = LeftFrame(LeftPayload(event.room, event.reason))
            case Error():
                record = ErrorFrame(ErrorPayload(event.code, _in_its_words(event)))
            case Pong():
                record = PongFrame(PongPayload(event.timestamp))
            case Announcement():
                record = AnnouncementFrame(AnnouncementPayload(event.content, event.sender.name, event.timestamp))
            case _:
                return None
        return text_frame(to_json(record))


def _claimed(payload: JoinPayload) -> User:
    return User(
        principal_id(CLAIMED, payload.user_id, "user_id"),
        check_user_name(payload.user_name, "user_name"),
    )


def _person(user: User) -> tuple[str, str, Mark]:
    return shown_id(user.id, CLAIMED), user.name, kind_of(user.id)


def _as_person(user: User) -> Person:
    return Person(*_person(user))


def _in_its_words(error: Error) -> str:
    """Return the message of the error with the client's name for the field."""
    field, message = error.field or "", error.message
    known = _FIELDS.get(field)
    if known is not None and message.startswith((f"{field} ", f"{field}:")):
        return known + message[len(field) :]
    return message
