"""One piece of work in the rooms for an account: a guest is moved to it, it is erased, or gets another name.

Each step is bounded, and may be repeated. Storage records how far a piece has come: so another server continues after a
crash, and repeats at most the rows and one log.

A room in which there is something to do is loaded, and changed as by its users: decided without an await, numbered,
queued, and stored by its worker. Other rooms are not loaded.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import ExitStack
from functools import partial

from msgspec.structs import replace

from chat.chat import Chat
from chat.rooms import members, sanctions
from chat.rooms.access import member_changed
from chat.rooms.jobs import ChangeJob
from chat.rooms.loading import load
from chat.rooms.merging import merge
from chat.rooms.room import Room
from chat.rooms.storing import ask, check_space, require_tenure
from model.account import RoomWork, WorkKind
from model.errors import SIGNED_OUT, ParleyError
from model.events import Adopted, Deleted, Left
from model.message import Message, tombstone
from model.room import Invitation, Member, RoomRecord, User
from storage.ports.messages import ENDLESS, ChangeMessage, PinState
from storage.ports.storage import Writer
from utils.clock import rfc3339

# Before an account is erased: until then what its connections have sent is decided. And before what leads to it is
# removed for the last time: until then what others did with its messages is stored.
SETTLE_SECONDS = 5.0
# Rows that are listed in one read; messages that are examined in one read of a log, and of all of them; messages that
# are changed at once, and the pause after them, so that others hardly notice.
ROWS = 100
MESSAGES = 1000
WINDOW = 5000
BATCH = 100
BETWEEN_BATCHES = 0.05

_NAMES: dict[WorkKind, str] = {
    "adopt": "the move of a guest",
    "erase": "the erasure of an account",
    "rename": "the new name of an account",
}


class Piece:
    """One piece of work, and when it goes on.

    Attributes:
        name: what it is, in lines of the log.
        due: when its next step may be done, by the clock of the event loop.
        stepped: the number of its last step among those of all pieces.
        failures: how often it has failed since it last got further.
        urgent: a user waits for it.
    """

    def __init__(self, chat: Chat, writer: Writer, work: RoomWork) -> None:
        self._chat = chat
        self._parts = chat.parts
        self._writer = writer
        self.work = work
        self._erases = work.kind == "erase"
        self._tenure = chat.parts.hub.tenure
        self._done = work.room_id
        self._settled = False
        self._announced = 0  # the room that was told last
        self._steps: AsyncGenerator[float] | None = None
        self.name = _NAMES[work.kind]
        self.due = 0.0
        self.stepped = self.failures = 0
        self.urgent = not self._erases

    async def step(self) -> float | None:
        """Do the next step, after a failure again from the rows on. Returns the seconds to wait for the one after it;
        None if all is done.

        Raises:
            ParleyError: ``unavailable``, ``overloaded``, ``too_many_rooms``, ``shutting_down``: try again later.
            StorageUnavailable, BatchRefused: as before.
        """
        if self._steps is None:
            self._steps = self._all_steps()
        try:
            return await anext(self._steps, None)
        except BaseException:
            self._steps = None
            raise

    async def close(self) -> None:
        """Do no more steps."""
        if self._steps is not None:
            await self._steps.aclose()

    async def _all_steps(self) -> AsyncGenerator[float]:
        """Do all of it. Yields after each step the seconds to wait."""
        parts, work = self._parts, self.work
        if work.kind == "rename":
            for record in await self._rooms_of(work.account_id):
                await self._rename(record)
                yield 0.0
            await ask(parts, parts.storage.accounts.advance(work.number, None))
            return
        self._close_sessions()
        if self._erases and not self._settled:
            yield SETTLE_SECONDS
            self._settled = True
        if self._erases:
            while await self._remove_traces(ends=False):
                yield BETWEEN_BATCHES
        for change in await self._row_changes():
            await change()
            yield 0.0
        self.urgent = False
        for room in self._with_writes():  # their messages may be among them
            await self._stored(room)
            yield 0.0
        place: tuple[int, int] | None = (self._done, ENDLESS)
        while place is not None:
            reads = parts.storage.messages.rooms_of_senders(work.ids, after=place, limit=WINDOW)
            found, place = await ask(parts, reads)
            for room_id, seq in found:
                after: int | None = seq - 1
                while after is not None:
                    after = await self._change_some(room_id, after)
                    yield 0.0
            if place is not None:
                if found:
                    place = max(place, (found[-1][0], ENDLESS))
                await self._advance(place)
                yield 0.0
        if not self._erases:
            await ask(parts, parts.storage.accounts.advance(work.number, None))
            return
        yield SETTLE_SECONDS
        for change in await self._row_changes():  # a moderator may have made some
            await change()
            yield 0.0
        for room in self._with_writes():
            await self._stored(room)
            yield 0.0
        while await self._remove_traces(ends=True):
            yield BETWEEN_BATCHES

    def _close_sessions(self) -> None:
        """Close the sessions of the old ids, at whatever server: what they send from now on is not carried out."""
        for user_id in self.work.ids:
            for session in self._parts.directory.devices(user_id):
                session.close(SIGNED_OUT)

    async def _remove_traces(self, *, ends: bool) -> bool:
        accounts, now = self._parts.storage.accounts, self._parts.clock.now_us()
        return await ask(self._parts, accounts.remove_traces(self.work, now, ends=ends))

    async def _advance(self, place: tuple[int, int]) -> None:
        """Record that all messages up to a (room_id, seq) are done."""
        room_id = place[0] if place[1] == ENDLESS else place[0] - 1
        if room_id > self._done:
            await ask(self._parts, self._parts.storage.accounts.advance(self.work.number, room_id))
            self._done, self.failures = room_id, 0

    def _with_writes(self) -> list[Room]:
        """Return the rooms with writes that storage has not confirmed."""
        hub = self._parts.hub
        return [room for room in (*hub.rooms.values(), *hub.ending.values()) if room.backlog.unconfirmed]

    # --- rows ------------------------------------------------------------------------------------------------------

    async def _row_changes(self) -> list[Callable[[], Awaitable[None]]]:
        """Return what moves or removes each row of the old ids; and of erased users their sanctions, which record
        addresses, and their names in invitations.
        """
        changes: list[Callable[[], Awaitable[None]]] = []
        for user_id in self.work.ids:
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
        parts, account_id = self._parts, self.work.account_id
        with ExitStack() as pins:
            room = await self._loaded(record, pins)
            if room is None:
                return
            pins.enter_context(members.pinned(parts, room, user_id))
            pins.enter_context(members.pinned(parts, room, account_id))
            old = await members.fetch(parts, room, user_id)
            own = None if self._erases else await members.fetch(parts, room, account_id)
            user = User(account_id, self.work.name)
            known = Member(user) if self._erases else await members.with_account_role(parts, own or Member(user))
            await self._turn(room)
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
            gone = Member(User(user_id, self.work.name) if self._erases else old.user)
            members.save(parts, room, gone)
            member_changed(parts, room, gone, "leave", gone.user)
            await self._stored(room)
            if room.record.kind == "direct" and room.members.get(user_id) == gone:
                del room.members[user_id]  # `Room.forget` keeps both rows of a direct room

    async def _rename(self, record: RoomRecord) -> None:
        """Give the account's row in a room its new name, and its sessions that are about to be closed, too.

        Else the row would get the former name again when they leave the room.
        """
        parts, user = self._parts, User(self.work.account_id, self.work.name)
        with ExitStack() as pins:
            room = await self._loaded(record, pins)
            if room is None:
                return
            pins.enter_context(members.pinned(parts, room, user.id))
            row = await members.fetch(parts, room, user.id)
            await self._turn(room)
            for session in parts.directory.devices(user.id):
                if session.rooms.get(room.name) is room and session.user != user:
                    room.rebind(session, user)
            row = room.members.get(user.id, row)
            if row is not None and row.user != user and row != Member(row.user):
                check_space(parts, room, "")
                members.save(parts, room, replace(row, user=user))
                await self._stored(room)

    def _merge(self, room: Room, own: Member | None, old: Member) -> None:
        """Give the account the row of its guest."""
        parts, now_us = self._parts, self._parts.clock.now_us()
        user = User(self.work.account_id, self.work.name)
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
        parts, ids = self._parts, self.work.ids
        loaded = [room for room in parts.hub.rooms.values() if sanctions.following(room, ids)]
        found = {room.record.room_id: room.record for room in loaded}
        found |= {record.room_id: record for record in await ask(parts, parts.storage.rooms.rooms_sanctioned_for(ids))}
        return [record for record in found.values() if record.deleted_at is None]

    async def _lift_sanctions(self, record: RoomRecord) -> None:
        """Lift those that follow the old ids: also what is stored without a row that is banned or muted."""
        parts = self._parts
        with ExitStack() as pins:
            room = await self._loaded(record, pins)
            if room is None:
                return
            await self._stored(room)
            stored = await ask(parts, parts.storage.rooms.sanctions(room.record.room_id))
            await self._turn(room)
            check_space(parts, room, "")
            of_ids = [one for one in stored if one.guest_id in self.work.ids]
            sanctions.lift(parts, room, [*of_ids, *sanctions.following(room, self.work.ids)])
            members.refresh_unrestricted(parts, room)
            await self._stored(room)

    async def _rooms_invited_to(self) -> Sequence[RoomRecord]:
        parts, ids = self._parts, self.work.ids
        found = {room.record.room_id: room.record for room in parts.hub.rooms.values() if _invited_by(room, ids)}
        found |= {record.room_id: record for record in await ask(parts, parts.storage.rooms.rooms_invited_to_by(ids))}
        return [record for record in found.values() if record.deleted_at is None]

    async def _anonymize_invitations(self, record: RoomRecord) -> None:
        with ExitStack() as pins:
            room = await self._loaded(record, pins)
            if room is None:
                return
            await self._turn(room)
            by = User(self.work.account_id, self.work.name)
            for member in _invited_by(room, self.work.ids):
                check_space(self._parts, room, "")
                assert member.invitation is not None
                members.save(self._parts, room, replace(member, invitation=Invitation(by, member.invitation.at)))
            await self._stored(room)

    # --- messages --------------------------------------------------------------------------------------------------

    async def _change_some(self, room_id: int, after: int) -> int | None:
        """Give up to `BATCH` messages of the old ids above a seq their new name, or remove their content.

        Returns the seq to go on from; None at the end of the log.
        """
        record = await self._record(room_id)
        if record is None:
            return None
        if (room := self._parts.hub.room_of(record)) is not None:
            await self._stored(room)
        found, following = await self._read(record, after)
        if all(map(self._is_done, found)) or await self._change_batch(record, after):
            return following
        return after

    async def _record(self, room_id: int) -> RoomRecord | None:
        """Return the record of a room, also of a deleted one."""
        found = await ask(self._parts, self._parts.storage.rooms.all_rooms(after=room_id - 1, limit=1))
        return found[0] if found and found[0].room_id == room_id else None

    async def _read(self, record: RoomRecord, after: int) -> tuple[list[Message], int | None]:
        reads = self._parts.storage.messages.by_senders(record, self.work.ids, after=after, limit=MESSAGES)
        return await ask(self._parts, reads)

    def _is_done(self, stored: Message) -> bool:
        named = stored.sender == self.work.name and (self._erases or stored.alias_of == self.work.account_id)
        gone = stored.deleted_at is not None and not stored.content and stored.id is None
        return named and (gone or not self._removes)

    @property
    def _removes(self) -> bool:
        return self._erases and self.work.messages

    async def _change_batch(self, record: RoomRecord, after: int) -> bool:
        """Change some of what one read has found. Returns False if it must be read again."""
        with ExitStack() as pins:
            room = await self._loaded(record, pins)
            if room is None:
                return await self._change_deleted(record, after)
            await self._stored(room)
            head = room.head
            found, _ = await self._read(room.record, after)
            todo = [stored for stored in found if not self._is_done(stored)]
            await self._turn(room)
            if todo:
                self._announce(room)
            if room.tail.forgotten > head:
                return False  # a newer state may have been evicted already, see `chat.handlers.resolve.MessageAt`
            for stored in todo[:BATCH]:
                self._change(room, room.tail.state(stored.seq) or stored)
            await self._stored(room)
            await asyncio.sleep(BETWEEN_BATCHES)
            return len(todo) <= BATCH

    def _announce(self, room: Room) -> None:
        """Tell the clients in a room, once, whose the messages of a guest are, instead of each changed message."""
        if self._erases or self._announced == room.record.room_id:
            return
        self._announced = room.record.room_id
        for guest_id in self.work.ids:
            room.publish(Adopted(room.name, guest_id, User(self.work.account_id, self.work.name)))

    def _change(self, room: Room, state: Message) -> None:
        parts = self._parts
        size = check_space(parts, room, "")
        now = parts.clock.now_us()
        version = room.next_seq(now)
        write = self._write(room.record, state, version, now)
        after = replace(state, version=version, sender=self.work.name, alias_of=write.alias_of or state.alias_of)
        if write.deleted_at is not None:
            after = replace(tombstone(state, version, write.deleted_at), sender=self.work.name, id=None)
        parts.counters.changes_in += 1
        room.tail.change(after, room.backlog.unconfirmed)
        room.worker.submit(ChangeJob(parts.hub, room, write, size))
        if write.deleted_at is not None and state.deleted_at is None:
            room.publish(Deleted(room.name, state.seq, version, self.work.name, write.deleted_at))

    def _write(self, record: RoomRecord, state: Message, version: int, now: int) -> ChangeMessage:
        change = ChangeMessage(record.room_id, state.seq, version, sender=self.work.name)
        if not self._erases:
            return replace(change, alias_of=self.work.account_id)
        if not self._removes:
            return change
        # Deleted messages keep their content for moderators; this one does not.
        gone = replace(change, content="", reactions={}, pin=PinState(), forget_id=True)
        return replace(gone, deleted_at=state.deleted_at or rfc3339(now))

    async def _change_deleted(self, record: RoomRecord, after: int) -> bool:
        """Do the same in the log of a deleted room, which is not loaded: no user reads or writes it."""
        parts = self._parts
        newest = await self._record(record.room_id)
        if newest is None or newest.deleted_at is None:
            return False
        found, _ = await self._read(record, after)
        head = await ask(parts, parts.storage.messages.head(record.room_id))
        now = parts.clock.now_us()
        changes = [state for state in found if not self._is_done(state)]
        batch = enumerate(changes[:BATCH], 1)
        await self._writer.write([self._write(record, state, max(now, head) + place, now) for place, state in batch])
        require_tenure(parts, self._tenure)
        await asyncio.sleep(BETWEEN_BATCHES)
        return len(changes) <= BATCH

    # --- rooms -----------------------------------------------------------------------------------------------------

    async def _loaded(self, record: RoomRecord, pins: ExitStack) -> Room | None:
        """Return a room, loaded and pinned; None if it is deleted, or another one has its name now."""
        parts = self._parts
        if record.deleted_at is not None:
            return None
        room = await load(parts, record.name)
        pins.enter_context(members.pinned(parts, room))
        return room if room.record.room_id == record.room_id else None

    async def _turn(self, room: Room) -> None:
        """Wait until the rooms do not move to another server: what follows is decided without an await.

        Raises:
            ParleyError: ``unavailable`` if they have moved, or the room was deleted.
        """
        await self._chat.going.wait()
        require_tenure(self._parts, self._tenure)
        if self._parts.hub.rooms.get(room.name) is not room:
            raise ParleyError("unavailable", f"the room {room.name!r} was deleted")

    async def _stored(self, room: Room) -> None:
        """Wait until storage has answered every write of a room."""
        await ask(self._parts, room.backlog.written())


def _invited_by(room: Room, ids: Sequence[str]) -> list[Member]:
    return [row for row in room.members.values() if row.invitation is not None and row.invitation.by.id in ids]
