"""One node of a cluster: which other nodes there are, which of them has the rooms, and what follows from a change.

Who has the rooms is decided in the database, by the lease: see `storage.postgres.connection.node`. The bus only says
it sooner. A node that gets the lease is the owner, and says so in its greetings; every other node is an edge.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import NamedTuple

from chat.chat import Chat
from chat.cluster import operations as op
from chat.cluster.dead_end import DeadEnd
from chat.cluster.edge import SILENT_SECONDS, Edge
from chat.cluster.greetings import Notices, Owning, Terms
from chat.cluster.links import Links
from chat.cluster.owner import Owner
from chat.cluster.peers import Peer
from chat.cluster.sending_away import SendingAway
from chat.cluster.statistics import Statistics
from chat.link.bus import Bus
from chat.link.envelope import Envelope
from chat.ports import Admitted, Dialect, NodeStatus, Sample
from model.errors import ParleyError
from storage.ports.servers import Servers, node_key
from utils.tasks import TaskRegistry

log = logging.getLogger(__name__)

# A node without anything to do costs 0.6 % of a core with these (measured); it was 2 % with a tick of 50 ms and three
# greetings a second.
TICK_SECONDS = 0.1
LAST_WORDS_SECONDS = 3.0
"""How long the last frames of an owner are waited for once there is another one; less if it is dead."""
DEAD_SILENCE = 0.3
"""Silence of an owner that the database shows no longer, after which nothing more of it can be under way."""
MOVE_SECONDS = 5.0
"""How long everything accepted may take to be stored when the rooms are given away."""
CONFIRM_SECONDS = 1.0
"""How long the other nodes may take to confirm that they know of it."""
UNHEARD_SECONDS = 4.0
"""How long a node hears nothing at all before it asks whether others use another NATS: several greetings."""
BACK_SECONDS = 2.0
"""For how long the database names an earlier tenure than was heard of, until that is not just an old look at it."""


class _Next(NamedTuple):
    """An owner that is heard of, and since when."""

    peer: Peer
    owning: Owning
    since: float


class Node:
    """See the top of this file.

    Args:
        chat: the chat of this node.
        id: `NODE_BYTES` random bytes, for this life of the node; its storage has the same.
        dialects: by name.
        serve: answers a question of an edge, such as an HTTP request.
        terms: compares this node with others.
        notices: those that this node knows; None if it follows none.

    Attributes:
        token: of this node's tenure; 0 while another one has the rooms.
        peers: the nodes with which it has a link, by id.
    """

    def __init__(
        self,
        chat: Chat,
        id: bytes,
        dialects: Mapping[str, Dialect],
        serve: Callable[[bytes], Awaitable[bytes]],
        terms: Terms,
        notices: Notices | None = None,
    ) -> None:
        self.id = id
        self.token = 0
        self._key = node_key(id.hex())
        self._chat = chat
        self._storage = chat.parts.storage
        self._now = chat.parts.clock.monotonic
        self.statistics = Statistics()
        self._links = Links(
            id,
            terms,
            self._now,
            self.statistics,
            flush_last=chat.parts.hub.flush_last,
            claim=self._claim,
            claimed=self._claimed,
            receive=self._receive,
            dropped=self._dropped,
            notices=notices,
        )
        self.peers = self._links.peers
        self.owner = Owner(chat, dialects, serve, self.statistics)
        self.edge = Edge(chat, dialects, self._now, serve, self.statistics, self._obstacle)
        self._sending_away = SendingAway(chat, self._now)
        self._dead_end = DeadEnd(self._now)
        self._newest = 0  # the largest token that was heard of
        self._ahead_since: float | None = None  # when the database first named an earlier tenure than that
        self._next: _Next | None = None
        self._tasks = TaskRegistry()
        self._bus_down_since: float | None = self._now()
        self._moving = False
        self._declined: frozenset[int] = frozenset()  # nodes on the bus that did not take the rooms from this one
        self._belongs = False  # it has had an owner, or the rooms
        chat.node = self
        self.edge.begin((), clean=True)

    # The life of the node.

    def start(self, name: str) -> None:
        """Do what is due, from now on; ``name`` is for operators."""
        self._links.name = name
        self._tasks.spawn(self._run(), name="node")

    def greet(self) -> None:
        """Say to all other nodes what this one is and knows, because that has changed."""
        if self._links.bus.joined:
            self._links.greet()

    async def join_bus(self, bus: Bus, envelope: Envelope) -> None:
        """Look for the other nodes of the installation."""
        await self._links.bus.join(bus, envelope)

    async def leave_bus(self) -> None:
        """End all links. The clients of this node, and the rooms, stay."""
        self._links.begin_again()
        await self._links.bus.leave()

    async def close(self) -> None:
        """Stop, and leave the bus."""
        for name in await self._tasks.close(1.0):
            log.error("task %s did not stop", name)
        if self._links.bus.joined:
            self._links.greet(stops=True)
        await self.leave_bus()

    async def _run(self) -> None:
        while True:
            try:
                self._tick()
            except Exception:  # without ticks the others would give this node up, and it would keep the rooms
                log.exception("what this node does regularly failed")
            await asyncio.sleep(TICK_SECONDS)

    def _tick(self) -> None:
        bus_up, servers = self._on_bus, self._storage.servers()
        # A node of another version must not take the rooms as long as the others understand each other.
        self._storage.say_on_bus(bus_up and (self._belongs or self._links.obstacle() is None))
        self._links.tick(servers, talks=lambda peer: self.token > 0 or peer is self.edge.owner)
        self._follow_database(servers)
        self._adopt_next()
        self.edge.tick()
        # Without a living owner, the clients would find none at another node either: then their connections stay.
        lives_elsewhere = servers is not None and servers.owner_lives and servers.owner != self.id.hex()
        self._sending_away.tick(cut_off=not self.token and self.edge.cut_off() and lives_elsewhere)
        self._give_away_off_bus(servers, bus_up=bus_up)
        self._look_for_dead_end(servers)

    @property
    def _on_bus(self) -> bool:
        return self._links.bus.up and not self._dead_end.deaf and not self._dead_end.apart

    def _look_for_dead_end(self, servers: Servers | None) -> None:
        was_deaf = self._dead_end.deaf
        if self._dead_end.look(
            misses=self._misses_others(servers),
            silent=self._hears_none(servers),
            hears_owner=self._hears_owner(),
            owner=self.token > 0,
        ):
            log.warning("other nodes reach NATS, and are not heard here: connecting to it anew")
            self._links.bus.reconnect()
        if self._dead_end.deaf and not was_deaf:
            log.warning("no other node is heard over NATS, which they reach: this node counts as cut off from it")
        if unheard := self._unheard(servers):
            self._links.bus.note(unheard)

    def _give_away_off_bus(self, servers: Servers | None, *, bus_up: bool) -> None:
        """Give the rooms away if this node does not reach the bus, and another one does."""
        now = self._now()
        if bus_up:
            self._bus_down_since, self._declined = None, frozenset()
        elif self._bus_down_since is None:
            self._bus_down_since = now
        off = self._bus_down_since is not None and now - self._bus_down_since > SILENT_SECONDS
        others = servers is not None and servers.on_bus - {self._key} - self._declined
        if self.token and off and others and not self._moving:
            log.warning("NATS is out of reach here, and another node reaches it: giving the rooms away")
            self._tasks.spawn(self.resign(), name="resign")

    def _misses_others(self, servers: Servers | None) -> bool:
        """Whether other nodes live, and the bus does not carry here what they must be sending."""
        bus = self._links.bus
        if not bus.up or servers is None or self._links.obstacle() is not None:
            return False
        if self.token:
            return self._is_silent(bus.heard_at) and bool(servers.alive - {self._key})
        if not servers.owner_lives or not servers.reaches_bus(servers.owner) or servers.owner == self.id.hex():
            return False
        return not self._hears_owner()

    def _hears_owner(self) -> bool:
        owner = self.edge.owner
        return owner is not None and not self._is_silent(owner.link.heard)

    def _is_silent(self, heard: float) -> bool:
        return self._now() - heard > SILENT_SECONDS

    def _hears_none(self, servers: Servers | None) -> bool:
        """Whether nothing is heard of the other nodes that say that they reach the bus."""
        others = len(servers.on_bus - {self._key}) if servers is not None else 0
        # One other node may be the one that is cut off: the rooms stay.
        return self._is_silent(self._links.bus.heard_at) and others >= (2 if self.token else 1)

    def _unheard(self, servers: Servers | None) -> str:
        """Return what may be wrong if an owner that reaches the bus was never heard here, in words; else empty."""
        if servers is None or self.token or self._now() - self._links.bus.heard_at < UNHEARD_SECONDS:
            return ""
        if not self._misses_others(servers):
            return ""
        return f"node {servers.owner_name} has the rooms, and is not heard: is NATS_URL or NATS_PREFIX different there?"

    def _obstacle(self) -> str | None:
        """Return why there may be no owner here, in words."""
        bus, servers = self._links.bus, self._storage.servers()
        if bus.problem:
            return bus.problem
        if servers is not None and not servers.owner_lives and not self._storage.another_writes():
            return self._storage.problem()
        return self._links.obstacle() or self._unheard(servers) or None

    # Other nodes.

    def _claim(self) -> Owning | None:
        if not self.token or self._moving:
            return None
        return Owning(0, self.token, self._chat.parts.hub.epoch, self._chat.storage_problem() or "")

    def _receive(self, peer: Peer, operations: list[op.AnyOperation]) -> None:
        for operation in operations:
            try:
                if isinstance(operation, op.FromEdge):
                    if self.token:
                        self.owner.take(peer, operation)
                elif peer is self.edge.owner:
                    self.edge.take(operation)
                    if isinstance(operation, op.Moved):
                        self._adopt_next()
            except Exception:  # the link delivers each operation once: the next ones must not be lost with it
                log.exception("an operation of node %s failed: %s", peer, type(operation).__name__)

    def _dropped(self, peer: Peer) -> None:
        if self._next is not None and self._next.peer is peer:
            self._next = None
        if self.edge.owner is peer:
            self.edge.lose_owner(clean=False)
        if self.token:
            self.owner.lost(peer)

    # The owner changes.

    def _claimed(self, peer: Peer, owning: Owning) -> None:
        if self.token and owning.token > self.token:
            self.superseded()
        if owning.token < max(self._newest, self.token):
            return
        self._newest = owning.token
        if self.edge.owner is peer and self.edge.token == owning.token:
            self.edge.storage_problem = owning.problem
            if owning.epoch != self.edge.epoch:
                self.edge.epoch = self._chat.parts.hub.epoch = owning.epoch
        elif not self.token and (self._next is None or self._next.owning.token < owning.token):
            self._next = _Next(peer, owning, self._now())
            self._adopt_next()

    def _follow_database(self, servers: Servers | None) -> None:
        """Forget tenures that the database does not know: a backup was restored, or a standby promoted without them.

        The next owner counts from there, and would be taken for an earlier one.
        """
        waits = not self.token and self.edge.owner is None
        if not waits or servers is None or servers.token >= self._newest:
            self._ahead_since = None
        elif self._ahead_since is None:
            self._ahead_since = self._now()
        elif self._now() - self._ahead_since >= BACK_SECONDS:
            log.warning("the database has gone back from tenure %d to tenure %d", self._newest, servers.token)
            self._newest = servers.token

    def _adopt_next(self) -> None:
        """Go on with the next owner, once the last one has said its last word."""
        if self._next is None or self.token:
            return
        peer, owning, since = self._next
        before = self.edge.owner
        if before is not None:
            dead, now = before.has_died(self._storage.servers()), self._now()
            if not (dead and now - before.link.heard > DEAD_SILENCE) and now - since < LAST_WORDS_SECONDS:
                return
            self.edge.lose_owner(clean=False)
        self._next = None
        self.statistics.owner_changes += 1
        self._belongs = True
        log.info("node %s has the rooms now, with token %d and epoch %s", peer, owning.token, owning.epoch)
        peer.link.excuse()  # as another edge it may have been silent
        self.edge.adopt(peer, owning.token, owning.epoch)
        self.edge.storage_problem = owning.problem

    def gained(self, token: int, epoch: str | None) -> None:
        """Have the rooms from now on: this node got the lease.

        Args:
            token: of the tenure; larger than all before it.
            epoch: `chat.rooms.hub.Hub.saved_epochs` of the previous owner, if everything that it broadcast is stored.
        """
        if self.token:
            self.superseded()
        returning, waiting = self.edge.end(token)
        self.token = self._newest = token
        self._next = None
        servers = self._storage.servers()
        if servers is not None and not self._on_bus:
            self._declined = servers.on_bus
        living = self._links.living(servers)
        for peer in living:
            peer.link.excuse()  # as another edge it may have been silent
        self.owner.begin(token, epoch, living)
        self.edge.epoch = self._chat.parts.hub.epoch
        self.statistics.owner_changes += 1
        self._belongs = True
        log.info("this node has the rooms now, with token %d and epoch %s", token, self.edge.epoch)
        for there in returning:
            self.owner.rejoin(there)
        for session, asked in waiting:
            self._chat.receive(session, asked if isinstance(asked, ParleyError) else Admitted(asked))
        self._links.greet()

    def superseded(self) -> None:
        """Have the rooms no longer: another node got the lease. Idempotent."""
        if self.token:
            log.warning("another node has the rooms now")
            self._leave_rooms(clean=False)

    def _leave_rooms(self, *, clean: bool) -> None:
        token, self.token = self.token, 0
        for room in self._chat.parts.hub.rooms.values():
            room.presence.tell()
        self.edge.epoch = self._chat.parts.hub.epoch
        self.edge.begin(self.owner.not_returned(), token, clean=clean, held=self.owner.held())
        self.owner.end(tuple(self.peers.values()), clean=clean)

    async def resign_to_another(self) -> bool:
        """Give the rooms to another node, if one lives: in good order if that is possible, else as if this node died.

        Returns whether it was possible, or no longer necessary.
        """
        servers = self._storage.servers()
        if servers is None or not servers.alive - {self._key}:
            return False
        if await self.resign():
            return True
        if self.token:
            log.warning("the rooms go to another node, without what is not stored")
            self._leave_rooms(clean=False)
        await self._storage.resign(None)
        return False

    async def resign(self) -> bool:
        """Give the rooms to another node in good order. Returns whether this node has none now."""
        if not self.token:
            return True
        chat, token = self._chat, self.token
        self._moving = True
        try:
            done = await self.owner.move_out(MOVE_SECONDS)
            if self.token != token:  # superseded
                return not self.token
            if not done:
                log.warning("the rooms stay here: not everything could be stored in %.0f s", MOVE_SECONDS)
                self.owner.stay()
                return False
            epochs = chat.saved_epochs()
            self._leave_rooms(clean=True)
            await self._confirmed()
            if self.token:  # this node has got the rooms again
                return False
            log.info("the rooms are given away")
            return await self._storage.resign(epochs)
        finally:
            self._moving = False

    async def _confirmed(self) -> None:
        until = self._now() + CONFIRM_SECONDS
        while self._now() < until:
            servers = self._storage.servers()
            if all(peer.link.idle or peer.has_died(servers) for peer in self.peers.values()):
                return
            await asyncio.sleep(TICK_SECONDS / 10)
        log.warning("not every node has confirmed that the rooms are given away")

    @property
    def turns_away(self) -> bool:
        """Whether clients find the rooms at another node only."""
        return self._sending_away.active

    # For operators.

    def status(self) -> NodeStatus:
        """Return what ``/health`` says of this node."""
        owner, name = self.edge.owner, self._links.name
        return NodeStatus(
            name,
            role="owner" if self.token else "edge",
            owner=name if self.token else owner.name if owner is not None else "",
            token=self._newest if self.token or owner is not None else 0,
            bus=self._on_bus if self._links.bus.joined else None,
            peers=len(self.peers),
        )

    def samples(self) -> Iterator[Sample]:
        """Yield the metrics of this node."""
        yield Sample("owner", "1 if this node has the rooms, 0 if it is an edge", float(self.token > 0), False)
        yield Sample("bus_up", "1 if this node reaches the bus", float(self._on_bus), False)
        yield from self._links.samples()
        yield Sample("stubs", "clients of other nodes, at the node that has the rooms", self.owner.stubs, False)
        yield Sample("unanswered_commands", "forwarded commands without an answer", self.edge.unanswered, False)
        yield from self.statistics.samples()
