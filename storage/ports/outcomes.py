"""The outcome of each write of a batch."""

from __future__ import annotations

from msgspec import Struct


class Stored(Struct, frozen=True, gc=False):
    """The write is durable; also the outcome of repeating a write that had succeeded."""


class Duplicate(Struct, frozen=True, gc=False):
    """Not stored: (room_id, sender_id, id) is already at ``seq``. ``same_body`` tells a resend from a conflict."""

    seq: int
    same_body: bool


class Refused(Struct, frozen=True, gc=False):
    """Not stored, and a retry would not help: another message has this seq, another room has this name, or the message
    to change does not exist. ``reason`` says which.
    """

    reason: str


class NoRoom(Struct, frozen=True, gc=False):
    """Not stored: the room does not exist, or no longer (memory evicted it, a database crash lost it).

    A caller that still has the room stores it again and repeats the batch. Never the outcome of a `ChangeMessage`: the
    message is lost with its room.
    """


class Removed(Struct, frozen=True, gc=False):
    """How many rows were removed. Fewer than the limit: no more are due, or storage has examined enough rooms for one
    write and continues with the next one.
    """

    count: int


class WordsCut(Struct, frozen=True, gc=False):
    """The outcome of a `storage.ports.messages.CutWords`.

    Attributes:
        after: where the next one continues; None when nothing is left.
        left: how many messages have words of an older version; counted only for the first of them.
    """

    after: tuple[int, int] | None
    left: int | None = None


Outcome = Stored | Duplicate | Refused | NoRoom | Removed | WordsCut
STORED = Stored()
NO_ROOM = NoRoom()
