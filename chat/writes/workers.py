"""Workers: jobs fan out to them by room, are stored in batches, and their outcomes fan in."""

import asyncio
import logging
import time
from operator import attrgetter
from typing import Any, NamedTuple

from chat.delivery.counters import Counters
from chat.delivery.session import PAUSED_BY_QUEUE, Session
from chat.writes.jobs import JOB_BYTES, Backlog, Job
from model.errors import RETRY_AFTER, ParleyError
from storage.ports.errors import BatchRefused, StorageUnavailable
from storage.ports.messages import InsertMessage
from storage.ports.storage import NO_ROOM, Outcome, Refused, Storage, Write, Writer
from utils.backoff import Backoff
from utils.tasks import TaskRegistry
from utils.wording import counted

log = logging.getLogger(__name__)

# When a queue is more than half full, the server stops reading from the sessions that add to it until it drains, for at
# most this many seconds.
PAUSE_SECONDS = 1.0
# Longest pause before a write is retried; a retry costs little, as it fails at once without a connection.
RETRY_CAP = 1.0
# Bytes of text in one transaction, for which all other rooms of the worker wait: the longest message by default takes
# 0.5 to 6 ms (measured), and 500 of them delayed others for seconds. It is 500 messages of 130 bytes.
BATCH_BYTES = 64 << 10
# A write that storage has not answered after this time is reported, although it may still succeed (a locked table).
STALL_SECONDS = 5.0

_TURN = attrgetter("turn")


class PoolLimits(NamedTuple):
    """The limits of the pool; see the settings WORKERS, BATCH, QUEUE_MESSAGES and QUEUE_BYTES."""

    workers: int = 4
    batch: int = 500
    queue_messages: int = 20_000
    queue_bytes: int = 64 << 20


