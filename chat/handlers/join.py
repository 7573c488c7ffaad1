"""``join`` and ``leave``."""

import logging
from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack
from typing import NamedTuple

from msgspec.structs import replace

from chat.handlers.resolve import ASK, Ask, Handler, Need, OwnRow, in_room
from chat.queries.resume import missed_little, replay
from chat.rooms import impostors, invitations, members
from chat.rooms.access import check_entry, default_role, is_row_known, member_changed
from chat.rooms.pacing import pay_for_snapshot, try_password
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from chat.rooms.storing import ask, check_space, require_tenure
from model.commands import Join, Leave, RoomCommand
from model.errors import ParleyError, unavailable
from model.events import Joined, Left, Synced
from model.message import Message
from model.permissions import RANK, Action, Standing
from model.room import FOREVER, Member, User
from model.text import may_be_made
from storage.ports.errors import Forgotten
from storage.ports.storage import READER

log = logging.getLogger(__name__)

# Rooms with members: a user who enters one becomes a member.
_JOINABLE = frozenset({"public", "private"})


def room_to_enter(parts: Parts, session: Session, command: RoomCommand) -> Room | None:
    """Return the room if it is loaded, else None. The session need not be in it, but its connection must have space.

    Raises:
        ParleyError: ``too_many_rooms``; ``unavailable`` while this server may not write, even for an unstored room.
    """
    if command.room not in session.rooms and len(session.rooms) >= parts.limits.max_rooms:
        raise ParleyError("too_many_rooms", "this connection is in too many rooms; leave one first")
    if parts.storage.another_writes():
        raise unavailable()
    return parts.hub.rooms.get(command.room)


class Entry(NamedTuple):
    """What a user needs to enter a room.

    Attributes:
        member: their row; `ASK` if it was not fetched, because the room had it before the read.
        password: the hash that their password matches.
        recovered: everything since ``since`` can be replayed.
        missed: all of that, if it is so little that it is sent with the snapshot, without a task.
    """

    member: Member | Ask | None = ASK
    password: str | None = None
    recovered: bool = True
    missed: Sequence[Message] | None = None


class EntryTo(Need[Entry]):
    """The row of the user who enters, whether they know the password, and whether they can resume."""

    def find(self, parts: Parts, session: Session, room: Room, command: Join, stored: Entry | Ask) -> Entry | Ask:
        known = is_row_known(parts, room, session.actor.identity)
        if stored is ASK:
            if not known or command.password is not None or not _exists(session, room, command):
                return ASK
            recovered = command.since is None or may_resume(parts, room, command)
            entry = Entry(room.members.get(session.user.id), None, recovered)
        else:
            entry = stored._replace(member=room.members.get(session.user.id, None if known else stored.member))
        if entry.member is ASK:
            return ASK
        if command.since is None or not entry.recovered:
            return entry
        missed = missed_little(parts, session, room, command.since)
        return ASK if missed is None and stored is ASK else entry._replace(missed=missed)

    async def fetch(self, parts: Parts, session: Session, room: Room, command: Join, held: AsyncExitStack) -> Entry:
        if not _exists(session, room, command):
            if command.password is not None:
                await try_password(parts, session.actor, room.name, None, command.password)
            raise ParleyError("no_such_room", field="room")
        known = is_row_known(parts, room, session.actor.identity)
        member = ASK if known else await members.fetch(parts, room, session.user.id)
        matched = await _match_password(parts, session, room, room.members.get(session.user.id, member), command)
        return Entry(member, matched, await can_recover(parts, room, command))


def _exists(session: Session, room: Room, command: Join) -> bool:
    """Whether the room exists, or entering it creates it. A key to read creates none.

    The refusal is that of a private room: a bot cannot find out which of them exist.
    """
    if room.stored or room.presence.sessions:
        return True
    return command.create and may_be_made(room.name) and session.actor.identity.scope != "read"


async def _match_password(
    parts: Parts, session: Session, room: Room, row: Member | Ask | None, command: Join
) -> str | None:
    """Return the hash that the password matches. A missing room is handled in `fetch`, and takes as long."""
    hidden = room.record.kind in ("private", "direct")
    belongs = isinstance(row, Member) and row.role is not None
    if not hidden or command.password is None or belongs:
        return None
    hashed = room.record.password
    return hashed if await try_password(parts, session.actor, room.name, hashed, command.password) else None


