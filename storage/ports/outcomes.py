"""What becomes of a write."""

from __future__ import annotations

from msgspec import Struct


class Stored(Struct, frozen=True, gc=False):
    """Durable at its own seq; also the outcome of repeating a write that had succeeded."""


class Duplicate(Struct, frozen=True, gc=False):
    """Not stored: (room_id, sender_id, id) is at ``seq`` already. ``same_body`` tells a re-send from a conflict."""

    seq: int
    same_body: bool


class Refused(Struct, frozen=True, gc=False):
    """Not stored, and never will be (see ``reason``): another message holds this seq, another room this name, or there
    is no message to change.
    """

    reason: str


class NoRoom(Struct, frozen=True, gc=False):
    """Not stored: its room is not, or not any more (memory forgot it, the database lost it with a crash).

    Whoever still has the room stores it again, and repeats the batch. Not said of a `ChangeMessage`, whose message is
    gone with the room.
    """


class Removed(Struct, frozen=True, gc=False):
    """How many messages are gone; fewer than the limit when no more of them are due.

    Also when storage has looked into many rooms that nobody had looked into before: it goes on the next time.
    """

    count: int


class WordsCut(Struct, frozen=True, gc=False):
    """What became of a `CutWords`.

    Attributes:
        after: behind which message it goes on; None when there was none left.
        left: how many messages of an older cut there were; counted only when it began with the first of all.
    """

    after: tuple[int, int] | None
    left: int | None = None


Outcome = Stored | Duplicate | Refused | NoRoom | Removed | WordsCut
STORED = Stored()
NO_ROOM = NoRoom()
