"""A writer with its own connection, which it may replace when a batch fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from storage.ports.errors import StorageUnavailable
from storage.ports.storage import Outcome, Write
from storage.postgres.connection.errors import FAILURES, REFUSALS, translated
from storage.postgres.connection.lease import Lease, Tenure
from storage.postgres.connection.session import Connection, T, bounded
from storage.postgres.write.store import Store

log = logging.getLogger(__name__)


class PostgresWriter:
    """See `storage.ports.storage.Writer`.

    Args:
        lease: admits its connection.
        connect: opens a connection (raises `FAILURES`).
        seconds: time limit of a batch, including connecting.
        on_close: called when it is closed.
        on_stored: called with each batch that was stored.

    Attributes:
        problem: why the last batch failed, for an operator; None when it was stored.
    """

    def __init__(
        self,
        lease: Lease,
        connect: Callable[[], Awaitable[Connection]],
        seconds: float,
        on_close: Callable[[PostgresWriter], None],
        on_stored: Callable[[Sequence[Write]], None],
    ) -> None:
        self._lease = lease
        self._new_connection = connect
        self._seconds = seconds
        self._on_close = on_close
        self._on_stored = on_stored
        self._connection: Connection | None = None
        self._store = Store()
        self._closed = False
        self.problem: str | None = None

    async def write(self, batch: Sequence[Write]) -> list[Outcome]:
        if self._closed:
            raise StorageUnavailable("the writer is closed")
        if not batch:
            return []
        deadline = asyncio.get_running_loop().time() + self._seconds
        tenure = self._lease.tenure
        try:
            connection = self._connection or await self._connect(deadline)
            outcomes = await self._use(connection, self._store.write(connection, batch), deadline)
        except REFUSALS as error:
            # The statement was rolled back and the connection is as good as before.
            self._store.forget_rooms()
            raise translated(error) from error
        except StorageUnavailable as error:
            self._failed(str(error), tenure)
            raise
        except FAILURES as error:
            self._failed(str(translated(error)), tenure)
            raise translated(error) from error
        except BaseException:
            self.drop()  # cancelled: whether it was committed is unknown, and what the connection is doing
            raise
        if self.problem is not None:
            log.info("a writer can store again")
            self.problem = None
        self._on_stored(batch)
        return outcomes

    async def close(self) -> None:
        self._closed = True
        self.drop()
        self._on_close(self)

    def drop(self) -> None:
        """End the connection now. The current batch ends as `StorageUnavailable`; the next one connects again."""
        connection, self._connection = self._connection, None
        self._store.begin_again()
        if connection is not None:
            connection.abort()
            connection.finish()

    def end_tenure(self) -> None:
        """End the connection, as the lease is lost: what went wrong until then is no problem of a later tenure."""
        self.drop()
        self.problem = None

    def _failed(self, problem: str, tenure: Tenure | None) -> None:
        """Note the problem and check the lease. If the lease was lost, that is the cause, so do neither."""
        self.drop()
        if tenure is not None and tenure == self._lease.tenure:
            if self.problem is None:
                log.warning("a writer cannot store: %s", problem)
            self.problem = problem
            self._lease.check_now()

    async def _connect(self, deadline: float) -> Connection:
        tenure = self._lease.tenure
        if tenure is None:
            raise StorageUnavailable(self._lease.problem or "not connected to Postgres")
        connection = self._connection = await self._new_connection()
        await self._use(connection, self._lease.admit(connection, tenure), deadline)
        return connection

    async def _use(self, connection: Connection, work: Coroutine[Any, Any, T], deadline: float) -> T:
        try:
            return await bounded(connection, work, deadline - asyncio.get_running_loop().time())
        finally:
            if connection is not self._connection:
                connection.finish()  # dropped in the meantime, although the answer may have arrived
