"""``create_room``, ``update_room``, ``delete_room`` and ``direct``: rooms that stay."""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import ExitStack
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from chat.handlers.join import check_space, enter, peer_of
from chat.rooms import invitations, members
from chat.rooms.access import check_provable, default_role, joined_room, require, standing_of
from chat.rooms.context import asker_of
from chat.rooms.space import opener_of
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

if TYPE_CHECKING:
    from chat.rooms.context import Context
    from chat.rooms.room import Room, Session


async def create_room(chat: Context, session: Session, command: CreateRoom) -> None:
    """Make a room and enter it as its owner. Of several who ask for one name at the same time, one gets it."""
    name = check_room_name(command.room, "room")
    title = check_title(command.title, "title", TITLE_CHARS)
    topic = check_text(command.topic, "topic", TOPIC_CHARS)
    check_space(chat, session, name)
    room = await chat.load(name, opener_of(session))
    with members.visiting(chat, room):
        _check_new(chat, session, room, take=False)
        async with chat.names.taking(chat, room):
            hashed = await chat.passwords.hash(command.password, asker_of(session)) if command.password else None
            if session.ended:
                return
            _check_new(chat, session, room, take=True)
            kind = "private" if command.private or hashed is not None else "public"
            record = replace(room.record, kind=kind, title=title, topic=topic, password=hashed)
            owner = Member(session.user, role="owner", joined_at=chat.clock.now_us())
            _make(chat, room, record, [owner], session, command.id)
        session.reply(RoomState(id=command.id, room=name, action="create_room", info=room.info, role="owner"))
        enter(chat, session, room, owner, Join(room=name))


def _check_new(chat: Context, session: Session, room: Room, *, take: bool) -> None:
    """Make sure that a room that stays may be made of this one; ``take`` counts it.

    Raises:
        ParleyError: ``room_exists``, ``too_many_rooms``, ``unavailable``, ``overloaded``, ``shutting_down``.
    """
    if room.stored or room.presence.people:
        raise ParleyError("room_exists", field="room")
    check_space(chat, session, room.name)
    chat.admit(room, "")
    chat.admit_room(session, take=take)


def _make(chat: Context, room: Room, record: RoomRecord, rows: list[Member], session: Session, id: str | None) -> None:
    """The room, which storage does not know, is this one from now on. The ack comes when all of it is stored."""
    room.record, room.stored = record, True
    chat.makers.made(room, session)
    chat.store(room, InsertRoom(record), session, id, last=False)
    for row in rows:
        members.put(chat, room, row, session, id, last=row is rows[-1])


def update_room(chat: Context, session: Session, command: UpdateRoom) -> Awaitable[None] | None:
    """Change what a room is called, what it is about, and who may enter or talk."""
    room = _room_to_update(chat, session, command)
    if command.password or _takes_over(room, command):
        return _update_later(chat, session, command)
    _update(chat, session, room, command, None)
    return None


def _takes_over(room: Room, command: UpdateRoom) -> bool:
    """Whether a room that was made by joining belongs to somebody from now on."""
    return room.record.kind == "ephemeral" and (command.private is not None or bool(command.password))


def _room_to_update(chat: Context, session: Session, command: UpdateRoom) -> Room:
    if command.password and command.private is False:
        raise ParleyError("bad_field", "password: a public room cannot have one", field="password")
    room = joined_room(chat, session, command.room, Action.DESCRIBE)
    if not (command.private is None and command.password is None and command.retention_days is None):
        require(chat, room, session, Action.SECURE)
    return room


async def _update_later(chat: Context, session: Session, command: UpdateRoom) -> None:
    hashed = await chat.passwords.hash(command.password, asker_of(session)) if command.password else None
    if session.ended:
        return
    room = _room_to_update(chat, session, command)
    if not _takes_over(room, command):
        _update(chat, session, room, command, hashed)
        return
    async with chat.names.taking(chat, room):
        await _keep_as_its_own(chat, session, room, command, hashed)


async def _keep_as_its_own(
    chat: Context, session: Session, room: Room, command: UpdateRoom, hashed: str | None
) -> None:
    """The room was made by joining; those who are in it become its members."""
    looked_up: set[str] = set()
    with ExitStack() as visits:  # what was looked up stays known
        while unknown := room.presence.people.keys() - room.members.keys() - looked_up:
            for user_id in unknown:
                visits.enter_context(members.visiting(chat, room, user_id))
                row = await members.fetch(chat, room, user_id)
                if row is not None and user_id not in room.members:
                    members.keep(chat, room, row)
            looked_up |= unknown
        if not session.ended:
            _update(chat, session, _room_to_update(chat, session, command), command, hashed)


