"""``join`` and ``leave``."""

from __future__ import annotations

from collections.abc import Awaitable

from msgspec.structs import replace

from chat.handlers.resolve import Handler, OwnRow, in_room
from chat.queries.resume import replay
from chat.rooms import impostors, invitations, members, notices
from chat.rooms.access import check_entry, default_role, is_row_known
from chat.rooms.loading import load
from chat.rooms.makers import opener_of
from chat.rooms.pacing import try_password
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from chat.rooms.storing import admit, ask, unavailable
from model.commands import Join, Leave
from model.errors import ParleyError
from model.events import Joined, Left
from model.permissions import RANK, Action, Standing
from model.room import FOREVER, Member, User
from model.text import check_name, may_be_made
from storage.ports.errors import Forgotten

# Rooms that people belong to: entering one makes a member.
_JOINABLE = frozenset({"public", "private"})


def join(parts: Parts, session: Session, command: Join) -> Awaitable[None] | None:
    """Enter a room and get a snapshot of it; with ``since``, what was missed before anything new."""
    name = check_name(command.room, "room")
    check_space(parts, session, name)
    room = parts.hub.rooms.get(name)
    assert session.identity is not None
    later = command.since is not None or command.password is not None
    if room is None or later or not is_row_known(parts, room, session.identity):
        return _join_later(parts, session, command, name)
    enter(parts, session, room, room.members.get(session.user.id), command)
    # Snapshots of many crowded rooms are sent as fast as they are read.
    return session.drained() if session.congested else None


def check_space(parts: Parts, session: Session, name: str) -> None:
    """Refuse to enter one more room, or one that somebody else writes in.

    Raises:
        ParleyError: ``too_many_rooms``, ``unavailable``.
    """
    if name not in session.rooms and len(session.rooms) >= parts.limits.max_rooms:
        raise ParleyError("too_many_rooms", "this connection is in too many rooms; leave one first")
    if parts.storage.another_writes():  # also into a room that still waits to be stored here
        raise unavailable()


async def _join_later(parts: Parts, session: Session, command: Join, name: str) -> None:
    identity = session.identity
    assert identity is not None
    while True:
        room = await load(parts, name, opener_of(session))
        with members.pinned(parts, room, session.user.id):
            if not room.stored and not room.presence.sessions and not (command.create and may_be_made(name)):
                if command.password is not None:
                    await try_password(parts, session, name, None, command.password)
                raise ParleyError("no_such_room", field="room")
            known = is_row_known(parts, room, identity)
            member = None if known else await members.fetch(parts, room, session.user.id)
            invited = await _knows_the_password(parts, session, room, member, command)
            recovered = await _can_recover(parts, room, command)
            syncing = recovered and command.since is not None
            if session.ended:
                return
            if parts.hub.rooms.get(name) is room and (not known or is_row_known(parts, room, identity)):
                member = room.members.get(session.user.id, member)
                enter(parts, session, room, member, command, invited=invited, recovered=recovered, syncing=syncing)
                break
    if not syncing:
        await session.drained()
    if syncing and command.since is not None:
        await replay(parts, session, room, command.since)


async def _knows_the_password(parts: Parts, session: Session, room: Room, member: Member | None, command: Join) -> bool:
    """Whether what they say is the password. Where nobody must learn that there is a room, it is compared anyway."""
    member = room.members.get(session.user.id, member)
    hidden = room.record.kind in ("private", "direct")
    if not hidden or command.password is None or (member is not None and member.role is not None):
        return False
    hashed = room.record.password
    return await try_password(parts, session, room.name, hashed, command.password) and room.record.password == hashed


async def _can_recover(parts: Parts, room: Room, command: Join) -> bool:
    """Whether everything since ``since`` can be brought, as of now."""
    since = command.since
    if since is None:
        return True
    while command.epoch == parts.hub.epoch_of(room) and since <= room.head:
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
        # While storage counted, the room may have taken back what the client has seen.
        if command.epoch == parts.hub.epoch_of(room):
            return missed <= limit
    return False


