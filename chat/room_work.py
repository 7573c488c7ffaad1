"""Work in all rooms for one account, in the background: a guest is moved to it, it is erased, or gets another name.

The work is stored in the transaction that decides it (`model.account.RoomWork`), whichever server does that, with a
notice for all of them. The server that has the rooms reads it then, carries it out room by room, and records how far it
has come: so another server continues after a crash, and repeats at most a few rooms. Each step may be repeated.

A room in which there is something to do is loaded, and changed as by its users: decided without an await, numbered,
queued, and stored by its worker.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack

from msgspec.structs import replace

from chat.chat import Chat
from chat.rooms import members, sanctions
from chat.rooms.access import member_changed
from chat.rooms.jobs import ChangeJob
from chat.rooms.loading import load
from chat.rooms.merging import merge
from chat.rooms.room import Room
from chat.rooms.storing import TENURE, ask, check_space, require_tenure
from model.account import Notice, RoomWork, WorkKind
from model.errors import SIGNED_OUT, ParleyError
from model.events import Adopted, Deleted, Left
from model.message import Message, tombstone
from model.room import Invitation, Member, RoomRecord, User
from storage.ports.errors import BatchRefused, StorageUnavailable
from storage.ports.messages import ChangeMessage, PinState
from storage.ports.storage import READER, Writer
from utils.clock import rfc3339
from utils.fairness import Party

log = logging.getLogger(__name__)

# After a failure; and how often a server without the rooms, for which there may be work, looks whether it has them.
RETRY_SECONDS = 5.0
WAIT_SECONDS = 0.5
# Before an account is erased: until then what its connections have sent is decided.
SETTLE_SECONDS = 5.0
# Rooms and messages that are examined in one read; messages that are changed at once, and the pause after them, so that
# others hardly notice.
ROOMS = 100
MESSAGES = 1000
BATCH = 100
BETWEEN_BATCHES = 0.05

_DOINGS: dict[WorkKind, str] = {"adopt": "a move", "erase": "the erasure", "rename": "the new name"}


class RoomWorker:
    """Carries out the work of this server's tenures, one after the other.

    Storage is asked for work at the start, after each notice of some, and again after a failure. A server that does not
    have the rooms keeps in mind that it has heard of work: it may have to finish what another server has begun.

    Args:
        writer: for the logs of deleted rooms, which are not loaded.
        catch_up: reads all notices: the old ids of work that was stored before can then do nothing more here.
    """

    def __init__(self, chat: Chat, writer: Writer, catch_up: Callable[[], Awaitable[None]]) -> None:
        self._chat = chat
        self._parts = chat.parts
        self._writer = writer
        self._catch_up = catch_up
        self._wanted = asyncio.Event()
        self._wanted.set()

    async def hear(self, notices: Sequence[Notice]) -> None:
        """Learn from new notices whether there is work; with none, some may have been missed."""
        if not notices or any(notice.kind == "work" for notice in notices):
            self._wanted.set()

    async def run(self) -> None:
        """Do all work, forever."""
        READER.set(Party("room work"))
        while True:
            await self._wanted.wait()
            if not self.has_rooms():
                await asyncio.sleep(WAIT_SECONDS)
                continue
            self._wanted.clear()
            try:
                await self.run_once()
                continue
            except (ParleyError, StorageUnavailable, BatchRefused) as error:
                log.warning("work for accounts in the rooms is interrupted, and will be continued: %s", error)
            except Exception:
                # An unforeseen error must not end it: what is stored would wait until a restart.
                log.exception("work for accounts in the rooms failed, and will be tried again")
            self._wanted.set()
            await asyncio.sleep(RETRY_SECONDS)

    def has_rooms(self) -> bool:
        """Whether this server has the rooms and can store what it changes in them."""
        away = self._parts.storage.problem() is not None or self._parts.storage.another_writes()
        return self._chat.elsewhere is None and not self._parts.draining and not away

    async def run_once(self) -> None:
        """Carry out all work that is stored, guests that are moved first: their users wait for it.

        Raises:
            ParleyError: ``unavailable``, ``overloaded``, ``too_many_rooms``, ``shutting_down``: try again later.
            StorageUnavailable, BatchRefused: as before.
        """
        TENURE.set(self._parts.hub.tenure)
        while stored := await ask(self._parts, self._parts.storage.accounts.room_work()):
            work = min(stored, key=lambda one: (one.kind == "erase", one.number))
            await ask(self._parts, self._catch_up())
            await _Work(self._chat, self._writer, work).run()
            log.info("%s of an account: all rooms are done", _DOINGS[work.kind])


class _Work:
    """One piece of work."""

    def __init__(self, chat: Chat, writer: Writer, work: RoomWork) -> None:
        self._chat = chat
        self._parts = chat.parts
        self._writer = writer
        self._work = work
        self._erases = work.kind == "erase"
        self._tenure = chat.parts.hub.tenure
        self._announced = 0  # the room that was told last

    async def run(self) -> None:
        parts, work = self._parts, self._work
        if work.kind == "rename":
            for record in await self._rooms_of(work.account_id):
                await self._rename(record)
            await ask(parts, parts.storage.accounts.advance(work.number, None))
            return
        self._close_sessions()
        if self._erases:
            await asyncio.sleep(SETTLE_SECONDS)
            more = True
            while more:
                more = await ask(parts, parts.storage.accounts.remove_traces(work, parts.clock.now_us(), ends=False))
                await asyncio.sleep(BETWEEN_BATCHES)
        await self._move_rows()
        accounts, after = parts.storage.accounts, work.room_id
        while rooms := await ask(parts, parts.storage.rooms.all_rooms(after=after, limit=ROOMS)):
            for record in rooms:
                await self._change_messages(record)
            after = rooms[-1].room_id
            await ask(parts, accounts.advance(work.number, after))
        await ask(parts, accounts.advance(work.number, None))

    def _close_sessions(self) -> None:
        """Close the sessions of the old ids, at whatever server: what they send from now on is not carried out."""
        for user_id in self._work.ids:
            for session in self._parts.directory.devices(user_id):
                session.close(SIGNED_OUT)

    # --- rows ------------------------------------------------------------------------------------------------------

    async def _move_rows(self) -> None:
        """Move or remove every row of the old ids, and remove the names of erased users from invitations."""
        for user_id in self._work.ids:
            for record in await self._rooms_of(user_id):
                await self._move_row(record, user_id)
        if self._erases:
            for record in await self._rooms_invited_to():
                await self._anonymize_invitations(record)

    async def _rooms_of(self, user_id: str) -> Sequence[RoomRecord]:
        """Return the rooms in which a user has a row, stored or not."""
        parts, found = self._parts, dict[int, RoomRecord]()
        with parts.changes.during(user_id) as changes:
            after: int | None = -1
            while after is not None:
                page = await ask(parts, parts.storage.rooms.rows_of(user_id, after=after, limit=ROOMS))
                found |= {record.room_id: record for record, _ in page}
                after = page[-1][0].room_id if len(page) == ROOMS else None
            found |= {room_id: room.record for room_id, (room, _) in changes.unstored.items()}
        return [record for record in found.values() if record.deleted_at is None]

    async def _move_row(self, record: RoomRecord, user_id: str) -> None:
        parts, account_id = self._parts, self._work.account_id
        with ExitStack() as pins:
            room = await self._loaded(record, pins)
            if room is None:
                return
            pins.enter_context(members.pinned(parts, room, user_id))
            pins.enter_context(members.pinned(parts, room, account_id))
            old = await members.fetch(parts, room, user_id)
            own = None if self._erases else await members.fetch(parts, room, account_id)
            user = User(account_id, self._work.name)
            known = Member(user) if self._erases else await members.with_account_role(parts, own or Member(user))
            await self._turn(room)
            # As they are now: they may have changed during the reads.
            old, own = room.members.get(user_id, old), room.members.get(account_id, own)
            if old is None or old == Member(old.user):
                return
            check_space(parts, room, "")
            parts.cursors.discard(room, user_id)
            members.note_removed(parts, room, user_id)
            if self._erases:
                for one in self._work.ids:  # they record addresses
                    sanctions.limit(parts, room, one, banned=0, muted=0)
            else:
                sanctions.move(parts, room, user_id, account_id)
                self._merge(room, own, replace(old, account_role=known.account_role))
            gone = Member(old.user)
            members.save(parts, room, gone)
            member_changed(parts, room, gone, "leave", old.user)
            await self._stored(room)
            if room.record.kind == "direct" and room.members.get(user_id) == gone:
                del room.members[user_id]  # `Room.forget` keeps both rows of a direct room

    async def _rename(self, record: RoomRecord) -> None:
        """Give the account's row in a room its new name, and its sessions that are about to be closed, too.

        Else the row would get the former name again when they leave the room.
        """
        parts, user = self._parts, User(self._work.account_id, self._work.name)
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

    async def _rooms_invited_to(self) -> Sequence[RoomRecord]:
        parts, ids = self._parts, self._work.ids
        found = {room.record.room_id: room.record for room in parts.hub.rooms.values() if _invited_by(room, ids)}
        found |= {record.room_id: record for record in await ask(parts, parts.storage.rooms.rooms_invited_to_by(ids))}
        return [record for record in found.values() if record.deleted_at is None]

    async def _anonymize_invitations(self, record: RoomRecord) -> None:
        with ExitStack() as pins:
            room = await self._loaded(record, pins)
            if room is None:
                return
            await self._turn(room)
            by = User(self._work.account_id, self._work.name)
            for member in _invited_by(room, self._work.ids):
                check_space(self._parts, room, "")
                assert member.invitation is not None
                members.save(self._parts, room, replace(member, invitation=Invitation(by, member.invitation.at)))
            await self._stored(room)

    # --- messages --------------------------------------------------------------------------------------------------

    async def _change_messages(self, record: RoomRecord) -> None:
        """Give every message of the old ids its new name, or remove its content, a batch at a time."""
        after: int | None = -1
        while after is not None:
            if (room := self._parts.hub.room_of(record)) is not None:
                await self._stored(room)
            found, following = await self._read(record, after)
            if all(map(self._is_done, found)) or await self._change_page(record, after):
                after = following

    async def _read(self, record: RoomRecord, after: int) -> tuple[list[Message], int | None]:
        reads = self._parts.storage.messages.by_senders(record, self._work.ids, after=after, limit=MESSAGES)
        return await ask(self._parts, reads)

    def _is_done(self, stored: Message) -> bool:
        named = stored.sender == self._work.name and (self._erases or stored.alias_of == self._work.account_id)
        return named and (not self._removes or (stored.deleted_at is not None and not stored.content))

    @property
    def _removes(self) -> bool:
        return self._erases and self._work.messages

    async def _change_page(self, record: RoomRecord, after: int) -> bool:
        """Change what one read has found, a batch at a time. Returns False if some of it must be read again."""
        with ExitStack() as pins:
            room = await self._loaded(record, pins)
            if room is None:
                return await self._change_deleted(record, after)
            await self._stored(room)
            head = room.head
            found, _ = await self._read(room.record, after)
            todo = [stored for stored in found if not self._is_done(stored)]
            for first in range(0, len(todo), BATCH):
                await self._turn(room)
                self._announce(room)
                if room.tail.forgotten > head:
                    return False  # a newer state may have been evicted already, see `chat.handlers.resolve.MessageAt`
                for stored in todo[first : first + BATCH]:
                    self._change(room, room.tail.state(stored.seq) or stored)
                await self._stored(room)
                await asyncio.sleep(BETWEEN_BATCHES)
            return True

    def _announce(self, room: Room) -> None:
        """Tell the clients in a room, once, whose the messages of a guest are, instead of each changed message."""
        if self._erases or self._announced == room.record.room_id:
            return
        self._announced = room.record.room_id
        for guest_id in self._work.ids:
            room.publish(Adopted(room.name, guest_id, User(self._work.account_id, self._work.name)))

    def _change(self, room: Room, state: Message) -> None:
        parts = self._parts
        size = check_space(parts, room, "")
        now = parts.clock.now_us()
        version = room.next_seq(now)
        write = self._write(room.record, state, version, now)
        after = replace(state, version=version, sender=self._work.name, alias_of=write.alias_of or state.alias_of)
        if write.deleted_at is not None:
            after = replace(tombstone(state, version, write.deleted_at), sender=self._work.name)
        parts.counters.changes_in += 1
        room.tail.change(after, room.backlog.unconfirmed)
        room.worker.submit(ChangeJob(parts.hub, room, write, size))
        if write.deleted_at is not None and state.deleted_at is None:
            room.publish(Deleted(room.name, state.seq, version, self._work.name, write.deleted_at))

    def _write(self, record: RoomRecord, state: Message, version: int, now: int) -> ChangeMessage:
        change = ChangeMessage(record.room_id, state.seq, version, sender=self._work.name)
        if not self._erases:
            return replace(change, alias_of=self._work.account_id)
        if not self._removes:
            return change
        # Deleted messages keep their content for moderators; this one does not.
        return replace(change, content="", deleted_at=state.deleted_at or rfc3339(now), reactions={}, pin=PinState())

    async def _change_deleted(self, record: RoomRecord, after: int) -> bool:
        """Do the same in the log of a deleted room, which is not loaded: no user reads or writes it."""
        parts = self._parts
        newest = await ask(parts, parts.storage.rooms.all_rooms(after=record.room_id - 1, limit=1))
        if not newest or newest[0].room_id != record.room_id or newest[0].deleted_at is None:
            return False
        found, _ = await self._read(record, after)
        head = await ask(parts, parts.storage.messages.head(record.room_id))
        now = parts.clock.now_us()
        changes = [state for state in found if not self._is_done(state)]
        writes = [self._write(record, state, max(now, head) + place, now) for place, state in enumerate(changes, 1)]
        await self._writer.write(writes)
        require_tenure(parts, self._tenure)
        return True

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
