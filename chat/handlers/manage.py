"""``create_room``, ``update_room``, ``delete_room`` and ``direct``: permanent rooms."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import blake2b
from typing import Any

from msgspec.structs import replace

from chat.handlers.join import enter, peer_of, room_to_enter
from chat.handlers.resolve import ASK, Ask, Handler, Need
from chat.ports import Actor
from chat.rooms import invitations, members
from chat.rooms.access import check_provable, default_role, joined_room, require, standing_of
from chat.rooms.auditing import audited
from chat.rooms.pacing import admit_room, hashing_for, take_audited, take_direct
from chat.rooms.parts import Parts
from chat.rooms.room import Room, Session
from chat.rooms.storing import ask, check_space, ensure_stored, store
from model.commands import CreateRoom, DeleteRoom, Join, OpenDirect, RoomCommand, UpdateRoom
from model.errors import ParleyError
from model.events import Left, RoomState
from model.limits import TITLE_CHARS, TOPIC_CHARS
from model.permissions import Action
from model.principals import CLAIMED_ROLE
from model.room import Member, RoomRecord
from model.text import DIRECT_PREFIX, check_room_name, check_text, check_title, fold_name
from storage.ports.rooms import InsertRoom
from storage.ports.rooms import UpdateRoom as StoreRoom
from utils.clock import rfc3339


def check_new(parts: Parts, command: CreateRoom) -> CreateRoom:
    """Normalize the texts of a new room."""
    return replace(
        command,
        room=check_room_name(command.room, "room"),
        title=check_title(command.title, "title", TITLE_CHARS),
        topic=check_text(command.topic, "topic", TOPIC_CHARS),
    )


class NewRoom(Need[str | None]):
    """Need a name that stays free while the room is created, and the hash of the room's password, if any."""

    def find(
        self, parts: Parts, session: Session, room: Room, command: CreateRoom, stored: str | Ask | None
    ) -> str | Ask | None:
        if room.stored or room.presence.people:
            raise ParleyError("room_exists", field="room")
        check_space(parts, room, "")
        admit_room(parts, session.actor, take=False)
        return stored

    async def fetch(
        self, parts: Parts, session: Session, room: Room, command: CreateRoom, held: AsyncExitStack
    ) -> str | None:
        await held.enter_async_context(_taking_name(parts, room))
        return await _hash(parts, session.actor, command.password)


@asynccontextmanager
async def _taking_name(parts: Parts, room: Room) -> AsyncIterator[None]:
    """Make a room stay within this context; another room with a similar name waits.

    Raises:
        ParleyError: ``room_exists`` when another room with a similar name stays; ``unavailable``.
    """
    folded = fold_name(room.name)
    lock = parts.name_locks.setdefault(folded, asyncio.Lock())
    async with lock:
        for ending in tuple(parts.hub.ending.values()):
            if fold_name(ending.name) == folded:
                await ask(parts, ending.backlog.written())  # storage does not know yet that it was deleted
        other = parts.kept_names.get(folded)
        # Storage knows all about a room that is no longer loaded.
        taken = other is not None and other is not room and parts.hub.rooms.get(other.name) is other
        if taken or await ask(parts, parts.storage.rooms.kept_like(room.name)):
            raise ParleyError(
                "room_exists", "a room whose name differs only in case or width already exists", field="room"
            )
        yield
        if room.record.kind != "ephemeral":
            parts.kept_names[folded] = room


async def _hash(parts: Parts, actor: Actor, password: str | None) -> str | None:
    return await parts.passwords.hash(password, hashing_for(actor)) if password else None


def create_room(parts: Parts, session: Session, room: Room, hashed: str | None, command: CreateRoom) -> None:
    """Create a room and enter it as its owner. Of concurrent commands for one name, one succeeds."""
    admit_room(parts, session.actor)
    kind = "private" if command.private or hashed is not None else "public"
    record = replace(room.record, kind=kind, title=command.title, topic=command.topic, password=hashed)
    owner = Member(session.user, role="owner", joined_at=parts.clock.now_us())
    _make(parts, room, record, [owner], session, command.id)
    session.reply(RoomState(id=command.id, room=room.name, action="create_room", info=room.info, role="owner"))
    enter(parts, session, room, owner, Join(room=room.name))


def _make(parts: Parts, room: Room, record: RoomRecord, rows: list[Member], session: Session, id: str | None) -> None:
    """Create a room that storage does not know, with these rows. The ack is sent once all of it is stored."""
    room.record, room.stored = record, True
    parts.makers.made(room, session.actor)
    store(parts, room, InsertRoom(record), session, id, last=False)
    _save_all(parts, room, rows, session, id)


def _save_all(parts: Parts, room: Room, rows: list[Member], session: Session, id: str | None) -> None:
    for row in rows:
        members.save(parts, room, row, session, id, last=row is rows[-1])


