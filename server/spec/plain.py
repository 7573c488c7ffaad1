"""The plain dialect, described."""

from __future__ import annotations

from msgspec import Struct

from server.dialects.plain import PlainMessage
from server.spec.described import TOKEN, Description, Frame


class PlainAddress(Struct):
    """What the address may say.

    Attributes:
        r: the room, 1 to 64 characters.
        u: the name to go by, 1 to 64 characters; an account has its own.
    """

    r: str = "general"
    u: str = "Anonymous"


PLAIN = Description(
    dialect="plain",
    path="/chat",
    title="Plain: raw text in, small JSON out",
    text="Every text frame is a message to the room of the address. For clients that offer no subprotocol.",
    query=PlainAddress,
    headers={"Authorization?": TOKEN},
    client=(Frame("PlainText", str, "hello", "Say something in the room of the address.", answers=("PlainMessage",)),),
    server=(
        Frame("PlainMessage", PlainMessage, PlainMessage("ann", "general", "hello", "2026-11-21T08:31:11.000001Z")),
    ),
)
