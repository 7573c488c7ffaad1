"""The messages of a guest who is moved to an account, or of an account that is erased."""

import asyncio
from contextlib import ExitStack

from msgspec.structs import replace

from chat.rooms.jobs import ChangeJob
from chat.rooms.parts import Parts
from chat.rooms.room import Room
from chat.rooms.storing import ask, check_space, require_tenure
from chat.work.reach import Reach
from model.account import RoomWork
from model.events import Adopted, Deleted
from model.message import Message, tombstone
from model.room import RoomRecord, User
from storage.ports.messages import ChangeMessage, PinState
from storage.ports.storage import Writer
from utils.clock import rfc3339

# Messages that are examined in one read of a log; messages that are changed at once, and the pause after that many, so
# that others hardly notice.
MESSAGES = 1000
BATCH = 100
BETWEEN_BATCHES = 0.05


class LogChanges:
    """The changes of messages for one piece of work.

    Args:
        writer: for the logs of deleted rooms, which are not loaded.
    """

    def __init__(self, parts: Parts, reach: Reach, writer: Writer, work: RoomWork) -> None:
        self._parts = parts
        self._reach = reach
        self._writer = writer
        self._work = work
        self._erases = work.kind == "erase"
        self._announced = 0  # the room that was told last

    async def change_some(self, room_id: int, after: int) -> int | None:
        """Give up to `BATCH` messages of the old ids above a seq their new name, or remove their content.

        Returns the seq to go on from; None at the end of the log.
        """
        record = await self._record(room_id)
        if record is None:
            return None
        if (room := self._parts.hub.room_of(record)) is not None:
            await self._reach.stored(room)
        found, following = await self._read(record, after)
        if all(map(self._is_done, found)) or await self._change_batch(record, after):
            return following
        return after

    async def _record(self, room_id: int) -> RoomRecord | None:
        """Return the record of a room, also of a deleted one."""
        found = await ask(self._parts, self._parts.storage.rooms.all_rooms(after=room_id - 1, limit=1))
        return found[0] if found and found[0].room_id == room_id else None

    async def _read(self, record: RoomRecord, after: int) -> tuple[list[Message], int | None]:
        reads = self._parts.storage.messages.by_senders(record, self._work.ids, after=after, limit=MESSAGES)
        return await ask(self._parts, reads)

    def _is_done(self, stored: Message) -> bool:
        named = stored.sender == self._work.name and (self._erases or stored.alias_of == self._work.account_id)
        gone = stored.deleted_at is not None and not stored.content and stored.id is None
        return named and (gone or not self._removes)

    @property
    def _removes(self) -> bool:
        return self._erases and self._work.messages

    async def _change_batch(self, record: RoomRecord, after: int) -> bool:
        """Change some of what one read has found. Returns False if it must be read again."""
        with ExitStack() as pins:
            room = await self._reach.loaded(record, pins)
            if room is None:
                return await self._change_deleted(record, after)
            await self._reach.stored(room)
            head = room.head
            found, _ = await self._read(room.record, after)
            todo = [stored for stored in found if not self._is_done(stored)]
            await self._reach.turn(room)
            if todo:
                self._announce(room)
            if room.tail.forgotten > head:
                return False  # a newer state may have been evicted already, see `chat.handlers.resolve.MessageAt`
            batch = todo[:BATCH]
            for stored in batch:
                self._change(room, room.tail.state(stored.seq) or stored)
            await self._reach.stored(room)
            await asyncio.sleep(BETWEEN_BATCHES * len(batch) / BATCH)
            return len(todo) == len(batch)

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
            after = replace(tombstone(state, version, write.deleted_at), sender=self._work.name, id=None)
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
        batch = changes[:BATCH]
        versions = range(max(now, head) + 1, max(now, head) + 1 + len(batch))
        writes = [self._write(record, state, version, now) for state, version in zip(batch, versions, strict=True)]
        await self._writer.write(writes)
        require_tenure(parts, self._reach.tenure)
        await asyncio.sleep(BETWEEN_BATCHES * len(batch) / BATCH)
        return len(changes) == len(batch)
