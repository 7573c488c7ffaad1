"""``create_room``, ``update_room``, ``delete_room`` and ``direct``: rooms that stay."""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import ExitStack
from hashlib import blake2b
from typing import Any

from msgspec.structs import replace

from chat.handlers.join import check_space, enter, peer_of
from chat.rooms import invitations, members
from chat.rooms.access import check_provable, default_role, joined_room, require, standing_of
from chat.rooms.loading import load
from chat.rooms.makers import opener_of
from chat.rooms.naming import taking_name
from chat.rooms.pacing import hashing_for
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from chat.rooms.space import admit_room
from chat.rooms.storing import admit, ask, ensure_stored, store
from model.commands import CreateRoom, DeleteRoom, Join, OpenDirect, UpdateRoom
from model.errors import ParleyError
from model.events import Left, RoomState
from model.limits import TITLE_CHARS, TOPIC_CHARS
from model.permissions import Action
from model.principals import CLAIMED_ROLE
from model.room import Member, RoomRecord
from model.text import DIRECT_PREFIX, check_room_name, check_text, check_title
from storage.ports.rooms import InsertRoom
from storage.ports.rooms import UpdateRoom as StoreRoom
from utils.clock import rfc3339


async def create_room(parts: Parts, session: Session, command: CreateRoom) -> None:
    """Make a room and enter it as its owner. Of several who ask for one name at the same time, one gets it."""
    name = check_room_name(command.room, "room")
    title = check_title(command.title, "title", TITLE_CHARS)
    topic = check_text(command.topic, "topic", TOPIC_CHARS)
    check_space(parts, session, name)
    room = await load(parts, name, opener_of(session))
    with members.pinned(parts, room):
        _check_new(parts, session, room, take=False)
        async with taking_name(parts, room):
            hashed = await parts.passwords.hash(command.password, hashing_for(session)) if command.password else None
            if session.ended:
                return
            _check_new(parts, session, room, take=True)
            kind = "private" if command.private or hashed is not None else "public"
            record = replace(room.record, kind=kind, title=title, topic=topic, password=hashed)
            owner = Member(session.user, role="owner", joined_at=parts.clock.now_us())
            _make(parts, room, record, [owner], session, command.id)
        session.reply(RoomState(id=command.id, room=name, action="create_room", info=room.info, role="owner"))
        enter(parts, session, room, owner, Join(room=name))


def _check_new(parts: Parts, session: Session, room: Room, *, take: bool) -> None:
    """Make sure that a room that stays may be made of this one; ``take`` counts it.

    Raises:
        ParleyError: ``room_exists``, ``too_many_rooms``, ``unavailable``, ``overloaded``, ``shutting_down``.
    """
    if room.stored or room.presence.people:
        raise ParleyError("room_exists", field="room")
    check_space(parts, session, room.name)
    admit(parts, room, "")
    admit_room(parts, session, take=take)


def _make(parts: Parts, room: Room, record: RoomRecord, rows: list[Member], session: Session, id: str | None) -> None:
    """The room, which storage does not know, is this one from now on. The ack comes when all of it is stored."""
    room.record, room.stored = record, True
    parts.makers.made(room, session)
    store(parts, room, InsertRoom(record), session, id, last=False)
    for row in rows:
        members.save(parts, room, row, session, id, last=row is rows[-1])


def update_room(parts: Parts, session: Session, command: UpdateRoom) -> Awaitable[None] | None:
    """Change what a room is called, what it is about, and who may enter or talk."""
    room = _room_to_update(parts, session, command)
    if command.password or _takes_over(room, command):
        return _update_later(parts, session, command)
    _update(parts, session, room, command, None)
    return None


def _takes_over(room: Room, command: UpdateRoom) -> bool:
    """Whether a room that was made by joining belongs to somebody from now on."""
    return room.record.kind == "ephemeral" and (command.private is not None or bool(command.password))


def _room_to_update(parts: Parts, session: Session, command: UpdateRoom) -> Room:
    if command.password and command.private is False:
        raise ParleyError("bad_field", "password: a public room cannot have one", field="password")
    room = joined_room(parts, session, command.room, Action.DESCRIBE)
    if not (command.private is None and command.password is None and command.retention_days is None):
        require(parts, room, session, Action.SECURE)
    return room


async def _update_later(parts: Parts, session: Session, command: UpdateRoom) -> None:
    hashed = await parts.passwords.hash(command.password, hashing_for(session)) if command.password else None
    if session.ended:
        return
    room = _room_to_update(parts, session, command)
    if not _takes_over(room, command):
        _update(parts, session, room, command, hashed)
        return
    async with taking_name(parts, room):
        await _keep_as_its_own(parts, session, room, command, hashed)


async def _keep_as_its_own(parts: Parts, session: Session, room: Room, command: UpdateRoom, hashed: str | None) -> None:
    """The room was made by joining; those who are in it become its members."""
    looked_up: set[str] = set()
    with ExitStack() as visits:  # what was looked up stays known
        while unknown := room.presence.people.keys() - room.members.keys() - looked_up:
            for user_id in unknown:
                visits.enter_context(members.pinned(parts, room, user_id))
                row = await members.fetch(parts, room, user_id)
                if row is not None and user_id not in room.members:
                    members.cache(parts, room, row)
            looked_up |= unknown
        if not session.ended:
            _update(parts, session, _room_to_update(parts, session, command), command, hashed)


