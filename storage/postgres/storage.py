"""Storage in Postgres: a pool for reads, writers with their own connections, and one lease for all of them."""

import asyncio
import logging
from collections.abc import Sequence

from storage.ports.servers import Servers
from storage.ports.storage import LeaseEvents, PoolUse
from storage.postgres.accounts.pool import AccountPool
from storage.postgres.accounts.storage import PostgresAccounts
from storage.postgres.connection.errors import FAILURES, words_for
from storage.postgres.connection.lease import Lease, LeaseState, Pace
from storage.postgres.connection.node import NodeLease, named
from storage.postgres.connection.session import Connection, Connector, ParleyConnection, session_settings
from storage.postgres.connection.url import read_url
from storage.postgres.read.messages import PostgresMessageRepository
from storage.postgres.read.pool import ReadPool
from storage.postgres.read.rooms import PostgresRoomRepository
from storage.postgres.write.words import WordsMerger
from storage.postgres.write.writer import PostgresWriter
from utils.tasks import TaskRegistry

log = logging.getLogger(__name__)


class PostgresStorage(PostgresAccounts):
    """Rooms, messages and members in PostgreSQL 15 or newer. See `storage.ports.storage.Storage`.

    Args:
        url: a libpq URL; its timeouts and application name override ours.
        read_connections: the maximum number of connections for reads.
        connect_seconds: time limit of an attempt to connect.
        read_seconds: time limit of a read, including its wait in the queue; Postgres may take half of it.
        write_seconds: time limit of a batch, also in Postgres.
        close_seconds: time limit of :meth:`close`.
        makes_secret: whether to make a secret for the servers if the database has none.
        node: the id of this server as a node of a cluster, unique in each life of each process; empty for a server
            that writes alone.
        node_name: its name for operators, which the application name of its sessions shows to the others.
        pace: the intervals of the checks of the lease.

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
        makes_secret: bool = True,
        node: str = "",
        node_name: str = "",
        pace: Pace | None = None,
    ) -> None:
        self._write_seconds = write_seconds
        self._close_seconds = close_seconds
        self._connector = Connector(read_url(url), connect_seconds, named(node_name))
        self.place = f"in Postgres at {self._connector.place}"
        self._options = self._connector.options(connect_seconds, session_settings(write_seconds))
        self._reads = ReadPool(
            self._connector,
            connections=read_connections,
            # Closing a pool waits for a running attempt to connect: let that end first.
            connect_seconds=min(connect_seconds, close_seconds / 2),
            read_seconds=read_seconds,
            problem=lambda: self.lease.problem,
        )
        self._accounts = AccountPool(
            self._connector, connect_seconds=min(connect_seconds, close_seconds / 2), seconds=read_seconds
        )
        super().__init__(self._accounts)
        self.rooms = PostgresRoomRepository(self._reads.fetch)
        self.messages = PostgresMessageRepository(self._reads.fetch)
        self.lease_events = LeaseEvents()
        self.lease = (NodeLease if node else Lease)(
            self.connect,
            self.lease_events,
            on_lost=self._lease_lost,
            on_connected=self._drain,
            makes_secret=makes_secret,
            node=node,
            pace=pace,
        )
        self._node = self.lease if isinstance(self.lease, NodeLease) else None
        self._writers: set[PostgresWriter] = set()
        self._words = WordsMerger(self.connect, write_seconds)
        self._tasks = TaskRegistry()
        self._closed = False

    async def start(self) -> None:
        # They log each failed attempt, with users; the lease logs the same once, without them.
        for logger in ("psycopg", "psycopg.pool"):
            logging.getLogger(logger).setLevel(logging.ERROR)
        await self._reads.open()
        await self._accounts.open()
        self._tasks.spawn(self.lease.run(), name="parley-postgres-lease")
        self._tasks.spawn(self._words.run(), name="parley-postgres-words")

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        deadline = asyncio.get_running_loop().time() + self._close_seconds
        self.lease.end()
        self._reads.stop()
        self._accounts.stop()
        for name in await self._tasks.close(self._close_seconds / 2):
            log.error("task %s did not stop", name)
        for pool in (self._accounts, self._reads):
            await pool.close(max(0.1, deadline - asyncio.get_running_loop().time()))

    async def keep_epoch(self, epoch: str) -> None:
        try:
            await self.lease.keep_epoch(epoch)
        except FAILURES as error:
            log.warning("the epoch could not be saved: %s", words_for(error))

    async def resign(self, epoch: str | None) -> bool:
        return self._node is not None and await self._node.resign(epoch)

    def say_on_bus(self, up: bool) -> None:
        if self._node is not None:
            self._node.say_on_bus(up)

    def servers(self) -> Servers | None:
        return None if self._node is None else self._node.servers

    async def reached(self) -> None:
        await self.lease.reached.wait()

    def problem(self) -> str | None:
        return self.lease.problem or next((writer.problem for writer in self._writers if writer.problem), None)

    def was_ready(self) -> bool:
        seen = self._node is not None and self.lease.state is not LeaseState.CONNECTING
        return self.lease.was_held or seen

    def another_writes(self) -> bool:
        return self.lease.state is LeaseState.STANDBY

    def is_full(self) -> bool:
        return False

    def waiting_reads(self) -> int:
        return self._reads.waiting + self._accounts.waiting

    def pools(self) -> Sequence[PoolUse]:
        return self._reads.usage("reads"), self._accounts.usage("accounts")

    def snapshot(self, *, sessions: bool) -> None:
        return None

    def writer(self) -> PostgresWriter:
        writer = PostgresWriter(self.lease, self.connect, self._write_seconds, self._writers.discard, self._words.note)
        self._writers.add(writer)
        return writer

    async def connect(self) -> Connection:
        """Open a connection for the lease, a writer or merges. Raises `storage.postgres.connection.errors.FAILURES`."""
        return await ParleyConnection.connect(self._connector.conninfo, **self._options)

    async def _drain(self) -> None:
        await self._reads.drain()
        await self._accounts.drain()

    def _lease_lost(self) -> None:
        self.messages.forget_words()
        for writer in self._writers:
            writer.end_tenure()
