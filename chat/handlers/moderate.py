"""``kick``, ``ban``, ``unban``, ``mute``, ``unmute`` and ``set_role``: what moderators do to users of a room.

The change is broadcast to the room at once and then stored. A moderator acts only on users of lower rank.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from chat.handlers.join import count_owners
from chat.handlers.resolve import ASK, Ask, Need
from chat.rooms import impostors, invitations, members, notices
from chat.rooms.access import check_provable, standing_of
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from chat.rooms.storing import admit
from model.commands import Ban, Kick, Mute, SetRole, Unban, Unmute
from model.errors import ParleyError
from model.events import Left
from model.limits import REASON_CHARS
from model.permissions import RANK, Standing, outranks, standing_in
from model.room import FOREVER, STAFF, Member
from model.text import check_text

AboutUser = Kick | Ban | Unban | Mute | Unmute | SetRole
WithReason = TypeVar("WithReason", Kick, Ban, Mute)


class Person(NamedTuple):
    """A user whom a moderator acts on: their row in the room, and the role of their account ("" if it has no rank)."""

    row: Member
    account_role: str


class PersonNamed(Need[Person]):
    """The user whom the command names, who must be known to this server."""

    def find(
        self, parts: Parts, session: Session, room: Room, command: AboutUser, stored: Person | Ask
    ) -> Person | Ask:
        row = room.members.get(command.user)
        account_role = members.connected_role(parts, command.user)
        if stored is not ASK:
            return Person(row or stored.row, stored.account_role if account_role is None else account_role)
        return ASK if row is None or account_role is None else Person(row, account_role)

    async def fetch(
        self, parts: Parts, session: Session, room: Room, command: AboutUser, held: AsyncExitStack
    ) -> Person:
        held.enter_context(members.pinned(parts, room, command.user))
        row = await members.fetch_person(parts, room, command.user, session.user)
        return Person(row, await members.account_role(parts, row))


def check_reason(parts: Parts, command: WithReason) -> WithReason:
    """Normalize the reason."""
    return replace(command, reason=check_text(command.reason, "reason", REASON_CHARS))


def kick(parts: Parts, session: Session, room: Room, person: Person, command: Kick) -> None:
    """Remove a user from the room, or withdraw their invitation. They may join again where anyone may."""
    row = person.row
    _check_rank(parts, session, room, person, removes=True)
    if row.role is None and row.user.id not in room.presence.people and not invitations.is_open(parts, row):
        raise ParleyError("no_such_user", field="user")
    _keep_an_owner(room, row)
    after = replace(row, role=None, joined_at=0, read_seq=0, invitation=None)
    _change(parts, session, room, after, command)
    _remove(parts, session, room, after, "kicked", command.reason)


def ban(parts: Parts, session: Session, room: Room, person: Person, command: Ban) -> None:
    """Remove a user from the room and keep them out."""
    row = person.row
    _check_rank(parts, session, room, person, removes=True)
    _keep_an_owner(room, row)
    until = _until(parts, command.seconds)
    after = replace(row, role=None, joined_at=0, read_seq=0, banned_until=until, reason=command.reason, invitation=None)
    _change(parts, session, room, after, command)
    _remove(parts, session, room, after, "banned", command.reason)


def unban(parts: Parts, session: Session, room: Room, person: Person, command: Unban) -> None:
    """Lift a ban."""
    row = person.row
    _check_rank(parts, session, room, person)
    _change(parts, session, room, replace(row, banned_until=0, reason=row.reason if row.muted_until else ""), command)


def mute(parts: Parts, session: Session, room: Room, person: Person, command: Mute) -> None:
    """Keep a user from posting."""
    _check_rank(parts, session, room, person)
    after = replace(person.row, muted_until=_until(parts, command.seconds), reason=command.reason)
    _change(parts, session, room, after, command)


def unmute(parts: Parts, session: Session, room: Room, person: Person, command: Unmute) -> None:
    """Lift a mute."""
    row = person.row
    _check_rank(parts, session, room, person)
    _change(parts, session, room, replace(row, muted_until=0, reason=row.reason if row.banned_until else ""), command)


def set_role(parts: Parts, session: Session, room: Room, person: Person, command: SetRole) -> None:
    """Give a member another role, at most the moderator's own."""
    row = person.row
    standing = _check_rank(parts, session, room, person)
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
    after = replace(row, role=command.role, joined_at=row.joined_at or parts.clock.now_us())
    _change(parts, session, room, after, command)
    if command.role in STAFF:
        impostors.remove(parts, room, after.user.name)


def _check_rank(parts: Parts, session: Session, room: Room, person: Person, *, removes: bool = False) -> Standing:
    """Make sure that the moderator outranks the user, and return the moderator's standing. Users outrank themselves."""
    assert session.identity is not None
    standing, row = standing_of(parts, room, session.identity), person.row
    if row.user.id == session.user.id:
        if removes:
            raise ParleyError("bad_field", "user must not be yourself", field="user")
        return standing
    now_us = parts.clock.now_us()
    theirs = standing_in(room.record, row, account_role=person.account_role, inside="member", now_us=now_us)
    if not outranks(standing, theirs):
        raise ParleyError("forbidden", "you cannot moderate someone with the same or a higher role", field="user")
    return standing


def _keep_an_owner(room: Room, row: Member) -> None:
    if row.role == "owner" and count_owners(room) == 1:
        raise ParleyError("last_owner")


def _until(parts: Parts, seconds: float | None) -> int:
    return FOREVER if seconds is None else parts.clock.now_us() + round(seconds * 1_000_000)


def _change(parts: Parts, session: Session, room: Room, after: Member, command: AboutUser) -> None:
    admit(parts, room, "")
    members.save(parts, room, after, session, command.id)
    action = str(type(command).__struct_config__.tag)
    notices.member_changed(parts, room, after, action, session.user, command.id)
    room.forget(after.user.id)


def _remove(parts: Parts, session: Session, room: Room, row: Member, reason: str, text: str) -> None:
    parts.cursors.discard(room, row.user.id)
    room.audience.flush()
    members.expel(parts, room, row.user.id, Left(room=room.name, reason=reason, by=session.user, text=text))
