"""The repository in Postgres: reads through a pool, writers with connections of their own, one lease for them all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from psycopg_pool import AsyncConnectionPool

from storage.ports.errors import StorageUnavailable, TooManyReads
from storage.ports.storage import READER
from storage.postgres.connection.errors import FAILURES, REFUSALS, unavailable, words_for
from storage.postgres.connection.lease import Lease, Pace, Tenure
from storage.postgres.connection.session import (
    Connection,
    ParleyConnection,
    Sessions,
    abort,
    bounded,
    conninfo,
    session_settings,
)
from storage.postgres.connection.url import read_url
from storage.postgres.read.queries import PostgresReads
from storage.postgres.write.writer import PostgresWriter
from utils.fairness import FairQueue, FairQueueFullError
from utils.tasks import TaskRegistry

log = logging.getLogger(__name__)

# The pool gives an attempt to connect up after this long, and the next read starts a new one at once: its own pauses
# double without a cap, up to five minutes by default.
_RECONNECT_SECONDS = 2.0
# Reads of one principal that may wait. Searches are few and may take long; a client that comes back looks many things
# up at once.
_WAITING_LOOKUPS = 100
_WAITING_SEARCHES = 16


class PostgresStorage(PostgresReads):
    """Rooms and their messages in PostgreSQL 15 or newer. See `storage.ports.storage.Storage`.

    Args:
        url: a libpq URL; what it says about time-outs and the application's name wins over ours.
        read_connections: the largest number of connections for reads.
        connect_seconds: how long an attempt to connect may take.
        read_seconds: how long a read may take, waiting for its turn included; Postgres may work on it for half of that.
        write_seconds: how long a batch may take, on the server too.
        close_seconds: how long :meth:`close` may take.
        pace: how often the lease is looked at.

    Raises:
        ValueError: see `storage.postgres.connection.url.read_url`.
    """

    def __init__(
        self,
        url: str,
        *,
        read_connections: int = 4,
        connect_seconds: float = 5.0,
        read_seconds: float = 5.0,
        write_seconds: float = 30.0,
        close_seconds: float = 5.0,
        pace: Pace | None = None,
    ) -> None:
        self.on_takeover: Callable[[], None] | None = None
        self.on_superseded: Callable[[], None] | None = None
        self.on_clean_start: Callable[[str], None] | None = None
        self._connect_seconds = connect_seconds
        self._read_seconds = read_seconds
        self._write_seconds = write_seconds
        self._close_seconds = close_seconds
        parts = read_url(url)
        self._conninfo = conninfo(parts, connect_seconds=connect_seconds)
        self._sessions = Sessions(self._conninfo, parts)
        self._pool = AsyncConnectionPool(
            self._conninfo,
            connection_class=ParleyConnection,
            # A pool that is closed waits for an attempt to connect: let that end first.
            kwargs={
                "seconds": min(connect_seconds, close_seconds / 2),
                "sessions": self._sessions,
                # A read that takes longer has no right to go on: those behind it would be too late.
                "settings": session_settings(read_seconds / 2),
                "autocommit": True,
            },
            min_size=1,
            max_size=read_connections,
            open=False,
            check=self._check,
            name="parley-reads",
            timeout=read_seconds,
            reconnect_timeout=_RECONNECT_SECONDS,
        )
        # Searches get half of the connections at most, so that joining a room never waits for one.
        self._lookups = FairQueue(read_connections, each=max(1, read_connections // 2), waiting=_WAITING_LOOKUPS)
        searches = max(1, read_connections // 2)
        self._searches = FairQueue(searches, each=max(1, searches // 2), waiting=_WAITING_SEARCHES)
        self._lease = Lease(
            self.connect,
            on_lost=self._drop_writers,
            on_connected=self._pool.drain,  # those connections failed too; finding that out one by one takes seconds
            on_takeover=self._taken_over,
            on_superseded=self._superseded,
            on_clean_start=self._clean_start,
            pace=pace,
        )
        self._writers: set[PostgresWriter] = set()
        self._write_troubles: dict[PostgresWriter, str] = {}
        self._reading: set[Connection] = set()
        self._queueing: set[asyncio.Timeout] = set()
        self._tasks = TaskRegistry()
        self._closed = False

    # --- life ------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """See `storage.ports.storage.Storage.start`."""
        self._check_open()
        # They report each failed attempt, with hosts and users; the lease's log says the same once, and without.
        for logger in ("psycopg", "psycopg.pool"):
            logging.getLogger(logger).setLevel(logging.ERROR)
        await self._pool.open()
        self._tasks.spawn(self._lease.run(), name="parley-postgres-lease")

    async def close(self) -> None:
        """See `storage.ports.storage.Storage.close`."""
        if self._closed:
            return
        self._closed = True
        deadline = asyncio.get_running_loop().time() + self._close_seconds
        self._drop_writers()
        # Reads under way end now: those that have a connection, and those that wait for one or for its check.
        for connection in self._reading:
            abort(connection)
        for bound in self._queueing:
            if not bound.expired():
                bound.reschedule(0.0)
        for name in await self._tasks.close(self._close_seconds / 2):
            log.error("task %s did not stop", name)
        await self._pool.close(timeout=max(0.1, deadline - asyncio.get_running_loop().time()))

    async def keep_epoch(self, epoch: str) -> None:
        """See `storage.ports.storage.Storage.keep_epoch`."""
        if not self._closed:
            try:
                await self._lease.keep_epoch(epoch)
            except FAILURES as error:
                log.warning("the epoch could not be saved: %s", words_for(error))

    async def reached(self) -> None:
        """See `storage.ports.storage.Storage.reached`."""
        await self._lease.reached.wait()

    def trouble(self) -> str | None:
        """See `storage.ports.storage.Storage.trouble`."""
        if self._closed:
            return "the storage is closed"
        return self._lease.trouble or next(iter(self._write_troubles.values()), None)

    def was_ready(self) -> bool:
        """See `storage.ports.storage.Storage.was_ready`."""
        return self._lease.was_held

    def another_writes(self) -> bool:
        """See `storage.ports.storage.Storage.another_writes`."""
        return self._lease.standby

    def is_full(self) -> bool:
        """See `storage.ports.storage.Storage.is_full`."""
        return False

    def waiting_reads(self) -> int:
        """See `storage.ports.storage.Storage.waiting_reads`."""
        return self._lookups.waiting + self._searches.waiting

    # --- writes: see storage.postgres.write.writer.Owner -----------------------------------------------------------

    def writer(self) -> PostgresWriter:
        """See `storage.ports.storage.Storage.writer`."""
        writer = PostgresWriter(self, self._write_seconds)
        self._writers.add(writer)
        return writer

    @property
    def tenure(self) -> Tenure | None:
        """The lease as it is now; None when closed."""
        return None if self._closed else self._lease.tenure

    async def connect(self) -> Connection:
        """A connection for the lease or a writer. Raises `storage.postgres.connection.errors.FAILURES`."""
        return await ParleyConnection.connect(
            self._conninfo,
            seconds=self._connect_seconds,
            sessions=self._sessions,
            settings=session_settings(self._write_seconds),
            autocommit=True,
        )

    async def admit(self, connection: Connection, tenure: Tenure) -> None:
        """See `Lease.admit`."""
        await self._lease.admit(connection, tenure)

    def wrote(self, writer: PostgresWriter, trouble: str | None) -> None:
        """Keep what `trouble` says about this writer; a failure is a reason to look at the lease."""
        if trouble is None:
            if self._write_troubles.pop(writer, None) is not None:
                log.info("a writer can store again")
            return
        if self._lease.tenure is not None:
            if writer not in self._write_troubles:
                log.warning("a writer cannot store: %s", trouble)
            self._write_troubles[writer] = trouble
            self._lease.look_now()

    def closed(self, writer: PostgresWriter) -> None:
        """The writer is gone."""
        self._writers.discard(writer)
        self._write_troubles.pop(writer, None)

    def _drop_writers(self) -> None:
        for writer in self._writers:
            writer.drop()

    def _taken_over(self) -> None:
        self._words_are_new = False
        if self.on_takeover is not None:
            self.on_takeover()

    def _clean_start(self, epoch: str) -> None:
        if self.on_clean_start is not None:
            self.on_clean_start(epoch)

    def _superseded(self) -> None:
        if self.on_superseded is not None:
            self.on_superseded()

    # --- reads: see storage.postgres.read.queries ------------------------------------------------------------------

    async def _read(self, text: bytes, values: dict[str, Any], *, search: bool = False) -> list[tuple[Any, ...]]:
        """See `PostgresReads._read`."""
        self._check_open()
        deadline = asyncio.get_running_loop().time() + self._read_seconds
        try:
            async with AsyncExitStack() as turn:
                async with asyncio.timeout_at(deadline) as bound:
                    self._queueing.add(bound)
                    try:
                        await turn.enter_async_context((self._searches if search else self._lookups).turn(READER.get()))
                        connection = await self._pool.getconn(timeout=self._read_seconds)
                    finally:
                        self._queueing.discard(bound)
                self._reading.add(connection)
                try:
                    left = max(0.001, deadline - asyncio.get_running_loop().time())
                    return await bounded(connection, _fetch(connection, text, values), left)
                finally:
                    self._reading.discard(connection)
                    await self._pool.putconn(connection)
        except FairQueueFullError as full:
            raise TooManyReads(own=full.own) from full
        except REFUSALS:
            return []
        except FAILURES as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: BaseException) -> StorageUnavailable:
        if self._closed:
            return StorageUnavailable("the storage is closed")
        if isinstance(error, TimeoutError) and self._lease.trouble:
            return StorageUnavailable(self._lease.trouble)
        return unavailable(error)

    async def _check(self, connection: Connection) -> None:
        """The pool's check of a connection, which by itself has no bound. Its caller has one: that is our deadline."""
        await bounded(connection, AsyncConnectionPool.check_connection(connection), self._read_seconds)

    def _check_open(self) -> None:
        if self._closed:
            raise StorageUnavailable("the storage is closed")


async def _fetch(connection: Connection, text: bytes, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    return await (await connection.execute(text, values)).fetchall()
