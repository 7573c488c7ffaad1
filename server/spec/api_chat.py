"""The dialect of ``/api/chat``, described."""

from __future__ import annotations

from msgspec import Struct

from model.room import DEFAULT_ROOM
from server.dialects import api_chat
from server.dialects.api_chat import ApiChatDialect
from server.spec.described import AT, SEQ, TOKEN, Description, Names

_NAMES = Names("Events{}Command", "Events{}")


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
    client=_NAMES.requests(
        (
            (api_chat.MessageRequest("hello"), ("message",)),
            (api_chat.TypingRequest(), ()),
            (api_chat.EditRequest(SEQ, "hello, all"), ("edit",)),
            (api_chat.DeleteRequest(SEQ), ("delete",)),
        )
    ),
    server=_NAMES.events(
        (
            api_chat.MessageFrame(SEQ, "general", "7", "ann", "hello", AT),
            api_chat.JoinFrame("8", "bob"),
            api_chat.LeaveFrame("8", "bob"),
            api_chat.TypingFrame("8", "bob"),
            api_chat.EditFrame(SEQ, "hello, all", "2026-11-21T08:31:15.000002Z"),
            api_chat.DeleteFrame(SEQ, "2026-11-21T08:31:19.000003Z"),
            api_chat.AnnouncementFrame("closing soon", "root", AT),
            api_chat.ErrorFrame("too many requests; slow down"),
        )
    ),
)