def check_update(parts: Parts, command: UpdateRoom) -> UpdateRoom:
    """Normalize the new texts of a room, and refuse a password for a public one."""
    if command.password and command.private is False:
        raise ParleyError("bad_field", "password: a public room cannot have one", field="password")
    return replace(
        command,
        title=command.title and check_title(command.title, "title", TITLE_CHARS),
        topic=command.topic and check_text(command.topic, "topic", TOPIC_CHARS),
    )


def room_to_update(parts: Parts, session: Session, command: UpdateRoom) -> Room:
    """Need a room that the session is in, and the right to describe it or to change who may enter."""
    room = joined_room(parts, session, command.room, Action.DESCRIBE)
    if not (command.private is None and command.password is None and command.retention_days is None):
        require(parts, room, session, Action.SECURE)
    return room


class Update(Need[str | None]):
    """Need the hash of the new password, if there is one.

    If an ephemeral room gets an owner, its name must be free, and the rows of the users in it are needed.
    """

    def find(
        self, parts: Parts, session: Session, room: Room, command: UpdateRoom, stored: str | Ask | None
    ) -> str | Ask | None:
        needed = command.password or _takes_over(room, command)
        return stored if needed or stored is not ASK else None

    async def fetch(
        self, parts: Parts, session: Session, room: Room, command: UpdateRoom, held: AsyncExitStack
    ) -> str | None:
        hashed = await _hash(parts, session.actor, command.password)
        if _takes_over(room, command):
            await held.enter_async_context(_taking_name(parts, room))
            looked_up: set[str] = set()
            while unknown := room.presence.people.keys() - room.members.keys() - looked_up:
                for user_id in unknown:
                    await _fetch_row(parts, room, user_id, held)
                looked_up |= unknown
        return hashed


def _takes_over(room: Room, command: UpdateRoom) -> bool:
    """Whether the change gives an ephemeral room an owner."""
    return room.record.kind == "ephemeral" and (command.private is not None or bool(command.password))


async def _fetch_row(parts: Parts, room: Room, user_id: str, held: AsyncExitStack) -> None:
    """Cache the row of a user for as long as ``held`` is open."""
    held.enter_context(members.pinned(parts, room, user_id))
    row = await members.fetch(parts, room, user_id)
    if row is not None and user_id not in room.members:
        members.cache(parts, room, row)


def update_room(parts: Parts, session: Session, room: Room, hashed: str | None, command: UpdateRoom) -> None:
    """Change the title or topic of a room, or who may enter it or post there."""
    fields = ("title", "topic", "slow_mode", "retention_days", "guests")
    changes: dict[str, Any] = {field: new for field in fields if (new := getattr(command, field)) is not None}
    if command.private is not None:
        changes["kind"] = "private" if command.private else "public"
        if not command.private:
            changes["password"] = None  # anyone may enter
    if command.password is not None:
        changes["password"] = hashed
        if hashed is not None:
            changes["kind"] = "private"
    check_space(parts, room, "")
    what = [name for name in ("guests", "private", "password") if getattr(command, name) is not None]
    if what:
        take_audited(parts, session.actor)
    before = room.record
    ensure_stored(parts, room)
    room.record = replace(before, **changes)
    audit = audited(parts, session, "update_room", room, detail=", ".join(what)) if what else None
    store(parts, room, StoreRoom(room.record, audit), session, command.id)
    if room.record.kind == "private":
        parts.changes.hidden(room.record.room_id)
    if not room.record.slow_mode:
        room.last_spoke.clear()
    members.refresh_unrestricted(parts, room)
    if before.kind == "ephemeral" and room.record.kind != "ephemeral":
        _keep_those_who_are_here(parts, room)
    room.publish_news(RoomState(id=command.id, room=room.name, action="update_room", info=room.info, by=session.user))
    if (before.kind, before.guests) != (room.record.kind, room.record.guests):
        _remove_strangers(parts, room, session)


def _remove_strangers(parts: Parts, room: Room, session: Session) -> None:
    """Remove the users who may no longer be in a room; the session that has changed it stays."""
    for device in tuple(room.presence.sessions):
        if device is not session and standing_of(parts, room, device.actor.identity) == "stranger":
            guest = room.record.guests == "no" and device.actor.identity.guest
            text = "this room admits no guests any more" if guest else ""
            members.remove(room, device, Left(room=room.name, reason="kicked", by=session.user, text=text))
            room.presence.expel(device.user.id)
            room.forget(device.user.id)


def _keep_those_who_are_here(parts: Parts, room: Room) -> None:
    """Make members of the users who are in an ephemeral room that gets an owner."""
    for device in tuple(room.presence.sessions):
        identity = device.actor.identity
        row = room.members.get(device.user.id)
        claimed = identity.role == CLAIMED_ROLE and room.record.kind == "private"
        if not claimed and standing_of(parts, room, identity) != "admin" and (row is None or row.role is None):
            role = default_role(parts, identity)
            user = room.presence.people[device.user.id].user
            joined = replace(row or Member(user), role=role, joined_at=parts.clock.now_us())
            members.save(parts, room, joined)


