"""The rooms port: how rooms and their members are written and read."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from model.audit import AuditEntry
from model.room import Member, NetworkSanction, RoomRecord, User

# --- writes --------------------------------------------------------------------------------------------------------


class InsertRoom(Struct, frozen=True, gc=False):
    """Store a room that is not deleted, before its first message and through the same writer.

    Repeating it changes nothing, even if the room was changed or deleted in between.
    """

    room: RoomRecord


class UpdateRoom(Struct, frozen=True, gc=False):
    """Replace the state of a stored room; its id, name and ``created_at`` never change. `NoRoom` if it is not stored.

    ``audit`` is stored with it, once it is `Stored`.

    With ``deleted_at`` the name becomes free, the members are removed, and reads by name, of lists and by member no
    longer find the room. Its log stays readable under its id. A deleted room stays deleted, as of the first time.
    """

    room: RoomRecord
    audit: AuditEntry | None = None


class SetMember(Struct, frozen=True, gc=False):
    """Store a member's row, replacing the earlier one. `NoRoom` if the room is not stored.

    A deleted room has no members: the outcome is `Stored`, and nothing is kept. ``audit`` as in `UpdateRoom`.
    """

    room_id: int
    member: Member
    audit: AuditEntry | None = None


class RemoveMember(Struct, frozen=True, gc=False):
    """Remove a member's row. Also `Stored` if there is none. ``audit`` as in `UpdateRoom`."""

    room_id: int
    user_id: str
    audit: AuditEntry | None = None


class SetSanction(Struct, frozen=True, gc=False):
    """Store a sanction in place of the earlier one of the same network and guest, or remove a lifted one.

    Always `Stored`. A deleted room has none.
    """

    room_id: int
    sanction: NetworkSanction


class ExpireSanctions(Struct, frozen=True, gc=False):
    """Remove up to ``limit`` sanctions that ended at ``until`` or earlier. Outcome: `Removed`."""

    until: int
    limit: int


class ExpireInvitations(Struct, frozen=True, gc=False):
    """Remove up to ``limit`` rows that record only an invitation from ``until`` or earlier. Outcome: `Removed`."""

    until: int
    limit: int


class ExpireGuests(Struct, frozen=True, gc=False):
    """Remove up to ``limit`` rows of guests in public and ephemeral rooms, unused since ``until``. Outcome: `Removed`.

    A row that records more is kept: a role other than member, a ban or mute that lasts beyond ``now_us``, an
    invitation. The rows of the users in ``present`` are kept too.
    """

    until: int
    now_us: int
    present: list[str]
    limit: int


# --- reads ---------------------------------------------------------------------------------------------------------


class RoomRepository(Protocol):
    """Reads of rooms and members. Each raises `storage.ports.errors.StorageUnavailable` when storage does not answer.

    A row *belongs* to its user when it has a role or a read cursor (`Member.belongs`).
    """

    async def find_room(self, name: str) -> RoomRecord | None:
        """Find the room with exactly this name."""

    async def find_room_by_id(self, room_id: int) -> RoomRecord | None:
        """Find a room by its id, unless it was deleted."""

    async def kept_like(self, name: str) -> bool:
        """Whether a public or private room has another name that differs only in case and width.

        Compares `model.text.fold_name` of both.
        """

    async def listed_rooms(self, *, after: str, contains: str, limit: int) -> list[RoomRecord]:
        """List up to ``limit`` rooms that every user may find, by name, from the first name above ``after``.

        Those are public rooms, and ephemeral rooms with a message that is not deleted. ``contains`` must occur in the
        name or the title, folded by `model.text.fold_name` like them; "" matches every room.
        """

    async def rooms_of(self, user_id: str, *, limit: int) -> list[tuple[RoomRecord, Member]]:
        """List up to ``limit`` rooms in which the user has a row that belongs to them, with that row.

        The most recently used (`Member.used`) come first, equal ones by name.
        """

    async def invitations(self, user_id: str, *, after: int, limit: int) -> list[tuple[RoomRecord, Member]]:
        """List up to ``limit`` rooms to which the user was invited after ``after``, with their row.

        The newest invitation comes first, equal ones by name. ``after`` is in Unix microseconds.
        """

    async def all_rooms(self, *, after: int, limit: int) -> list[RoomRecord]:
        """List up to ``limit`` rooms, deleted ones too, by id, from the first id above ``after``."""

    async def rows_of(self, user_id: str, *, after: int, limit: int) -> list[tuple[RoomRecord, Member]]:
        """List up to ``limit`` rows of a user, whatever they record, by room id, from the first id above ``after``."""

    async def rooms_invited_to_by(self, user_ids: Sequence[str]) -> list[RoomRecord]:
        """List the rooms in which a row has an invitation by one of these users, by room id."""

    async def rooms_sanctioned_for(self, user_ids: Sequence[str]) -> list[RoomRecord]:
        """List the rooms that have a sanction which follows the ban or mute of one of these users, by room id."""

    async def special_members(self, room_id: int) -> list[Member]:
        """List the rows that record more than "member", by user id: owners, moderators, readonly members, and users
        who are or were banned, muted or invited.
        """

    async def sanctions(self, room_id: int) -> list[NetworkSanction]:
        """List the sanctions of a room, by network and guest."""

    async def find_member(self, room_id: int, user_id: str) -> Member | None:
        """Find the user's row in a room."""

    async def find_members(self, room_id: int, user_ids: Sequence[str]) -> list[Member]:
        """Find the rows of these users in a room, by user id; users without one are omitted."""

    async def members(self, room_id: int, *, after: str, limit: int) -> list[Member]:
        """List up to ``limit`` rows with a role, by user id, from the first id above ``after``."""

    async def count_members(self, room_ids: Sequence[int]) -> dict[int, int]:
        """Count the rows with a role in each room; rooms without any are omitted."""

    async def find_user(self, user_id: str) -> User | None:
        """Find a user who has a row in any room, with the most recently stored name."""

    async def account_role(self, user_id: str) -> str:
        """Return `Member.account_role` of the user's most recently stored row, "" without one."""

    async def share_a_room(self, one: str, other: str) -> bool:
        """Whether both users have a row that belongs to them in the same room."""

    async def peers(self, user_id: str, room_ids: Sequence[int]) -> dict[int, User]:
        """Find the other user in each of these direct rooms."""