class Worker:
    """One bounded queue, and the one task that empties it with its own writer. Survives any failing write."""

    def __init__(self, name: str, writer: Writer, limits: PoolLimits, counters: Counters) -> None:
        self.name = name
        self.problem: str | None = None
        self._writer = writer
        self._limits = limits
        self._half_messages = limits.queue_messages / 2
        self._half_bytes = limits.queue_bytes / 2
        self._counters = counters
        self._queue: list[Job] = []
        self._turn = 0  # where the newest of the writes that were taken starts; see `_take`
        self._batch: list[Job] = []  # without those of it that are answered
        self._abandoned = False
        self._unconfirmed = 0  # queued, or in the current batch
        self._bytes = 0
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._paused: set[Session[Any]] = set()
        self._resume_timer: asyncio.TimerHandle | None = None
        self._writing_since: float | None = None  # by the loop's clock
        self._stall_timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """Return the number of writes that storage has not answered."""
        return self._unconfirmed

    def check_space(self, backlog: Backlog, size: int) -> None:
        """Make sure that one more write of ``size`` bytes fits.

        Raises:
            ParleyError: ``overloaded`` if the queue is full, or this owner has half of it.
        """
        size += JOB_BYTES
        limits = self._limits
        if (
            backlog.unconfirmed >= self._half_messages
            or backlog.size + size > self._half_bytes
            or self._unconfirmed >= limits.queue_messages
            or self._bytes + size > limits.queue_bytes
        ):
            raise ParleyError("overloaded", retry_after=RETRY_AFTER)

    def submit(self, job: Job) -> None:
        """Queue a write for which `check_space` found space in this event loop iteration."""
        if not self._queue:
            self._wake.set()
            self._idle.clear()
        self._queue.append(job)
        backlog, size = job.owner.backlog, job.size
        backlog.unconfirmed += 1
        backlog.size += size
        start = backlog.turn
        if start < self._turn:
            start = self._turn
        job.turn = backlog.turn = start + size
        self._unconfirmed = unconfirmed = self._unconfirmed + 1
        self._bytes = queued = self._bytes + size
        if unconfirmed > self._half_messages or queued > self._half_bytes:
            for session in job.authors:
                self._paused.add(session)
                session.pause_reading(PAUSED_BY_QUEUE)
            if self._resume_timer is None:
                self._resume_timer = asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._resume)

    def _resume(self) -> None:
        if self._resume_timer is not None:
            self._resume_timer.cancel()
            self._resume_timer = None
        paused, self._paused = self._paused, set()
        for session in paused:
            session.resume_reading(PAUSED_BY_QUEUE)

    async def run(self) -> None:
        """Store queued jobs, batch by batch, forever."""
        queue = self._queue
        while True:
            await self._wake.wait()
            self._wake.clear()
            while queue:
                self._batch = batch = self._take()
                await self._store(batch)
                self._batch = []
                del batch  # frees its messages before the wait

    def _take(self) -> list[Job]:
        """Take the next batch from the queue; no other one is pending.

        If more is queued, rooms share the batch by bytes, so that a small backlog does not wait for large ones. This is
        fair queueing (Demers, Keshav and Shenker, 1989): a write starts where the previous one of its room ends, or
        where the worker is if that is later; it ends its size later; and the writes that end first are taken first. So
        each room keeps its order.
        """
        queue, count = self._queue, len(self._queue)
        if count > self._limits.batch or self._bytes - count * JOB_BYTES > BATCH_BYTES:
            queue.sort(key=_TURN)
            left, count = BATCH_BYTES, 0
            for job in queue[: self._limits.batch]:
                left -= job.size - JOB_BYTES
                if left < 0 and count:
                    break
                count += 1
        batch = queue[:count]
        del queue[:count]
        self._turn = max([job.turn - job.size for job in batch])
        return batch

    async def _store(self, batch: list[Job]) -> None:
        """Store a batch, however long storage is unavailable. Halve a refused batch, to find the bad rows."""
        self._counters.batch_size.observe(len(batch))
        backoff = Backoff(cap=RETRY_CAP)
        while True:
            started = time.perf_counter()
            try:
                writes = [job.write for job in batch]
                outcomes = await self._write(writes)
                if NO_ROOM in outcomes and (lost := _lost_owners(batch, outcomes)):
                    self._counters.lost_rooms += 1
                    outcomes = (await self._write([*lost, *writes]))[len(lost) :]
                if len(outcomes) != len(batch):
                    raise RuntimeError(f"{len(outcomes)} answers for {len(batch)} writes")
            except BatchRefused as error:
                if len(batch) == 1:
                    room = batch[0].owner.name
                    log.error("storage refused a write of room %r: %s", room, error, extra={"room": room})
                    self._counters.refused_rows += 1
                    outcomes = [Refused(str(error))]
                else:
                    half = len(batch) // 2
                    await self._store(batch[:half])
                    await self._store(batch[half:])
                    return
            except StorageUnavailable as error:
                await self._wait(str(error), backoff)
                continue
            except Exception:
                # A bug must not lose accepted writes: they stay queued, and /ready and the log report it.
                log.exception("%s: writing failed unexpectedly", self.name)
                await self._wait("unexpected error while writing; see the log", backoff)
                continue
            if self.problem is not None:
                log.info("%s: storage accepts writes again", self.name)
                self.problem = None
            self._counters.store_latency.observe(time.perf_counter() - started)
            self._fan_in(batch, outcomes)
            return

    async def _write(self, batch: list[Write]) -> list[Outcome]:
        loop = asyncio.get_running_loop()
        self._writing_since = loop.time()
        if self._stall_timer is None:
            self._stall_timer = loop.call_later(STALL_SECONDS, self._look_for_stall)
        try:
            return await self._writer.write(batch)
        finally:
            self._writing_since = None

    async def _wait(self, problem: str, backoff: Backoff) -> None:
        self._counters.store_retries += 1
        self._note_problem(problem)
        await asyncio.sleep(backoff.next())

    def _note_problem(self, problem: str) -> None:
        if self.problem != problem:
            waiting = counted(self._unconfirmed, "write waits", "writes wait")
            log.warning("%s: %s for storage: %s", self.name, waiting, problem)
            self.problem = problem

    def _look_for_stall(self) -> None:
        """Report a stalled write. One timer serves many writes, because most take a thousandth of its delay."""
        self._stall_timer = None
        if self._writing_since is not None:
            loop = asyncio.get_running_loop()
            left = self._writing_since + STALL_SECONDS - loop.time()
            if left <= 0:
                self._note_problem(f"storage has not answered for {STALL_SECONDS:g} s")
            else:
                self._stall_timer = loop.call_later(left, self._look_for_stall)

    def _fan_in(self, batch: list[Job], outcomes: list[Outcome]) -> None:
        if self._abandoned:
            return  # their authors know that the outcome is unknown
        self._batch = self._batch[len(batch) :]
        self._counters.ack_lag.observe(time.perf_counter() - min([job.since for job in batch]))
        self._unconfirmed -= len(batch)
        self._bytes -= sum([job.size for job in batch])
        for job, outcome in zip(batch, outcomes, strict=True):
            job.owner.backlog.confirmed(job.size)
            try:
                job.on_outcome(outcome)
            except Exception:  # must not end the worker: its other rooms would never be stored again
                log.exception("%s: reporting the outcome of a write of room %r failed", self.name, job.owner.name)
        if self._paused and self._unconfirmed <= self._half_messages and self._bytes <= self._half_bytes:
            self._resume()
        if not self._unconfirmed:
            self._idle.set()

    async def drained(self) -> None:
        """Wait until storage has answered every write. Has no time limit: use a timeout."""
        await self._idle.wait()

    def abandon(self) -> list[Job]:
        """Give up the queue, because another server stores the rooms from now on. Returns the jobs without an answer.

        Whether those of the current batch are stored is unknown.
        """
        abandoned = [*self._batch, *self._queue]
        self._abandoned, self._batch = True, []
        self._queue.clear()
        self._resume()
        return abandoned

    async def close(self) -> None:
        """Abandon the queue, and close the writer with its connection."""
        self._resume()
        if self._stall_timer is not None:
            self._stall_timer.cancel()
        await self._writer.close()


