"""Lists of rooms, and of the users in a room: for every dialect and for HTTP."""

from collections.abc import Callable, Collection
from heapq import nsmallest

from msgspec.structs import asdict, replace

from chat.delivery.paging import fitting
from chat.ports import Identity
from chat.rooms import invitations, members
from chat.rooms.access import RoomAccess, read_as, standing_for
from chat.rooms.changes import ConcurrentChanges
from chat.rooms.parts import Parts
from chat.rooms.reading import READERS, unread_in_tail
from chat.rooms.room import Room, info_of
from chat.rooms.storing import ask
from model.commands import ListMembers, ListRooms
from model.errors import ParleyError
from model.events import Members, RoomEntry, Rooms
from model.limits import UNREAD_LIMIT
from model.permissions import Action, Standing, may
from model.room import Member, RoomRecord, User
from model.text import fold_name
from storage.ports.messages import Unread

Inside = Callable[[], "Collection[Room]"]
OwnRoom = tuple[RoomRecord, Member]

# Roughly the time to make and send one entry of a list.
ROW_SECONDS = 5e-6
# Rooms of one user that a list or a search covers: those that the user used last, so that no other user can displace
# them.
MINE_LIMIT = 1000
_PUBLIC = frozenset({"ephemeral", "public"})


async def list_rooms(parts: Parts, identity: Identity | None, asked: ListRooms, inside: Inside) -> Rooms:
    """List the public rooms, or the user's own.

    ``inside`` returns the rooms that the session is in at the time of the call.

    Raises:
        ParleyError: ``unavailable``; ``unauthorized`` if an anonymous caller asks for its own rooms.
    """
    if not asked.mine:
        with parts.changes.during(None) as changes:
            return await _public(parts, identity, asked, changes)
    if identity is None:
        raise ParleyError("unauthorized", "a token is required to list your rooms: Authorization: Bearer <token>")
    with parts.changes.during(identity.user.id) as changes:
        return await _mine(parts, identity, asked, inside, changes)


async def _public(parts: Parts, identity: Identity | None, asked: ListRooms, changes: ConcurrentChanges) -> Rooms:
    after, contains, limit = asked.cursor or "", fold_name(asked.q or ""), asked.limit + 1
    found = {
        record.name: record
        for record in await ask(parts, parts.storage.rooms.listed_rooms(after=after, contains=contains, limit=limit))
    }
    last = max(found, default="") if len(found) == limit else None
    async with parts.pages.turn() as slices:
        for name, room in tuple(parts.hub.rooms.items()):
            # Rooms that storage does not list, because it has no message of theirs, or does not have them yet.
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
    described = [_entry(parts, record, counts) for record in page]
    page = page[: fitting(described, parts.page_bytes)]
    entries = [
        entry for entry, record in zip(described, page, strict=False) if _is_public(parts, identity, record, changes)
    ]
    return Rooms(id=asked.id, rooms=entries, cursor=page[-1].name if len(names) > len(page) else None)


def _is_public(parts: Parts, identity: Identity | None, record: RoomRecord, changes: ConcurrentChanges) -> bool:
    """Whether a room is still public, and admits the reader, if that is a guest or anonymous."""
    room = parts.hub.room_of(record)
    now = record if room is None else room.record
    if now.guests == "no" and (identity is None or identity.guest):
        return False
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
    own_entry = await _own_entries(parts, user, page)
    async with parts.pages.turn():
        parts.pages.spend(ROW_SECONDS * len(page))
    invited = await invitations.list_open(parts, user.id, changes)
    entries = [
        own_entry(record, member, standing_for(parts, record, member, identity))
        for record, member in page
        if own_room(parts, identity, record, member, inside, changes) is not None
    ]
    fit = fitting(entries, parts.page_bytes)
    more = fit < len(entries) or len(page) < len(mine)
    last = entries[fit - 1].room if fit < len(entries) else page[-1][0].name if page else None
    return Rooms(id=asked.id, rooms=entries[:fit], cursor=last if more else None, invitations=invited)


async def rooms_of(parts: Parts, identity: Identity, inside: Inside, changes: ConcurrentChanges) -> list[OwnRoom]:
    """Return the rooms that a user belongs to or is in, and may see, each with the user's row.

    ``changes`` are those of the user since before this call.

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
    """Return the current state of a room and a user's row; None if the user has lost access to the room.

    Storage may have returned an older state.
    """
    room = parts.hub.room_of(record)
    member = changes.rows.get(record.room_id, stored)
    if room is not None:
        record, member = room.record, room.members.get(identity.user.id, member)
    theirs = member.belongs or room in inside()
    if (
        record.room_id in changes.gone
        or not theirs
        or not may(standing_for(parts, record, member, identity), Action.SEE)
    ):
        return None
    return record, member


async def describe_room(parts: Parts, name: str, identity: Identity | None) -> RoomEntry | None:
    """Return the room of this name as an entry of a list; None if there is none that ``identity`` may see.

    Raises:
        ParleyError: ``unavailable``.
    """

    async def read(seen: RoomAccess) -> RoomEntry:
        record, standing, member = seen
        if identity is None:
            return _entry(parts, record, await _count_members(parts, [record]))
        member = member or Member(identity.user)
        own_entry = await _own_entries(parts, identity.user, [(record, member)])
        return own_entry(record, member, standing)

    return await read_as(parts, name, identity, read)


async def _own_entries(
    parts: Parts, user: User, rows: list[OwnRoom]
) -> Callable[[RoomRecord, Member, Standing], RoomEntry]:
    """Read about a user's rooms from storage, and return a function that makes the entry of each."""
    unread = await _unread(parts, user, rows)
    counts = await _count_members(parts, [record for record, _ in rows])
    directs = [record.room_id for record, _ in rows if record.kind == "direct"]
    peers = await ask(parts, parts.storage.rooms.peers(user.id, directs)) if directs else {}

    def own_entry(record: RoomRecord, member: Member, standing: Standing) -> RoomEntry:
        missed = unread.get(record.room_id, Unread(0, 0))
        return replace(
            _entry(parts, record, counts),
            role=standing,
            read=member.read_seq,
            unread=missed.messages,
            mentions=missed.mentions,
            peer=peers.get(record.room_id),
        )

    return own_entry


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


