"""The rows of a room's members: cached while needed, stored write-behind, and read when the users join."""

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from msgspec.structs import replace

from chat.rooms import invitations
from chat.rooms.parts import Parts
from chat.rooms.reading import broadcast_cursor
from chat.rooms.room import Room, Session, is_default
from chat.rooms.storing import ask, check_space, store
from model.audit import AuditEntry
from model.errors import REFUSED, TRY_AGAIN, ParleyError
from model.events import Left, MemberInfo
from model.permissions import RANK, Standing
from model.principals import ACCOUNT, APPLICATION, BOT, kind_of
from model.room import FOREVER, RANKING, STAFF, Member, User
from storage.ports.rooms import RemoveMember, SetMember
from storage.ports.storage import Write
from utils.clock import rfc3339

log = logging.getLogger(__name__)

_NO_END = "9999-12-31T23:59:59.999999Z"
# Messages of a room whose authors are known to its moderators.
AUTHORS_OF = 10_000
# How many rows with expired bans or mutes are stored at once.
LIFTED = 100


@contextmanager
def pinned(parts: Parts, room: Room, user_id: str = "") -> Iterator[None]:
    """Keep a room loaded within this context, even if it is empty, and the row of ``user_id``, if given."""
    room.pins[user_id] = room.pins.get(user_id, 0) + 1
    try:
        yield
    finally:
        room.pins[user_id] -= 1
        if not room.pins[user_id]:
            del room.pins[user_id]
            room.forget(user_id)
        parts.hub.free(room)


def cache(parts: Parts, room: Room, member: Member) -> None:
    """Cache a row that storage has."""
    room.members[member.user.id] = member
    room.looks = None
    if not is_default(member):
        refresh_unrestricted(parts, room)


def save(
    parts: Parts,
    room: Room,
    member: Member,
    author: Session | None = None,
    id: str | None = None,
    *,
    last: bool = True,
    audit: AuditEntry | None = None,
) -> None:
    """Cache and store a row, or remove it if it records nothing. ``id`` is the command's, for the ack.

    ``audit`` is stored in the same transaction.
    """
    user_id = member.user.id
    if member.role is not None and member.invitation is not None:
        member = replace(member, invitation=None)  # accepted
    invitations.tell(parts, room, member, author, id)
    before = room.members.get(user_id)
    if member.role in STAFF or (before is not None and before.role in STAFF):
        room.looks = None
    room_id = room.record.room_id
    write: Write = SetMember(room_id, member, audit)
    if is_default(member) and not member.belongs:
        member = Member(member.user)  # equal to what is read after the removal, if it stays cached until then
        write = RemoveMember(room_id, user_id, audit)
    parts.changes.row(room, member, write)
    room.members[user_id] = member
    store(parts, room, write, author, id, last=last)
    if not room.unrestricted or member.role == "readonly" or member.muted_until:
        refresh_unrestricted(parts, room)


def connected_role(parts: Parts, user_id: str) -> str | None:
    """Return the role of a user's account if it ranks in rooms, else ""; None if the user is not connected."""
    roles = [device.identity.role for device in parts.directory.devices(user_id) if device.identity is not None]
    return next((role for role in sorted(roles) if role in RANKING), "") if roles else None


async def with_account_role(parts: Parts, member: Member) -> Member:
    """Return a row with the current or last known role of the user's account if it ranks in rooms, else "".

    Of a user who is offline the newest row decides, in whatever room: so a row to be stored must have this role.

    Raises:
        ParleyError: ``unavailable``.
    """
    user_id = member.user.id
    role = connected_role(parts, user_id)
    if role is None and user_id.startswith((APPLICATION, ACCOUNT, BOT)):
        with parts.changes.during(user_id) as changes:
            role = await ask(parts, parts.storage.rooms.account_role(user_id))
            for _, queued in changes.unstored.values():  # newer than what is stored, the newest last
                role = queued.account_role
    return replace(member, account_role=role or "")


def as_known(parts: Parts, member: Member, user: User) -> Member:
    """Return a row with the user's current name and, while the user is connected, the role of their account."""
    role = connected_role(parts, user.id)
    role = member.account_role if role is None else role
    return (
        member if (member.user, member.account_role) == (user, role) else replace(member, user=user, account_role=role)
    )


def refresh(parts: Parts, room: Room, user: User) -> None:
    """Store the new name and account role of a user who is in a room, if they have a row there."""
    member = room.members.get(user.id)
    if member is not None and (known := as_known(parts, member, user)) is not member:
        with suppress(ParleyError):  # the queue is full: it is stored when the user leaves or joins again
            check_space(parts, room, "")
            save(parts, room, known)


