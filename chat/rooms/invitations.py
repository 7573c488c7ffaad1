"""Invitations: offers that a user accepts with ``join`` or refuses with ``decline``.

An offer is part of the user's row in the room (`model.room.Member`), so whatever ends the row (a ban, the deletion of
the room) ends the offer. A room that is ready knows all of its offers (`Storage.standings`).
"""

from __future__ import annotations

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
    """Tell every session of a user whose row is about to be ``after`` what became of their invitation.

    ``id`` is that of the command, for its ``author``, who is told too if it is the user's own session.
    """
    user_id = after.user.id
    before = room.members.get(user_id)
    was = before.invitation if before is not None and is_open(parts, before) else None
    now = after.invitation if is_open(parts, after) else None
    if was == now:
        return
    devices = set(parts.hub.devices(user_id))
    if author is not None and author.user.id == user_id:
        devices.add(author)  # asks without a connection of its own
    for device in devices:
        answer = id if device is author else None
        if now is None:
            device.reply(InvitationState(id=answer, room=room.name, open=False))
        else:
            device.reply(
                InvitationState(id=answer, room=room.name, open=True, info=room.info, by=now.by, at=rfc3339(now.at))
            )


def tell_deleted(parts: Parts, room: Room) -> None:
    """The room is deleted: tell everybody who was invited."""
    for user_id, member in room.members.items():
        if is_open(parts, member):
            parts.hub.tell(user_id, InvitationState(room=room.name, open=False))


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
