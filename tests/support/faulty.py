"""Storage that can be delayed, fail, refuse writes and lose answers at chosen points."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, TypeVar, cast

from storage.factory import open_storage
from storage.ports.errors import BatchRefused, StorageUnavailable
from storage.ports.messages import MessageRepository
from storage.ports.rooms import RoomRepository
from storage.ports.servers import Servers
from storage.ports.storage import READER, LeaseEvents, Outcome, PoolUse, Storage, Write, Writer
from storage.ports.transfer import Record
from utils.fairness import Party

T = TypeVar("T")


class FaultyRepository:
    """Memory storage whose answers a test can delay or falsify. Points are named after the methods, and `write`.

    Attributes:
        away: everything raises StorageUnavailable, with this text.
        standby: the result of `problem`.
        refused: writes that storage refuses (BatchRefused for the whole batch).
        faults: exceptions to raise instead of an answer, each once, by point.
        lost_answers: this many batches are stored, and then reported as StorageUnavailable.
        short_answers: this many batches are stored, and then answered with one outcome too few.
        early: points at which storage reads before it is held: its answer is late, and possibly outdated. At the others
            it reads when it is released.
        calls: how often each point was reached.
        readers: the reader for which each point was last reached.
        batches: every batch passed to a writer.
        mirror: another storage, which receives the same writes without faults: both must have the same content.
    """

    def __init__(
        self, inner: Storage | None = None, *, mirror: Storage | None = None, memory_messages: int = 10_000
    ) -> None:
        self.mirror = mirror
        self.inner = inner or open_storage(None, memory_messages=memory_messages)
        self.place = self.inner.place
        self.lease_events = LeaseEvents()
        self.rooms = cast(RoomRepository, _FaultyReads(self, self.inner.rooms))
        self.messages = cast(MessageRepository, _FaultyReads(self, self.inner.messages))
        self.accounts: Any = _FaultyReads(self, self.inner.accounts, "accounts.")
        self.logins: Any = _FaultyReads(self, self.inner.logins, "logins.")
        self.secrets: Any = _FaultyReads(self, self.inner.secrets, "secrets.")
        self.access: Any = _FaultyReads(self, self.inner.access, "access.")
        self.links: Any = _FaultyReads(self, self.inner.links, "links.")
        self.safety: Any = _FaultyReads(self, self.inner.safety, "safety.")
        self.users: Any = _FaultyReads(self, self.inner.users, "users.")
        self.audit: Any = _FaultyReads(self, self.inner.audit, "audit.")
        self.kept_epoch: str | None = None
        self.away: str | None = None
        self.standby: str | None = None
        self._connecting: str | None = None
        self.refused: Callable[[Write], bool] | None = None
        self.faults: defaultdict[str, list[Exception]] = defaultdict(list)
        self.lost_answers = 0
        self.short_answers = 0
        self.early = {"find_member", "find_members", "find_posted", "find_message", "history", "search"}
        self.calls: Counter[str] = Counter()
        self.readers: dict[str, Party] = {}
        self.batches: list[list[Write]] = []
        self.writing = 0
        self.most_writing = 0
        self._gates: defaultdict[str, asyncio.Event] = defaultdict(_open_gate)
        self._delayed: dict[str, asyncio.Event] = {}
        self._waiting: defaultdict[str, list[asyncio.Event]] = defaultdict(list)

    def hold(self, point: str) -> None:
        """Hold every call that reaches the point."""
        self._gates[point].clear()

    def delay(self, point: str) -> None:
        """Hold the next call that reaches the point; later ones overtake it."""
        self._delayed[point] = asyncio.Event()

    def go(self, point: str) -> None:
        """Release the held calls, and hold no more."""
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

    async def resign(self, epoch: str | None) -> bool:
        return await self.inner.resign(epoch)

    def say_on_bus(self, up: bool) -> None:
        self.inner.say_on_bus(up)

    def servers(self) -> Servers | None:
        return self.inner.servers()

    async def reached(self) -> None:
        await self._gates["reached"].wait()

    def problem(self) -> str | None:
        return self.standby or self._connecting or self.inner.problem()

    def was_ready(self) -> bool:
        return self.inner.was_ready()

    def another_writes(self) -> bool:
        return self.standby is not None

    def is_full(self) -> bool:
        return self.inner.is_full()

    def waiting_reads(self) -> int:
        return self.inner.waiting_reads()

    def pools(self) -> Sequence[PoolUse]:
        return self.inner.pools()

    def snapshot(self, *, sessions: bool) -> Iterator[Record] | None:
        return self.inner.snapshot(sessions=sessions)

    def writer(self) -> Writer:
        return FaultyWriter(self, self.inner.writer())

    async def read(self, point: str, ask: Callable[[], Awaitable[T]]) -> T:
        if point in self.early:
            answer = await ask()
            await self.reach(point)
            return answer
        await self.reach(point)
        return await ask()

    async def stored(self, room: str = "general") -> list[str]:
        """Return the contents of the room's log in storage, without delays or faults."""
        record = await self.inner.rooms.find_room(room)
        return [] if record is None else [m.content for m in await self.inner.messages.history(record, limit=100_000)]


def _open_gate() -> asyncio.Event:
    gate = asyncio.Event()
    gate.set()
    return gate


class _FaultyReads:
    """The methods of one of the repositories, each of which is a point by its name, after ``prefix``."""

    def __init__(self, faulty: FaultyRepository, inner: object, prefix: str = "") -> None:
        self._faulty = faulty
        self._inner = inner
        self._prefix = prefix

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        ask = getattr(self._inner, name)
        return lambda *args, **asked: self._faulty.read(self._prefix + name, lambda: ask(*args, **asked))


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
