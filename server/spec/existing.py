"""The dialects for existing clients (``/chat`` without a subprotocol, ``/ws``, ``/api/chat``), described."""

from msgspec import Struct

from model.room import DEFAULT_ROOM
from server.dialects import api_chat
from server.dialects import ws_frames as ws
from server.dialects.api_chat import ApiChatDialect
from server.dialects.plain import DEFAULT_NAME, PlainDialect, PlainMessage
from server.dialects.ws import WsDialect
from server.spec.described import AT, SEQ, TOKEN, Description, Frame, Names

_WS_NAMES = Names("Rooms{}Command", "Rooms{}")
_BOB = ws.PersonPayload("den", "8", "bob", "claimed")
_API_CHAT_NAMES = Names("Events{}Command", "Events{}")


class PlainAddress(Struct):
    """The parameters of the address.

    Attributes:
        r: the room, 1 to 64 characters.
        u: the user's display name, 1 to 64 characters; an account has its own.
    """

    r: str = DEFAULT_ROOM
    u: str = DEFAULT_NAME


PLAIN = Description(
    dialect=PlainDialect.name,
    path="/chat",
    title="Plain: raw text in, small JSON out",
    text="Every text frame is a message to the room in the address. For clients that offer no subprotocol.",
    query=PlainAddress,
    headers={"Authorization?": TOKEN},
    client=(Frame("PlainText", str, "hello", "Post a message to the room of the address.", answers=("PlainMessage",)),),
    server=(Frame("PlainMessage", PlainMessage, PlainMessage("ann", "general", "hello", AT)),),
)


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
    client=_WS_NAMES.requests(
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
    server=_WS_NAMES.events(
        (
            ws.RoomCreatedFrame(ws.RoomPayload("den", "The Den")),
            ws.JoinedFrame(ws.JoinedPayload("den", "The Den", [ws.Person("7", "ann", "claimed")])),
            ws.MessageFrame(ws.MessagePayload("den", "7", "ann", "hello", SEQ, AT, "claimed")),
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


class EventsAddress(Struct):
    """The parameters of the address.

    Attributes:
        room: the room, 1 to 64 characters.
    """

    room: str = DEFAULT_ROOM


EVENTS = Description(
    dialect=ApiChatDialect.name,
    path="/api/chat",
    title="Events: for applications whose users have accounts",
    text="One JSON object with an `event` in each text frame. A connection is in the room of its address until it "
    "ends; without an account token the upgrade is refused with 401 or 403.",
    query=EventsAddress,
    headers={"Authorization": TOKEN},
    client=_API_CHAT_NAMES.requests(
        (
            (api_chat.MessageRequest("hello"), ("message",)),
            (api_chat.TypingRequest(), ()),
            (api_chat.EditRequest(SEQ, "hello, all"), ("edit",)),
            (api_chat.DeleteRequest(SEQ), ("delete",)),
        )
    ),
    server=_API_CHAT_NAMES.events(
        (
            api_chat.MessageFrame(SEQ, "general", "7", "ann", "hello", AT),
            api_chat.JoinFrame("8", "bob"),
            api_chat.LeaveFrame("w_9", "eve", "claimed"),
            api_chat.TypingFrame("8", "bob"),
            api_chat.EditFrame(SEQ, "hello, all", "2026-11-21T08:31:15.000002Z"),
            api_chat.DeleteFrame(SEQ, "2026-11-21T08:31:19.000003Z"),
            api_chat.AnnouncementFrame("closing soon", "root", AT),
            api_chat.ErrorFrame("too many requests; slow down"),
        )
    ),
)