def delete_room(parts: Parts, session: Session, room: Room, _: None, command: DeleteRoom) -> None:
    """Delete a room: its sessions are removed, and its name is free. Its messages are kept but no longer served; its
    title, topic and password are forgotten.
    """
    check_space(parts, room, "")
    take_audited(parts, session.actor)
    ensure_stored(parts, room)
    user = session.user
    deleted_at = rfc3339(parts.clock.now_us())
    room.record = replace(room.record, title="", topic="", password=None, deleted_at=deleted_at)
    audit = audited(parts, session, "delete_room", room)
    store(parts, room, StoreRoom(room.record, audit), session, command.id)
    members.refresh_unrestricted(parts, room)  # also for users who read the room without joining
    parts.makers.deleted(room, parts.clock.monotonic())
    parts.cursors.forget(room)
    parts.changes.deleted(room.record.room_id)
    invitations.tell_deleted(parts, room)
    room.audience.flush()
    devices = tuple(room.presence.sessions)
    for device in devices:  # first, so that no session receives the departures of all the others
        room.audience.discard(device)
    for device in devices:
        answer = command.id if device is session else None
        members.remove(room, device, Left(id=answer, room=room.name, reason="deleted", by=user))
    parts.hub.end(room)


async def open_direct(parts: Parts, session: Session, command: OpenDirect) -> None:
    """Enter the room that two users share. When it is created, the other user is notified.

    A user who is blocked by the other one finds no such user.
    """
    user = session.user
    if command.user == user.id:
        raise ParleyError("bad_field", "user must not be yourself", field="user")
    check_provable(command.user)
    if session.actor.identity.guest and not await _meet(parts, user.id, command.user):
        raise ParleyError("no_such_user", field="user")  # as for an id that does not exist
    blocking = await ask(parts, parts.storage.safety.blocks([user.id, command.user]))
    if (command.user, user.id) in blocking:
        raise ParleyError("no_such_user", field="user")
    blocks = (user.id, command.user) in blocking
    other = await members.find_person(parts, command.user)
    if session.ended:
        return
    name = direct_name(user.id, other.user.id)
    waits = _ENTER_DIRECT(parts, session, EnterDirect(id=command.id, room=name, other=other, blocks=blocks))
    if waits is not None:
        await waits


class EnterDirect(RoomCommand, frozen=True):
    """Enter the direct room with ``other``, of whom this is a row without a room, and whom the user may block."""

    other: Member
    blocks: bool = False


class _BothRows(Need[None]):
    def find(self, parts: Parts, session: Session, room: Room, command: EnterDirect, stored: Ask | None) -> Ask | None:
        known = not room.stored or room.members.keys() >= {session.user.id, command.other.user.id}
        return None if known else stored

    async def fetch(
        self, parts: Parts, session: Session, room: Room, command: EnterDirect, held: AsyncExitStack
    ) -> None:
        for user_id in (session.user.id, command.other.user.id):
            await _fetch_row(parts, room, user_id, held)


def _enter_direct(parts: Parts, session: Session, room: Room, _: None, command: EnterDirect) -> None:
    user, other, name = session.user, command.other, room.name
    # The other user has not used the room yet, so it ranks after rooms that they have used.
    rows = [Member(user, role="member", joined_at=parts.clock.now_us()), replace(other, role="member")]
    missing = [row for row in rows if row.user.id not in room.members]
    if missing:
        check_space(parts, room, "")
    if not room.stored:
        take_direct(parts, session.actor, other.user.id)
        admit_room(parts, session.actor)
        _make(parts, room, replace(room.record, kind="direct"), missing, session, command.id)
        if command.blocks:
            room.blocked = frozenset({other.user.id})
            members.refresh_unrestricted(parts, room)
    else:
        _save_all(parts, room, missing, session, command.id)  # a server stopped while it created the room
    peer = peer_of(room, user.id)
    session.reply(RoomState(id=command.id, room=name, action="direct", info=room.info, role="member", peer=peer))
    enter(parts, session, room, room.members.get(user.id), Join(room=name))
    if rows[1] in missing:
        news = RoomState(room=name, action="direct", info=room.info, role="member", peer=user)
        parts.directory.tell(other.user.id, news)


_ENTER_DIRECT = Handler(_enter_direct, room_to_enter, _BothRows())


async def _meet(parts: Parts, one: str, other: str) -> bool:
    """Whether two users are in a room together, or belong to one."""
    rooms = {room for device in parts.directory.devices(one) for room in device.rooms.values()}
    together = any(room in rooms for device in parts.directory.devices(other) for room in device.rooms.values())
    return together or await ask(parts, parts.storage.rooms.share_a_room(one, other))


def direct_name(one: str, other: str) -> str:
    """Return the name of the room that two users share. No client can create it by joining
    (`model.text.DIRECT_PREFIX`)."""
    pair = "\0".join(sorted((one, other)))
    return DIRECT_PREFIX + blake2b(pair.encode(), digest_size=20).hexdigest()
