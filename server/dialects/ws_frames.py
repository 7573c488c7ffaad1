"""The requests and frames of ``/ws``, as records; `server.dialects.ws` translates them."""

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct

from model.commands import Name, Title, UserId
from model.principals import Mark

# Requests.


class JoinPayload(Struct, gc=False):
    """The room, and the user that the client claims to be: strings of 1 to 64 characters."""

    room_id: Name
    user_id: UserId
    user_name: Name


class CreateRoomPayload(JoinPayload, gc=False):
    """As for ``join``, with the title of the new room; ``room_name`` may be empty."""

    room_name: Title


class PostPayload(Struct, gc=False):
    """The room, and the text of the message."""

    room_id: Name
    message: str


class LeavePayload(Struct, gc=False):
    """The room."""

    room_id: Name


class _Request(Struct, gc=False, tag_field="type"):
    """Any request."""


class CreateRoomRequest(_Request, gc=False, tag="create_room"):
    """Create a persistent room, as its owner, and join it."""

    payload: CreateRoomPayload


class JoinRequest(_Request, gc=False, tag="join"):
    """Join an existing room."""

    payload: JoinPayload


class MessageRequest(_Request, gc=False, tag="message"):
    """Post a message to a room that you have joined."""

    payload: PostPayload


class LeaveRequest(_Request, gc=False, tag="leave"):
    """Leave a room."""

    payload: LeavePayload


class PingRequest(_Request, gc=False, tag="ping"):
    """Request a ``pong``. ``payload`` is ignored and may be omitted."""

    payload: Annotated[Any, Meta(extra_json_schema={"type": "null"})] = None


AnyRequest = CreateRoomRequest | JoinRequest | MessageRequest | LeaveRequest | PingRequest


# Frames.


class Person(Struct, gc=False, omit_defaults=True):
    """A user. ``user_id`` is the application's or the client's own id of them.

    ``kind`` marks guests (``guest``), users with an id that anyone may claim (``claimed``) and bots (``bot``).
    """

    user_id: str
    user_name: str
    kind: Mark = ""


class RoomPayload(Struct, gc=False):
    """A room. ``room_name`` is its title, or its ``room_id`` if it has none."""

    room_id: str
    room_name: str


class JoinedPayload(RoomPayload, gc=False):
    """A room and at most 200 of the users who are online in it, including you."""

    users: Sequence[Person]


class PersonPayload(Struct, gc=False, omit_defaults=True):
    """A user in a room; ``kind`` as in ``users``."""

    room_id: str
    user_id: str
    user_name: str
    kind: Mark = ""


class MessagePayload(Struct, gc=False, omit_defaults=True):
    """A message. ``message_edited`` and ``message_deleted`` refer to it by its ``seq``; ``kind`` as in ``users``."""

    room_id: str
    user_id: str
    user_name: str
    message: str
    seq: int
    timestamp: str
    kind: Mark = ""


class MessageRef(Struct, gc=False):
    """A message of a room."""

    room_id: str
    seq: int


class EditedPayload(MessageRef, gc=False):
    """A message with its new text."""

    message: str


class LeftPayload(Struct, gc=False, omit_defaults=True):
    """The room and, unless you asked to leave, the reason: ``kicked``, ``banned``, ``deleted``, ``quit``, ``name``."""

    room_id: str
    reason: str = ""


class AnnouncementPayload(Struct, gc=False):
    """An announcement by an admin."""

    message: str
    user_name: str
    timestamp: str


class PongPayload(Struct, gc=False):
    """The server's time."""

    timestamp: str


class ErrorPayload(Struct, gc=False):
    """A ``code`` from the table of errors, and a sentence that names the field of the payload if one is wrong."""

    code: str
    message: str


class _Frame(Struct, gc=False, tag_field="type"):
    """Any frame."""


class RoomCreatedFrame(_Frame, gc=False, tag="room_created"):
    """The answer to ``create_room``; ``joined`` follows."""

    payload: RoomPayload


class JoinedFrame(_Frame, gc=False, tag="joined"):
    """You have joined the room."""

    payload: JoinedPayload


class MessageFrame(_Frame, gc=False, tag="message"):
    """A user, possibly you, posted a message."""

    payload: MessagePayload


class UserJoinedFrame(_Frame, gc=False, tag="user_joined"):
    """A user, possibly you, came online in the room. Sent at most once a second, and not in rooms of more than 200."""

    payload: PersonPayload


class UserLeftFrame(_Frame, gc=False, tag="user_left"):
    """A user's last connection left the room."""

    payload: PersonPayload


class MessageEditedFrame(_Frame, gc=False, tag="message_edited"):
    """A message was edited."""

    payload: EditedPayload


class MessageDeletedFrame(_Frame, gc=False, tag="message_deleted"):
    """A message was deleted, or could not be stored and was retracted."""

    payload: MessageRef


class LeftFrame(_Frame, gc=False, tag="left"):
    """You are no longer in the room."""

    payload: LeftPayload


class AnnouncementFrame(_Frame, gc=False, tag="announcement"):
    """An admin made an announcement to all users."""

    payload: AnnouncementPayload


class PongFrame(_Frame, gc=False, tag="pong"):
    """The answer to ``ping``."""

    payload: PongPayload


class ErrorFrame(_Frame, gc=False, tag="error"):
    """A request was refused."""

    payload: ErrorPayload
