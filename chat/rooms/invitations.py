"""Invitations: offers that a user accepts with ``join`` or refuses with ``decline``.

An offer is part of the user's row in the room (`model.room.Member`), so what ends the row (a ban, the deletion of the
room) ends the offer. A loaded room has all of its offers (`RoomRepository.special_members`).
"""

from operator import attrgetter

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
    """Return the time before which invitations have expired, in Unix microseconds."""
    return parts.clock.now_us() - INVITATION_DAYS * DAY_US


def is_open(parts: Parts, member: Member) -> bool:
    """Whether the row is an invitation that can be accepted now."""
    return member.role is None and member.invitation is not None and member.invitation.at > oldest_open(parts)


def tell(parts: Parts, room: Room, after: Member, author: Session | None, id: str | None) -> None:
    """Send a user the state of their invitation, on every device, if the new row ``after`` changes it.

    ``id`` is the command's; only its ``author`` receives it, if that is a session of the invited user.
    """
    user_id = after.user.id
    before = room.members.get(user_id)
    was = before.invitation if before is not None and is_open(parts, before) else None
    now = after.invitation if is_open(parts, after) else None
    if was == now:
        return
    state = InvitationState(room=room.name, open=False)
    if now is not None:
        state = replace(state, open=True, info=room.info, by=now.by, at=rfc3339(now.at))
    devices = set(parts.directory.devices(user_id))
    if author is not None and author.user.id == user_id:
        devices.add(author)  # a session without a connection (`chat.one_shot`) is not in the directory
    for device in devices:
        device.reply(replace(state, id=id) if device is author else state)


def tell_deleted(parts: Parts, room: Room) -> None:
    """Notify all invited users that the room is deleted."""
    for user_id, member in room.members.items():
        if is_open(parts, member):
            parts.directory.tell(user_id, InvitationState(room=room.name, open=False))


async def open_elsewhere(parts: Parts, room: Room, user_id: str, changes: ConcurrentChanges) -> int:
    """Count a user's open invitations to other rooms than this one, up to a little more than `INVITATIONS`.

    ``changes`` are those of the user since before the call, so that unstored invitations count too.

    Raises:
        ParleyError: ``unavailable``.
    """
    found = await ask(parts, parts.storage.rooms.invitations(user_id, after=oldest_open(parts), limit=INVITATIONS + 1))
    open_ids = {record.room_id for record, _ in found}
    for room_id, (_, member) in changes.unstored.items():
        (open_ids.add if is_open(parts, member) else open_ids.discard)(room_id)
    return len(open_ids - changes.gone - {room.record.room_id})


async def list_open(parts: Parts, user_id: str, changes: ConcurrentChanges) -> list[InvitationInfo]:
    """List the open invitations of a user, the newest first, equal ones by name.

    ``changes`` are the user's since before the call.

    Raises:
        ParleyError: ``unavailable``.
    """
    found = await ask(parts, parts.storage.rooms.invitations(user_id, after=oldest_open(parts), limit=INVITATIONS))
    rows = {record.room_id: (record, member) for record, member in found}
    rows |= {room_id: (room.record, member) for room_id, (room, member) in changes.unstored.items()}
    listed = []
    for record, member in rows.values():
        room = parts.hub.room_of(record)
        if room is not None:
            record, member = room.record, room.members.get(user_id, member)
        gone = record.deleted_at is not None or record.room_id in changes.gone
        if is_open(parts, member) and not gone and member.invitation is not None:
            made = member.invitation
            listed.append(InvitationInfo(record.name, info_of(record), made.by, rfc3339(made.at)))
    return sorted(sorted(listed, key=attrgetter("room")), key=attrgetter("at"), reverse=True)
