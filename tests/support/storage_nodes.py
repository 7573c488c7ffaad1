"""The storage of several nodes over one database, all in this event loop."""

from functools import partial
from typing import Any

import psycopg

from storage.ports.servers import Gained, Servers
from storage.postgres.connection.lease import Pace
from storage.postgres.connection.node import NodeLease
from storage.postgres.storage import PostgresStorage
from tests.contract.records import PACE, until

NEVER = 3600.0
# A node takes nothing from one that lives, except in the tests of just that.
QUIET = PACE._replace(look=0.02, cut=NEVER, hung=NEVER, rest=NEVER)
EAGER = QUIET._replace(cut=0.1)
SUPERSEDED = "superseded"


class Node:
    """One node, and what it was told."""

    def __init__(self, storage: PostgresStorage) -> None:
        assert isinstance(storage.lease, NodeLease)
        self.storage = storage
        self.lease = storage.lease
        self.events: list[Gained | str] = []
        self.installations: list[bytes] = []
        events = storage.lease_events
        events.on_gained = self.events.append
        events.on_superseded = lambda: self.events.append(SUPERSEDED)
        events.on_installation = self.installations.append

    @property
    def writes(self) -> bool:
        """Whether it has the right to write, as far as it knows."""
        return self.lease.tenure is not None

    @property
    def seen(self) -> Servers:
        """What its last look has shown."""
        return self.storage.servers() or Servers(0, "", False, frozenset(), frozenset())

    @property
    def pid(self) -> int:
        """The process id of the session that holds the lease."""
        assert self.lease.tenure is not None
        return self.lease.tenure.pid

    async def looks(self, times: int = 2) -> None:
        """Wait until it has looked that often; the first look may have begun earlier."""
        for _ in range(times):
            await until(partial(self._has_looked_since, self.storage.servers()))

    def _has_looked_since(self, before: Servers | None) -> bool:
        return self.storage.servers() is not None and self.storage.servers() is not before


class Nodes:
    """Starts nodes on a database."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._started: list[Node] = []

    async def start(self, name: str, pace: Pace = QUIET, url: str = "") -> Node:
        """Start the storage of one more node, perhaps through a proxy or on another database."""
        node = Node(PostgresStorage(url or self.url, pace=pace, node=name, node_name=name, read_seconds=1.0))
        self._started.append(node)
        await node.storage.start()
        return node

    async def owner(self, name: str = "one", pace: Pace = QUIET, url: str = "") -> Node:
        """Start the node that writes."""
        node = await self.start(name, pace, url)
        await until(lambda: node.writes)
        return node

    async def edge(self, name: str = "two", pace: Pace = QUIET, url: str = "") -> Node:
        """Start a node that knows which other one writes."""
        node = await self.start(name, pace, url)
        await until(lambda: node.seen.owner_lives and bool(node.installations))
        return node

    async def execute(self, statement: bytes, **values: object) -> list[tuple[Any, ...]]:
        """Execute a statement on the database, past all nodes."""
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
            cursor = await connection.execute(statement, values)
            return await cursor.fetchall() if cursor.description else []

    async def end_session(self, pid: int) -> None:
        """End a session, as a network does that is cut, or an administrator."""
        await self.execute(b"SELECT pg_terminate_backend(%(pid)s)", pid=pid)

    async def close(self) -> None:
        """Stop them all."""
        for node in self._started:
            await node.storage.close()