def refresh_unrestricted(parts: Parts, room: Room) -> None:
    """Recompute whether all users in a room may post; call it after each change that affects this."""
    now_us = parts.clock.now_us()
    mutes = [member.muted_until for member in room.members.values() if member.muted_until > now_us]
    mutes += [one.muted_until for of in room.sanctions.values() for one in of.values() if one.muted_until > now_us]
    room.muted_until = min(mutes, default=FOREVER)
    room.unrestricted = (
        parts.options.guest_role != "readonly"
        and room.record.guests != "read"
        and not room.blocked
        and not room.record.slow_mode
        and room.record.deleted_at is None
        and not mutes
        and not any(member.role == "readonly" for member in room.members.values())
    )


def lifted(member: Member, now_us: int) -> Member:
    """Return a row without expired bans and mutes."""
    banned_until = member.banned_until if member.banned_until > now_us else 0
    muted_until = member.muted_until if member.muted_until > now_us else 0
    if (banned_until, muted_until) == (member.banned_until, member.muted_until):
        return member
    reason = member.reason if banned_until or muted_until else ""
    return replace(member, banned_until=banned_until, muted_until=muted_until, reason=reason)


def lift(parts: Parts, room: Room) -> None:
    """Remove expired bans and mutes from at most `LIFTED` of a room's rows, here and in storage.

    Also those of networks, which storage removes by itself (`chat.maintenance`).
    """
    now_us = parts.clock.now_us()
    room.forget_sanctions(now_us)
    over = [(member, after) for member in room.members.values() if (after := lifted(member, now_us)) is not member]
    room.unrestricted = True  # recomputed once, after all of them
    for member, after in over[:LIFTED]:
        with suppress(ParleyError):  # the queue is full: it is retried the next time
            check_space(parts, room, "")
            save(parts, room, after)
            room.forget(member.user.id)
    refresh_unrestricted(parts, room)


def leave(parts: Parts, room: Room, session: Session, *, grace: float = 0.0) -> None:
    """Remove a session from a room; its user counts as present for ``grace`` more seconds."""
    user = room.presence.people[room.presence.sessions[session].id].user  # with the current name
    room.exit(session, grace=grace)
    if log.isEnabledFor(logging.DEBUG):
        log.debug("the session has left the room", extra={**session.marks, "room": room.name})
    on_last_leave(parts, room, user)
    parts.hub.free(room)


def on_last_leave(parts: Parts, room: Room, user: User) -> None:
    """Store when a user was last seen, if this was their last session in a room and they have a row there."""
    member = room.members.get(user.id)
    if member is None or room.presence.has_sessions(user.id):
        return
    if is_default(member) and not member.belongs:
        return  # it is being removed
    raised = parts.cursors.discard(room, user.id)  # the queue has already admitted a raised cursor
    if raised:
        broadcast_cursor(parts, room, member)
    with suppress(ParleyError):  # the queue is full: only the time is lost
        if not raised:
            check_space(parts, room, "")
        seen = replace(as_known(parts, member, user), seen_at=parts.clock.now_us())
        room.members[user.id] = seen
        store(parts, room, SetMember(room.record.room_id, seen))
    room.forget(user.id)


async def fetch(parts: Parts, room: Room, user_id: str) -> Member | None:
    """Return the current row of a user.

    Raises:
        ParleyError: ``unavailable``.
    """
    if user_id in room.members or not room.stored:
        return room.members.get(user_id)
    with pinned(parts, room, user_id):
        found = await ask(parts, _read(parts, room, user_id))
        return room.members.get(user_id, found)


async def _read(parts: Parts, room: Room, user_id: str) -> Member | None:
    await room.backlog.written()  # it may be among them
    return await parts.storage.rooms.find_member(room.record.room_id, user_id)


async def fetch_together(parts: Parts, room: Room, user_ids: Collection[str]) -> list[Member]:
    """Return the current rows of those of these users who have one. See :func:`fetch`."""
    unknown = [user_id for user_id in user_ids if user_id not in room.members and room.stored]
    with ExitStack() as pins:
        for user_id in unknown:
            pins.enter_context(pinned(parts, room, user_id))
        found = {row.user.id: row for row in await ask(parts, _read_together(parts, room, unknown))} if unknown else {}
        rows = (room.members.get(user_id, found.get(user_id)) for user_id in user_ids)
        return [row for row in rows if row is not None]


async def _read_together(parts: Parts, room: Room, user_ids: Sequence[str]) -> list[Member]:
    await room.backlog.written()
    return await parts.storage.rooms.find_members(room.record.room_id, user_ids)