async def _unread(parts: Parts, user: User, mine: list[OwnRoom]) -> dict[int, Unread]:
    """Count unread messages in the user's rooms: in the tails where they reach back far enough, else in storage."""
    found: dict[int, Unread] = {}
    below: list[OwnRoom] = []
    async with parts.pages.turn() as slices:
        for record, member in mine:
            if slices.over():
                await slices.pause()
            if not member.belongs:
                continue
            room = parts.hub.rooms.get(record.name)
            if room is not None and member.read_seq >= room.tail.floor:
                found[record.room_id] = unread_in_tail(room, user, member.read_seq)
            if record.room_id not in found or found[record.room_id].mentions:
                below.append((record, member))  # only storage knows whose mentions do not count
    for record, _ in below:
        room = parts.hub.rooms.get(record.name)
        if room is not None and room.backlog.unconfirmed:
            await ask(parts, room.backlog.written())
    cursors = [(record.room_id, member.read_seq) for record, member in below]
    if cursors:
        found |= await ask(parts, parts.storage.messages.unread(user, cursors, limit=UNREAD_LIMIT))
    return found


async def find_members(parts: Parts, name: str, asked: ListMembers, identity: Identity | None) -> Members | None:
    """Return a page of the members of a room and the other users in it, or of the users who are banned or invited.

    Returns None if there is no such room, or ``identity`` may not see it.

    Raises:
        ParleyError: ``forbidden`` for lists that are for moderators; ``bad_field``; ``unavailable``.
    """
    action, wanted = which_members(asked)

    async def read(seen: RoomAccess) -> Members:
        record, after = seen.record, asked.cursor or ""
        room = parts.hub.rooms.get(record.name)
        if wanted is None:
            with parts.changes.during(record.room_id) as changes:
                rows, count, last = await _people(parts, room, record, after, asked.limit, changes)
        else:  # a loaded room has all of these rows
            special = parts.storage.rooms.special_members
            stored = await ask(parts, special(record.room_id)) if room is None else room.members.values()
            found = [row for row in stored if wanted(parts, row)]
            rows, count, last = {row.user.id: row for row in found if row.user.id > after}, len(found), None
        viewer_id = "" if identity is None else identity.user.id
        with_read = wanted is None and count <= READERS
        ids = nsmallest(asked.limit + 1, rows)
        page = [
            members.describe(parts, room, rows[user_id], seen.standing, viewer_id, with_read=with_read)
            for user_id in ids[: asked.limit]
        ]
        page = page[: fitting(page, parts.page_bytes)]
        cursor = page[-1].id if len(ids) > len(page) else last
        return Members(id=asked.id, room=record.name, members=page, count=count, cursor=cursor)

    return await read_as(parts, name, identity, read, action)


def which_members(asked: ListMembers) -> tuple[Action, Callable[[Parts, Member], bool] | None]:
    """Return the action that lists these users, and which rows they have; None for the members and users in the room.

    Raises:
        ParleyError: ``bad_field`` if two lists are requested at once.
    """
    if asked.banned and asked.invited:
        raise ParleyError("bad_field", "invited cannot be combined with banned", field="invited")
    if asked.banned:
        return Action.BAN, lambda parts, row: row.banned_until > parts.clock.now_us()
    return (Action.INVITE, invitations.is_open) if asked.invited else (Action.SEE, None)


async def _people(
    parts: Parts, room: Room | None, record: RoomRecord, after: str, limit: int, changes: ConcurrentChanges
) -> tuple[dict[str, Member], int, str | None]:
    """Return the rows of members and other users in a room, from above ``after``, and their total number.

    And the last user id that these rows cover; None if there are no more rows above it.
    """
    ephemeral = record.kind == "ephemeral"
    found: list[Member] = []
    count = 0
    if not ephemeral:
        if room is not None:
            await ask(parts, room.backlog.written())  # so that the rows and their count agree
        found = await ask(parts, parts.storage.rooms.members(record.room_id, after=after, limit=limit + 1))
        count = (await _count_members(parts, [record])).get(record.room_id, 0)
    async with parts.pages.turn():
        parts.pages.spend(ROW_SECONDS * (len(found) + (0 if room is None else len(room.presence.people))))
    here = {} if room is None else room.presence.people
    rows = {user_id: Member(person.user) for user_id, person in here.items()}
    rows |= {row.user.id: row for row in found} | changes.members | ({} if room is None else room.members)
    last = found[limit].user.id if len(found) > limit else None
    rows = {
        user_id: row
        for user_id, row in rows.items()
        if user_id > after and (last is None or user_id <= last) and (row.role is not None or user_id in here)
    }
    return rows, len(here) if ephemeral else count, last
