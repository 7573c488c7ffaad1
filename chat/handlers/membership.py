"""Commands about the row of another user in a room, and ``decline``.

``invite`` offers membership: ``join`` accepts the offer, ``decline`` refuses it, ``kick`` withdraws it. Moderators also
``ban``, ``unban``, ``mute``, ``unmute`` and ``set_role``, and act only on users of lower rank. A change is broadcast to
the room at once and then stored.
"""

from contextlib import AsyncExitStack
from typing import Any, Literal, NamedTuple, TypeVar

from msgspec.structs import replace

from chat.handlers.join import keep_an_owner
from chat.handlers.resolve import ASK, Ask, Need
from chat.rooms import impostors, invitations, members, sanctions
from chat.rooms.access import check_entry, check_provable, member_changed, require, standing_of
from chat.rooms.auditing import audited
from chat.rooms.pacing import take_audited, take_invitation
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from chat.rooms.storing import ask, check_space
from model.commands import Ban, Decline, Invite, Kick, Mute, SetRole, Unban, Unmute, UseLink
from model.errors import ParleyError
from model.events import Left, RoomState
from model.limits import INVITATIONS, REASON_CHARS
from model.permissions import RANK, Action, outranks, standing_in
from model.room import FOREVER, STAFF, Invitation, Member
from model.text import check_text

AboutUser = Kick | Ban | Unban | Mute | Unmute | SetRole
WithReason = TypeVar("WithReason", Kick, Ban, Mute)


def row_now(parts: Parts, room: Room, user_id: str, stored: Member | Ask) -> Member | Ask:
    """Return a user's row with the role of their account, in memory if both are there, else as fetched."""
    row, account_role = room.members.get(user_id), members.connected_role(parts, user_id)
    if stored is not ASK:
        row, account_role = row or stored, stored.account_role if account_role is None else account_role
    if row is None or account_role is None:
        return ASK
    return replace(row, account_role=account_role)


class LowerUser(Need[Member]):
    """Need the row of the user named in the command, who must be known to this server and rank below the moderator.

    Args:
        other: whether moderators must not name themselves.
    """

    def __init__(self, *, other: bool = False) -> None:
        self._other = other

    def find(
        self, parts: Parts, session: Session, room: Room, command: AboutUser, stored: Member | Ask
    ) -> Member | Ask:
        row = row_now(parts, room, command.user, stored)
        if row is ASK:
            return ASK
        if row.user.id == session.user.id:
            if self._other:
                raise ParleyError("bad_field", "user must not be yourself", field="user")
        else:
            _check_rank(parts, session, room, row)
        return row

    async def fetch(
        self, parts: Parts, session: Session, room: Room, command: AboutUser, held: AsyncExitStack
    ) -> Member:
        return await members.fetch_person(parts, room, command.user, session.user)


def _check_rank(parts: Parts, session: Session, room: Room, row: Member) -> None:
    now_us = parts.clock.now_us()
    theirs = standing_in(room.record, row, account_role=row.account_role, inside="member", now_us=now_us)
    if not outranks(standing_of(parts, room, session.actor.identity), theirs):
        raise ParleyError("forbidden", "you cannot moderate someone with the same or a higher role", field="user")


def check_reason(parts: Parts, command: WithReason) -> WithReason:
    """Normalize the reason."""
    return replace(command, reason=check_text(command.reason, "reason", REASON_CHARS))


def kick(parts: Parts, session: Session, room: Room, row: Member, command: Kick) -> None:
    """Remove a user from the room, or withdraw their invitation. They may rejoin a room that is open to everyone."""
    if row.role is None and row.user.id not in room.presence.people and not invitations.is_open(parts, row):
        raise ParleyError("no_such_user", "this user is neither in this room nor invited to it", field="user")
    keep_an_owner(room, row)
    after = replace(row, role=None, joined_at=0, read_seq=0, invitation=None)
    _change(parts, session, room, after, command, removed="kicked", text=command.reason)


