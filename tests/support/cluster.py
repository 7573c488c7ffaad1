"""Several nodes in one process, on virtual time: a bus with faults, one storage, and a referee in the lease's place."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from chat.chat import Chat
from chat.cluster.node import Node
from chat.link.bus import LEAST_BYTES
from chat.link.envelope import Envelope
from chat.ports import Identity
from chat.rooms.parts import ChatOptions
from chat.writes.workers import PoolLimits
from model.room import User
from server.dialects import NATIVE
from storage.ports.errors import StorageUnavailable
from storage.ports.servers import Gained, Servers, node_key
from storage.ports.storage import LeaseEvents, Outcome, PoolUse, Storage, Write, Writer
from tests.support.chatting import BY_PATH, Person, VirtualClock, limits, signer
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes

INSTALLATION = b"i" * 16
KEY = b"k" * 32
HOP_SECONDS = 0.0002
APART_SECONDS = 1e-8
"""Between two messages of one sender."""
RESIGNED_SECONDS, DEAD_SECONDS = 0.05, 0.8
"""How soon another node may write, after one that resigned, or died."""
DIALECTS = {dialect.name: dialect for dialect in (NATIVE, *BY_PATH.values())}


class FaultyBus:
    """The middle of the buses of all nodes. Everything takes a moment, and may be lost, or be late.

    Attributes:
        cut: the nodes that reach no other.
        torn: pairs of nodes that hear each other's greetings, and nothing else.
        deaf: pairs of nodes, of which the second hears the first one's greetings, and nothing else.
        stranded: nodes at a server of the bus that the others do not reach; they leave it when they connect anew.
        lose: whether to lose a message, by sender and receiver.
        delay: how much longer than usual a message takes, in seconds.
        shuffles: whether a message that takes longer is overtaken by later ones of the same sender.
    """

    def __init__(self) -> None:
        self.nodes: dict[str, NodeBus] = {}
        self.cut: set[str] = set()
        self.torn: list[set[str]] = []
        self.deaf: list[tuple[str, str]] = []
        self.stranded: set[str] = set()
        self.lose: Callable[[str, str], bool] = lambda sender, receiver: False
        self.delay: Callable[[], float] = lambda: 0.0
        self.shuffles = False
        self.carried = 0
        self._last: dict[tuple[str, str], float] = {}

    def mend(self) -> None:
        """Carry everything again, and on time."""
        ups = [node for node in self.cut if node in self.nodes]
        self.cut.clear()
        self.torn.clear()
        self.deaf.clear()
        self.lose = lambda sender, receiver: False
        self.delay = lambda: 0.0
        self.shuffles = False
        for node in ups:
            self.nodes[node].on_up()

    def carry(self, sender: str, receiver: str, data: bytes) -> None:
        apart = {sender, receiver} & (self.cut | self.stranded)
        if not apart and not self.lose(sender, receiver):
            self.carried += 1
            loop = asyncio.get_running_loop()
            at = loop.time() + HOP_SECONDS + self.delay()
            if not self.shuffles:  # timers of the same time run in any order
                at = self._last[sender, receiver] = max(at, self._last.get((sender, receiver), 0.0) + APART_SECONDS)
            loop.call_at(at, self._arrive, receiver, data)

    def _arrive(self, receiver: str, data: bytes) -> None:
        if receiver in self.nodes and receiver not in self.cut:
            self.nodes[receiver].hear(data)


class NodeBus:
    """One node's end of the bus."""

    max_bytes = 1 << 20

    @property
    def problem(self) -> str:
        return "the bus is cut" if self._node in self._bus.cut else ""

    def __init__(self, bus: FaultyBus) -> None:
        self._bus = bus
        self._node = ""
        self.reconnects = 0
        self.hear: Callable[[bytes], object]
        self.on_up: Callable[[], object]

    @property
    def up(self) -> bool:
        reached = self._bus.nodes.get(self._node) is self and self._node not in self._bus.cut
        return reached and self.max_bytes >= LEAST_BYTES

    async def start(self, node: str, hear: Callable[[bytes], object], on_up: Callable[[], object]) -> None:
        self._node, self.hear, self.on_up = node, hear, on_up
        self._bus.nodes[node] = self
        on_up()

    def send(self, node: str, data: bytes) -> None:
        if self.up and {self._node, node} not in self._bus.torn and (self._node, node) not in self._bus.deaf:
            self._bus.carry(self._node, node, data)

    def send_all(self, data: bytes) -> None:
        for node in tuple(self._bus.nodes) if self.up else ():
            if node != self._node:
                self._bus.carry(self._node, node, data)

    def reconnect(self) -> None:
        if self.up:
            self.reconnects += 1
            self._bus.stranded.discard(self._node)
            self.on_up()

    async def close(self) -> None:
        if self._bus.nodes.get(self._node) is self:
            del self._bus.nodes[self._node]


