"""The connections for accounts: every server has some, whichever has the rooms."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from psycopg import errors
from psycopg.rows import TupleRow

from storage.ports.errors import StorageUnavailable, TooManyReads
from storage.postgres.connection.audit import logging_entries
from storage.postgres.connection.errors import FAILURES, REFUSALS, translated, unavailable
from storage.postgres.connection.pool import Pool
from storage.postgres.connection.session import Connection, Connector
from utils.fairness import FairQueue

T = TypeVar("T")
CONNECTIONS = 2
_WAITING = 100


class Undone(Exception):
    """Ends a transaction without a trace; ``result`` is what `AccountPool.run` returns."""

    def __init__(self, result: Any) -> None:
        self.result = result
        super().__init__("the transaction is undone")


class AccountPool(Pool):
    """Carries out transactions on the tables of accounts, each within a deadline and in its fair turn.

    No lease and no fence: the statements themselves are atomic. No connection is open while none is used.

    Args:
        connector: opens the connections.
        connect_seconds: time limit of an attempt to connect.
        seconds: time limit of a transaction, including its wait in the queue.
    """

    def __init__(self, connector: Connector, *, connect_seconds: float, seconds: float) -> None:
        super().__init__(
            connector,
            name="parley-accounts",
            least=0,
            most=CONNECTIONS,
            connect_seconds=connect_seconds,
            seconds=seconds,
        )
        self._queue = FairQueue(CONNECTIONS, each=1, waiting=_WAITING, full=TooManyReads)
        self._notices = FairQueue(1, each=1, waiting=_WAITING, full=TooManyReads)

    @property
    def waiting(self) -> int:
        """The number of queued transactions."""
        return self._queue.waiting

    async def fetch(self, text: bytes, values: dict[str, Any], *, notices: bool = False) -> list[TupleRow]:
        """Return the rows of a read, as `Pool.read`.

        ``notices`` marks the read that follows who may not act: it waits for a connection alone, and not for the turns
        of others, however many addresses have requests queued.

        Raises:
            StorageUnavailable: no answer in time, or closed.
            TooManyReads: the queue is full.
        """
        try:
            return await self.read(self._notices if notices else self._queue, text, values)
        except FAILURES as error:
            self.check_open()
            raise _unavailable(error) from error

    async def run(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Return the result of ``work``, which is one transaction; or that of the `Undone` it raises.

        Raises:
            StorageUnavailable: whether the transaction was committed is unknown; or closed, or the queue is full.
            BatchRefused: a row can never be stored. Nothing was.
        """

        async def transact(connection: Connection) -> T:
            with logging_entries():
                async with connection.transaction():
                    return await work(connection)

        try:
            return await self.use(self._queue, transact)
        except Undone as undone:
            result: T = undone.result
            return result
        except REFUSALS as error:
            raise translated(error) from error
        except FAILURES as error:
            self.check_open()
            raise _unavailable(error) from error

    async def change(self, text: bytes, values: dict[str, Any]) -> int:
        """Carry out one statement as a transaction, and return the number of rows that it has written."""

        async def work(connection: Connection) -> int:
            return await execute(connection, text, values)

        return await self.run(work)


def _unavailable(error: BaseException) -> StorageUnavailable:
    if isinstance(error, errors.UndefinedTable | errors.UndefinedColumn):
        # The server that has the rooms makes them, and this one may have started first.
        return StorageUnavailable("the database has no tables for accounts yet: a server makes them when it starts")
    return unavailable(error)


async def execute(connection: Connection, text: bytes, values: dict[str, Any]) -> int:
    """Carry out a statement, and return the number of rows that it has written."""
    return (await connection.execute(text, values)).rowcount
