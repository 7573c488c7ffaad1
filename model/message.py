"""A message: the same record is broadcast, kept in a room's tail, stored and read back."""

from hashlib import blake2b
from typing import Protocol

from msgspec import Struct

from model.limits import QUOTE_CHARS


class Quote(Struct, frozen=True, omit_defaults=True, gc=False):
    """The beginning of the message that a reply refers to, in its current state, even if edited or deleted since.

    Attributes:
        seq: the message's seq.
        sender: display name of its author; empty if the message no longer exists.
        content: its first `model.limits.QUOTE_CHARS` characters; empty if it was deleted.
    """

    seq: int
    sender: str = ""
    content: str = ""


class Message(Struct, frozen=True, omit_defaults=True, gc=False, tag_field="type", tag="message"):
    """The current state of a message. Also the ``message`` event of the native protocol, field for field.

    Attributes:
        room: name of the room.
        seq: place in the room's log and identity of the message: Unix microseconds, raised where needed; 53 bits.
        version: the seq of the last change to the message; equal to ``seq`` if unchanged.
        sender: display name of the author when it was written.
        sender_id: id of the author's principal; permissions depend on it, never on the name.
        content: text, as the author sent it.
        timestamp: when the server accepted the message: RFC 3339, UTC, six decimals, ``Z``.
        id: the id that the author gave it, the idempotency key of (room, sender_id, id); None if none was given.
        edited_at: when the author last edited it, like ``timestamp``; None if it was never edited.
        deleted_at: when it was deleted, like ``timestamp``; its content is then empty, except for moderators who ask
            for it.
        reply_to: the message that this one replies to.
        mentions: the names that ``content`` mentions, folded (`model.text.fold_name`), each once.
        reactions: emoji to the ids of the principals who reacted with it, in order.
        pinned_at: when it was pinned, like ``timestamp``.
        pinned_by: the id of the principal who pinned it.
        alias_of: the account that its author, then a guest, has become: the message is the account's; None for others.
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
    alias_of: str | None = None

    @property
    def author_id(self) -> str:
        """The principal whose message it is now, by which it is marked."""
        return self.alias_of or self.sender_id


def quote(message: Message) -> Quote:
    """Return the quote of a message, for replies to it."""
    if message.deleted_at is not None:
        return Quote(message.seq, message.sender)
    return Quote(message.seq, message.sender, message.content[:QUOTE_CHARS])


def tombstone(message: Message, version: int, deleted_at: str) -> Message:
    """Return the public rest of a deleted message: its place, its author, and when it was deleted."""
    return Message(
        room=message.room,
        seq=message.seq,
        version=version,
        sender=message.sender,
        sender_id=message.sender_id,
        content="",
        timestamp=message.timestamp,
        id=message.id,
        edited_at=message.edited_at,
        deleted_at=deleted_at,
        alias_of=message.alias_of,
    )


class Body(Protocol):
    """What an author posts, as a message or as the command for it."""

    @property
    def content(self) -> str:
        """The text."""


def body_hash(body: Body) -> int:
    """Return a signed 64-bit fingerprint of a message's first body, which distinguishes a resend from a conflict.

    BLAKE2b, so no two bodies of one author collide by chance or design; signed, like SQL ``bigint``. If authors can one
    day post more than text, include it, without changing the hash of a text alone.
    """
    return int.from_bytes(blake2b(body.content.encode(), digest_size=8).digest(), "big", signed=True)