def _update(parts: Parts, session: Session, room: Room, command: UpdateRoom, hashed: str | None) -> None:
    changes: dict[str, Any] = {}
    if command.title is not None:
        changes["title"] = check_title(command.title, "title", TITLE_CHARS)
    if command.topic is not None:
        changes["topic"] = check_text(command.topic, "topic", TOPIC_CHARS)
    if command.slow_mode is not None:
        changes["slow_mode"] = command.slow_mode
    if command.retention_days is not None:
        changes["retention_days"] = command.retention_days
    if command.private is not None:
        changes["kind"] = "private" if command.private else "public"
        if not command.private:
            changes["password"] = None  # everybody may enter
    if command.password is not None:
        changes["password"] = hashed
        if hashed is not None:
            changes["kind"] = "private"
    admit(parts, room, "")
    before = room.record
    ensure_stored(parts, room)
    room.record = replace(before, **changes)
    store(parts, room, StoreRoom(room.record), session, command.id)
    if room.record.kind == "private":
        parts.changes.hidden(room.record.room_id)
    if not room.record.slow_mode:
        room.last_spoke.clear()
    members.refresh_unrestricted(parts, room)
    if before.kind == "ephemeral" and room.record.kind != "ephemeral":
        _keep_those_who_are_here(parts, room)
    room.broadcast(RoomState(id=command.id, room=room.name, action="update_room", info=room.info, by=session.user))
    for device in tuple(room.presence.sessions):
        assert device.identity is not None
        if device.identity.role == CLAIMED_ROLE and room.record.kind == "private":
            members.remove(room, device, Left(room=room.name, reason="kicked", by=session.user))
            room.presence.expel(device.user.id)


def _keep_those_who_are_here(parts: Parts, room: Room) -> None:
    """The room was made by joining, and belongs to somebody now: those who are in it are its members."""
    for device in tuple(room.presence.sessions):
        identity = device.identity
        assert identity is not None
        row = room.members.get(device.user.id)
        claimed = identity.role == CLAIMED_ROLE and room.record.kind == "private"
        if not claimed and standing_of(parts, room, identity) != "admin" and (row is None or row.role is None):
            role = default_role(parts, identity)
            user, _ = room.presence.people[device.user.id]
            joined = replace(row or Member(user), role=role, joined_at=parts.clock.now_us())
            members.save(parts, room, joined)


def delete_room(parts: Parts, session: Session, room: Room, command: DeleteRoom) -> None:
    """Delete a room: its sessions are removed, its name is free; its messages are kept but no longer served."""
    admit(parts, room, "")
    ensure_stored(parts, room)
    user = session.user
    room.record = replace(room.record, deleted_at=rfc3339(parts.clock.now_us()))
    store(parts, room, StoreRoom(room.record), session, command.id)
    members.refresh_unrestricted(parts, room)  # also for who looks at it from outside
    parts.makers.deleted(room, parts.clock.monotonic())
    parts.cursors.forget(room)
    parts.changes.deleted(room.record.room_id)
    invitations.tell_deleted(parts, room)
    room.audience.flush()
    devices = tuple(room.presence.sessions)
    for device in devices:  # first, so that nobody is told how all the others go
        room.audience.discard(device)
    for device in devices:
        answer = command.id if device is session else None
        members.remove(room, device, Left(id=answer, room=room.name, reason="deleted", by=user))
    parts.hub.end(room)


async def open_direct(parts: Parts, session: Session, command: OpenDirect) -> None:
    """Enter the room that two people share; made when they first need it, and told to the other at once."""
    user = session.user
    if command.user == user.id:
        raise ParleyError("bad_field", "user must not be yourself", field="user")
    check_provable(command.user)
    assert session.identity is not None
    if session.identity.guest and not await _meet(parts, user.id, command.user):
        raise ParleyError("no_such_user", field="user")  # as for an id that nobody has
    other = await members.find_user(parts, command.user)
    name = direct_name(user.id, other.id)
    check_space(parts, session, name)
    room = await load(parts, name, opener_of(session))
    with members.pinned(parts, room):
        mine = await members.fetch(parts, room, user.id)
        theirs = await members.fetch(parts, room, other.id)
        if session.ended:
            return
        made = not room.stored
        if made:
            check_space(parts, session, name)
            admit(parts, room, "")
            admit_room(parts, session)
            # The other one has not used it yet, so it does not come before rooms of their own.
            rows = [Member(user, role="member", joined_at=parts.clock.now_us()), Member(other, role="member")]
            _make(parts, room, replace(room.record, kind="direct"), rows, session, command.id)
        else:
            for row in (mine, theirs):
                if row is not None and row.user.id not in room.members:
                    members.cache(parts, room, row)
        peer = peer_of(room, user.id)
        told = RoomState(id=command.id, room=name, action="direct", info=room.info, role="member", peer=peer)
        session.reply(told)
        enter(parts, session, room, room.members.get(user.id), Join(room=name))
        if made:
            parts.hub.tell(other.id, RoomState(room=name, action="direct", info=room.info, role="member", peer=user))


async def _meet(parts: Parts, one: str, other: str) -> bool:
    """Whether two principals are in one room now, or belong to one."""
    rooms = {room for device in parts.hub.devices(one) for room in device.rooms.values()}
    if any(room in rooms for device in parts.hub.devices(other) for room in device.rooms.values()):
        return True
    return await ask(parts, parts.storage.rooms.share_a_room(one, other))


def direct_name(one: str, other: str) -> str:
    """The name of the room that two principals share. Nobody can ask for it by name: see `model.text.DIRECT_PREFIX`."""
    pair = "\0".join(sorted((one, other)))
    return DIRECT_PREFIX + blake2b(pair.encode(), digest_size=20).hexdigest()
