"""A message as it is broadcast, kept in a room's tail, stored and read back: one record everywhere."""

from __future__ import annotations

from hashlib import blake2b

from msgspec import Struct

from model.limits import QUOTE_CHARS


class Quote(Struct, frozen=True, omit_defaults=True, gc=False):
    """The head of the message that a reply is about, as it is when it is told: edited, or gone.

    Attributes:
        seq: the message's.
        sender: display name of its author; empty when there is no such message any more.
        content: its first `model.limits.QUOTE_CHARS` characters; empty when it was deleted.
    """

    seq: int
    sender: str = ""
    content: str = ""


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
        deleted_at: when it was deleted, as ``timestamp``; what it held is empty then, but for moderators who ask for
            it.
        reply_to: the message that this one answers.
        mentions: the names that ``content`` mentions, folded (`model.text.fold_name`), each once.
        reactions: emoji to the ids of the principals who reacted with it, in the order in which they did.
        pinned_at: when it was pinned, as ``timestamp``.
        pinned_by: the id of the principal who did.
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
    reply_to: Quote | None = None
    mentions: tuple[str, ...] = ()
    reactions: dict[str, list[str]] | None = None
    pinned_at: str | None = None
    pinned_by: str | None = None


def quote(message: Message) -> Quote:
    """The quote of a message, for replies to it."""
    if message.deleted_at is not None:
        return Quote(message.seq, message.sender)
    return Quote(message.seq, message.sender, message.content[:QUOTE_CHARS])


def tombstone(message: Message, version: int, deleted_at: str) -> Message:
    """What is left of a deleted message for everybody: its place, its author, and when it was deleted."""
    return Message(
        message.room,
        message.seq,
        version,
        message.sender,
        message.sender_id,
        "",
        message.timestamp,
        message.id,
        message.edited_at,
        deleted_at,
    )


def body_hash(content: str) -> int:
    """A signed 64-bit fingerprint of a message's first body, kept with it to tell a re-send from a ``conflict``.

    BLAKE2b, so no two bodies collide by chance or design within one author's own ids; signed, as SQL ``bigint`` is.
    """
    return int.from_bytes(blake2b(content.encode(), digest_size=8).digest(), "big", signed=True)
