"""Invitations: offers that a user accepts with ``join`` or refuses with ``decline``.

An offer is part of the user's row in the room (`model.room.Member`), so whatever ends the row (a ban, the deletion of
the room) ends the offer. A room that is ready knows all of its offers (`Storage.standings`).
"""

from __future__ import annotations

from msgspec.structs import replace

from chat.rooms.changes import ConcurrentChanges
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session, info_of
from chat.rooms.storing import ask
from model.events import InvitationInfo, InvitationState
from model.limits import INVITATION_DAYS, INVITATIONS
from model.room import Member
from utils.clock import DAY_US, rfc3339


def oldest_open(parts: Parts) -> int:
    """When an invitation was made that is just not open any more, in Unix microseconds."""
    return parts.clock.now_us() - INVITATION_DAYS * DAY_US


def is_open(parts: Parts, member: Member) -> bool:
    """Whether this row is an invitation that can be accepted now."""
    return member.role is None and member.invitation is not None and member.invitation.at > oldest_open(parts)


def tell(parts: Parts, room: Room, after: Member, author: Session | None, id: str | None) -> None:
    """Send a user the state of their invitation, on every device, if ``after`` as their new row changes it.

    ``id`` is that of the command and goes to its ``author`` alone, which receives the state if it is the user's own.
    """
    user_id = after.user.id
    before = room.members.get(user_id)
    was = before.invitation if before is not None and is_open(parts, before) else None
    now = after.invitation if is_open(parts, after) else None
    if was == now:
        return
    told = InvitationState(room=room.name, open=False)
    if now is not None:
        told = replace(told, open=True, info=room.info, by=now.by, at=rfc3339(now.at))
    devices = set(parts.directory.devices(user_id))
    if author is not None and author.user.id == user_id:
        devices.add(author)  # a session without a connection (`chat.one_shot`) is not in the directory
    for device in devices:
        device.reply(replace(told, id=id) if device is author else told)


def tell_deleted(parts: Parts, room: Room) -> None:
    """The room is deleted: tell everybody who was invited."""
    for user_id, member in room.members.items():
        if is_open(parts, member):
            parts.directory.tell(user_id, InvitationState(room=room.name, open=False))


async def open_elsewhere(parts: Parts, room: Room, user_id: str, changes: ConcurrentChanges) -> int:
    """Count a user's open invitations to other rooms than this one, to a little more than `INVITATIONS`.

    ``changes`` are those of the user since before, so that invitations made while storage is asked count.

    Raises:
        ParleyError: ``unavailable``.
    """
    found = await ask(parts, parts.storage.rooms.invitations(user_id, after=oldest_open(parts), limit=INVITATIONS + 1))
    open_ids = {record.room_id for record, _ in found}
    for room_id, member in changes.rows.items():
        (open_ids.add if is_open(parts, member) else open_ids.discard)(room_id)
    return len(open_ids - changes.gone - {room.record.room_id})


async def list_open(parts: Parts, user_id: str, changes: ConcurrentChanges) -> list[InvitationInfo]:
    """List the open invitations of a user, the newest first.

    Raises:
        ParleyError: ``unavailable``.
    """
    found = await ask(parts, parts.storage.rooms.invitations(user_id, after=oldest_open(parts), limit=INVITATIONS))
    listed = []
    for record, stored in found:
        room, member = parts.hub.room_of(record), changes.rows.get(record.room_id, stored)
        if room is not None:
            record, member = room.record, room.members.get(user_id, member)
        gone = record.deleted_at is not None or record.room_id in changes.gone
        if is_open(parts, member) and not gone and member.invitation is not None:
            made = member.invitation
            listed.append(InvitationInfo(record.name, info_of(record), made.by, rfc3339(made.at)))
    return listed
