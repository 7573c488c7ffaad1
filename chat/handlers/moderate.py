"""``kick``, ``ban``, ``unban``, ``mute``, ``unmute`` and ``set_role``: what somebody else is in a room.

Decided in the room, told to it at once, and stored behind. Whoever does it stands above whom it is done to.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from chat.handlers.join import count_owners
from chat.rooms import impostors, invitations, members, notices
from chat.rooms.access import check_provable, joined_room, require, still_joined
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from chat.rooms.storing import admit
from model.commands import Ban, Kick, Mute, SetRole, Unban, Unmute
from model.errors import ParleyError
from model.events import Left
from model.limits import REASON_CHARS
from model.permissions import RANK, Action, Standing, outranks, standing_in
from model.room import FOREVER, STAFF, Member
from model.text import check_text

AboutSomebody = Kick | Ban | Unban | Mute | Unmute | SetRole
Decision = Callable[["Room", Standing, Member], Member]


def kick(parts: Parts, session: Session, command: Kick) -> Awaitable[None] | None:
    """Send somebody out, or withdraw their invitation. They may come back where everybody may, as who everybody is."""
    reason = check_text(command.reason, "reason", REASON_CHARS)

    def decide(room: Room, standing: Standing, row: Member) -> Member:
        if row.role is None and row.user.id not in room.presence.people and not invitations.is_open(parts, row):
            raise ParleyError("no_such_user", field="user")
        _keep_an_owner(room, row)
        return replace(row, role=None, joined_at=0, read_seq=0, invitation=None)

    return _about(parts, session, command, Action.KICK, decide, out="kicked", said=reason)


def ban(parts: Parts, session: Session, command: Ban) -> Awaitable[None] | None:
    """Send somebody out and keep them out."""
    reason = check_text(command.reason, "reason", REASON_CHARS)

    def decide(room: Room, standing: Standing, row: Member) -> Member:
        _keep_an_owner(room, row)
        until = _until(parts, command.seconds)
        return replace(row, role=None, joined_at=0, read_seq=0, banned_until=until, reason=reason, invitation=None)

    return _about(parts, session, command, Action.BAN, decide, out="banned", said=reason)


def unban(parts: Parts, session: Session, command: Unban) -> Awaitable[None] | None:
    """Lift a ban."""

    def decide(room: Room, standing: Standing, row: Member) -> Member:
        return replace(row, banned_until=0, reason="" if not row.muted_until else row.reason)

    return _about(parts, session, command, Action.BAN, decide)


def mute(parts: Parts, session: Session, command: Mute) -> Awaitable[None] | None:
    """Keep somebody from talking."""
    reason = check_text(command.reason, "reason", REASON_CHARS)

    def decide(room: Room, standing: Standing, row: Member) -> Member:
        return replace(row, muted_until=_until(parts, command.seconds), reason=reason)

    return _about(parts, session, command, Action.MUTE, decide)


def unmute(parts: Parts, session: Session, command: Unmute) -> Awaitable[None] | None:
    """Lift a mute."""

    def decide(room: Room, standing: Standing, row: Member) -> Member:
        return replace(row, muted_until=0, reason="" if not row.banned_until else row.reason)

    return _about(parts, session, command, Action.MUTE, decide)


def set_role(parts: Parts, session: Session, command: SetRole) -> Awaitable[None] | None:
    """Give a member another role, at most one's own."""

    def decide(room: Room, standing: Standing, row: Member) -> Member:
        if row.banned_until > parts.clock.now_us():
            raise ParleyError("banned", "this user is banned; lift the ban first", field="user")
        if RANK[command.role] > RANK[standing]:
            raise ParleyError("forbidden", field="role")
        if RANK[command.role] > RANK["member"]:
            check_provable(command.user)
        if row.role is None and row.user.id not in room.presence.people:
            raise ParleyError("no_such_user", field="user")
        if command.role != "owner":
            _keep_an_owner(room, row)
        return replace(row, role=command.role, joined_at=row.joined_at or parts.clock.now_us())

    return _about(parts, session, command, Action.SET_ROLE, decide)


def _about(
    parts: Parts,
    session: Session,
    command: AboutSomebody,
    action: Action,
    decide: Decision,
    *,
    out: str = "",
    said: str = "",
) -> Awaitable[None] | None:
    """Let ``decide`` say what becomes of somebody's row: at once, when it is known here. ``out`` sends them out."""

    def carry_out(room: Room, row: Member, account_role: str) -> None:
        standing = require(parts, room, session, action)
        _check_rank(parts, session, room, row, standing, account_role, out)
        admit(parts, room, "")
        after = decide(room, standing, row)
        members.save(parts, room, after, session, command.id)
        kind = str(type(command).__struct_config__.tag)
        notices.member_changed(parts, room, after, kind, session.user, command.id)
        if after.role in STAFF:
            impostors.remove(parts, room, after.user.name)
        if out:
            parts.cursors.discard(room, row.user.id)
            room.audience.flush()
            members.expel(parts, room, row.user.id, Left(room=room.name, reason=out, by=session.user, text=said))
        room.forget(after.user.id)

    room = joined_room(parts, session, command.room, action)
    row = room.members.get(command.user)
    role = members.connected_role(parts, command.user)
    if row is None or role is None:
        return _fetch_and(parts, session, command, action, carry_out)
    carry_out(room, row, role)
    return None


async def _fetch_and(
    parts: Parts,
    session: Session,
    command: AboutSomebody,
    action: Action,
    carry_out: Callable[[Room, Member, str], None],
) -> None:
    room = joined_room(parts, session, command.room, action)
    with members.pinned(parts, room, command.user):
        row = await members.fetch_person(parts, room, command.user, session.user)
        role = await members.account_role(parts, row)
        row = room.members.get(command.user, row)
    if not session.ended:
        still_joined(parts, session, room, action)  # whoever asked may be gone, or less than before
        connected = members.connected_role(parts, command.user)
        carry_out(room, row, role if connected is None else connected)


def _keep_an_owner(room: Room, row: Member) -> None:
    if row.role == "owner" and count_owners(room) == 1:
        raise ParleyError("last_owner")


def _check_rank(
    parts: Parts, session: Session, room: Room, row: Member, standing: Standing, account_role: str, out: str
) -> None:
    if row.user.id == session.user.id:
        if out:
            raise ParleyError("bad_field", "user must not be yourself", field="user")
        return
    theirs = standing_in(room.record, row, account_role=account_role, inside="member", now_us=parts.clock.now_us())
    if not outranks(standing, theirs):
        raise ParleyError("forbidden", "you cannot moderate someone with the same or a higher role", field="user")


def _until(parts: Parts, seconds: float | None) -> int:
    return FOREVER if seconds is None else parts.clock.now_us() + round(seconds * 1_000_000)
