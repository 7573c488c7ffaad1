"""Rooms and their members: what is written of them."""

from __future__ import annotations

from msgspec import Struct

from model.room import Member, RoomRecord


class InsertRoom(Struct, frozen=True, gc=False):
    """Store a room that is not deleted: before its first message, through the same writer.

    Repeating it changes nothing, whatever became of the room meanwhile.
    """

    room: RoomRecord


class UpdateRoom(Struct, frozen=True, gc=False):
    """Give a stored room the state it has in this record; its id, name and ``created_at`` stay what they are.

    With ``deleted_at`` its name is free, its members are gone, and no read finds it any more by name, in a list or by
    a member; its log stays readable under its id. What is deleted stays deleted, since the first time. `NoRoom` for a
    room that is not stored.
    """

    room: RoomRecord


class SetMember(Struct, frozen=True, gc=False):
    """Store what somebody is in a room, in place of what was there.

    `NoRoom` for a room that is not stored. A deleted room has no members: that is `Stored`, and nothing is kept.
    """

    room_id: int
    member: Member


class RemoveMember(Struct, frozen=True, gc=False):
    """Forget what somebody is in a room. It is `Stored` when there was nothing, too."""

    room_id: int
    user_id: str


class ExpireInvitations(Struct, frozen=True, gc=False):
    """Remove at most ``limit`` rows that say nothing but an invitation not made after ``until``; `Removed`."""

    until: int
    limit: int


class ExpireGuests(Struct, frozen=True, gc=False):
    """Remove at most ``limit`` rows of guests in public and ephemeral rooms, not there since ``until``; `Removed`.

    A row stays as long as it says more: a role above or below member, a ban or mute that is not over at ``now_us``, an
    invitation. So do those of the ids in ``present``.
    """

    until: int
    now_us: int
    present: tuple[str, ...]
    limit: int
