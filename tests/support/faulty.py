"""Storage that can be held, fail, refuse and lose answers at chosen points."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from model.message import Message
from model.room import Member, RoomRecord, User
from storage.factory import open_storage
from storage.ports.errors import BatchRefused, StorageUnavailable
from storage.ports.messages import Posted, Unread
from storage.ports.outcomes import Outcome
from storage.ports.storage import READER, Storage, Write, Writer
from utils.fairness import Party

T = TypeVar("T")


class FaultyRepository:
    """Memory storage whose answers a test can hold back or spoil. Names of points: the methods, and `write`.

    Attributes:
        away: everything raises StorageUnavailable, with this text.
        standby: what `trouble` says.
        refused: writes that storage refuses for themselves (BatchRefused for the whole batch).
        faults: exceptions to raise instead of an answer, each once, by point.
        lost_answers: so many batches are stored, and then reported as StorageUnavailable.
        short_answers: so many batches are stored, and then answered with one outcome too few.
        early: points at which storage has looked before it is held: its answer is late, and perhaps not true any more.
            At the others it looks when it may go on.
        calls: how often each point was reached.
        readers: for whom each point was reached last.
        batches: every batch that a writer was given.
        mirror: another storage, which is written what this one is, without a fault: so both must have the same.
    """

    def __init__(
        self, inner: Storage | None = None, *, mirror: Storage | None = None, memory_messages: int = 10_000
    ) -> None:
        self.mirror = mirror
        self.inner = inner or open_storage(None, memory_messages=memory_messages)
        self.on_takeover: Callable[[], None] | None = None
        self.on_superseded: Callable[[], None] | None = None
        self.on_clean_start: Callable[[str], None] | None = None
        self.kept_epoch: str | None = None
        self.away: str | None = None
        self.standby: str | None = None
        self._connecting: str | None = None
        self.refused: Callable[[Write], bool] | None = None
        self.faults: defaultdict[str, list[Exception]] = defaultdict(list)
        self.lost_answers = 0
        self.short_answers = 0
        self.early = {"find_member", "find_posted", "find_message", "history", "search"}
        self.calls: Counter[str] = Counter()
        self.readers: dict[str, Party] = {}
        self.batches: list[list[Write]] = []
        self.writing = 0
        self.most_writing = 0
        self._gates: defaultdict[str, asyncio.Event] = defaultdict(_open_gate)
        self._delayed: dict[str, asyncio.Event] = {}
        self._waiting: defaultdict[str, list[asyncio.Event]] = defaultdict(list)

    def hold(self, point: str) -> None:
        """Whoever comes to the point waits there."""
        self._gates[point].clear()

    def delay(self, point: str) -> None:
        """The next one who comes to the point waits there; those behind overtake."""
        self._delayed[point] = asyncio.Event()

    def go(self, point: str) -> None:
        """Let those who wait, and all later ones, pass."""
        self._gates[point].set()
        for waiting in (self._delayed.pop(point, None), *self._waiting.pop(point, ())):
            if waiting is not None:
                waiting.set()

    async def reach(self, point: str) -> None:
        self.calls[point] += 1
        self.readers[point] = READER.get()
        if (alone := self._delayed.pop(point, None)) is not None:
            self._waiting[point].append(alone)
            await alone.wait()
        await self._gates[point].wait()
        if self.away is not None:
            raise StorageUnavailable(self.away)
        if self.faults[point]:
            raise self.faults[point].pop(0)

    async def start(self) -> None:
        await self.inner.start()

    async def close(self) -> None:
        await self.inner.close()

    def starting(self) -> None:
        """Nothing is connected yet."""
        self._connecting = "connecting"
        self.hold("reached")

    def started(self) -> None:
        """It is."""
        self._connecting = None
        self.go("reached")

    async def keep_epoch(self, epoch: str) -> None:
        self.kept_epoch = epoch

    async def reached(self) -> None:
        await self._gates["reached"].wait()

    def trouble(self) -> str | None:
        return self.standby or self._connecting or self.inner.trouble()

    def was_ready(self) -> bool:
        return self.inner.was_ready()

    def another_writes(self) -> bool:
        return self.standby is not None

    def is_full(self) -> bool:
        return self.inner.is_full()

    def waiting_reads(self) -> int:
        return self.inner.waiting_reads()

    def writer(self) -> Writer:
        return FaultyWriter(self, self.inner.writer())

    async def _read(self, point: str, ask: Callable[[], Awaitable[T]]) -> T:
        if point in self.early:
            answer = await ask()
            await self.reach(point)
            return answer
        await self.reach(point)
        return await ask()

    async def find_room(self, name: str) -> RoomRecord | None:
        return await self._read("find_room", lambda: self.inner.find_room(name))

    async def head(self, room_id: int) -> int:
        return await self._read("head", lambda: self.inner.head(room_id))

    async def kept_like(self, name: str) -> bool:
        return await self._read("kept_like", lambda: self.inner.kept_like(name))

    async def listed_rooms(self, *, after: str, contains: str, limit: int) -> list[RoomRecord]:
        return await self._read(
            "listed_rooms", lambda: self.inner.listed_rooms(after=after, contains=contains, limit=limit)
        )

    async def rooms_of(self, user_id: str, *, limit: int) -> list[tuple[RoomRecord, Member]]:
        return await self._read("rooms_of", lambda: self.inner.rooms_of(user_id, limit=limit))

    async def invitations(self, user_id: str, *, after: int, limit: int) -> list[tuple[RoomRecord, Member]]:
        return await self._read("invitations", lambda: self.inner.invitations(user_id, after=after, limit=limit))

    async def standings(self, room_id: int) -> list[Member]:
        return await self._read("standings", lambda: self.inner.standings(room_id))

    async def find_member(self, room_id: int, user_id: str) -> Member | None:
        return await self._read("find_member", lambda: self.inner.find_member(room_id, user_id))

    async def members(self, room_id: int, *, after: str, limit: int) -> list[Member]:
        return await self._read("members", lambda: self.inner.members(room_id, after=after, limit=limit))

    async def count_members(self, room_ids: Sequence[int]) -> dict[int, int]:
        return await self._read("count_members", lambda: self.inner.count_members(room_ids))

    async def find_user(self, user_id: str) -> User | None:
        return await self._read("find_user", lambda: self.inner.find_user(user_id))

    async def account_role(self, user_id: str) -> str:
        return await self._read("account_role", lambda: self.inner.account_role(user_id))

    async def share_a_room(self, one: str, other: str) -> bool:
        return await self._read("share_a_room", lambda: self.inner.share_a_room(one, other))

    async def peers(self, user_id: str, room_ids: Sequence[int]) -> dict[int, User]:
        return await self._read("peers", lambda: self.inner.peers(user_id, room_ids))

    async def unread(self, user: User, cursors: Sequence[tuple[int, int]], *, limit: int) -> dict[int, Unread]:
        return await self._read("unread", lambda: self.inner.unread(user, cursors, limit=limit))

    async def search(
        self,
        rooms: Sequence[RoomRecord],
        *,
        words: Sequence[str],
        before: tuple[int, int] | None,
        limit: int,
        old_words: Sequence[str] = (),
    ) -> list[tuple[int, Message]]:
        asked: dict[str, Any] = {"words": words, "before": before, "limit": limit, "old_words": old_words}
        return await self._read("search", lambda: self.inner.search(rooms, **asked))

    async def find_posted(self, room_id: int, sender_id: str, id: str) -> Posted | None:
        return await self._read("find_posted", lambda: self.inner.find_posted(room_id, sender_id, id))

    async def find_message(self, room: RoomRecord, seq: int) -> Message | None:
        return await self._read("find_message", lambda: self.inner.find_message(room, seq))

    async def history(self, room: RoomRecord, *, limit: int, **asked: Any) -> list[Message]:
        return await self._read("history", lambda: self.inner.history(room, limit=limit, **asked))

    async def changed(self, room: RoomRecord, *, after: int, until: int, limit: int) -> list[Message]:
        return await self._read("changed", lambda: self.inner.changed(room, after=after, until=until, limit=limit))

    async def count_changed(self, room_id: int, *, after: int, until: int, limit: int) -> int:
        return await self._read(
            "count_changed", lambda: self.inner.count_changed(room_id, after=after, until=until, limit=limit)
        )

    async def stored(self, room: str = "general") -> list[str]:
        """The contents of the room's log, as storage has it, past every gate."""
        record = await self.inner.find_room(room)
        return [] if record is None else [m.content for m in await self.inner.history(record, limit=100_000)]


