"""Which rooms there are, and who is in one: for every dialect and for HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from functools import partial
from heapq import nsmallest

from msgspec.structs import asdict, replace

from chat.delivery.paging import fitting
from chat.ports import Identity
from chat.rooms import invitations, members
from chat.rooms.access import RoomAccess, default_role, read_as
from chat.rooms.changes import ConcurrentChanges
from chat.rooms.members import Viewer
from chat.rooms.parts import Parts
from chat.rooms.reading import READERS, unread_in_tail
from chat.rooms.room import Room, info_of
from chat.rooms.storing import ask
from model.commands import ListMembers, ListRooms
from model.errors import ParleyError
from model.events import Members, RoomEntry, Rooms
from model.limits import UNREAD_LIMIT
from model.permissions import Action, Standing, may, standing_in
from model.room import Member, RoomRecord, User
from model.text import fold_name
from storage.ports.messages import Unread

Inside = Callable[[], "Collection[Room]"]
OwnRoom = tuple[RoomRecord, Member]

# What a line of a list costs when it is made and sent, about.
ROW_SECONDS = 5e-6
# Rooms of one person that a list or a search looks at: those that they used last, so nobody else can push theirs out.
MINE_LIMIT = 1000
_NOTHING = Unread(0, 0)
_PUBLIC = frozenset({"ephemeral", "public"})


async def list_rooms(parts: Parts, identity: Identity | None, asked: ListRooms, inside: Inside) -> Rooms:
    """List the public rooms, or those of a user.

    ``inside`` returns the rooms that the session who asks is in, at the time of the call.

    Raises:
        ParleyError: ``unavailable``; ``unauthorized`` for an anonymous caller's own.
    """
    if not asked.mine:
        with parts.changes.during(None) as changes:
            return await _public(parts, asked, changes)
    if identity is None:
        raise ParleyError("unauthorized", "a token is required to list your rooms: Authorization: Bearer <token>")
    with parts.changes.during(identity.user.id) as changes:
        return await _mine(parts, identity, asked, inside, changes)


async def _public(parts: Parts, asked: ListRooms, changes: ConcurrentChanges) -> Rooms:
    after, contains, limit = asked.cursor or "", fold_name(asked.q or ""), asked.limit + 1
    found = {
        record.name: record
        for record in await ask(parts, parts.storage.rooms.listed_rooms(after=after, contains=contains, limit=limit))
    }
    last = max(found, default="") if len(found) == limit else None
    async with parts.pages.turn() as slices:
        for name, room in tuple(parts.hub.rooms.items()):
            # Those that storage does not list: it has none of their messages, or does not know them yet.
            if (
                room.record.kind in _PUBLIC
                and name > after
                and (last is None or name < last)
                and name not in found
                and room.presence.sessions
                and (not contains or contains in fold_name(f"{name}\n{room.record.title}"))
            ):
                found[name] = room.record
            if slices.over():
                await slices.pause()
        names = sorted(found)
        parts.pages.spend(ROW_SECONDS * len(names))
    page = [found[name] for name in names[: asked.limit]]
    counts = await _count_members(parts, page)
    told = [_entry(parts, record, counts) for record in page]
    page = page[: fitting(told, parts.page_bytes)]
    entries = [entry for entry, record in zip(told, page, strict=False) if _is_public(parts, record, changes)]
    return Rooms(id=asked.id, rooms=entries, cursor=page[-1].name if len(names) > len(page) else None)


def _is_public(parts: Parts, record: RoomRecord, changes: ConcurrentChanges) -> bool:
    room = parts.hub.room_of(record)
    now = record if room is None else room.record
    return now.kind in _PUBLIC and now.deleted_at is None and record.room_id not in changes.gone


async def _mine(
    parts: Parts, identity: Identity, asked: ListRooms, inside: Inside, changes: ConcurrentChanges
) -> Rooms:
    user, wanted, after = identity.user, fold_name(asked.q or ""), asked.cursor or ""
    mine = [
        (record, member)
        for record, member in await rooms_of(parts, identity, inside, changes)
        if record.name > after and (not wanted or wanted in fold_name(f"{record.name}\n{record.title}"))
    ]
    mine.sort(key=lambda row: row[0].name)
    page = mine[: asked.limit]
    unread = await _unread(parts, user, page)
    counts = await _count_members(parts, [record for record, _ in page])
    directs = [record.room_id for record, _ in page if record.kind == "direct"]
    peers = await ask(parts, parts.storage.rooms.peers(user.id, directs)) if directs else {}
    async with parts.pages.turn():
        parts.pages.spend(ROW_SECONDS * len(page))
    invited = await invitations.list_open(parts, user.id, changes)
    entries = []
    for record, member in page:
        if own_room(parts, identity, record, member, inside, changes) is not None:
            base, standing = _entry(parts, record, counts), _standing(parts, identity, record, member)
            missed = unread.get(record.room_id, _NOTHING)
            entries.append(_own(base, standing, member, missed, peers.get(record.room_id)))
    fit = fitting(entries, parts.page_bytes)
    more = fit < len(entries) or len(page) < len(mine)
    last = entries[fit - 1].room if fit < len(entries) else page[-1][0].name if page else None
    return Rooms(id=asked.id, rooms=entries[:fit], cursor=last if more else None, invitations=invited)


async def rooms_of(parts: Parts, identity: Identity, inside: Inside, changes: ConcurrentChanges) -> list[OwnRoom]:
    """Return the rooms that a user belongs to or is in, and may see, each with their row.

    ``changes`` are those of the user since before.

    Raises:
        ParleyError: ``unavailable``.
    """
    rows = {
        record.room_id: (record, member)
        for record, member in await ask(parts, parts.storage.rooms.rooms_of(identity.user.id, limit=MINE_LIMIT))
    }
    for room in inside():
        rows.setdefault(room.record.room_id, (room.record, Member(identity.user)))
    found: list[OwnRoom] = []
    async with parts.pages.turn() as slices:
        for record, stored in rows.values():
            row = own_room(parts, identity, record, stored, inside, changes)
            if row is not None:
                found.append(row)
            if slices.over():
                await slices.pause()
    return found


def own_room(
    parts: Parts, identity: Identity, record: RoomRecord, stored: Member, inside: Inside, changes: ConcurrentChanges
) -> OwnRoom | None:
    """Return a room and a user's row, as they are now; None when the user has lost the room.

    What storage said of both may be older than what was decided here.
    """
    room = parts.hub.room_of(record)
    member = changes.rows.get(record.room_id, stored)
    if room is not None:
        record, member = room.record, room.members.get(identity.user.id, member)
    theirs = member.belongs or room in inside()
    if record.room_id in changes.gone or not theirs or not may(_standing(parts, identity, record, member), Action.SEE):
        return None
    return record, member


def _standing(parts: Parts, identity: Identity, record: RoomRecord, member: Member) -> Standing:
    return standing_in(
        record,
        member,
        account_role=identity.role,
        inside=default_role(parts, identity),
        now_us=parts.clock.now_us(),
    )


async def describe_room(parts: Parts, name: str, identity: Identity | None) -> RoomEntry | None:
    """The room of this name, as its line in a list; None when there is none that ``identity`` may see.

    Raises:
        ParleyError: ``unavailable``.
    """
    return await read_as(parts, name, identity, partial(_describe, parts, identity))


async def _describe(parts: Parts, identity: Identity | None, seen: RoomAccess) -> RoomEntry:
    record, standing, member = seen
    entry = _entry(parts, record, await _count_members(parts, [record]))
    if identity is None:
        return entry
    member = member or Member(identity.user)
    unread = await _unread(parts, identity.user, [(record, member)])
    peers = (
        await ask(parts, parts.storage.rooms.peers(identity.user.id, [record.room_id]))
        if record.kind == "direct"
        else {}
    )
    return _own(entry, standing, member, unread.get(record.room_id, _NOTHING), peers.get(record.room_id))


def _own(entry: RoomEntry, standing: Standing, member: Member, missed: Unread, peer: User | None) -> RoomEntry:
    return replace(
        entry, role=standing, read=member.read_seq, unread=missed.messages, mentions=missed.mentions, peer=peer
    )


def _entry(parts: Parts, record: RoomRecord, counts: dict[int, int]) -> RoomEntry:
    room = parts.hub.rooms.get(record.name)
    online = len(room.presence.people) if room is not None else 0
    return RoomEntry(
        **asdict(info_of(record if room is None else room.record)),
        room=record.name,
        members=counts.get(record.room_id, online if record.kind == "ephemeral" else 0),
        online=online,
    )


async def _count_members(parts: Parts, records: list[RoomRecord]) -> dict[int, int]:
    ids = [record.room_id for record in records if record.kind != "ephemeral"]
    return await ask(parts, parts.storage.rooms.count_members(ids)) if ids else {}


async def _unread(parts: Parts, user: User, mine: list[tuple[RoomRecord, Member]]) -> dict[int, Unread]:
    """What is unread where somebody has a cursor or is a member: from the tails that reach back far enough."""
    found: dict[int, Unread] = {}
    below: list[tuple[RoomRecord, Member]] = []
    async with parts.pages.turn() as slices:
        for record, member in mine:
            if slices.over():
                await slices.pause()
            if member.role is None and not member.read_seq:
                continue
            room = parts.hub.rooms.get(record.name)
            if room is not None and member.read_seq >= room.tail.floor:
                found[record.room_id] = unread_in_tail(room, user, member.read_seq)
            else:
                below.append((record, member))
    for record, _ in below:
        room = parts.hub.rooms.get(record.name)
        if room is not None and room.backlog.unconfirmed:
            await ask(parts, room.backlog.written())
    cursors = [(record.room_id, member.read_seq) for record, member in below]
    if cursors:
        found |= await ask(parts, parts.storage.messages.unread(user, cursors, limit=UNREAD_LIMIT))
    return found


async def find_members(parts: Parts, name: str, asked: ListMembers, identity: Identity | None) -> Members | None:
    """A page of the people of a room, or of those who are banned or invited, as whoever asks may see them.

    None when there is no such room, or ``identity`` may not see it.

    Raises:
        ParleyError: ``forbidden`` for lists that are for moderators; ``bad_field``; ``unavailable``.
    """
    action, find = which_members(asked)

    async def read(seen: RoomAccess) -> Members:
        return await find(
            parts, seen.record, asked, Viewer("" if identity is None else identity.user.id, seen.standing)
        )

    return await read_as(parts, name, identity, read, action)


async def list_members(parts: Parts, record: RoomRecord, asked: ListMembers, viewer: Viewer) -> Members:
    """The people of a room whom somebody may see, by id: its members, and whoever else is in it.

    Raises:
        ParleyError: ``unavailable``.
    """
    room = parts.hub.rooms.get(record.name)
    after, ephemeral = asked.cursor or "", record.kind == "ephemeral"
    found: list[Member] = []
    count = 0
    if not ephemeral:
        found = await ask(parts, parts.storage.rooms.members(record.room_id, after=after, limit=asked.limit + 1))
        count = (await ask(parts, parts.storage.rooms.count_members([record.room_id]))).get(record.room_id, 0)
    async with parts.pages.turn():
        parts.pages.spend(ROW_SECONDS * (len(found) + (0 if room is None else len(room.presence.people))))
    rows = {row.user.id: row for row in found}
    if room is not None:
        here = room.presence.people
        rows |= {
            user_id: Member(person.user) for user_id, person in here.items() if user_id > after and user_id not in rows
        }
        rows |= {user_id: row for user_id, row in room.members.items() if user_id > after}
        rows = {user_id: row for user_id, row in rows.items() if row.role is not None or user_id in here}
        count = len(here) if ephemeral else count
    return _page_of(parts, room, record, asked, viewer, rows, count, with_read=count <= READERS)


Listing = Callable[[Parts, RoomRecord, ListMembers, Viewer], Awaitable[Members]]


def which_members(asked: ListMembers) -> tuple[Action, Listing]:
    """What one must be allowed to do to see these people, and the function that lists them.

    Raises:
        ParleyError: ``bad_field`` for two lists at once.
    """
    if asked.banned and asked.invited:
        raise ParleyError("bad_field", "invited cannot be combined with banned", field="invited")
    if asked.banned:
        return Action.BAN, partial(_list_standing, lambda parts, row: row.banned_until > parts.clock.now_us())
    if asked.invited:
        return Action.INVITE, partial(_list_standing, invitations.is_open)
    return Action.SEE, list_members


async def _list_standing(
    wanted: Callable[[Parts, Member], bool],
    parts: Parts,
    record: RoomRecord,
    asked: ListMembers,
    viewer: Viewer,
) -> Members:
    """Those who are kept out of a room now, or invited, by id.

    Raises:
        ParleyError: ``unavailable``.
    """
    room = parts.hub.rooms.get(record.name)
    # A room that is ready knows them all.
    rows = (
        await ask(parts, parts.storage.rooms.special_members(record.room_id)) if room is None else room.members.values()
    )
    found = {row.user.id: row for row in rows if wanted(parts, row)}
    after = {user_id: row for user_id, row in found.items() if user_id > (asked.cursor or "")}
    return _page_of(parts, room, record, asked, viewer, after, len(found), with_read=False)


def _page_of(
    parts: Parts,
    room: Room | None,
    record: RoomRecord,
    asked: ListMembers,
    viewer: Viewer,
    rows: dict[str, Member],
    count: int,
    *,
    with_read: bool,
) -> Members:
    ids = nsmallest(asked.limit + 1, rows)
    page = ids[: asked.limit]
    told = [members.describe(parts, room, rows[user_id], viewer, with_read=with_read) for user_id in page]
    told = told[: fitting(told, parts.page_bytes)]
    more = page[len(told) - 1] if len(ids) > len(told) else None
    return Members(id=asked.id, room=record.name, members=told, count=count, cursor=more)