def may_resume(parts: Parts, room: Room, command: Join) -> bool:
    """Whether the client has what this room sent until ``since``."""
    return command.since is not None and command.epoch == parts.hub.epoch_of(room) and command.since <= room.head


async def can_recover(parts: Parts, room: Room, command: Join) -> bool:
    """Whether everything since ``since`` can be replayed, as of now."""
    since = command.since
    if since is None:
        return True
    while may_resume(parts, room, command):
        limit, floor = parts.limits.resume_limit, room.tail.floor
        missed = len(room.tail.since(since))
        if since >= floor:
            return missed <= limit
        try:
            missed += await ask(
                parts,
                parts.storage.messages.count_changed(room.record.room_id, after=since, until=floor, limit=limit + 1),
            )
        except Forgotten:
            return False
        # During the count, the room may have retracted what the client has seen.
        if command.epoch == parts.hub.epoch_of(room):
            return missed <= limit
    return False


class InTurn:
    """A row of the dispatch table that may have to wait, because of the snapshots that other clients are sent."""

    def __init__(self, row: Handler) -> None:
        self._row = row

    def __call__(self, parts: Parts, session: Session, command: Join) -> Awaitable[None] | None:
        remote = session.remote
        if parts.entries.is_free() and (remote is None or not remote.is_behind()):
            return self._row(parts, session, command)
        return self._wait(parts, session, command)

    async def _wait(self, parts: Parts, session: Session, command: Join) -> None:
        tenure = parts.hub.tenure
        async with parts.entries.turn(READER.get()):
            if session.ended:
                return
            require_tenure(parts, tenure)
            waits = self._row(parts, session, command)
        if waits is not None:
            await waits


def join(parts: Parts, session: Session, room: Room, entry: Entry, command: Join) -> Awaitable[None] | None:
    """Enter a room and receive a snapshot of it; with ``since``, missed messages are replayed before live events."""
    assert entry.member is not ASK
    knows_password = entry.password is not None and entry.password == room.record.password
    enter(
        parts,
        session,
        room,
        entry.member,
        command,
        knows_password=knows_password,
        recovered=entry.recovered,
        missed=entry.missed,
    )
    if entry.recovered and command.since is not None and entry.missed is None:
        return replay(parts, session, room, command.since)
    # Snapshots of crowded rooms are sent at the client's pace.
    return session.drained() if session.congested else None


def enter(
    parts: Parts,
    session: Session,
    room: Room,
    member: Member | None,
    command: Join,
    *,
    knows_password: bool = False,
    recovered: bool = True,
    missed: Sequence[Message] | None = None,
) -> None:
    """Add a session to a room and send it a snapshot and what it missed, in one write.

    With ``knows_password`` the user becomes a member of a private room.

    Raises:
        ParleyError: ``no_such_room``, ``banned``, ``reserved_name``, ``overloaded``, ``shutting_down``.
    """
    syncing = recovered and command.since is not None and missed is None
    standing = admit(parts, session, room, member, knows_password=knows_password)
    pay_for_snapshot(parts, session, room)
    if room.name not in session.rooms:
        if RANK[standing] >= RANK["moderator"]:
            impostors.remove(parts, room, session.user.name)
        room.enter(session, syncing=syncing)
    else:
        room.audience.flush()  # earlier messages are sent before this snapshot
        if syncing:
            room.audience.discard(session)
            room.audience.add(session, syncing=True)
    if command.since is not None:
        parts.counters.resumes[recovered] += 1
    if log.isEnabledFor(logging.DEBUG):
        how = "" if command.since is None else ", and resumes" if recovered else ", too late to resume"
        log.debug("the session is in the room%s", how, extra={**session.marks, "room": room.name})
    joined = snapshot(parts, session, room, standing, recovered=recovered, id=command.id)
    # `send`, not `reply`: `reply` would first flush frames that the room queued after `room.enter`; they must come
    # after this snapshot.
    if missed is None:
        session.send(joined)
    else:
        session.send(joined, *missed, Synced(room=room.name, head=room.head))


