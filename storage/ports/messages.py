"""Messages: what is written of them, and what is read besides them."""

from __future__ import annotations

from msgspec import Struct

from model.message import Message


class InsertMessage(Struct, frozen=True, gc=False):
    """Store a message as it was posted (``version == seq``) in the log of ``room_id``. Repeating it changes nothing.

    Of ``reply_to`` only the seq is stored. A room that storage has lost or forgotten comes back with it, under the name
    that the message knows; of what the room was besides, nothing is known, so it is an ephemeral one.
    """

    room_id: int
    message: Message


class PinState(Struct, frozen=True, gc=False):
    """Since when a message is pinned (RFC 3339) and by which principal; None and None when it is not."""

    at: str | None = None
    by: str | None = None


class ChangeMessage(Struct, frozen=True, gc=False):
    """Give a stored message the state it has as of ``version``. Of two changes the newer one stays, whatever the order.

    Attributes:
        content: the new content; None leaves it as it is.
        first_body: `body_hash` of the content that the message had before; kept if it was the first one.
        edited_at: RFC 3339; None leaves it as it is.
        deleted_at: the same. What a deleted message held is told to nobody but who asks with ``include_deleted``.
        mentions: come with a new content.
        reactions: all of them, as in `model.message.Message`, None leaves them as they are, {} takes all away.
        pin: None leaves it as it is.
    """

    room_id: int
    seq: int
    version: int
    content: str | None = None
    first_body: int | None = None
    edited_at: str | None = None
    deleted_at: str | None = None
    mentions: tuple[str, ...] = ()
    reactions: dict[str, list[str]] | None = None
    pin: PinState | None = None


FIRST = (-1, -1)
"""In front of the first message of all."""


class CutWords(Struct, frozen=True, gc=False):
    """Cut the words of at most ``limit`` messages again whose stored ones are of an older `utils.words.WORDS_VERSION`.

    Those behind the (room_id, seq) of ``after``, in that order. One that is changed meanwhile is left out. The outcome
    is `WordsCut`.
    """

    after: tuple[int, int]
    limit: int


class ExpireMessages(Struct, frozen=True, gc=False):
    """Remove at most ``limit`` messages for good whose room keeps none that old, the room's own rule before ``days``.

    A message is as old as its seq; its room may be deleted. The outcome is `Removed`. Messages come to a log in the
    order of their seq: one that came behind a larger one may stay until that one is due.

    Attributes:
        now_us: Unix microseconds.
        days: how long messages are kept in rooms without their own retention; 0 for ever.
    """

    now_us: int
    days: int
    limit: int


class Unread(Struct, frozen=True, gc=False):
    """What somebody has not read in a room, and how many of those mention them: each counted up to a limit."""

    messages: int
    mentions: int


class Posted(Struct, frozen=True, gc=False):
    """Where a message with a certain id is: its ``seq``, and :func:`model.message.body_hash` of its first body."""

    seq: int
    body_hash: int