async def fetch_person(parts: Parts, room: Room, user_id: str, asker: User) -> Member:
    """Return the row of a user known to this server, or of ``asker``; an empty one if there is none. See :func:`fetch`.

    Known are also those who wrote one of the room's newest messages, over HTTP without having been here.

    It has the known role of the user's account. It must be :func:`pinned`.

    Raises:
        ParleyError: ``no_such_user``, ``unavailable``.
    """
    member = await fetch(parts, room, user_id)
    if member is None and user_id != asker.id:
        try:
            known = await find_person(parts, user_id)
        except ParleyError as error:
            if error.code != "no_such_user":
                raise
            known = await _find_author(parts, room, user_id)
        row = room.members.get(user_id)  # the user may have one by now
        return known if row is None else replace(row, account_role=known.account_role)
    return await with_account_role(parts, room.members.get(user_id) or member or Member(asker))


async def _find_author(parts: Parts, room: Room, user_id: str) -> Member:
    user = None
    if room.stored and user_id.isprintable():
        await room.backlog.written()  # it may have a message of theirs
        user = await ask(parts, parts.storage.messages.find_sender(room.record, user_id, limit=AUTHORS_OF))
    if user is None:
        raise ParleyError("no_such_user", field="user")
    return await with_account_role(parts, Member(user))


async def find_person(parts: Parts, user_id: str) -> Member:
    """Return an empty row of a user who is known, with the role of their account.

    Known are users who are connected or have a row in any room, those whom the application has added, and all accounts
    and bots of this server.

    Raises:
        ParleyError: ``no_such_user``, ``unavailable``.
    """
    user = parts.directory.people.get(user_id) or await ask(parts, parts.storage.rooms.find_user(user_id))
    if user is not None:
        return await with_account_role(parts, Member(user))
    if user_id.startswith(ACCOUNT) and user_id.isprintable():
        account = await ask(parts, parts.storage.accounts.find(user_id))
        if account is not None:
            return Member(account.user, account_role=account.role if account.role in RANKING else "")
    if user_id.startswith(APPLICATION) and user_id.isprintable():
        added = await ask(parts, parts.storage.users.find(user_id))
        if added is not None:
            return Member(User(user_id, added.name))
    if user_id.startswith(BOT):
        for key in await ask(parts, parts.storage.access.keys(parts.clock.now_us())):
            if key.bot_id == user_id:
                return Member(User(user_id, key.name))
    raise ParleyError("no_such_user", field="user")


def note_removed(parts: Parts, room: Room, user_id: str) -> None:
    """Note that a user was removed, or quit, if clients of other servers may still be about to return to the room."""
    if parts.edges is not None:
        room.note_removed(user_id)


def expel(parts: Parts, room: Room, user_id: str, event: Left) -> None:
    """Remove every session of a user from a room, and send them the reason."""
    note_removed(parts, room, user_id)
    for session in parts.directory.devices(user_id):
        if session.rooms.get(room.name) is room:
            remove(room, session, event)
    room.presence.expel(user_id)


def remove(room: Room, session: Session, event: Left) -> None:
    """Remove a session from a room, and send it the reason. One bound to this room by its address is disconnected."""
    room.exit(session)
    session.reply(event)
    if session.dialect.bound_to_address:
        session.close(TRY_AGAIN if event.reason == "closed" else REFUSED)


def describe(
    parts: Parts, room: Room | None, member: Member, standing: Standing, viewer_id: str = "", *, with_read: bool = False
) -> MemberInfo:
    """Describe a row for one user, or for all users, with this standing, without expired bans and mutes.

    The time when its user was last seen and their cursor are only for members of the room; the reason of a ban or mute
    only for moderators and the user of the row.
    """
    now_us = parts.clock.now_us()
    invitation = member.invitation if invitations.is_open(parts, member) else None
    row = lifted(member, now_us)
    inside = RANK[standing] >= RANK["readonly"]
    with_reason = RANK[standing] >= RANK["moderator"] or viewer_id == member.user.id
    return MemberInfo(
        id=row.user.id,
        name=row.user.name,
        kind=kind_of(row.user.id),
        role=row.role,
        online=room is not None and row.user.id in room.presence.people,
        seen_at=rfc3339(row.seen_at) if inside and row.seen_at else None,
        read=row.read_seq if inside and with_read else 0,
        muted_until=_time(row.muted_until) if row.muted_until else None,
        banned_until=_time(row.banned_until) if row.banned_until else None,
        reason=row.reason if with_reason and (row.banned_until or row.muted_until) else "",
        invited_at=rfc3339(invitation.at) if invitation is not None else None,
        invited_by=invitation.by if invitation is not None else None,
    )


def _time(us: int) -> str:
    return _NO_END if us >= FOREVER else rfc3339(us)
