"""Rooms, users and members, as storage knows them."""

from typing import Literal

from msgspec import Struct

# The role of a member in a room.
Role = Literal["owner", "moderator", "member", "readonly"]
# Ephemeral rooms are created by joining and have no owner; direct rooms belong to two users only.
RoomKind = Literal["ephemeral", "public", "private", "direct"]

# Guests write in a room, only read it, or cannot enter it.
GuestAccess = Literal["talk", "read", "no"]

# Roles whose names are protected: no guest in the room may have a name that looks like theirs.
STAFF: frozenset[Role | None] = frozenset({"owner", "moderator"})
# Roles of accounts that count in rooms where they were given no role: see `model.permissions.standing_in`.
RANKING = frozenset({"admin", "organizer"})

# The room of a request or connection that names none.
DEFAULT_ROOM = "general"
# The end of a permanent ban or mute, in Unix microseconds.
FOREVER = 2**53 - 1


class RoomRecord(Struct, frozen=True, gc=False):
    """A room with its log.

    Attributes:
        room_id: immutable, positive, 63 bits; the log belongs to it, so deleting a room frees its name but not its log.
        name: 1 to 64 characters, NFC.
        created_at: RFC 3339, UTC, six decimals, ``Z``.
        kind: who may enter.
        title: display title, "" for none.
        topic: what it is about, "" for none.
        password: argon2id hash as a PHC string, or None.
        slow_mode: seconds between two messages of one user, 0 for none.
        retention_days: days that messages are kept, 0 for the server's default.
        deleted_at: RFC 3339; a deleted room cannot be found.
        guests: what guests may do who were given no role here.
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
    guests: GuestAccess = "talk"


class User(Struct, frozen=True, gc=False):
    """A user as others see them. The id is that of the principal, the name is for display only."""

    id: str
    name: str


class Invitation(Struct, frozen=True, gc=False):
    """An invitation to become a member, made by ``by`` at ``at`` (Unix microseconds)."""

    by: User
    at: int


class NetworkSanction(Struct, frozen=True, gc=False):
    """A ban or mute of all guests of a network in one room. Times are Unix microseconds, 0 for never.

    Attributes:
        network: as in `chat.ports.Actor`: an IPv4 address, or an IPv6 network of 64 bits.
        guest_id: the guest, or the account that the guest became, whose ban or mute it follows; what lifts that one
            lifts this one.
    """

    network: str
    guest_id: str
    banned_until: int = 0
    muted_until: int = 0

    @property
    def until(self) -> int:
        """When it ends; 0 if it has been lifted."""
        return max(self.banned_until, self.muted_until)


class Member(Struct, frozen=True, gc=False):
    """A user's row in a room. Times are Unix microseconds, 0 for never.

    Attributes:
        user: with the name as of the last write of this row.
        role: None for a user who is not a member but banned, muted, or following an ephemeral room with a read cursor.
        joined_at: when the user became a member.
        seen_at: when the user's last session here ended.
        read_seq: the last message that the user has read.
        banned_until, muted_until: `FOREVER` if permanent.
        reason: the moderator's reason for the ban or mute.
        invitation: an invitation that was not accepted, declined or withdrawn; it may have expired.
        account_role: the account's role as of the last write of this row, if it counts in rooms (`RANKING`), else "".
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
        """Whether the room is one of the user's own: they are a member, or follow it with a read cursor."""
        return self.role is not None or self.read_seq > 0

    @property
    def used(self) -> int:
        """When the user last used the room, as far as the row shows; 0 for a room that others opened for them."""
        return max(self.joined_at, self.seen_at, self.read_seq)
