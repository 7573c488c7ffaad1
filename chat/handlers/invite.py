"""``invite`` and ``decline``: offers to become a member of a room. ``join`` accepts one, ``kick`` withdraws it."""

from contextlib import AsyncExitStack
from typing import NamedTuple

from msgspec.structs import replace

from chat.handlers.resolve import ASK, Ask, Need
from chat.rooms import invitations, members, notices
from chat.rooms.access import check_provable, require
from chat.rooms.pacing import take_invitation
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from chat.rooms.storing import admit
from model.commands import Decline, Invite
from model.errors import ParleyError
from model.events import RoomState
from model.limits import INVITATIONS
from model.permissions import Action
from model.room import Invitation, Member


class Invitee(NamedTuple):
    """A user who is invited: their row, and how many open invitations to other rooms they have.

    ``elsewhere`` is None when an admin invites, which makes a member at once.
    """

    row: Member
    elsewhere: int | None


class InviteeNamed(Need[Invitee]):
    """The user whom the command names, who must be known to this server."""

    def find(self, parts: Parts, session: Session, room: Room, command: Invite, stored: Invitee | Ask) -> Invitee | Ask:
        check_provable(command.user)
        if stored is ASK:
            return ASK
        return stored._replace(row=room.members.get(command.user, stored.row))

    async def fetch(self, parts: Parts, session: Session, room: Room, command: Invite, held: AsyncExitStack) -> Invitee:
        offers = require(parts, room, session, Action.INVITE) != "admin"
        if offers:
            take_invitation(parts, session.actor)
        with parts.changes.during(command.user) as changes:
            row = await members.fetch_person(parts, room, command.user, session.user)
            elsewhere = await invitations.open_elsewhere(parts, room, command.user, changes) if offers else None
            return Invitee(row, elsewhere)


def invite(parts: Parts, session: Session, room: Room, invitee: Invitee, command: Invite) -> None:
    """Offer a user membership, and notify them on every connection; an admin makes them a member."""
    row = before = invitee.row
    now = parts.clock.now_us()
    if row.banned_until > now:
        raise ParleyError("banned", "this user is banned; lift the ban first", field="user")
    if row.role is None and invitee.elsewhere is None:
        row = replace(row, role="member", joined_at=now)
    elif row.role is None and not invitations.is_open(parts, row):
        if invitee.elsewhere is not None and invitee.elsewhere >= INVITATIONS:
            raise ParleyError("too_many_invitations", field="user")
        row = replace(row, invitation=Invitation(session.user, now))
    admit(parts, room, "")
    members.save(parts, room, row, session, command.id)
    notices.member_changed(parts, room, row, "invite", session.user, command.id)
    if row.role != before.role:
        parts.directory.tell(
            row.user.id,
            RoomState(room=room.name, action="invite", info=room.info, role=row.role, by=session.user),
        )


def decline(parts: Parts, session: Session, room: Room, _: None, command: Decline) -> None:
    """Refuse an invitation. The room is notified, so the inviter learns of it if they are there."""
    user = session.user
    row = room.members.get(user.id)
    if row is None or not invitations.is_open(parts, row):
        raise ParleyError("no_such_invitation", field="room")
    admit(parts, room, "")
    gone = replace(row, invitation=None)
    members.save(parts, room, gone, session, command.id)
    notices.member_changed(parts, room, gone, "decline", user)