def enter(
    parts: Parts,
    session: Session,
    room: Room,
    member: Member | None,
    command: Join,
    *,
    invited: bool = False,
    recovered: bool = True,
    syncing: bool = False,
) -> None:
    """Let a session in and give it a snapshot, in one step. ``invited`` makes a member of somebody who was none.

    Raises:
        ParleyError: ``no_such_room``, ``banned``, ``reserved_name``, ``overloaded``, ``shutting_down``.
    """
    standing = _let_in(parts, session, room, member, invited=invited)
    if room.name not in session.rooms:
        if RANK[standing] >= RANK["moderator"]:
            impostors.remove(parts, room, session.user.name)
        room.enter(session, syncing=syncing)
    else:
        room.audience.flush()  # what was said before this snapshot comes before it
        if syncing:
            room.audience.discard(session)
            room.audience.add(session, syncing=True)
    if command.since is not None:
        parts.counters.resumes[recovered] += 1
    member = room.members.get(session.user.id)
    # Not `reply`: what the room has queued by now came after this snapshot.
    session.send(
        Joined(
            id=command.id,
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
    )


def peer_of(room: Room, user_id: str) -> User | None:
    """The other one of the two to whom a direct room belongs."""
    if room.record.kind != "direct":
        return None
    return next((member.user for member in room.members.values() if member.user.id != user_id), None)


def _let_in(parts: Parts, session: Session, room: Room, member: Member | None, *, invited: bool) -> Standing:
    assert session.identity is not None
    identity, user, record = session.identity, session.user, room.record
    row = member
    accepts = member is not None and invitations.is_open(parts, member)
    if member is not None and accepts:
        row = replace(member, role="member")
    elif invited and (row is None or (row.role is None and row.banned_until <= parts.clock.now_us())):
        row = replace(row or Member(user), role=default_role(parts, identity))
    standing = check_entry(parts, record, row, identity)
    if room.name not in session.rooms:
        impostors.refuse(parts, room, identity)
    joins = record.kind in _JOINABLE and standing != "admin" and (member is None or member.role is None)
    if accepts or joins:
        admit(parts, room, "")
        role = row.role if row is not None and row.role is not None else default_role(parts, identity)
        now_us = parts.clock.now_us()
        joined = replace(members.lifted(row or Member(user), now_us), user=user, role=role, joined_at=now_us)
        members.save(parts, room, joined)
    elif member is not None and (known := members.as_known(parts, member, user)) is not member:
        members.save(parts, room, known)  # by another name now, or with another account role
    elif member is not None and user.id not in room.members:
        members.cache(parts, room, member)
    return standing


def leave(parts: Parts, session: Session, room: Room, command: Leave) -> Awaitable[None] | None:
    """Leave a room with this session; with ``quit`` with every session of the user, and permanently."""
    if command.quit:
        return _QUIT(parts, session, command)
    members.leave(parts, room, session)
    session.reply(Left(id=command.id, room=room.name))
    return None


def _quit(parts: Parts, session: Session, room: Room, member: Member | None, command: Leave) -> None:
    if member is not None and member.role == "owner" and count_owners(room) == 1:
        raise ParleyError("last_owner")
    if room.record.kind == "direct":
        raise ParleyError("forbidden", "a direct room cannot be left permanently", field="room")
    user = session.user
    with members.pinned(parts, room):
        if member is not None:
            admit(parts, room, "")
            muted_until = FOREVER if member.role == "readonly" else member.muted_until  # what was taken stays taken
            gone = replace(member, role=None, joined_at=0, read_seq=0, muted_until=muted_until, invitation=None)
            members.save(parts, room, gone, session, command.id)
            notices.member_changed(parts, room, gone, "leave", user)
        parts.cursors.discard(room, user.id)
        room.audience.flush()
        for device in parts.hub.devices(user.id):
            if device is not session and device.rooms.get(room.name) is room:
                room.exit(device)
                device.reply(Left(room=room.name, reason="quit", by=user))
        room.exit(session)
        session.reply(Left(id=command.id, room=room.name))


_QUIT = Handler(_quit, in_room(Action.SEE), OwnRow())


def count_owners(room: Room) -> int:
    """How many owners a room has; their rows are always known."""
    return sum(member.role == "owner" for member in room.members.values())
