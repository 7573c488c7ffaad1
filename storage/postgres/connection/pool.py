"""A pool of connections that concurrent users share: each within a deadline and in its fair turn."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from storage.ports.errors import StorageUnavailable
from storage.ports.storage import READER, PoolUse
from storage.postgres.connection.errors import REFUSALS
from storage.postgres.connection.session import (
    Connection,
    Connector,
    ParleyConnection,
    bounded,
    fetch_all,
    session_settings,
)
from utils.fairness import FairQueue

T = TypeVar("T")
# How the repositories read.
Fetch = Callable[..., Awaitable[list[TupleRow]]]

# The pool gives up connecting after this long, and the next use starts it again at once: otherwise the pool's own
# pauses would double for up to five minutes.
_RECONNECT_SECONDS = 2.0


class Pool:
    """Connections, until it is closed.

    Args:
        connector: opens the connections.
        name: of the pool, for its tasks.
        least, most: how many connections it keeps open, and how many it may open.
        connect_seconds: time limit of an attempt to connect.
        seconds: time limit of a use, including its wait in the queue; a statement may take half of it in Postgres.
    """

    def __init__(
        self, connector: Connector, *, name: str, least: int, most: int, connect_seconds: float, seconds: float
    ) -> None:
        self._seconds = seconds
        self._pool = AsyncConnectionPool(
            connector.conninfo,
            connection_class=ParleyConnection,
            # A statement that takes longer must not continue: it would delay the queued ones too much.
            kwargs=connector.options(connect_seconds, session_settings(seconds / 2)),
            min_size=least,
            max_size=most,
            open=False,
            check=self._check,
            name=name,
            timeout=seconds,
            reconnect_timeout=_RECONNECT_SECONDS,
        )
        self._bounds: set[asyncio.Timeout] = set()  # of the uses under way
        self._closed = False

    async def open(self) -> None:
        """Begin to connect."""
        self.check_open()
        await self._pool.open()

    async def drain(self) -> None:
        """Replace all connections after another one failed: detecting the failures one by one would take seconds."""
        await self._pool.drain()

    def stop(self) -> None:
        """Refuse new uses, and end those that are running or waiting for a connection."""
        self._closed = True
        for bound in self._bounds:
            if not bound.expired():
                bound.reschedule(0.0)

    async def close(self, seconds: float) -> None:
        """Close the connections, after `stop`, within ``seconds``."""
        await self._pool.close(timeout=seconds)

    async def use(self, queue: FairQueue, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Return the result of ``work`` with a connection, in its turn of the queue.

        Raises:
            StorageUnavailable: closed, or what a full queue raises.
            Exception: `storage.postgres.connection.errors.FAILURES` and what ``work`` raises.
        """
        self.check_open()
        async with asyncio.timeout(self._seconds) as bound:
            self._bounds.add(bound)
            try:
                async with queue.turn(READER.get()):
                    connection = await self._pool.getconn(timeout=self._seconds)
                    try:
                        return await work(connection)
                    finally:
                        await self._pool.putconn(connection)
            finally:
                self._bounds.discard(bound)

    async def read(self, queue: FairQueue, text: bytes, values: dict[str, Any]) -> list[TupleRow]:
        """Return the rows of a statement; none if Postgres cannot store a value (a text with NUL): no row has it.

        Raises:
            StorageUnavailable: as `use`.
            Exception: `storage.postgres.connection.errors.FAILURES`.
        """
        try:
            return await self.use(queue, lambda connection: fetch_all(connection, text, values))
        except REFUSALS:
            return []

    async def _check(self, connection: Connection) -> None:
        """Check a connection for the pool, which sets no time limit itself. The caller's deadline applies as well."""
        checked: Any = AsyncConnectionPool.check_connection(connection)
        await bounded(connection, checked, self._seconds)

    def usage(self, name: str) -> PoolUse:
        """Return how many connections are in use."""
        stats = self._pool.get_stats()
        idle = stats.get("pool_available", 0)
        return PoolUse(
            name=name,
            most=self._pool.max_size,
            busy=stats.get("pool_size", 0) - idle,
            idle=idle,
            lost=stats.get("connections_lost", 0) + stats.get("connections_errors", 0),
        )

    def check_open(self) -> None:
        """Raise `StorageUnavailable` when closed."""
        if self._closed:
            raise StorageUnavailable("the storage is closed")
