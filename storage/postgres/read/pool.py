"""The connections for reads, and the queues for them."""

from collections.abc import Callable
from typing import Any

from psycopg.rows import TupleRow

from storage.ports.errors import StorageUnavailable, TooManyReads
from storage.postgres.connection.errors import FAILURES, unavailable
from storage.postgres.connection.pool import Pool
from storage.postgres.connection.session import Connector
from utils.fairness import FairQueue

# Reads of one reader that may be queued. Searches are few and may be slow; a reconnecting client does many look-ups.
_WAITING_LOOKUPS = 100
_WAITING_SEARCHES = 16


class ReadPool(Pool):
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
        super().__init__(
            connector,
            name="parley-reads",
            least=1,
            most=connections,
            connect_seconds=connect_seconds,
            seconds=read_seconds,
        )
        self._problem = problem
        # Searches get half of the connections at most, so that joining a room never waits for one.
        half = max(1, connections // 2)
        self._lookups = FairQueue(connections, each=half, waiting=_WAITING_LOOKUPS, full=TooManyReads)
        self._searches = FairQueue(half, each=max(1, half // 2), waiting=_WAITING_SEARCHES, full=TooManyReads)

    @property
    def waiting(self) -> int:
        """The number of queued reads."""
        return self._lookups.waiting + self._searches.waiting

    async def fetch(self, text: bytes, values: dict[str, Any], *, search: bool = False) -> list[TupleRow]:
        """Return the rows, as `Pool.read`.

        ``search`` marks a read that may examine much, so that small reads do not wait for it.

        Raises:
            StorageUnavailable: no answer in time, or closed.
            TooManyReads: the queue is full.
        """
        try:
            return await self.read(self._searches if search else self._lookups, text, values)
        except FAILURES as error:
            self.check_open()
            problem = self._problem() if isinstance(error, TimeoutError) else None
            raise (StorageUnavailable(problem) if problem else unavailable(error)) from error
