"""A message as it is broadcast, kept in a room's tail, stored and read back: one record everywhere."""

from __future__ import annotations

from hashlib import blake2b

from msgspec import Struct


class Message(Struct, frozen=True, omit_defaults=True, gc=False, tag_field="type", tag="message"):
    """The state of one message. Also the ``message`` event of the native protocol, field for field.

    Attributes:
        room: name of the room.
        seq: place in the room's log and identity of the message: Unix microseconds, raised where needed, 53 bits.
        version: the seq of the last change to the message; equal to ``seq`` when unchanged.
        sender: display name of the author when it was written.
        sender_id: id of the author's principal; rights hang on it, never on the name.
        content: text, as the author sent it.
        timestamp: RFC 3339, UTC, six decimals, ``Z``: the server's clock when the message was taken.
        id: the author's own id for it, the idempotency key of (room, sender_id, id); None when none was given.
        edited_at: when the author last changed it, as ``timestamp``; None when the content is the first one.
        deleted_at: when it was deleted, as ``timestamp``; its ``content`` is empty then, wherever it is told.
    """

    room: str
    seq: int
    version: int
    sender: str
    sender_id: str
    content: str
    timestamp: str
    id: str | None = None
    edited_at: str | None = None
    deleted_at: str | None = None


def body_hash(content: str) -> int:
    """A signed 64-bit fingerprint of a message's first body, kept with it to tell a re-send from a ``conflict``.

    BLAKE2b, so no two bodies collide by chance or design within one author's own ids; signed, as SQL ``bigint`` is.
    """
    return int.from_bytes(blake2b(content.encode(), digest_size=8).digest(), "big", signed=True)
