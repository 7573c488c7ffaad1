"""A writer with a connection of its own, and what becomes of it when a batch fails."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol

import psycopg

from storage.ports.errors import StorageUnavailable
from storage.ports.outcomes import Outcome
from storage.ports.storage import Write
from storage.postgres.connection.errors import FAILURES, REFUSALS, translated
from storage.postgres.connection.lease import Tenure
from storage.postgres.connection.session import Connection, T, abort, bounded
from storage.postgres.write.store import Store


class Owner(Protocol):
    """What a writer asks of the repository it belongs to."""

    @property
    def tenure(self) -> Tenure | None:
        """The lease as it is now."""

    def trouble(self) -> str | None:
        """Why nothing can be written now."""

    async def connect(self) -> Connection:
        """A new connection. Raises `FAILURES`."""

    async def admit(self, connection: Connection, tenure: Tenure) -> None:
        """Let the connection write. Raises `StorageUnavailable` and `FAILURES`."""

    def wrote(self, writer: PostgresWriter, trouble: str | None) -> None:
        """A batch was stored, or why it was not."""

    def closed(self, writer: PostgresWriter) -> None:
        """The writer is gone."""


class PostgresWriter:
    """See `storage.ports.storage.Writer`.

    Args:
        owner: the repository.
        seconds: how long a batch may take, connecting included.
    """

    def __init__(self, owner: Owner, seconds: float) -> None:
        self._owner = owner
        self._seconds = seconds
        self._connection: Connection | None = None
        self._store = Store()
        self._closed = False

    async def write(self, batch: Sequence[Write]) -> list[Outcome]:
        """See `storage.ports.storage.Writer.write`."""
        if self._closed:
            raise StorageUnavailable("the writer is closed")
        if not batch:
            return []
        deadline = asyncio.get_running_loop().time() + self._seconds
        try:
            connection = self._connection or await self._connect(deadline)
            outcomes = await self._use(connection, self._store.write(connection, batch), deadline)
        except REFUSALS as error:
            # The statement was undone and the connection is as good as before.
            self._store.forget_rooms()
            raise translated(error) from error
        except StorageUnavailable as error:
            self._failed(str(error))
            raise
        except FAILURES as error:
            self._failed(str(translated(error)))
            raise translated(error) from error
        except BaseException:
            self.drop()  # cancelled: whether it was committed is not known, nor what the connection is doing
            raise
        self._owner.wrote(self, None)
        return outcomes

    async def close(self) -> None:
        """See `storage.ports.storage.Writer.close`."""
        self._closed = True
        self.drop()
        self._owner.closed(self)

    def drop(self) -> None:
        """End the connection now. A batch under way ends as `StorageUnavailable`; the next one connects again."""
        connection, self._connection = self._connection, None
        self._store.forget_rooms()
        if connection is not None:
            abort(connection)
            _finish(connection)

    def _failed(self, trouble: str) -> None:
        self.drop()
        self._owner.wrote(self, trouble)

    async def _connect(self, deadline: float) -> Connection:
        tenure = self._owner.tenure
        if tenure is None:
            raise StorageUnavailable(self._owner.trouble() or "not connected to Postgres")
        connection = await self._owner.connect()
        self._connection = connection
        await self._use(connection, self._owner.admit(connection, tenure), deadline)
        return connection

    async def _use(self, connection: Connection, work: Coroutine[Any, Any, T], deadline: float) -> T:
        try:
            return await bounded(connection, work, deadline - asyncio.get_running_loop().time())
        finally:
            if connection is not self._connection:
                _finish(connection)  # dropped meanwhile, and yet the answer may have come


def _finish(connection: Connection) -> None:
    """Close it, unless somebody waits on it: who does is told, and lets it go."""
    if connection.pgconn.transaction_status != psycopg.pq.TransactionStatus.ACTIVE:
        connection.pgconn.finish()
