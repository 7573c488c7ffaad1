"""The repository in memory: what serves when no database is configured, and the measure of what the others must answer.

A real backend with bounds, not a stub: rooms keep their newest messages, and the most recently used rooms are kept.
Everything happens in one step of the event loop, so a batch is atomic by itself.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from heapq import merge
from itertools import islice
from operator import itemgetter

from model.message import Message
from model.room import Member, RoomRecord, User
from model.text import fold_name
from storage.memory.logs import Logs
from storage.memory.members import Members
from storage.ports.errors import StorageUnavailable, TooManyReads
from storage.ports.messages import ChangeMessage, CutWords, ExpireMessages, InsertMessage, Posted, Unread
from storage.ports.outcomes import NO_ROOM, STORED, Outcome, Refused, Removed, WordsCut
from storage.ports.rooms import ExpireGuests, ExpireInvitations, InsertRoom, RemoveMember, SetMember, UpdateRoom
from storage.ports.storage import READER, Write
from utils.clock import DAY_US
from utils.fairness import FairQueue, FairQueueFullError
from utils.turns import SharedTurns, Slices
from utils.words import holds_words

# Rows of members kept for each room: about 5 MB at most.
_MEMORY_MEMBERS = 10_000
# Members may take this part of memory_bytes; what they do not take is for messages.
_MEMBERS_SHARE = 4
# What is forgotten beyond what must be, as a part of memory_bytes: to find the largest rooms looks at each of them.
_SLACK_SHARE = 100
# Reads that look at much: how many are under way, one of a reader at a time, and how many of one principal may wait.
# They wait as in `storage.postgres.storage`: lists are many when a client comes back, searches are few and long.
_READS_AT_ONCE = 4
_WAITING_LISTS = 100
_WAITING_SEARCHES = 16
# Messages that an ordinary page looks at, deleted ones too, before it waits for its turn.
_GLANCE = 1000
# Rows of a room that are looked through at once.
_FEW_MEMBERS = 100


class MemoryStorage:
    """Logs, their messages and their members for as long as the process lives. See `storage.ports.storage.Storage`.

    Args:
        memory_messages: messages kept for each room; the oldest go first, and their ids with them.
        memory_rooms: rooms kept; the one that was neither written nor read for longest goes whole, see
            `storage.memory.logs.Logs`.
        memory_bytes: bytes of rooms, messages and members together, as `storage.memory.weights` counts them. Beyond it
            the rooms that hold most forget their oldest messages, so that nobody's flood costs other rooms theirs.
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
        self.on_takeover: Callable[[], None] | None = None  # never called: nobody else can write here
        self.on_superseded: Callable[[], None] | None = None  # nor this
        self.on_clean_start: Callable[[str], None] | None = None  # nor this: nothing is there of a server before
        self._keep_messages = memory_messages
        self._keep_bytes = memory_bytes
        self._logs = Logs(memory_rooms)
        self._members = Members(memory_members, memory_bytes // _MEMBERS_SHARE)
        self._lists = FairQueue(_READS_AT_ONCE, each=1, waiting=_WAITING_LISTS)
        self._searches = FairQueue(_READS_AT_ONCE, each=1, waiting=_WAITING_SEARCHES)
        self._turns = SharedTurns()
        self._closed = False

    async def start(self) -> None:
        self._check_open()

    async def close(self) -> None:
        self._closed = True
        self._logs.clear()
        self._members.clear()

    async def keep_epoch(self, epoch: str) -> None:
        """See `storage.ports.storage.Storage.keep_epoch`."""

    async def reached(self) -> None:
        """See `storage.ports.storage.Storage.reached`."""

    def trouble(self) -> str | None:
        return "the storage is closed" if self._closed else None

    def was_ready(self) -> bool:
        return True

    def another_writes(self) -> bool:
        return False

    def is_full(self) -> bool:
        return self._logs.are_full()

    def waiting_reads(self) -> int:
        """See `storage.ports.storage.Storage.waiting_reads`."""
        return self._lists.waiting + self._searches.waiting

    def writer(self) -> MemoryWriter:
        return MemoryWriter(self)

    # --- rooms and people ------------------------------------------------------------------------------------------

    async def find_room(self, name: str) -> RoomRecord | None:
        self._check_open()
        log = self._logs.find(name)
        return None if log is None else log.record

    async def kept_like(self, name: str) -> bool:
        self._check_open()
        return self._logs.kept_like(name)

    async def listed_rooms(self, *, after: str, contains: str, limit: int) -> list[RoomRecord]:
        self._check_open()
        part = fold_name(contains)
        found: list[RoomRecord] = []
        async with self._turn(self._searches) as slices:
            for log in self._logs.named_above(after):
                if len(found) >= limit:
                    break
                if (part in log.folded[0] or part in log.folded[1]) and log.is_listed():
                    found.append(log.record)
                if slices.over():
                    await self._pause(slices)
        return found

    async def rooms_of(self, user_id: str, *, limit: int) -> list[tuple[RoomRecord, Member]]:
        self._check_open()
        rows: list[tuple[RoomRecord, Member]] = []
        async with self._turn(self._lists) as slices:
            for room_id in self._members.rooms_of(user_id):
                member, log = self._members.find(room_id, user_id), self._logs.get(room_id)
                if member is not None and member.belongs and log is not None:
                    rows.append((log.record, member))
                if slices.over():
                    await self._pause(slices)
            return sorted(rows, key=lambda row: (-row[1].used, row[0].name))[: max(limit, 0)]

    async def invitations(self, user_id: str, *, after: int, limit: int) -> list[tuple[RoomRecord, Member]]:
        self._check_open()
        found: list[tuple[int, str, RoomRecord, Member]] = []
        async with self._turn(self._lists) as slices:
            for room_id in self._members.rooms_of(user_id):
                row, log = self._members.find(room_id, user_id), self._logs.get(room_id)
                if row is not None and row.invitation is not None and row.invitation.at > after and log is not None:
                    found.append((-row.invitation.at, log.record.name, log.record, row))
                if slices.over():
                    await self._pause(slices)
            return [(record, row) for _, _, record, row in sorted(found, key=itemgetter(0, 1))[: max(limit, 0)]]

    async def standings(self, room_id: int) -> list[Member]:
        self._check_open()
        self._logs.use(room_id)
        return [
            member
            for member in self._members.rows(room_id)
            if member.role not in (None, "member")
            or member.banned_until != 0
            or member.muted_until != 0
            or member.invitation is not None
        ]

    async def find_member(self, room_id: int, user_id: str) -> Member | None:
        self._check_open()
        self._logs.use(room_id)
        return self._members.find(room_id, user_id)

    async def members(self, room_id: int, *, after: str, limit: int) -> list[Member]:
        self._check_open()
        self._logs.use(room_id)
        if self._members.size(room_id) <= _FEW_MEMBERS:
            return self._with_role(room_id, after, limit)
        async with self._turn(self._lists):
            return self._with_role(room_id, after, limit)

    def _with_role(self, room_id: int, after: str, limit: int) -> list[Member]:
        with_role = (member for member in self._members.rows(room_id, after) if member.role is not None)
        return list(islice(with_role, max(limit, 0)))

    async def count_members(self, room_ids: Sequence[int]) -> dict[int, int]:
        self._check_open()
        counts = {room_id: self._members.count(room_id) for room_id in room_ids}
        return {room_id: count for room_id, count in counts.items() if count}

    async def find_user(self, user_id: str) -> User | None:
        self._check_open()
        row = self._members.newest(user_id)
        return None if row is None else row.user

    async def account_role(self, user_id: str) -> str:
        self._check_open()
        row = self._members.newest(user_id)
        return "" if row is None else row.account_role

    async def share_a_room(self, one: str, other: str) -> bool:
        self._check_open()
        others = {room_id for room_id, row in self._members.rows_of(other) if row.belongs}
        return any(row.belongs and room_id in others for room_id, row in self._members.rows_of(one))

    async def peers(self, user_id: str, room_ids: Sequence[int]) -> dict[int, User]:
        self._check_open()
        found: dict[int, User] = {}
        for room_id in room_ids:
            other = next((row.user for row in self._members.rows(room_id) if row.user.id != user_id), None)
            if other is not None:
                found[room_id] = other
        return found

    async def unread(self, user: User, cursors: Sequence[tuple[int, int]], *, limit: int) -> dict[int, Unread]:
        self._check_open()
        found: dict[int, Unread] = {}
        if len(cursors) == 1:  # what each member is told who reads
            return {cursors[0][0]: self._unread_in(user, *cursors[0], limit)}
        async with self._turn(self._lists) as slices:
            for room_id, seq in cursors:
                found[room_id] = self._unread_in(user, room_id, seq, limit)
                if slices.over():
                    await self._pause(slices)
        return found

    def _unread_in(self, user: User, room_id: int, seq: int, limit: int) -> Unread:
        log = self._logs.get(room_id)
        return Unread(0, 0) if log is None else log.unread(user, seq, max(limit, 0))

    # --- messages --------------------------------------------------------------------------------------------------

    async def head(self, room_id: int) -> int:
        self._check_open()
        log = self._logs.use(room_id)
        return 0 if log is None else log.head

    async def find_posted(self, room_id: int, sender_id: str, id: str) -> Posted | None:
        self._check_open()
        log = self._logs.use(room_id)
        found = None if log is None else log.posted.get((sender_id, id))
        return None if log is None or found is None else Posted(found, log.first_body(found))

    async def find_message(self, room: RoomRecord, seq: int) -> Message | None:
        self._check_open()
        log = self._logs.use(room.room_id)
        found = None if log is None else log.states.get(seq)
        return None if log is None or found is None else log.told(found, room.name)

    async def history(
        self,
        room: RoomRecord,
        *,
        limit: int,
        before: int | None = None,
        after: int | None = None,
        since: int | None = None,
        until: int | None = None,
        sender: str | None = None,
        words: Sequence[str] = (),
        pinned: bool = False,
        include_deleted: bool = False,
        old_words: Sequence[str] = (),
    ) -> list[Message]:
        self._check_open()
        log = self._logs.use(room.room_id)
        if log is None or limit < 1:
            return []
        oldest_first = after is not None
        if since is not None:
            after = since - 1 if after is None else max(after, since - 1)
        if until is not None:
            before = until if before is None else min(before, until)
        places = log.between(after, before)

        def page_of(states: Iterable[Message]) -> list[Message]:
            page = [log.told(state, room.name, whole=include_deleted) for state in states]
            return page if oldest_first else page[::-1]

        if sender is None and not words and not pinned:
            glance = limit if include_deleted or not log.changed_seqs else max(limit, _GLANCE)
            near = places[:glance] if oldest_first else places[-glance:]
            states = [log.states[seq] for seq in log.seqs[near.start : near.stop]]
            shown = [state for state in states if include_deleted or state.deleted_at is None]
            if len(shown) >= limit or len(near) == len(places):
                return page_of(shown[:limit] if oldest_first else shown[: -limit - 1 : -1])
        wanted = frozenset(words)
        found: list[Message] = []
        async with self._turn(self._searches) as slices:
            # The states are taken before, so that the page is of one moment.
            places = log.between(after, before)
            states = [log.states[seq] for seq in log.seqs[places.start : places.stop]]
            for state in states if oldest_first else reversed(states):
                if (
                    (include_deleted or state.deleted_at is None)
                    and (sender is None or state.sender == sender)
                    and (state.pinned_at is not None or not pinned)
                    and (not wanted or holds_words(state.content, wanted))
                ):
                    found.append(state)
                    if len(found) == limit:
                        break
                if slices.over():
                    await self._pause(slices)
            return page_of(found)

    async def search(
        self,
        rooms: Sequence[RoomRecord],
        *,
        words: Sequence[str],
        before: tuple[int, int] | None,
        limit: int,
        old_words: Sequence[str] = (),
    ) -> list[tuple[int, Message]]:
        self._check_open()
        names = {room.room_id: room.name for room in rooms}
        wanted = frozenset(words)
        page: list[tuple[int, Message]] = []
        async with self._turn(self._searches) as slices:
            logs = {room_id: log for room_id in names if (log := self._logs.get(room_id)) is not None}
            candidates = merge(*[log.newest_first(before) for log in logs.values()], reverse=True)
            # Words are cut anew: keeping those of every message costs more memory than the messages.
            for seq, room_id in candidates if limit > 0 else ():
                log = logs[room_id]
                state = log.states.get(seq)  # it may be gone since its place was looked up
                if state is not None and state.deleted_at is None and holds_words(state.content, wanted):
                    page.append((room_id, log.told(state, names[room_id])))
                    if len(page) == limit:
                        break
                if slices.over():
                    await self._pause(slices)
        return page

    @asynccontextmanager
    async def _turn(self, queue: FairQueue) -> AsyncIterator[Slices]:
        """The turn of a read that looks at much, which pauses when its slice is over."""
        try:
            async with queue.turn(READER.get()), self._turns.work() as slices:
                self._check_open()
                yield slices
        except FairQueueFullError as full:
            raise TooManyReads(own=full.own) from full

    async def _pause(self, slices: Slices) -> None:
        """Let others run, in the middle of such a read."""
        await slices.pause()
        self._check_open()

    async def changed(self, room: RoomRecord, *, after: int, until: int, limit: int) -> list[Message]:
        self._check_open()
        log = self._logs.use(room.room_id)
        if log is None:
            return []
        log.check_complete(after)
        return [log.told(state, room.name) for state in log.changed(after, until)[: max(limit, 0)]]

    async def count_changed(self, room_id: int, *, after: int, until: int, limit: int) -> int:
        self._check_open()
        log = self._logs.use(room_id)
        if log is None:
            return 0
        log.check_complete(after)
        found = sum(state.version <= until for state in log.changed(after, until))
        return min(found, max(limit, 0))

    # --- writes ----------------------------------------------------------------------------------------------------

    def _write(self, batch: Sequence[Write]) -> list[Outcome]:
        self._check_open()
        outcomes = [self._write_one(write) for write in batch]
        for room_id in {write.room_id for write in batch if isinstance(write, (InsertMessage, ChangeMessage))}:
            log = self._logs.get(room_id)
            if log is not None:
                if len(log.seqs) > self._keep_messages:
                    log.evict(len(log.seqs) - self._keep_messages)
                self._logs.weigh(log)
        for room_id in self._logs.forget_excess():
            self._members.forget_room(room_id)
        weight = self._members.bytes + self._logs.bytes
        if weight > self._keep_bytes:
            self._logs.evict(weight - self._keep_bytes + self._keep_bytes // _SLACK_SHARE)
        return outcomes

    def _write_one(self, write: Write) -> Outcome:
        match write:
            case InsertMessage():
                return self._insert_message(write)
            case ChangeMessage():
                log = self._logs.use(write.room_id)
                return Refused(f"there is no room {write.room_id}") if log is None else log.change(write)
            case InsertRoom():
                return self._logs.insert(write.room)
            case UpdateRoom():
                return self._update_room(write.room)
            case SetMember():
                return self._set_member(write)
            case RemoveMember():
                self._members.drop(write.room_id, write.user_id)
                return STORED
            case ExpireMessages():
                return self._expire(write)
            case ExpireGuests():
                return self._expire_guests(write)
            case CutWords():
                return WordsCut(None, 0)  # words are cut when they are looked for
            case ExpireInvitations():
                return Removed(self._members.forget_invitations(write.until, write.limit))

    def _update_room(self, room: RoomRecord) -> Outcome:
        record = self._logs.update(room)
        if record is None:
            return NO_ROOM
        if record.deleted_at is not None:
            self._members.forget_room(room.room_id)
        return STORED

    def _set_member(self, write: SetMember) -> Outcome:
        log = self._logs.use(write.room_id)
        if log is None:
            return NO_ROOM
        if log.record.deleted_at is None:
            self._members.put(write.room_id, write.member)
        return STORED

    def _insert_message(self, write: InsertMessage) -> Outcome:
        log = self._logs.use(write.room_id)
        return NO_ROOM if log is None else log.insert(write.message)

    def _expire(self, write: ExpireMessages) -> Removed:
        removed = 0
        for log in self._logs:
            days = log.record.retention_days or write.days
            if days > 0 and log.seqs:
                due = bisect_left(log.seqs, write.now_us - days * DAY_US)
                due = min(due, write.limit - removed)
                log.forget_oldest(due)
                self._logs.weigh(log)
                removed += due
        return Removed(removed)

    def _expire_guests(self, write: ExpireGuests) -> Removed:
        removed = 0
        for log in self._logs:
            if log.record.kind in ("ephemeral", "public"):
                removed += self._members.forget_guests(log.record.room_id, write, write.limit - removed)
        return Removed(removed)

    def _check_open(self) -> None:
        if self._closed:
            raise StorageUnavailable("the storage is closed")


class MemoryWriter:
    """A writer into a :class:`MemoryStorage`."""

    def __init__(self, repository: MemoryStorage) -> None:
        self._repository = repository
        self._closed = False

    async def write(self, batch: Sequence[Write]) -> list[Outcome]:
        if self._closed:
            raise StorageUnavailable("the writer is closed")
        return self._repository._write(batch)

    async def close(self) -> None:
        self._closed = True
