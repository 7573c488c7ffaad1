"""The rows of a guest who is moved to an account, of an account that is erased, or of one with another name."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from functools import partial

from msgspec.structs import replace

from chat.rooms import members, sanctions
from chat.rooms.access import member_changed
from chat.rooms.merging import merge
from chat.rooms.parts import Parts
from chat.rooms.room import Room
from chat.rooms.storing import ask, check_space
from chat.work.reach import Reach
from model.account import RoomWork
from model.events import Left
from model.principals import APPLICATION
from model.room import Invitation, Member, RoomRecord, User

# Rows that are listed in one read.
ROWS = 100

# A change to one row, or to the rows of one room.
RowChange = Callable[[], Awaitable[None]]


class RowChanges:
    """The changes of rows for one piece of work."""

    def __init__(self, parts: Parts, reach: Reach, work: RoomWork) -> None:
        self._parts = parts
        self._reach = reach
        self._work = work
        self._erases = work.kind == "erase"

    async def all(self) -> list[RowChange]:
        """Return what moves, removes or renames each row; and of erased users their sanctions, which record addresses,
        and their names in invitations.
        """
        if self._work.kind == "rename":
            return [partial(self._rename, record) for record in await self._rooms_of(self._work.account_id)]
        changes: list[RowChange] = []
        for user_id in self._work.ids:
            changes += [partial(self._move_row, record, user_id) for record in await self._rooms_of(user_id)]
        if self._erases:
            changes += [partial(self._lift_sanctions, record) for record in await self._rooms_sanctioned()]
            changes += [partial(self._anonymize_invitations, record) for record in await self._rooms_invited_to()]
        return changes

    async def _rooms_of(self, user_id: str) -> Sequence[RoomRecord]:
        """Return the rooms in which a user has a row, stored or not."""
        parts, found = self._parts, dict[int, RoomRecord]()
        with parts.changes.during(user_id) as changes:
            after: int | None = -1
            while after is not None:
                page = await ask(parts, parts.storage.rooms.rows_of(user_id, after=after, limit=ROWS))
                found |= {record.room_id: record for record, _ in page}
                after = page[-1][0].room_id if len(page) == ROWS else None
            found |= {room_id: room.record for room_id, (room, _) in changes.unstored.items()}
        return [record for record in found.values() if record.deleted_at is None]

    async def _move_row(self, record: RoomRecord, user_id: str) -> None:
        parts, account_id = self._parts, self._work.account_id
        with ExitStack() as pins:
            room = await self._reach.loaded(record, pins)
            if room is None:
                return
            pins.enter_context(members.pinned(parts, room, user_id))
            pins.enter_context(members.pinned(parts, room, account_id))
            old = await members.fetch(parts, room, user_id)
            own = None if self._erases else await members.fetch(parts, room, account_id)
            user = User(account_id, self._work.name)
            known = Member(user) if self._erases else await members.with_account_role(parts, own or Member(user))
            await self._reach.turn(room)
            # As they are now: they may have changed during the reads.
            old, own = room.members.get(user_id, old), room.members.get(account_id, own)
            if old is None or old == Member(old.user):
                return
            check_space(parts, room, "")
            parts.cursors.discard(room, user_id)
            members.note_removed(parts, room, user_id)
            if not self._erases:
                sanctions.move(parts, room, user_id, account_id)
                self._merge(room, own, replace(old, account_role=known.account_role))
            gone = Member(User(user_id, self._work.name) if self._erases else old.user)
            members.save(parts, room, gone)
            member_changed(parts, room, gone, "leave", gone.user)
            await self._reach.stored(room)
            if room.record.kind == "direct" and room.members.get(user_id) == gone:
                del room.members[user_id]  # `Room.forget` keeps both rows of a direct room

    async def _rename(self, record: RoomRecord) -> None:
        """Give the account's row in a room its new name, and its sessions that are about to be closed, too.

        Else the row would get the former name again when they leave the room.
        """
        parts, user = self._parts, User(self._work.account_id, self._work.name)
        with ExitStack() as pins:
            room = await self._reach.loaded(record, pins)
            if room is None:
                return
            pins.enter_context(members.pinned(parts, room, user.id))
            row = await members.fetch(parts, room, user.id)
            await self._reach.turn(room)
            if user.id.startswith(APPLICATION) and user.id in parts.directory.people:
                return  # whose token has the name
            for session in parts.directory.devices(user.id):
                if session.rooms.get(room.name) is room and session.user != user:
                    room.rebind(session, user)
            row = room.members.get(user.id, row)
            if row is not None and row.user != user and row != Member(row.user):
                check_space(parts, room, "")
                members.save(parts, room, replace(row, user=user))
                await self._reach.stored(room)

    def _merge(self, room: Room, own: Member | None, old: Member) -> None:
        """Give the account the row of its guest."""
        parts, now_us = self._parts, self._parts.clock.now_us()
        user = User(self._work.account_id, self._work.name)
        merged = merge(user, own, old, now_us)
        merged = replace(merged, account_role=old.account_role)
        members.save(parts, room, merged)
        if old.user.id in room.blocked:
            room.blocked |= {user.id}
            members.refresh_unrestricted(parts, room)
        member_changed(parts, room, merged, "set_role", user)
        if merged.banned_until > now_us:
            room.audience.flush()
            members.expel(parts, room, user.id, Left(room=room.name, reason="banned", by=user, text=merged.reason))
        room.forget(user.id)

    async def _rooms_sanctioned(self) -> Sequence[RoomRecord]:
        parts, ids = self._parts, self._work.ids
        loaded = [room for room in parts.hub.rooms.values() if sanctions.following(room, ids)]
        found = {room.record.room_id: room.record for room in loaded}
        found |= {record.room_id: record for record in await ask(parts, parts.storage.rooms.rooms_sanctioned_for(ids))}
        return [record for record in found.values() if record.deleted_at is None]

    async def _lift_sanctions(self, record: RoomRecord) -> None:
        """Lift those that follow the old ids: also what is stored without a row that is banned or muted."""
        parts = self._parts
        with ExitStack() as pins:
            room = await self._reach.loaded(record, pins)
            if room is None:
                return
            await self._reach.stored(room)
            stored = await ask(parts, parts.storage.rooms.sanctions(room.record.room_id))
            await self._reach.turn(room)
            check_space(parts, room, "")
            of_ids = [one for one in stored if one.guest_id in self._work.ids]
            sanctions.lift(parts, room, [*of_ids, *sanctions.following(room, self._work.ids)])
            members.refresh_unrestricted(parts, room)
            await self._reach.stored(room)

    async def _rooms_invited_to(self) -> Sequence[RoomRecord]:
        parts, ids = self._parts, self._work.ids
        found = {room.record.room_id: room.record for room in parts.hub.rooms.values() if _invited_by(room, ids)}
        found |= {record.room_id: record for record in await ask(parts, parts.storage.rooms.rooms_invited_to_by(ids))}
        return [record for record in found.values() if record.deleted_at is None]

    async def _anonymize_invitations(self, record: RoomRecord) -> None:
        with ExitStack() as pins:
            room = await self._reach.loaded(record, pins)
            if room is None:
                return
            await self._reach.turn(room)
            by = User(self._work.account_id, self._work.name)
            for member in _invited_by(room, self._work.ids):
                check_space(self._parts, room, "")
                assert member.invitation is not None
                members.save(self._parts, room, replace(member, invitation=Invitation(by, member.invitation.at)))
            await self._reach.stored(room)


def _invited_by(room: Room, ids: Sequence[str]) -> list[Member]:
    return [row for row in room.members.values() if row.invitation is not None and row.invitation.by.id in ids]