def ban(parts: Parts, session: Session, room: Room, row: Member, command: Ban) -> None:
    """Remove a user from the room and forbid them to rejoin."""
    keep_an_owner(room, row)
    until = _until(parts, command.seconds)
    after = replace(row, role=None, joined_at=0, read_seq=0, banned_until=until, reason=command.reason, invitation=None)
    check_space(parts, room, "")
    sanctions.limit(parts, room, row.user.id, banned=until)
    networks = sanctions.networks_of(parts, row.user.id) if command.guests else []
    if networks:
        sanctions.impose(parts, room, row.user.id, networks, banned=min(until, _until(parts, command.guests)))
    _change(parts, session, room, after, command, removed="banned", text=command.reason)
    for device in sanctions.kept_out(parts, room) if networks else ():
        members.remove(room, device, Left(room=room.name, reason="banned", by=session.user, text=command.reason))
        room.presence.expel(device.user.id)
        room.forget(device.user.id)


def unban(parts: Parts, session: Session, room: Room, row: Member, command: Unban) -> None:
    """Lift a ban, also for the other guests from the user's address."""
    check_space(parts, room, "")
    lifts = sanctions.limit(parts, room, row.user.id, banned=0) or row.banned_until > parts.clock.now_us()
    after = replace(row, banned_until=0, reason=row.reason if row.muted_until else "")
    _change(parts, session, room, after, command, recorded=lifts)


def mute(parts: Parts, session: Session, room: Room, row: Member, command: Mute) -> None:
    """Keep a user from posting."""
    until = _until(parts, command.seconds)
    after = replace(row, muted_until=until, reason=command.reason)
    check_space(parts, room, "")
    sanctions.limit(parts, room, row.user.id, muted=until)
    networks = sanctions.networks_of(parts, row.user.id) if command.guests else []
    if networks:
        sanctions.impose(parts, room, row.user.id, networks, muted=min(until, _until(parts, command.guests)))
    _change(parts, session, room, after, command)


def unmute(parts: Parts, session: Session, room: Room, row: Member, command: Unmute) -> None:
    """Lift a mute, also for the other guests from the user's address."""
    check_space(parts, room, "")
    lifts = sanctions.limit(parts, room, row.user.id, muted=0) or row.muted_until > parts.clock.now_us()
    after = replace(row, muted_until=0, reason=row.reason if row.banned_until else "")
    _change(parts, session, room, after, command, recorded=lifts)


def set_role(parts: Parts, session: Session, room: Room, row: Member, command: SetRole) -> None:
    """Give a member another role, at most that of the sender."""
    if row.banned_until > parts.clock.now_us():
        raise ParleyError("banned", "this user is banned; lift the ban first", field="user")
    if RANK[command.role] > RANK[standing_of(parts, room, session.actor.identity)]:
        raise ParleyError("forbidden", field="role")
    if RANK[command.role] > RANK["member"]:
        check_provable(command.user)
    if row.role is None and row.user.id not in room.presence.people:
        raise ParleyError("no_such_user", "this user is not in this room: invite them first", field="user")
    if command.role != "owner":
        keep_an_owner(room, row)
    after = replace(row, role=command.role, joined_at=row.joined_at or parts.clock.now_us())
    _change(parts, session, room, after, command, recorded=row.role != command.role)
    if command.role in STAFF:
        impostors.remove(parts, room, after.user.name)


def _until(parts: Parts, seconds: float | None) -> int:
    return FOREVER if seconds is None else parts.clock.now_us() + round(seconds * 1_000_000)


