"""What storage knows of a room, and who acts in it."""

from __future__ import annotations

from msgspec import Struct


class RoomRecord(Struct, frozen=True, gc=False):
    """A room with its log.

    Attributes:
        room_id: immutable, positive, 63 bits; the log hangs on it, so deleting a room frees its name and not its log.
        name: 1 to 64 characters, NFC.
        created_at: RFC 3339, UTC, six decimals, ``Z``.
    """

    room_id: int
    name: str
    created_at: str


class User(Struct, frozen=True, gc=False):
    """A person as others see them: ``{id, name}``. The id is a principal's, the name is for display only."""

    id: str
    name: str