def snapshot(
    parts: Parts, session: Session, room: Room, standing: Standing, *, recovered: bool, id: str | None = None
) -> Joined:
    """Describe a room to a session that has entered it; ``id`` is that of its command."""
    member = room.members.get(session.user.id)
    return Joined(
        id=id,
        room=room.name,
        epoch=parts.hub.epoch_of(room),
        head=room.head,
        recovered=recovered,
        role=standing,
        members=room.presence.members(),
        count=len(room.presence.people),
        info=room.info,
        read=member.read_seq if member is not None else 0,
        peer=peer_of(room, session.user.id),
    )


def peer_of(room: Room, user_id: str) -> User | None:
    """Return the other user of a direct room."""
    if room.record.kind != "direct":
        return None
    return next((member.user for member in room.members.values() if member.user.id != user_id), None)


def admit(
    parts: Parts, session: Session, room: Room, member: Member | None, *, knows_password: bool = False
) -> Standing:
    """Return the standing of a user who enters a room, and make them a member if the room has members.

    Raises:
        ParleyError: see `enter`.
    """
    actor, user, record = session.actor, session.user, room.record
    identity, row = actor.identity, member
    accepts = member is not None and invitations.is_open(parts, member)
    if member is not None and accepts:
        row = replace(member, role="member")
    elif knows_password and (row is None or (row.role is None and row.banned_until <= parts.clock.now_us())):
        row = replace(row or Member(user), role=default_role(parts, identity))
    standing = check_entry(parts, room, row, actor)
    if room.name not in session.rooms:
        impostors.refuse(parts, room, identity)
    joins = record.kind in _JOINABLE and standing != "admin" and (member is None or member.role is None)
    if accepts or joins:
        check_space(parts, room, "")
        role = row.role if row is not None and row.role is not None else default_role(parts, identity)
        now_us = parts.clock.now_us()
        joined = replace(members.lifted(row or Member(user), now_us), user=user, role=role, joined_at=now_us)
        members.save(parts, room, joined)
        room.note_joined(user.id)
    elif member is not None and (known := members.as_known(parts, member, user)) is not member:
        members.save(parts, room, known)  # the name or the account role has changed
    elif member is not None and user.id not in room.members:
        members.cache(parts, room, member)
    return standing


def leave(parts: Parts, session: Session, room: Room, _: None, command: Leave) -> Awaitable[None] | None:
    """Leave a room with this session or, with ``quit``, permanently and with every session of the user."""
    if command.quit:
        return _QUIT(parts, session, command)
    members.leave(parts, room, session)
    session.reply(Left(id=command.id, room=room.name))
    return None


def _quit(parts: Parts, session: Session, room: Room, member: Member | None, command: Leave) -> None:
    keep_an_owner(room, member)
    if room.record.kind == "direct":
        raise ParleyError("forbidden", "a direct room cannot be left permanently", field="room")
    user = session.user
    with members.pinned(parts, room):
        if member is not None:
            check_space(parts, room, "")
            muted_until = FOREVER if member.role == "readonly" else member.muted_until  # joining again does not lift it
            gone = replace(member, role=None, joined_at=0, read_seq=0, muted_until=muted_until, invitation=None)
            members.save(parts, room, gone, session, command.id)
            member_changed(parts, room, gone, "leave", user)
        parts.cursors.discard(room, user.id)
        members.note_removed(parts, room, user.id)
        room.audience.flush()
        for device in parts.directory.devices(user.id):
            if device is not session and device.rooms.get(room.name) is room:
                room.exit(device)
                device.reply(Left(room=room.name, reason="quit", by=user))
        room.exit(session)
        session.reply(Left(id=command.id, room=room.name))


_QUIT = Handler(_quit, in_room(Action.SEE), OwnRow())


def keep_an_owner(room: Room, leaving: Member | None) -> None:
    """Ensure that a room keeps an owner; the rows of owners are always loaded.

    Raises:
        ParleyError: ``last_owner``.
    """
    if (
        leaving is not None
        and leaving.role == "owner"
        and [row.role for row in room.members.values()].count("owner") == 1
    ):
        raise ParleyError("last_owner")