def _change(
    parts: Parts,
    session: Session,
    room: Room,
    after: Member,
    command: AboutUser,
    *,
    removed: Literal["", "kicked", "banned"] = "",
    text: str = "",
    recorded: bool = True,
) -> None:
    """Save and broadcast a row. If the user is ``removed``, their sessions leave and receive the reason.

    The audit log has it only if it is ``recorded``: what changes nothing is acknowledged, and that is all.
    """
    check_space(parts, room, "")
    if recorded:
        take_audited(parts, session.actor)
    action: Any = type(command).__struct_config__.tag
    audit = audited(parts, session, action, room, target=after.user, detail=_detail(command)) if recorded else None
    members.save(parts, room, after, session, command.id, audit=audit)
    member_changed(parts, room, after, action, session.user, command.id)
    if removed:
        parts.cursors.discard(room, after.user.id)
        room.audience.flush()
        members.expel(parts, room, after.user.id, Left(room=room.name, reason=removed, by=session.user, text=text))
    room.forget(after.user.id)


def _detail(command: AboutUser) -> str:
    if isinstance(command, SetRole):
        return command.role
    if isinstance(command, Ban | Mute):
        return "without an end" if command.seconds is None else f"{command.seconds:g} s"
    return ""


class Invitee(NamedTuple):
    """The invited user: their row, and the number of their open invitations to other rooms.

    ``elsewhere`` is None if an admin invites, which makes the user a member at once.
    """

    row: Member
    elsewhere: int | None


class InviteeNamed(Need[Invitee]):
    """Need the user named in the command, who must be known to this server."""

    def find(self, parts: Parts, session: Session, room: Room, command: Invite, stored: Invitee | Ask) -> Invitee | Ask:
        check_provable(command.user)
        if stored is ASK:
            return ASK
        row = row_now(parts, room, command.user, stored.row)
        assert row is not ASK  # it was fetched
        return stored._replace(row=row)

    async def fetch(self, parts: Parts, session: Session, room: Room, command: Invite, held: AsyncExitStack) -> Invitee:
        offers = require(parts, room, session, Action.INVITE) != "admin"
        if offers:
            take_invitation(parts, session.actor)
        if (command.user, session.user.id) in await ask(
            parts, parts.storage.safety.blocks([session.user.id, command.user])
        ):
            raise ParleyError("no_such_user", field="user")
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
    check_space(parts, room, "")
    members.save(parts, room, row, session, command.id)
    member_changed(parts, room, row, "invite", session.user, command.id)
    if row.role != before.role:
        parts.directory.tell(
            row.user.id,
            RoomState(room=room.name, action="invite", info=room.info, role=row.role, by=session.user),
        )


def use_link(parts: Parts, session: Session, room: Room, member: Member | None, command: UseLink) -> None:
    """Make the user a member, as an invitation that they accept does. The answer has no ``by`` for one who is a member.

    Raises:
        ParleyError: ``no_such_room``, ``banned``, ``forbidden``.
    """
    user, now = session.user, parts.clock.now_us()
    row, by = member or Member(user), None
    if room.record.kind == "direct" or not room.stored:
        raise ParleyError("no_such_room", field="room")
    if row.role is None:
        check_standing = replace(row, role="member")
        check_entry(parts, room, check_standing, session.actor)
        check_space(parts, room, "")
        joined = replace(members.lifted(check_standing, now), user=user, joined_at=now)
        audit = audited(parts, session, "link", room, detail=f"{command.link} used")
        members.save(parts, room, joined, session, command.id, audit=audit)
        room.note_joined(user.id)
        member_changed(parts, room, joined, "invite", user)
        by = user
    role = row.role or "member"
    session.reply(RoomState(id=command.id, room=room.name, action="invite", info=room.info, role=role, by=by))


def decline(parts: Parts, session: Session, room: Room, _: None, command: Decline) -> None:
    """Refuse an invitation. The room is notified, so the inviter learns of it if they are there."""
    user = session.user
    row = room.members.get(user.id)
    if row is None or not invitations.is_open(parts, row):
        raise ParleyError("no_such_invitation", field="room")
    check_space(parts, room, "")
    gone = replace(row, invitation=None)
    members.save(parts, room, gone, session, command.id)
    member_changed(parts, room, gone, "decline", user)
