"""Storage in memory: used if no database is configured, and the reference for the results of the other backends.

A real backend with limits, not a stub: it keeps the newest messages of each room, and the most recently used rooms.
A batch runs in one event loop callback, so it is atomic by itself.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import partial
from secrets import token_bytes

from storage.memory.accounts.access import MemoryAccessRepository
from storage.memory.accounts.accounts import MemoryAccountRepository
from storage.memory.accounts.audit import MemoryAuditRepository
from storage.memory.accounts.links import MemoryLinkRepository
from storage.memory.accounts.logins import MemoryLoginRepository
from storage.memory.accounts.safety import MemorySafetyRepository
from storage.memory.accounts.secrets import MemorySecretRepository
from storage.memory.accounts.users import MemoryUserRepository
from storage.memory.contents import Contents
from storage.memory.logs import Logs
from storage.memory.members import Members, is_old_guest, is_old_invitation
from storage.memory.messages import MemoryMessageRepository
from storage.memory.rooms import MemoryRoomRepository
from storage.memory.transfer import snapshot
from storage.ports.errors import StorageUnavailable
from storage.ports.messages import ChangeMessage, CutWords, EraseDeleted, ExpireMessages, InsertMessage
from storage.ports.rooms import (
    ExpireGuests,
    ExpireInvitations,
    ExpireSanctions,
    InsertRoom,
    RemoveMember,
    SetMember,
    SetSanction,
    UpdateRoom,
)
from storage.ports.servers import Servers
from storage.ports.storage import (
    NO_ROOM,
    SECRET_BYTES,
    STORED,
    LeaseEvents,
    Outcome,
    PoolUse,
    Refused,
    Removed,
    WordsCut,
    Write,
    entries_of,
)
from storage.ports.transfer import Record
from utils.clock import DAY_US, rfc3339

# Members' rows kept for each room: about 5 MB at most.
_MEMORY_MEMBERS = 10_000
# Members may use memory_bytes divided by this; messages may use the rest.
_MEMBERS_DIVISOR = 4
# memory_bytes divided by this is evicted in addition to what is necessary: finding the largest rooms examines all.
_SLACK_DIVISOR = 100


class MemoryStorage:
    """Rooms, messages, members and accounts for as long as the process lives. See `storage.ports.storage.Storage`.

    Args:
        memory_messages: messages kept for each room; the oldest are evicted first, together with their ids.
        memory_rooms: rooms kept; the least recently used one is evicted whole, see `storage.memory.logs.Logs`.
        memory_bytes: bytes of rooms, messages and members together, as `storage.memory.weights` counts them. Beyond it
            the largest rooms lose their oldest messages, so that a flood in one room does not affect the others.
        memory_members: members kept for each room, see `storage.memory.members.Members`.
    """

    def __init__(
        self,
        *,
        memory_messages: int = 10_000,
        memory_rooms: int = 10_000,
        memory_bytes: int = 256 << 20,
        memory_members: int = _MEMORY_MEMBERS,
    ) -> None:
        if min(memory_messages, memory_rooms, memory_bytes, memory_members) < 1:
            raise ValueError("memory_messages, memory_rooms, memory_bytes and memory_members must be at least 1")
        self.place = "in memory, until the server stops"
        self.lease_events = LeaseEvents()  # all but `on_secret` never happen: only this process can write here
        self.contents = Contents(Logs(memory_rooms), Members(memory_members, memory_bytes // _MEMBERS_DIVISOR))
        self.rooms = MemoryRoomRepository(self.contents)
        self.messages = MemoryMessageRepository(self.contents)
        self.accounts = MemoryAccountRepository(self.contents)
        self.logins = MemoryLoginRepository(self.contents)
        self.secrets = MemorySecretRepository(self.contents)
        self.access = MemoryAccessRepository(self.contents)
        self.links = MemoryLinkRepository(self.contents)
        self.safety = MemorySafetyRepository(self.contents)
        self.users = MemoryUserRepository(self.contents)
        self.audit = MemoryAuditRepository(self.contents)
        self.keep_messages = memory_messages
        self.keep_bytes = memory_bytes
        self._secret: bytes | None = None

    async def start(self) -> None:
        self.contents.check_open()
        self._secret = token_bytes(SECRET_BYTES)
        self.lease_events.on_secret(self._secret, None)

    async def close(self) -> None:
        self.contents.close()

    async def keep_epoch(self, epoch: str) -> None:
        pass

    async def resign(self, epoch: str | None) -> bool:
        return False

    def say_on_bus(self, up: bool) -> None:
        pass

    def servers(self) -> Servers | None:
        return None

    async def reached(self) -> None:
        pass

    def problem(self) -> str | None:
        return "the storage is closed" if self.contents.closed else None

    def was_ready(self) -> bool:
        return True

    def another_writes(self) -> bool:
        return False

    def is_full(self) -> bool:
        return self.contents.logs.are_full()

    def waiting_reads(self) -> int:
        return self.contents.lists.waiting + self.contents.searches.waiting

    def pools(self) -> Sequence[PoolUse]:
        return ()

    def snapshot(self, *, sessions: bool) -> Iterator[Record]:
        return snapshot(self.contents, self._secret, sessions=sessions)

    def writer(self) -> MemoryWriter:
        return MemoryWriter(self)


class MemoryWriter:
    """Writes into the contents of a `MemoryStorage`, and evicts whatever exceeds its limits."""

    def __init__(self, storage: MemoryStorage) -> None:
        self._storage = storage
        self._contents = storage.contents
        self._closed = False

    async def write(self, batch: Sequence[Write]) -> list[Outcome]:
        if self._closed:
            raise StorageUnavailable("the writer is closed")
        logs, members = self._contents.logs, self._contents.members
        outcomes = [self._write(write, logs, members) for write in batch]
        if entries := entries_of(batch, outcomes):
            self._contents.accounts.record(entries)
        self._evict({write.room_id for write in batch if isinstance(write, (InsertMessage, ChangeMessage))})
        return outcomes

    async def close(self) -> None:
        self._closed = True

    def _write(self, write: Write, logs: Logs, members: Members) -> Outcome:
        match write:
            case InsertMessage():
                log = logs.use(write.room_id)
                return NO_ROOM if log is None else log.insert(write.message)
            case ChangeMessage():
                log = logs.use(write.room_id)
                return Refused(f"there is no room {write.room_id}") if log is None else log.change(write)
            case InsertRoom():
                return logs.insert(write.room)
            case UpdateRoom():
                record = logs.update(write.room)
                if record is not None and record.deleted_at is not None:
                    members.forget_room(record.room_id)
                    self._contents.sanctions.forget_room(record.room_id)
                return NO_ROOM if record is None else STORED
            case SetMember():
                log = logs.use(write.room_id)
                if log is not None and log.record.deleted_at is None:
                    members.put(write.room_id, write.member)
                return NO_ROOM if log is None else STORED
            case SetSanction():
                log = logs.get(write.room_id)
                if log is not None and log.record.deleted_at is None:
                    self._contents.sanctions.put(write.room_id, write.sanction)
                return STORED
            case ExpireSanctions():
                return Removed(self._contents.sanctions.expire(write.until, write.limit))
            case RemoveMember():
                members.drop(write.room_id, write.user_id)
                return STORED
            case ExpireMessages():
                return self._expire_messages(write)
            case EraseDeleted():
                return self._erase_deleted(write)
            case ExpireGuests():
                joinable = (log.record.room_id for log in logs if log.record.kind in ("ephemeral", "public"))
                return Removed(members.expire(joinable, partial(is_old_guest, write=write), write.limit))
            case CutWords():
                return WordsCut(None, 0)  # a search cuts them itself
            case ExpireInvitations():
                room_ids = (log.record.room_id for log in logs)
                return Removed(members.expire(room_ids, partial(is_old_invitation, write=write), write.limit))

    def _expire_messages(self, write: ExpireMessages) -> Removed:
        removed = 0
        for log in self._contents.logs:
            days = log.record.retention_days or write.days
            if days > 0 and log.seqs:
                due = min(bisect_left(log.seqs, write.now_us - days * DAY_US), write.limit - removed)
                log.forget_oldest(due)
                self._contents.logs.weigh(log)
                removed += due
        return Removed(removed)

    def _erase_deleted(self, write: EraseDeleted) -> Removed:
        logs, until = self._contents.logs, rfc3339(max(0, write.now_us - write.days * DAY_US))
        erased = 0
        for log in logs:
            if count := log.erase_deleted(until, write.limit - erased):
                logs.weigh(log)
                erased += count
        due = [log for log in logs if log.record.deleted_at is not None and log.record.deleted_at < until]
        for log in due:
            count = min(len(log.seqs), write.limit - erased)
            log.forget_oldest(count)
            logs.weigh(log)
            erased += count
            if not log.seqs:
                logs.remove(log.record.room_id)
        return Removed(erased)

    def _evict(self, room_ids: set[int]) -> None:
        """Evict whatever exceeds the limits after a batch with messages of these rooms."""
        logs, members = self._contents.logs, self._contents.members
        for room_id in room_ids:
            log = logs.get(room_id)
            if log is not None:
                if len(log.seqs) > self._storage.keep_messages:
                    log.evict(len(log.seqs) - self._storage.keep_messages)
                logs.weigh(log)
        for room_id in logs.forget_excess():
            members.forget_room(room_id)
            self._contents.sanctions.forget_room(room_id)
        weight = members.bytes + logs.bytes
        if weight > self._storage.keep_bytes:
            logs.evict(weight - self._storage.keep_bytes + self._storage.keep_bytes // _SLACK_DIVISOR)
