"""The connections for reads, and the queues for them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from storage.ports.errors import StorageUnavailable, TooManyReads
from storage.ports.storage import READER
from storage.postgres.connection.errors import FAILURES, REFUSALS, unavailable
from storage.postgres.connection.session import (
    Connection,
    Connector,
    ParleyConnection,
    bounded,
    fetch_all,
    session_settings,
)
from utils.fairness import FairQueue

# The pool gives up connecting after this long, and the next read starts it again at once: otherwise the pool's own
# pauses would double for up to five minutes.
_RECONNECT_SECONDS = 2.0
# Reads of one reader that may be queued. Searches are few and may be slow; a reconnecting client does many look-ups.
_WAITING_LOOKUPS = 100
_WAITING_SEARCHES = 16

# How the repositories read: `ReadPool.fetch`.
Fetch = Callable[..., Awaitable[list[TupleRow]]]


class ReadPool:
    """Carries out reads, each within a deadline and in its fair turn.

    Args:
        connector: opens the connections.
        connections: the maximum number of connections.
        connect_seconds: time limit of an attempt to connect.
        read_seconds: time limit of a read, including its wait in the queue; Postgres may take half of it.
        problem: why this server cannot write now: a better explanation for a read that got no connection in time.
    """

    def __init__(
        self,
        connector: Connector,
        *,
        connections: int,
        connect_seconds: float,
        read_seconds: float,
        problem: Callable[[], str | None],
    ) -> None:
        self._seconds = read_seconds
        self._problem = problem
        self._pool = AsyncConnectionPool(
            connector.conninfo,
            connection_class=ParleyConnection,
            # A read that takes longer must not continue: it would delay the queued reads too much.
            kwargs=connector.options(connect_seconds, session_settings(read_seconds / 2)),
            min_size=1,
            max_size=connections,
            open=False,
            check=self._check,
            name="parley-reads",
            timeout=read_seconds,
            reconnect_timeout=_RECONNECT_SECONDS,
        )
        # Searches get half of the connections at most, so that joining a room never waits for one.
        half = max(1, connections // 2)
        self._lookups = FairQueue(connections, each=half, waiting=_WAITING_LOOKUPS, full=TooManyReads)
        self._searches = FairQueue(half, each=max(1, half // 2), waiting=_WAITING_SEARCHES, full=TooManyReads)
        self._bounds: set[asyncio.Timeout] = set()  # of the reads under way
        self._closed = False

    @property
    def waiting(self) -> int:
        """The number of queued reads."""
        return self._lookups.waiting + self._searches.waiting

    async def open(self) -> None:
        """Begin to connect."""
        self.check_open()
        await self._pool.open()

    async def drain(self) -> None:
        """Replace all connections after another one failed: detecting the failures one by one would take seconds."""
        await self._pool.drain()

    def stop(self) -> None:
        """Refuse new reads, and end those that are running or waiting for a connection."""
        self._closed = True
        for bound in self._bounds:
            if not bound.expired():
                bound.reschedule(0.0)

    async def close(self, seconds: float) -> None:
        """Close the connections, after `stop`, within ``seconds``."""
        await self._pool.close(timeout=seconds)

    async def fetch(self, text: bytes, values: dict[str, Any], *, search: bool = False) -> list[TupleRow]:
        """Return the rows; none if Postgres cannot store a value (a text with NUL), because then no row has it.

        ``search`` marks a read that may examine much, so that small reads do not wait for it.

        Raises:
            StorageUnavailable: no answer in time, or closed.
            TooManyReads: the queue is full.
        """
        self.check_open()
        queue = self._searches if search else self._lookups
        try:
            async with asyncio.timeout(self._seconds) as bound:
                self._bounds.add(bound)
                try:
                    async with queue.turn(READER.get()):
                        return await self._run(text, values)
                finally:
                    self._bounds.discard(bound)
        except REFUSALS:
            return []
        except FAILURES as error:
            self.check_open()
            problem = self._problem() if isinstance(error, TimeoutError) else None
            raise (StorageUnavailable(problem) if problem else unavailable(error)) from error

    async def _run(self, text: bytes, values: dict[str, Any]) -> list[TupleRow]:
        connection = await self._pool.getconn(timeout=self._seconds)
        try:
            return await bounded(connection, fetch_all(connection, text, values), None)
        finally:
            await self._pool.putconn(connection)

    async def _check(self, connection: Connection) -> None:
        """Check a connection for the pool, which sets no time limit itself. The caller's deadline applies as well."""
        await bounded(connection, AsyncConnectionPool.check_connection(connection), self._seconds)

    def check_open(self) -> None:
        """Raise `StorageUnavailable` when closed."""
        if self._closed:
            raise StorageUnavailable("the storage is closed")