def _lost_owners(batch: list[Job], outcomes: list[Outcome]) -> list[Write]:
    """Return writes that store the owners of refused messages again, because storage no longer has them."""
    lost = {
        job.write.room_id: job.owner
        for job, outcome in zip(batch, outcomes, strict=False)
        if outcome == NO_ROOM and isinstance(job.write, InsertMessage)
    }
    for owner in lost.values():
        log.warning(
            "storage has lost room %r, which is in use: storing it again from memory",
            owner.name,
            extra={"room": owner.name},
        )
    return [write for owner in lost.values() for write in owner.as_writes()]


class WorkerPool:
    """The workers of one server. A room always has the same worker, so its writes keep their order."""

    def __init__(self, storage: Storage, limits: PoolLimits, counters: Counters) -> None:
        self._tasks = TaskRegistry()
        self._drain_limit: asyncio.Timeout | None = None
        self.workers = [
            Worker(f"worker-{number}", storage.writer(), limits, counters) for number in range(limits.workers)
        ]

    def start(self) -> None:
        """Start the workers."""
        for worker in self.workers:
            self._tasks.spawn(worker.run(), name=worker.name)

    def of(self, room_id: int) -> Worker:
        """Return the worker of a room, which never changes. Room ids are random, so the rooms spread evenly."""
        return self.workers[room_id % len(self.workers)]

    def __len__(self) -> int:
        """Return the number of writes that storage has not answered."""
        return sum(len(worker) for worker in self.workers)

    def problem(self) -> str | None:
        """Return why writes are delayed, for an operator; None if they are not."""
        return next((worker.problem for worker in self.workers if worker.problem), None)

    async def drain(self, deadline: float) -> int:
        """Wait at most ``deadline`` seconds until everything is stored. Returns the number of writes that are not.

        Each of those was already broadcast: a message, or a change of a message, a room or a member.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(deadline) as self._drain_limit:
                for worker in self.workers:
                    await worker.drained()
        except TimeoutError:
            unstored = counted(len(self), "write was", "writes were")
            why = self.problem() or "storage has not answered yet"
            log.error("%s not stored within %.1f s: %s", unstored, loop.time() - started, why)
        finally:
            self._drain_limit = None
        return len(self)

    def abandon(self) -> list[Job]:
        """Give up every queue; see `Worker.abandon`. Call :meth:`close` afterwards."""
        return [job for worker in self.workers for job in worker.abandon()]

    def abort_drain(self) -> None:
        """End a drain now, even if not everything is stored."""
        if self._drain_limit is not None:
            self._drain_limit.reschedule(asyncio.get_running_loop().time())

    async def close(self, deadline: float) -> list[str]:
        """Stop the workers and abandon a stuck write. Returns the names of the tasks that did not stop."""
        stuck = await self._tasks.close(deadline)
        for worker in self.workers:
            await worker.close()
        return stuck
