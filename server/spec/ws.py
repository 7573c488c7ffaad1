"""The dialect of ``/ws``, described."""

from __future__ import annotations

from msgspec import Struct

from server.dialects import ws_frames as ws
from server.dialects.ws import WsDialect
from server.spec.described import AT, SEQ, TOKEN, Description, Names

_NAMES = Names("Rooms{}Command", "Rooms{}")
_BOB = ws.PersonPayload("den", "8", "bob")


class RoomsAddress(Struct):
    """The address has no parameters: ``join`` and ``create_room`` name the user."""


ROOMS = Description(
    dialect=WsDialect.name,
    path="/ws",
    title="Rooms: `type` and `payload`, with ids chosen by the client",
    text="One JSON object with a `type` and a `payload` in each text frame. The server sends nothing before the client "
    "does. The first `user_id` binds the connection.",
    query=RoomsAddress,
    headers={"Authorization?": TOKEN},
    client=_NAMES.requests(
        (
            (
                ws.CreateRoomRequest(ws.CreateRoomPayload("den", "7", "ann", "The Den")),
                ("room_created", "joined"),
            ),
            (ws.JoinRequest(ws.JoinPayload("den", "7", "ann")), ("joined",)),
            (ws.MessageRequest(ws.PostPayload("den", "hello")), ("message",)),
            (ws.LeaveRequest(ws.LeavePayload("den")), ("left",)),
            (ws.PingRequest(), ("pong",)),
        )
    ),
    server=_NAMES.events(
        (
            ws.RoomCreatedFrame(ws.RoomPayload("den", "The Den")),
            ws.JoinedFrame(ws.JoinedPayload("den", "The Den", [ws.Person("7", "ann")])),
            ws.MessageFrame(ws.MessagePayload("den", "7", "ann", "hello", SEQ, AT)),
            ws.UserJoinedFrame(_BOB),
            ws.UserLeftFrame(_BOB),
            ws.MessageEditedFrame(ws.EditedPayload("den", SEQ, "hello, all")),
            ws.MessageDeletedFrame(ws.MessageRef("den", SEQ)),
            ws.LeftFrame(ws.LeftPayload("den", "kicked")),
            ws.AnnouncementFrame(ws.AnnouncementPayload("closing soon", "root", AT)),
            ws.PongFrame(ws.PongPayload(AT)),
            ws.ErrorFrame(ws.ErrorPayload("not_joined", "join the room first")),
        )
    ),
)