class Referee:
    """Decides which node may write: what the lease does in PostgreSQL.

    Attributes:
        elects: give the right to write to another node soon after it was given up, or its node has died.
    """

    def __init__(self, repository: FaultyRepository) -> None:
        self.repository = repository
        self.token = 0
        self.owner: NodeStorage | None = None
        self.epoch: str | None = None
        self.nodes: dict[str, NodeStorage] = {}
        self.elects = False

    def give(self, storage: NodeStorage, *, tell: bool = True) -> None:
        """Give the right to write to a node; with ``tell``, the one before learns of it from its lease."""
        before, self.owner = self.owner, storage
        if before is not None:
            before.end_writes()
            if before is not storage and tell and before.node in self.nodes:
                before.lease_events.on_superseded()
        self.token += 1
        epoch, self.epoch = self.epoch, None
        storage.lease_events.on_gained(Gained(self.token, epoch, before is not None))

    def take_back(self, epoch: str | None, *, after: float) -> None:
        """Take the right to write from its node."""
        if self.owner is not None:
            self.owner.end_writes()
        self.owner, self.epoch = None, epoch
        if self.elects:
            asyncio.get_running_loop().call_later(after, self._elect)

    def _elect(self) -> None:
        if self.owner is None and self.nodes:
            nodes = list(self.nodes.values())
            self.give(next((storage for storage in nodes if storage.on_bus), nodes[0]))


class _FencedWriter:
    """Stores nothing more once another node may write, not even what it has been asked to store before."""

    def __init__(self, storage: NodeStorage, writer: Writer) -> None:
        self._storage = storage
        self._writer = writer

    async def write(self, batch: Sequence[Write]) -> list[Outcome]:
        if not self._storage.may_write:
            raise StorageUnavailable("another server may write")
        writing = asyncio.get_running_loop().create_task(self._writer.write(batch))
        self._storage.writing.add(writing)
        try:
            return await asyncio.shield(writing)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if writing.cancelled() and task is not None and not task.cancelling():
                raise StorageUnavailable("the connection was ended") from None
            writing.cancel()
            raise
        finally:
            self._storage.writing.discard(writing)

    async def close(self) -> None:
        await self._writer.close()


class NodeStorage(Storage):
    """The storage that all nodes share, as one of them sees it."""

    def __init__(self, referee: Referee, node: str) -> None:
        self._referee = referee
        self.node = node
        self.place = "in memory"
        self.lease_events = LeaseEvents()
        self.on_bus = False
        self.reachable = True
        self.writing: set[asyncio.Task[list[Outcome]]] = set()
        referee.nodes[node] = self

    @property
    def rooms(self) -> Any:
        return self._referee.repository.rooms

    @property
    def messages(self) -> Any:
        return self._referee.repository.messages

    @property
    def accounts(self) -> Any:
        return self._referee.repository.accounts

    @property
    def logins(self) -> Any:
        return self._referee.repository.logins

    @property
    def secrets(self) -> Any:
        return self._referee.repository.secrets

    @property
    def access(self) -> Any:
        return self._referee.repository.access

    @property
    def links(self) -> Any:
        return self._referee.repository.links

    @property
    def safety(self) -> Any:
        return self._referee.repository.safety

    @property
    def users(self) -> Any:
        return self._referee.repository.users

    @property
    def audit(self) -> Any:
        return self._referee.repository.audit

    @property
    def may_write(self) -> bool:
        return self._referee.owner is self and self.node in self._referee.nodes

    def end_writes(self) -> None:
        """Store nothing of what is being written."""
        for writing in self.writing:
            writing.cancel()

    async def start(self) -> None:
        """There is nothing to start."""

    async def close(self) -> None:
        self._referee.nodes.pop(self.node, None)

    async def keep_epoch(self, epoch: str) -> None:
        if self.may_write:
            self._referee.epoch = epoch

    async def resign(self, epoch: str | None) -> bool:
        if self.may_write:
            self._referee.take_back(epoch, after=RESIGNED_SECONDS)
        return True

    def say_on_bus(self, up: bool) -> None:
        self.on_bus = up

    def servers(self) -> Servers | None:
        if not self.reachable:
            return None
        referee = self._referee
        alive = frozenset(map(node_key, referee.nodes))
        on_bus = frozenset(node_key(node) for node, storage in referee.nodes.items() if storage.on_bus)
        owner = "" if referee.owner is None else referee.owner.node
        return Servers(referee.token, owner, owner in referee.nodes, alive, on_bus)

    async def reached(self) -> None:
        """It is always reached."""

    def problem(self) -> str | None:
        return self._referee.repository.problem() if self.may_write else "another server writes"

    def was_ready(self) -> bool:
        return True

    def another_writes(self) -> bool:
        return not self.may_write

    def is_full(self) -> bool:
        return False

    def waiting_reads(self) -> int:
        return 0

    def pools(self) -> Sequence[PoolUse]:
        return ()

    def snapshot(self, *, sessions: bool) -> None:
        return None

    def writer(self) -> Writer:
        return _FencedWriter(self, self._referee.repository.writer())