def _update(chat: Context, session: Session, room: Room, command: UpdateRoom, hashed: str | None) -> None:
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
    chat.admit(room, "")
    before = room.record
    chat.ensure_stored(room)
    room.record = replace(before, **changes)
    chat.store(room, StoreRoom(room.record), session, command.id)
    if room.record.kind == "private":
        chat.changes.hidden(room.record.room_id)
    if not room.record.slow_mode:
        room.spoke.clear()
    members.look_for_restrictions(chat, room)
    if before.kind == "ephemeral" and room.record.kind != "ephemeral":
        _keep_those_who_are_here(chat, room)
    room.broadcast(RoomState(id=command.id, room=room.name, action="update_room", info=room.info, by=session.user))
    for device in tuple(room.presence.sessions):
        assert device.identity is not None
        if device.identity.role == CLAIMED_ROLE and room.record.kind == "private":
            members.send_out(room, device, Left(room=room.name, reason="kicked", by=session.user))
            room.presence.expel(device.user.id)


def _keep_those_who_are_here(chat: Context, room: Room) -> None:
    """The room was made by joining, and belongs to somebody now: those who are in it are its members."""
    for device in tuple(room.presence.sessions):
        identity = device.identity
        assert identity is not None
        row = room.members.get(device.user.id)
        claimed = identity.role == CLAIMED_ROLE and room.record.kind == "private"
        if not claimed and standing_of(chat, room, identity) != "admin" and (row is None or row.role is None):
            role = default_role(chat, identity)
            user, _ = room.presence.people[device.user.id]
            joined = replace(row or Member(user), role=role, joined_at=chat.clock.now_us())
            members.put(chat, room, joined)


def delete_room(chat: Context, session: Session, command: DeleteRoom) -> None:
    """Delete a room: everybody is sent out and told, its name is free, its messages are kept and served to nobody."""
    room = joined_room(chat, session, command.room, Action.DELETE_ROOM)
    chat.admit(room, "")
    chat.ensure_stored(room)
    user = session.user
    room.record = replace(room.record, deleted_at=rfc3339(chat.clock.now_us()))
    chat.store(room, StoreRoom(room.record), session, command.id)
    members.look_for_restrictions(chat, room)  # also for who looks at it from outside
    chat.makers.deleted(room, chat.clock.monotonic())
    chat.reads.forget(room)
    chat.changes.deleted(room.record.room_id)
    invitations.tell_deleted(chat, room)
    room.audience.flush()
    devices = tuple(room.presence.sessions)
    for device in devices:  # first, so that nobody is told how all the others go
        room.audience.discard(device)
    for device in devices:
        answer = command.id if device is session else None
        members.send_out(room, device, Left(id=answer, room=room.name, reason="deleted", by=user))
    chat.hub.end(room)


async def open_direct(chat: Context, session: Session, command: OpenDirect) -> None:
    """Enter the room that two people share; made when they first need it, and told to the other at once."""
    user = session.user
    if command.user == user.id:
        raise ParleyError("bad_field", "user must not be yourself", field="user")
    check_provable(command.user)
    assert session.identity is not None
    if session.identity.guest and not await _meet(chat, user.id, command.user):
        raise ParleyError("no_such_user", field="user")  # as for an id that nobody has
    other = await members.find_user(chat, command.user)
    name = direct_name(user.id, other.id)
    check_space(chat, session, name)
    room = await chat.load(name, opener_of(session))
    with members.visiting(chat, room):
        mine = await members.fetch(chat, room, user.id)
        theirs = await members.fetch(chat, room, other.id)
        if session.ended:
            return
        made = not room.stored
        if made:
            check_space(chat, session, name)
            chat.admit(room, "")
            chat.admit_room(session)
            # The other one has not used it yet, so it does not come before rooms of their own.
            rows = [Member(user, role="member", joined_at=chat.clock.now_us()), Member(other, role="member")]
            _make(chat, room, replace(room.record, kind="direct"), rows, session, command.id)
        else:
            for row in (mine, theirs):
                if row is not None and row.user.id not in room.members:
                    members.keep(chat, room, row)
        peer = peer_of(room, user.id)
        told = RoomState(id=command.id, room=name, action="direct", info=room.info, role="member", peer=peer)
        session.reply(told)
        enter(chat, session, room, room.members.get(user.id), Join(room=name))
        if made:
            chat.tell(other.id, RoomState(room=name, action="direct", info=room.info, role="member", peer=user))


async def _meet(chat: Context, one: str, other: str) -> bool:
    """Whether two principals are in one room now, or belong to one."""
    rooms = {room for device in chat.hub.devices(one) for room in device.rooms.values()}
    if any(room in rooms for device in chat.hub.devices(other) for room in device.rooms.values()):
        return True
    return await chat.ask(chat.storage.rooms.share_a_room(one, other))


def direct_name(one: str, other: str) -> str:
    """The name of the room that two principals share. Nobody can ask for it by name: see `model.text.DIRECT_PREFIX`."""
    pair = "\0".join(sorted((one, other)))
    return DIRECT_PREFIX + blake2b(pair.encode(), digest_size=20).hexdigest()
