"""The repository in memory: what serves when no database is configured, and the measure of what the others must answer.

A real backend with bounds, not a stub: rooms keep their newest messages, and the most recently used rooms are kept.
Everything happens in one step of the event loop, so a batch is atomic by itself.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter

from msgspec.structs import replace

from model.message import Message, body_hash
from model.room import RoomRecord
from storage.repository import (
    STORED,
    ChangeMessage,
    Duplicate,
    InsertMessage,
    InsertRoom,
    Outcome,
    Posted,
    Refused,
    StorageUnavailable,
    Write,
)
from utils.words import cut_words

# A search cuts the words of every message it looks at (about 5 us each), so it lets others run after this many: the
# alternative, keeping the words of every message, costs more memory than the messages.
_SEARCH_SLICE = 128


class _Log:
    """One room's messages: by seq, in order of seq, and by their authors' ids."""

    __slots__ = ("changed_seqs", "first_bodies", "newest_change", "posted", "record", "seqs", "states")

    def __init__(self, record: RoomRecord) -> None:
        self.record = record
        self.states: dict[int, Message] = {}
        self.seqs: list[int] = []
        self.posted: dict[tuple[str, str], int] = {}
        self.changed_seqs: set[int] = set()
        # Hashes, of those whose content is another one now: hashing costs more than everything else here.
        self.first_bodies: dict[int, int] = {}
        self.newest_change = 0

    @property
    def head(self) -> int:
        return max(self.seqs[-1] if self.seqs else 0, self.newest_change)

    def insert(self, message: Message) -> Outcome:
        seq, key = message.seq, (message.sender_id, message.id or "")
        there = self.states.get(seq)
        if there is not None and self._same(there, message):
            return STORED
        if message.id is not None:
            earlier = self.posted.get(key)
            if earlier is not None and earlier != seq:
                return Duplicate(earlier, self._said_first(earlier, message.content))
        if there is not None:
            return Refused(f"another message is at seq {seq} of room {self.record.room_id}")
        if message.id is not None:
            self.posted[key] = seq
        self.states[seq] = message
        seqs = self.seqs
        if not seqs or seq > seqs[-1]:
            seqs.append(seq)
        else:
            insort(seqs, seq)
        return STORED

    def _same(self, there: Message, message: Message) -> bool:
        author = (there.sender_id, there.id) == (message.sender_id, message.id)
        return author and self._said_first(there.seq, message.content)

    def _said_first(self, seq: int, content: str) -> bool:
        kept = self.first_bodies.get(seq)
        return content == self.states[seq].content if kept is None else body_hash(content) == kept

    def change(self, change: ChangeMessage) -> Outcome:
        seq = change.seq
        there = self.states.get(seq)
        if there is None:
            return Refused(f"there is no message at seq {seq} of room {self.record.room_id}")
        if change.version <= there.version:
            return STORED  # an older change, or this one, come once more
        content = there.content if change.content is None else change.content
        deleted_at = change.deleted_at or there.deleted_at
        if deleted_at is not None:  # nobody is told the content any more, so it need not be kept
            content = ""
            self.first_bodies.setdefault(seq, body_hash(there.content))
        if change.first_body is not None:
            self.first_bodies.setdefault(seq, change.first_body)
        self.states[seq] = replace(
            there,
            version=change.version,
            content=content,
            edited_at=change.edited_at or there.edited_at,
            deleted_at=deleted_at,
        )
        self.changed_seqs.add(seq)
        self.newest_change = max(self.newest_change, change.version)
        return STORED

    def evict(self, keep: int) -> None:
        """Forget the oldest messages beyond ``keep``, and their ids."""
        excess = len(self.seqs) - keep
        for seq in self.seqs[: max(excess, 0)]:
            message = self.states.pop(seq)
            if message.id is not None:
                del self.posted[message.sender_id, message.id]
            self.changed_seqs.discard(seq)
            self.first_bodies.pop(seq, None)
        if excess > 0:
            del self.seqs[:excess]

    def between(self, after: int | None, before: int | None) -> list[int]:
        first = 0 if after is None else bisect_right(self.seqs, after)
        last = len(self.seqs) if before is None else bisect_left(self.seqs, before)
        return self.seqs[first:last]

    def changed(self, after: int, until: int) -> list[Message]:
        """States with a version above ``after`` of messages up to ``until``, in order of version."""
        new = self.seqs[bisect_right(self.seqs, after) : bisect_right(self.seqs, until)]
        if not self.changed_seqs:
            return [self.states[seq] for seq in new]
        seqs = {*new, *(seq for seq in self.changed_seqs if seq <= until)}
        states = [self.states[seq] for seq in seqs]
        return sorted((state for state in states if state.version > after), key=attrgetter("version"))


class MemoryRepository:
    """Rooms and their messages for as long as the process lives. See `storage.repository.Repository`.

    Args:
        memory_messages: messages kept for each room; the oldest go first, and their ids with them.
        memory_rooms: rooms kept; the one that was neither written nor read for longest goes whole. A message to a
            forgotten room brings the room back, empty.
    """

    def __init__(self, *, memory_messages: int = 10_000, memory_rooms: int = 10_000) -> None:
        if memory_messages < 1 or memory_rooms < 1:
            raise ValueError("memory_messages and memory_rooms must be at least 1")
        self.on_takeover: Callable[[], None] | None = None  # never called: nobody else can write here
        self.on_superseded: Callable[[], None] | None = None  # nor this
        self._keep_messages = memory_messages
        self._keep_rooms = memory_rooms
        self._logs: OrderedDict[int, _Log] = OrderedDict()
        self._names: dict[str, int] = {}
        self._closed = False

    async def start(self) -> None:
        self._check_open()

    async def close(self) -> None:
        self._closed = True
        self._logs.clear()
        self._names.clear()

    def trouble(self) -> str | None:
        return "the storage is closed" if self._closed else None

    def another_writes(self) -> bool:
        return False

    def writer(self) -> MemoryWriter:
        return MemoryWriter(self)

    async def find_room(self, name: str) -> RoomRecord | None:
        self._check_open()
        room_id = self._names.get(name)
        log = None if room_id is None else self._use(room_id)
        return None if log is None else log.record

    async def head(self, room_id: int) -> int:
        self._check_open()
        log = self._use(room_id)
        return 0 if log is None else log.head

    async def find_posted(self, room_id: int, sender_id: str, id: str) -> Posted | None:
        self._check_open()
        log = self._use(room_id)
        found = None if log is None else log.posted.get((sender_id, id))
        if log is None or found is None:
            return None
        kept = log.first_bodies.get(found)
        return Posted(found, body_hash(log.states[found].content) if kept is None else kept)

    async def find_message(self, room: RoomRecord, seq: int) -> Message | None:
        self._check_open()
        log = self._use(room.room_id)
        found = None if log is None else log.states.get(seq)
        return None if found is None else _in_room([found], room.name)[0]

    async def history(
        self,
        room: RoomRecord,
        *,
        limit: int,
        before: int | None = None,
        after: int | None = None,
        sender: str | None = None,
        words: Sequence[str] = (),
    ) -> list[Message]:
        self._check_open()
        log = self._use(room.room_id)
        if log is None or limit < 1:
            return []
        seqs = log.between(after, before)
        oldest_first = after is not None
        if sender is None and not words and not log.changed_seqs:
            page = [log.states[seq] for seq in (seqs[:limit] if oldest_first else seqs[-limit:])]
        else:
            states = (log.states[seq] for seq in (seqs if oldest_first else reversed(seqs)))
            # A search for words pauses: the states are taken before, so the page is of one moment.
            page = await self._search(list(states) if words else states, limit, sender, frozenset(words))
            if not oldest_first:
                page.reverse()
        return _in_room(page, room.name)

    async def _search(
        self, candidates: Iterable[Message], limit: int, sender: str | None, words: frozenset[str]
    ) -> list[Message]:
        page: list[Message] = []
        cut = 0
        for message in candidates:
            if message.deleted_at is not None or (sender is not None and message.sender != sender):
                continue
            if words:
                cut += 1
                if cut % _SEARCH_SLICE == 0:
                    await asyncio.sleep(0)
                    self._check_open()
                if not words.issubset(cut_words(message.content)):
                    continue
            page.append(message)
            if len(page) == limit:
                break
        return page

    async def changed(self, room: RoomRecord, *, after: int, until: int, limit: int) -> list[Message]:
        self._check_open()
        log = self._use(room.room_id)
        return [] if log is None else _in_room(log.changed(after, until)[: max(limit, 0)], room.name)

    async def count_changed(self, room_id: int, *, after: int, until: int, limit: int) -> int:
        self._check_open()
        log = self._use(room_id)
        if log is None:
            return 0
        found = sum(state.version <= until for state in log.changed(after, until))
        return min(found, max(limit, 0))

    def _write(self, batch: Sequence[Write]) -> list[Outcome]:
        self._check_open()
        written: set[int] = set()
        outcomes: list[Outcome] = []
        for write in batch:
            if isinstance(write, InsertRoom):
                outcomes.append(self._insert_room(write.room))
            elif isinstance(write, ChangeMessage):
                outcomes.append(self._change_message(write))
            else:
                outcomes.append(self._insert_message(write))
                written.add(write.room_id)
        for room_id in written:
            log = self._logs.get(room_id)
            if log is not None:
                log.evict(self._keep_messages)
        while len(self._logs) > self._keep_rooms:
            _, forgotten = self._logs.popitem(last=False)
            del self._names[forgotten.record.name]
        return outcomes

    def _insert_room(self, room: RoomRecord) -> Outcome:
        there = self._use(room.room_id)
        if there is not None:
            if there.record.name == room.name:
                return STORED
            return Refused(f"room {room.room_id} is named {there.record.name!r} already")
        holder = self._names.get(room.name)
        if holder is not None:
            return Refused(f"the name {room.name!r} belongs to room {holder}")
        self._logs[room.room_id] = _Log(room)
        self._names[room.name] = room.room_id
        return STORED

    def _insert_message(self, write: InsertMessage) -> Outcome:
        log = self._use(write.room_id)
        if log is None:
            # Forgotten, while whoever writes still has the room: it comes back, unless its name was given away.
            outcome = self._insert_room(RoomRecord(write.room_id, write.message.room, write.message.timestamp))
            if outcome is not STORED:
                return outcome
            log = self._logs[write.room_id]
        return log.insert(write.message)

    def _change_message(self, change: ChangeMessage) -> Outcome:
        log = self._use(change.room_id)
        if log is None:
            return Refused(f"there is no room {change.room_id}")
        return log.change(change)

    def _use(self, room_id: int) -> _Log | None:
        log = self._logs.get(room_id)
        if log is not None:
            self._logs.move_to_end(room_id)
        return log

    def _check_open(self) -> None:
        if self._closed:
            raise StorageUnavailable("the storage is closed")


class MemoryWriter:
    """A writer into a :class:`MemoryRepository`."""

    def __init__(self, repository: MemoryRepository) -> None:
        self._repository = repository
        self._closed = False

    async def write(self, batch: Sequence[Write]) -> list[Outcome]:
        if self._closed:
            raise StorageUnavailable("the writer is closed")
        return self._repository._write(batch)

    async def close(self) -> None:
        self._closed = True


def _in_room(page: list[Message], name: str) -> list[Message]:
    """The page with the room's name as the reader knows it: messages keep the name they were written under."""
    return [message if message.room == name else replace(message, room=name) for message in page]