class SameTerms:
    """The terms of a node; `terms` of two nodes may differ."""

    def __init__(self) -> None:
        self.terms = {"EDIT_WINDOW": "900"}

    def own(self) -> dict[str, str]:
        return self.terms

    def differences(self, theirs: Mapping[str, str]) -> list[str]:
        return [] if theirs == self.terms else ["EDIT_WINDOW differs"]

    def fingerprints(self) -> dict[str, str]:
        return {}

    def differing(self, theirs: Mapping[str, str]) -> list[str]:
        return []


class ClusterNode:
    """One node of a `Cluster`."""

    def __init__(self, cluster: Cluster, name: str, options: dict[str, Any], clock: VirtualClock | None = None) -> None:
        self.name = name
        self.clock = clock or VirtualClock()
        self.cluster = cluster
        identity = next(cluster.identities).to_bytes(8)
        self.storage = NodeStorage(cluster.referee, identity.hex())
        options = {"limits": limits(), "pool": PoolLimits(workers=1), "presence_grace": 0.0, **options}
        self.chat = Chat(self.storage, self.clock, signer(self.clock), ChatOptions(**options))
        self.questions: list[bytes] = []
        self.terms = SameTerms()
        self.node = Node(self.chat, identity, DIALECTS, self._serve, self.terms)
        self.storage.lease_events.on_gained = lambda gained: self.node.gained(gained.token, gained.epoch)
        self.storage.lease_events.on_superseded = self.node.superseded

    async def _serve(self, question: bytes) -> bytes:
        self.questions.append(question)
        return b"answer to " + question

    async def start(self, bus: FaultyBus) -> None:
        self.chat.start()
        self.node.start(self.name)
        await self.join(bus)

    async def join(self, bus: FaultyBus, installation: bytes = INSTALLATION) -> None:
        """Look for other nodes of an installation on a bus."""
        await self.node.join_bus(NodeBus(bus), Envelope(installation, KEY))

    def own(self) -> None:
        """Get the right to write."""
        self.cluster.referee.give(self.storage)

    async def resign(self) -> bool:
        """Give the rooms away in good order."""
        return await self.node.resign()

    async def kill(self) -> None:
        """Die like a killed process: nothing leaves this node any more, and its locks are gone."""
        referee = self.cluster.referee
        self.cluster.nodes.remove(self)
        self.cluster.bus.nodes.pop(self.storage.node, None)
        referee.nodes.pop(self.storage.node, None)
        if referee.owner is self.storage:
            referee.take_back(None, after=DEAD_SECONDS)
        await self.stop()

    async def stop(self) -> None:
        await self.node.close()
        assert await self.chat.close(2.0) == []


class Cluster:
    """Some nodes, of which the first has the rooms."""

    def __init__(self, repository: FaultyRepository | None = None, **options: Any) -> None:
        self.repository = repository or FaultyRepository()
        self.bus = FaultyBus()
        self.referee = Referee(self.repository)
        self.nodes: list[ClusterNode] = []
        self.identities = itertools.count(1)
        self._options = options

    async def add(
        self,
        name: str,
        terms: dict[str, str] | None = None,
        clock: VirtualClock | None = None,
        bus: FaultyBus | None = None,
    ) -> ClusterNode:
        node = ClusterNode(self, name, self._options, clock)
        node.terms.terms = terms or node.terms.terms
        self.nodes.append(node)
        await node.start(bus or self.bus)
        return node

    async def move(self, before: ClusterNode, after: ClusterNode) -> None:
        """Give the rooms of one node to another in good order."""
        assert await before.resign()
        after.own()


def account(node: ClusterNode, name: str, role: str = "user", **options: Any) -> Person:
    """Return a client with an account."""
    return Person(node.chat, identity=Identity(User(f"u_{name}", name), guest=False, role=role), **options)


@asynccontextmanager
async def clustered(
    count: int = 2, repository: FaultyRepository | None = None, **options: Any
) -> AsyncIterator[Cluster]:
    """Nodes that know each other, on a virtual loop. Tasks that they leave behind fail the test."""
    cluster = Cluster(repository, **options)
    try:
        for number in range(count):
            await cluster.add(f"n{number + 1}")
        cluster.nodes[0].own()
        await passes(1.0)
        yield cluster
    finally:
        for node in cluster.nodes:
            await node.stop()
