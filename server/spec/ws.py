"""The rooms dialect of ``/ws``, described: its frames have a ``type`` and a ``payload``."""

from __future__ import annotations

from msgspec import Struct

from server.dialects.ws import (
    CreateFrame,
    CreatePayload,
    JoinFrame,
    JoinPayload,
    LeaveFrame,
    LeavePayload,
    MessageFrame,
    MessagePayload,
)
from server.spec.described import TOKEN, Description, Frame

_SEQ = 1795224671000001
_AT = "2026-11-21T08:31:11.000001Z"


class PingAsked(Struct, tag_field="type", tag="ping"):
    """Ask for a ``pong``. ``payload`` may be left out."""

    payload: None = None


class RoomsPerson(Struct):
    """Somebody. ``user_id`` is the application's or the client's own id of them."""

    user_id: str
    user_name: str


class RoomNamed(Struct):
    """A room with its title; without one ``room_name`` is the ``room_id``."""

    room_id: str
    room_name: str


class RoomEntered(RoomNamed):
    """A room with at most 200 of the people who are in it, oneself among them."""

    users: list[RoomsPerson]


class RoomsPersonIn(RoomsPerson):
    """Somebody in a room."""

    room_id: str


class Said(RoomsPersonIn):
    """What somebody said in a room. ``seq`` is what ``message_edited`` and ``message_deleted`` name."""

    message: str
    seq: int
    timestamp: str


class Mended(Struct):
    """What a message says now."""

    room_id: str
    seq: int
    message: str


class Gone(Struct):
    """Which message."""

    room_id: str
    seq: int


class Out(Struct, omit_defaults=True):
    """Which room, and why, if one did not ask for it: ``kicked``, ``banned``, ``deleted``, ``quit``, ``name``."""

    room_id: str
    reason: str = ""


class Announced(Struct):
    """What an admin tells everybody."""

    message: str
    user_name: str
    timestamp: str


class Time(Struct):
    """The server's."""

    timestamp: str


class RefusedFrame(Struct):
    """A ``code`` of the table of errors, and a sentence that names the field of the payload that is wrong."""

    code: str
    message: str


class _Told(Struct, tag_field="type"):
    pass


class RoomCreatedTold(_Told, tag="room_created"):
    """The answer to ``create_room``; ``joined`` follows."""

    payload: RoomNamed


class JoinedTold(_Told, tag="joined"):
    """One is in the room."""

    payload: RoomEntered


class MessageTold(_Told, tag="message"):
    """Somebody, perhaps oneself, said something."""

    payload: Said


class UserJoinedTold(_Told, tag="user_joined"):
    """Somebody came, perhaps oneself. Once a second at most, not among more than 200 people."""

    payload: RoomsPersonIn


class UserLeftTold(_Told, tag="user_left"):
    """Somebody left, with the last of their connections."""

    payload: RoomsPersonIn


class MessageEditedTold(_Told, tag="message_edited"):
    """A message has other words now."""

    payload: Mended


class MessageDeletedTold(_Told, tag="message_deleted"):
    """A message was deleted, or could not be stored and was taken back."""

    payload: Gone


class LeftTold(_Told, tag="left"):
    """One is in the room no more."""

    payload: Out


class AnnouncementTold(_Told, tag="announcement"):
    """An admin tells everybody something."""

    payload: Announced


class PongTold(_Told, tag="pong"):
    """The answer to ``ping``."""

    payload: Time


class ErrorTold(_Told, tag="error"):
    """What was asked is refused."""

    payload: RefusedFrame


class RoomsAddress(Struct):
    """The address says nothing: who one is comes with ``join`` and ``create_room``."""


ROOMS = Description(
    dialect="rooms",
    path="/ws",
    title="Rooms: `type` and `payload`, with ids of the client's own",
    text="One JSON object with a `type` and a `payload` in each text frame. Nothing is said before the client asks. "
    "The first `user_id` binds the connection.",
    query=RoomsAddress,
    headers={"Authorization?": TOKEN},
    client=(
        Frame(
            "RoomsCreateRoomCommand",
            CreateFrame,
            CreateFrame(CreatePayload("den", "7", "ann", "The Den")),
            answers=("RoomsRoomCreated", "RoomsJoined", "RoomsError"),
        ),
        Frame(
            "RoomsJoinCommand",
            JoinFrame,
            JoinFrame(JoinPayload("den", "7", "ann")),
            answers=("RoomsJoined", "RoomsError"),
        ),
        Frame(
            "RoomsMessageCommand",
            MessageFrame,
            MessageFrame(MessagePayload("den", "hello")),
            answers=("RoomsMessage", "RoomsError"),
        ),
        Frame("RoomsLeaveCommand", LeaveFrame, LeaveFrame(LeavePayload("den")), answers=("RoomsLeft", "RoomsError")),
        Frame("RoomsPingCommand", PingAsked, PingAsked(), answers=("RoomsPong", "RoomsError")),
    ),
    server=(
        Frame("RoomsRoomCreated", RoomCreatedTold, RoomCreatedTold(RoomNamed("den", "The Den"))),
        Frame("RoomsJoined", JoinedTold, JoinedTold(RoomEntered("den", "The Den", [RoomsPerson("7", "ann")]))),
        Frame("RoomsMessage", MessageTold, MessageTold(Said("7", "ann", "den", "hello", _SEQ, _AT))),
        Frame("RoomsUserJoined", UserJoinedTold, UserJoinedTold(RoomsPersonIn("8", "bob", "den"))),
        Frame("RoomsUserLeft", UserLeftTold, UserLeftTold(RoomsPersonIn("8", "bob", "den"))),
        Frame("RoomsMessageEdited", MessageEditedTold, MessageEditedTold(Mended("den", _SEQ, "hello, all"))),
        Frame("RoomsMessageDeleted", MessageDeletedTold, MessageDeletedTold(Gone("den", _SEQ))),
        Frame("RoomsLeft", LeftTold, LeftTold(Out("den", "kicked"))),
        Frame("RoomsAnnouncement", AnnouncementTold, AnnouncementTold(Announced("closing soon", "root", _AT))),
        Frame("RoomsPong", PongTold, PongTold(Time(_AT))),
        Frame("RoomsError", ErrorTold, ErrorTold(RefusedFrame("not_joined", "join the room first"))),
    ),
)