def _open_gate() -> asyncio.Event:
    gate = asyncio.Event()
    gate.set()
    return gate


class FaultyWriter:
    def __init__(self, repository: FaultyRepository, inner: Writer) -> None:
        self._repository = repository
        self._inner = inner
        self._mirror = None if repository.mirror is None else repository.mirror.writer()
        self._busy = False

    async def write(self, batch: Sequence[Write]) -> list[Outcome]:
        repository = self._repository
        assert not self._busy, "two batches at once on one writer"
        self._busy = True
        repository.batches.append(list(batch))
        repository.writing += 1
        repository.most_writing = max(repository.most_writing, repository.writing)
        try:
            await repository.reach("write")
            if repository.refused is not None and any(map(repository.refused, batch)):
                raise BatchRefused("a row is not to its taste")
            mirrored = None if self._mirror is None else await self._mirror.write(batch)
            outcomes = await self._inner.write(batch)
            assert mirrored is None or list(map(type, outcomes)) == list(map(type, mirrored)), f"{outcomes}, {mirrored}"
            if repository.lost_answers:
                repository.lost_answers -= 1
                raise StorageUnavailable("the answer was lost")
            if repository.short_answers:
                repository.short_answers -= 1
                return outcomes[:-1]
            return outcomes
        finally:
            self._busy = False
            repository.writing -= 1

    async def close(self) -> None:
        await self._inner.close()
