"""``invite`` and ``decline``: offers to become a member of a room. ``join`` accepts one, ``kick`` withdraws it."""

from __future__ import annotations

from msgspec.structs import replace

from chat.rooms import invitations, members, notices
from chat.rooms.access import check_provable, joined_room, standing_of, still_joined
from chat.rooms.loading import load
from chat.rooms.pacing import take_invitation
from chat.rooms.parts import Parts
from chat.rooms.room import Session
from chat.rooms.storing import admit
from model.commands import Decline, Invite
from model.errors import ParleyError
from model.events import RoomState
from model.limits import INVITATIONS
from model.permissions import Action
from model.room import Invitation
from model.text import check_name


async def invite(parts: Parts, session: Session, command: Invite) -> None:
    """Offer somebody to become a member, and tell them at once, wherever they are; an admin makes them one."""
    assert session.identity is not None
    room = joined_room(parts, session, command.room, Action.INVITE)
    check_provable(command.user)
    offers = standing_of(parts, room, session.identity) != "admin"
    if offers:
        take_invitation(parts, session)
    with members.pinned(parts, room, command.user), parts.changes.during(command.user) as changes:
        row = await members.fetch_person(parts, room, command.user, session.user)
        elsewhere = await invitations.open_elsewhere(parts, room, command.user, changes) if offers else 0
        if session.ended:
            return
        still_joined(parts, session, room, Action.INVITE)
        row = before = room.members.get(command.user, row)
        now = parts.clock.now_us()
        if row.banned_until > now:
            raise ParleyError("banned", "this user is banned; lift the ban first", field="user")
        if row.role is None and not offers:
            row = replace(row, role="member", joined_at=now)
        elif row.role is None and not invitations.is_open(parts, row):
            if elsewhere >= INVITATIONS:
                raise ParleyError("too_many_invitations", field="user")
            row = replace(row, invitation=Invitation(session.user, now))
        admit(parts, room, "")
        members.save(parts, room, row, session, command.id)
        notices.member_changed(parts, room, row, "invite", session.user, command.id)
        if row.role != before.role:
            parts.hub.tell(
                row.user.id,
                RoomState(room=room.name, action="invite", info=room.info, role=row.role, by=session.user),
            )


async def decline(parts: Parts, session: Session, command: Decline) -> None:
    """Refuse an invitation; the room is told, and so whoever made it if they are there."""
    name, user = check_name(command.room, "room"), session.user
    room = await load(parts, name)
    with members.pinned(parts, room, user.id):
        row = room.members.get(user.id)
        if row is None or not invitations.is_open(parts, row):
            raise ParleyError("no_such_invitation", field="room")
        admit(parts, room, "")
        gone = replace(row, invitation=None)
        members.save(parts, room, gone, session, command.id)
        notices.member_changed(parts, room, gone, "decline", user)
