"""What storage knows of a room, and who acts in it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Role = Literal["owner", "moderator", "member", "readonly"]
"""What a member of a room is."""
RoomKind = Literal["ephemeral", "public", "private", "direct"]
"""Ephemeral rooms are made by joining and have no owner; direct ones belong to two people and to nobody else."""

STAFF: frozenset[Role | None] = frozenset({"owner", "moderator"})
"""Roles of members that others look up to: no guest in the room has a name like theirs."""
RANKING = frozenset({"admin", "organizer"})
"""Roles of accounts that mean something in rooms where they were made nothing: see `model.permissions.standing_in`."""

DEFAULT_ROOM = "general"
"""The room of a request or connection that names none."""
FOREVER = 2**53 - 1
"""The end of a ban or mute that has none, in Unix microseconds."""


class RoomRecord(Struct, frozen=True, gc=False):
    """A room with its log.

    Attributes:
        room_id: immutable, positive, 63 bits; the log hangs on it, so deleting a room frees its name and not its log.
        name: 1 to 64 characters, NFC.
        created_at: RFC 3339, UTC, six decimals, ``Z``.
        kind: who may enter.
        title: for people, "" for none.
        topic: what it is about, "" for none.
        password: argon2id, as a PHC string; None when there is none.
        slow_mode: seconds between two messages of one member, 0 for none.
        retention_days: days that messages are kept, 0 for the server's own rule.
        deleted_at: RFC 3339; a deleted room is found by nobody.
    """

    room_id: int
    name: str
    created_at: str
    kind: RoomKind = "ephemeral"
    title: str = ""
    topic: str = ""
    password: str | None = None
    slow_mode: int = 0
    retention_days: int = 0
    deleted_at: str | None = None


class User(Struct, frozen=True, gc=False):
    """A person as others see them: ``{id, name}``. The id is a principal's, the name is for display only."""

    id: str
    name: str


class Invitation(Struct, frozen=True, gc=False):
    """An offer to become a member, made by ``by`` at ``at``, in Unix microseconds."""

    by: User
    at: int


class Member(Struct, frozen=True, gc=False):
    """What storage knows of a person in a room. Times are Unix microseconds, 0 for never.

    Attributes:
        user: as they were called when this was last stored.
        role: None for somebody who is no member: banned, muted, or following an ephemeral room with a read cursor.
        joined_at: when they became a member.
        seen_at: when their last session here ended.
        read_seq: the last message they have read.
        banned_until, muted_until: `FOREVER` when there is no end.
        reason: what the moderator said of the ban or mute.
        invitation: one that was neither accepted, declined nor withdrawn; it may be too old to be open.
        account_role: what their account was when this was last stored, where that ranks in rooms (`RANKING`), else "".
    """

    user: User
    role: Role | None = None
    joined_at: int = 0
    seen_at: int = 0
    read_seq: int = 0
    banned_until: int = 0
    muted_until: int = 0
    reason: str = ""
    invitation: Invitation | None = None
    account_role: str = ""

    @property
    def belongs(self) -> bool:
        """Whether the room is one of the user's own: a member's, or one they follow with a read cursor."""
        return self.role is not None or self.read_seq > 0

    @property
    def used(self) -> int:
        """When they last did something there that the row tells; 0 for a room that others opened for them."""
        return max(self.joined_at, self.seen_at, self.read_seq)
