"""A cluster under load: three nodes, NATS and PostgreSQL, to be broken; and the counts at the end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any

from tests.faults.database import administrator
from tests.faults.nodes import SECRET, Node, Nodes, running
from tests.support.counts import Counts
from tests.support.load import Load, Visitor, talking
from tests.support.nats import NatsServer
from tests.support.postgres import PostgresCluster
from tests.support.process import PATIENCE
from tests.support.proxy import Network

Settle = Callable[..., Awaitable[Counts]]
# 36 memberships. Everything runs on the cores of one machine, so it is less than what one server gets elsewhere.
LOAD: Mapping[str, Any] = {"people": 18, "rooms": 6, "bots": 3, "every": 0.15, "patience": 90.0, "secret": SECRET}


class Stage:
    """See the top of this file.

    Attributes:
        url: of the database, directly.
        nodes, load: what runs.
        nats, postgres: the servers that it depends on.
    """

    def __init__(
        self,
        url: str,
        nodes: Nodes,
        load: Load,
        nats: Sequence[NatsServer],
        postgres: PostgresCluster,
        settle: Settle,
    ) -> None:
        self.url = url
        self.nodes = nodes
        self.load = load
        self.nats = nats
        self.postgres = postgres
        self._settle = settle

    async def goes_on(self) -> Node:
        """Wait until the nodes agree on an owner and messages are acked, and return the owner."""
        owner = await self.nodes.owner()
        await self.load.more()
        return owner

    async def settled(self, note: str = "") -> Counts:
        """End the case: with all nodes running, compare what every client has with each node and the database."""
        owner = await self.goes_on()
        await self.load.until(self._everyone_sees_everyone, "every client sees who is there")
        try:
            return await self._settle(self.load, note, database=self.url, ports=self.nodes.running_ports)
        except AssertionError as error:
            error.add_note("\n".join([line async for line in self._differences(owner)]))
            raise

    async def settled_in_place(self, owner: Node, closes: Mapping[str, list[int | None]]) -> Counts:
        """Do the same after a fault that moves no one: the owner and the `closes` are those of before it.

        No room was loaded again, and nothing was refused for another reason than that the owner was out of reach.
        """
        assert await self.goes_on() is owner
        assert self.closes() == closes
        counts = await self.settled(f"{dict(self.load.refusals)}")
        assert not self.reloads
        assert self.load.refusals.keys() <= {"unavailable"}, dict(self.load.refusals)
        return counts

    def _everyone_sees_everyone(self) -> bool:
        there = {
            room: {person.user for person in self.load.people if room in person.copies} for room in self.load.rooms
        }
        return all(person.present == {room: there[room] for room in person.copies} for person in self.load.people)

    async def _differences(self, owner: Node) -> AsyncIterator[str]:
        """Describe whose copies of a room differ from that of the owner, and what the nodes have logged."""
        names = {node.port: node.name for node in self.nodes}
        for room in self.load.rooms:
            log = (await self.load.read(room, owner.port)).states
            for person in self.load.people:
                copy = person.copies.get(room)
                if copy is not None and (copy.states.keys() != log.keys() or copy.disorder):
                    missed, extra = sorted(log.keys() - copy.states.keys()), sorted(copy.states.keys() - log.keys())
                    yield (
                        f"{person.name} at {names[person.port]}, {room}: missed {_span(missed)}, has too many "
                        f"{_span(extra)}, disorder {copy.disorder}, closes {person.closes}"
                    )
        for node in self.nodes:
            yield f"the log of {node.name}:\n{node.log_text()[-8000:]}"

    # Clients.

    def people_at(self, *nodes: Node) -> list[Visitor]:
        """Return the clients that are connected to these nodes."""
        ports = [node.port for node in nodes]
        return [person for person in self.load.people if person.port in ports]

    def closes(self) -> dict[str, list[int | None]]:
        """Return the close codes of each client's connections so far."""
        return {person.name: list(person.closes) for person in self.load.people}

    @property
    def reloads(self) -> int:
        """How often a client had to load a room again."""
        return sum(person.reloads for person in self.load.people)

    # Nodes.

    async def kill(self, node: Node) -> None:
        """End a node without warning."""
        await asyncio.to_thread(node.kill)

    async def stop(self, node: Node) -> None:
        """Stop a node by SIGTERM: it stores everything."""
        node.terminate()
        status = await asyncio.to_thread(node.wait)
        assert status == 0, f"{node.name} ended with {status}\n{node.log_text()[-4000:]}"

    async def start(self, node: Node) -> None:
        """Start a node again."""
        await asyncio.to_thread(node.start, PATIENCE)

    async def hang(self, node: Node, seconds: float) -> None:
        """Let a node hang for a while, as a frozen virtual machine does."""
        node.freeze()
        try:
            await self.load.lasts(seconds)
        finally:
            node.thaw()

    # The database.

    async def end_sessions(self, *, of_lease: bool) -> int:
        """End all sessions with the database, or only that of the lease; return how many."""
        condition = "AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock')"
        async with administrator(self.url) as admin:
            rows = await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "  # noqa: S608  # no input
                f"WHERE datname = current_database() AND pid <> pg_backend_pid() {condition if of_lease else ''}"
            )
            return len(await rows.fetchall())


@contextmanager
def without(network: Network, how: str) -> Iterator[None]:
    """Let a network be `cut` (connections are reset and refused) or `frozen` (they stay, and what is sent is held)."""
    if how == "frozen":
        network.freeze()
    else:
        network.refuse()
        network.cut()
    try:
        yield
    finally:
        network.thaw()
        network.refuse(False)


def _span(seqs: Sequence[int]) -> str:
    """Describe seqs, which are microseconds."""
    if not seqs:
        return "none"
    first, last = (datetime.fromtimestamp(seq / 1e6, UTC).strftime("%H:%M:%S.%f")[:-3] for seq in (seqs[0], seqs[-1]))
    return f"{len(seqs)} ({first} to {last})"


@asynccontextmanager
async def cluster_under_load(
    url: str,
    nats: Sequence[NatsServer],
    postgres: PostgresCluster,
    settle: Settle,
    *,
    load: Mapping[str, Any] = LOAD,
    **options: Any,
) -> AsyncIterator[Stage]:
    """Run nodes and a load. The options are those of `running`."""
    async with running(url, ",".join(server.url for server in nats), **options) as nodes:
        await nodes.owner()
        async with talking(nodes.port, **load) as talks:
            yield Stage(url, nodes, talks, nats, postgres, settle)
