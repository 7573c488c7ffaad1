"""The plain dialect, described."""

from __future__ import annotations

from msgspec import Struct

from model.room import DEFAULT_ROOM
from server.dialects.plain import DEFAULT_NAME, PlainDialect, PlainMessage
from server.spec.described import AT, TOKEN, Description, Frame


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
