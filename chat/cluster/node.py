"""One node of a cluster: which other nodes there are, which of them has the rooms, and what follows from a change.

Who has the rooms is decided in the database, by the lease: see `storage.postgres.connection.lease`. The bus only says
it sooner. A node that gets the lease is the owner, every other one an edge; both are told to the others several times a
second.
"""

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import NamedTuple

from chat.chat import Chat
from chat.cluster import operations as op
from chat.cluster.edge import SILENT_SECONDS, Edge
from chat.cluster.greetings import Greeting, Owning, Terms
from chat.cluster.owner import Owner
from chat.cluster.peers import Peer
from chat.cluster.post import Post
from chat.cluster.statistics import Sample, Statistics, Status
from chat.link.bus import Bus
from chat.link.envelope import Address, Envelope
from chat.link.link import Packet
from chat.ports import Admitted, Dialect
from chat.rooms.room import Session
from model.errors import ParleyError
from storage.ports.servers import Servers, node_key
from utils.tasks import TaskRegistry

log = logging.getLogger(__name__)

# A node without anything to do costs 0.6 % of a core with these (measured); it was 2 % with a tick of 50 ms and three
# greetings a second.
TICK_SECONDS = 0.1
GREETING_SECONDS = 1.0
PING_SECONDS = 0.4
"""Silence after which the owner and an edge send each other a sign of life."""
RARE_PING_SECONDS = 5.0
"""The same between two edges, which say nothing to each other."""
GONE_SECONDS = 1.0
"""Silence after which a peer is given up that the database shows no longer: before its commands would be refused."""
FAR_SILENT_SECONDS = 12.0
"""Silence of another edge after which it may be dead: two signs of life are missing."""
DEAD_SECONDS = 30.0
"""Silence after which a peer is given up, although the database shows that it lives."""
LAST_WORDS_SECONDS = 3.0
"""How long the last frames of an owner are waited for once there is another one; less if it is dead."""
DEAD_SILENCE = 0.3
"""Silence of an owner that the database shows no longer, after which nothing more of it can be under way."""
MOVE_SECONDS = 5.0
"""How long everything accepted may take to be stored when the rooms are given away."""
CONFIRM_SECONDS = 1.0
"""How long the other nodes may take to confirm that they know of it."""
LOOK_SECONDS = 1.0
"""Between two looks for clients to be sent away."""
AWAY_SECONDS = 30.0
"""Over how long the clients of a node that does not reach the owner are sent away: not all at once."""
OBSTACLE_SECONDS = 5.0
"""For how long after a refused greeting that is taken for the reason that there is no link."""
UNDEAD_SECONDS = 5.0
"""For how long after its greeting a node that was given up is told so."""
GIVEN_UP = 1000
"""Lives of nodes that are remembered as given up."""


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
        name: of this node, for operators.

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
        name: str = "",
    ) -> None:
        self.id = id
        self.name = name
        self.token = 0
        self.peers: dict[bytes, Peer] = {}
        self._chat = chat
        self._storage = chat.parts.storage
        self._terms = terms
        self._now = chat.parts.clock.monotonic
        self.statistics = Statistics()
        self.owner = Owner(chat, dialects, serve, self.statistics)
        self.edge = Edge(chat, dialects, self._now, serve, self.statistics, self._obstacle)
        self._post = Post(
            id, heard=self._heard, greeted=self._greeted, on_up=self._on_up, now=self._now, statistics=self.statistics
        )
        self._newest = 0  # the largest token that was heard of
        self._next: _Next | None = None
        self._given_up: dict[bytes, int] = {}
        self._undead: dict[bytes, float] = {}  # nodes that were given up and greet, and when they last did
        self._tasks = TaskRegistry()
        self._bus_down_since: float | None = self._now()
        self._moving = False
        self._belongs = False  # it has had an owner, or the rooms
        self._looked = 0.0
        self._greeted_at = -math.inf
        self._away_at: dict[Session, float] = {}  # when to send each client away
        chat.membership = self
        self.edge.take_rooms((), clean=True)

    # The bus.

    def start(self) -> None:
        """Do what is due, from now on."""
        self._tasks.spawn(self._run(), name="node")

    async def join_bus(self, bus: Bus, envelope: Envelope) -> None:
        """Look for the other nodes of the installation."""
        await self._post.join(bus, envelope)

    async def leave_bus(self) -> None:
        """Give up all links. The clients of this node, and the rooms, stay."""
        self._post.begin_again()
        for peer in tuple(self.peers.values()):
            self._drop(peer)
        await self._post.leave()

    async def _run(self) -> None:
        while True:
            if self._now() - self._greeted_at >= GREETING_SECONDS:
                self._greet()
            self.tick()
            await asyncio.sleep(TICK_SECONDS)

    def tick(self) -> None:
        """Do what is due."""
        now = self._now()
        bus_up = self._post.up
        # A node of another version must not take the rooms as long as the others understand each other.
        self._storage.say_on_bus(bus_up and (self._belongs or self._obstacle() is None))
        if bus_up:
            self._bus_down_since = None
        elif self._bus_down_since is None:
            self._bus_down_since = now
        servers = self._storage.servers()
        for peer in tuple(self.peers.values()):
            close = self.token or peer is self.edge.owner
            peer.link.tick(PING_SECONDS if close else RARE_PING_SECONDS)
            silent = now - peer.link.heard
            if silent > DEAD_SECONDS:
                self._lost(peer, f"it is silent for {silent:.0f} s")
            elif (
                silent > (GONE_SECONDS if close else FAR_SILENT_SECONDS)
                and servers is not None
                and not servers.lives(peer.address.node.hex())
            ):
                self._lost(peer, "it is silent, and has no session with the database")
        self._adopt_next()
        self.edge.tick()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._send_away(servers)
        off = self._bus_down_since is not None and now - self._bus_down_since > SILENT_SECONDS
        if (
            self.token
            and off
            and servers is not None
            and servers.on_bus - {node_key(self.id.hex())}
            and not self._moving
        ):
            log.warning("NATS is out of reach here, and another node reaches it: giving the rooms away")
            self._tasks.spawn(self.resign(), name="resign")

    def _send_away(self, servers: Servers | None) -> None:
        """Send the clients away if this node does not reach the owner, which lives: other nodes may reach it.

        Without a living owner, they would find none at another node either: then their connections stay.
        """
        cut_off = self.edge.cut_off() and servers is not None and servers.owner_lives and not self.token
        if not cut_off or servers is None or servers.owner == self.id.hex():
            self._away_at.clear()
            return
        now, known = self._now(), self._away_at
        sessions = [session for session in self._chat.parts.hub.sessions if not session.ended]
        self._away_at = {session: known.get(session) or now + random.uniform(0.0, AWAY_SECONDS) for session in sessions}
        for session in sessions:
            if now >= self._away_at[session]:
                self._chat.send_away(session, "unreachable")

    def _greet(self) -> None:
        owning = Owning(0, self.token, self._chat.parts.hub.epoch) if self.token and not self._moving else None
        self._greeted_at = now = self._now()
        self._undead = {node: at for node, at in self._undead.items() if now - at < UNDEAD_SECONDS}
        given_up = {node: self._given_up[node] for node in self._undead}
        self._post.greet(Greeting(self.name, self._terms.own(), self._terms.fingerprints(), given_up, owning))

    def _on_up(self) -> None:
        self._greet()
        for peer in self.peers.values():
            peer.link.repeat()

    def _heard(self, sender: Address, packet: Packet) -> None:
        peer = self.peers.get(sender.node)
        if peer is not None and peer.address == sender:
            peer.link.receive(packet)

    # Other nodes.

    def _greeted(self, sender: Address, greeting: Greeting) -> None:
        if greeting.given_up.get(self.id, 0) >= self._post.address.generation:
            self._begin_again(greeting.name)
        peer = self.peers.get(sender.node)
        if peer is not None and peer.address.generation < sender.generation:
            self._lost(peer, "it has begun again")
            peer = None
        if peer is None and sender.generation > self._given_up.get(sender.node, 0):
            if differences := self._terms.differences(greeting.terms):
                self._post.warn(f"node {greeting.name} has other settings: {'; '.join(differences)}")
                return
            peer = self._link(sender, greeting.name)
            if differing := self._terms.differing(greeting.fingerprints):
                log.warning("node %s has another %s", peer, " and another ".join(differing))
        if peer is None:
            self._undead[sender.node] = self._now()
        elif peer.address == sender and greeting.owning is not None:
            self._claimed(peer, greeting.owning)

    def _link(self, address: Address, name: str) -> Peer:
        peer = self.peers[address.node] = Peer(
            address,
            name,
            send=self._post.sender(address),
            receive=self._receive,
            flush_last=self._chat.parts.hub.flush_last,
            failed=lambda peer: self._lost(peer, "it does not accept what it is sent"),
            now=self._now,
            room=self._post.room,
        )
        log.info("there is a link with node %s", peer)
        self._greet()
        return peer

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

    def _lost(self, peer: Peer, why: str) -> None:
        """Give up a peer: what it had here ends, and it must begin again."""
        if self.peers.get(peer.address.node) is peer:
            log.warning("node %s is lost: %s", peer, why)
            self.statistics.peers_given_up += 1
            self._given_up[peer.address.node] = peer.address.generation
            while len(self._given_up) > GIVEN_UP:
                del self._given_up[next(iter(self._given_up))]
            self._drop(peer)

    def _drop(self, peer: Peer) -> None:
        del self.peers[peer.address.node]
        peer.end()
        if self._next is not None and self._next.peer is peer:
            self._next = None
        if self.edge.owner is peer:
            self.edge.lose_owner(clean=False)
        if self.token:
            self.owner.lost(peer)

    def _begin_again(self, by: str) -> None:
        """Begin all links again: another node took this one for dead, and has forgotten its sessions."""
        log.warning("node %s had given this node up; it begins again", by)
        self._post.begin_again()
        for peer in tuple(self.peers.values()):
            self._drop(peer)
        self._greet()

    def _obstacle(self) -> str | None:
        """Return why there may be no link with another node, in words."""
        return self._post.last_warning if self._now() - self._post.warned_at < OBSTACLE_SECONDS else None

    # The owner changes.

    def _claimed(self, peer: Peer, owning: Owning) -> None:
        if self.token and owning.token > self.token:
            self.superseded()
        if owning.token < max(self._newest, self.token):
            return
        self._newest = owning.token
        if self.edge.owner is peer and self.edge.token == owning.token:
            if owning.epoch != self.edge.epoch:
                self.edge.epoch = self._chat.parts.hub.epoch = owning.epoch
        elif not self.token and (self._next is None or self._next.owning.token < owning.token):
            self._next = _Next(peer, owning, self._now())
            self._adopt_next()

    def _adopt_next(self) -> None:
        """Go on with the next owner, once the last one has said its last word."""
        if self._next is None or self.token:
            return
        peer, owning, since = self._next
        before = self.edge.owner
        if before is not None:
            servers, now = self._storage.servers(), self._now()
            dead = servers is not None and not servers.lives(before.address.node.hex())
            if not (dead and now - before.link.heard > DEAD_SILENCE) and now - since < LAST_WORDS_SECONDS:
                return
            self.edge.lose_owner(clean=False)
        self._next = None
        self.statistics.owner_changes += 1
        self._belongs = True
        log.info("node %s has the rooms now, with token %d and epoch %s", peer, owning.token, owning.epoch)
        peer.link.heard = self._now()  # as another edge it may have been silent
        self.edge.adopt(peer, owning.token, owning.epoch)

    def gained(self, token: int, epoch: str | None) -> None:
        """Have the rooms from now on: this node got the lease.

        Args:
            token: of the tenure; larger than all before it.
            epoch: of the previous owner, if everything that it broadcast is stored.
        """
        if self.token:
            self.superseded()
        returning, waiting = self.edge.end()
        self.token = self._newest = token
        self._next = None
        living = self._living_peers()
        for peer in living:
            peer.link.heard = self._now()  # as another edge it may have been silent
        self.owner.begin(token, epoch, living)
        self.edge.epoch = self._chat.parts.hub.epoch
        self.statistics.owner_changes += 1
        self._belongs = True
        log.info("this node has the rooms now, with token %d and epoch %s", token, self.edge.epoch)
        for there in returning:
            self.owner.rejoin(there)
        for session, asked in waiting:
            self._chat.receive(session, asked if isinstance(asked, ParleyError) else Admitted(asked))
        self._greet()

    def _living_peers(self) -> list[Peer]:
        now, servers = self._now(), self._storage.servers()
        return [
            peer
            for peer in self.peers.values()
            if now - peer.link.heard < FAR_SILENT_SECONDS
            and (servers is None or servers.lives(peer.address.node.hex()))
        ]

    def superseded(self) -> None:
        """Have the rooms no longer: another node got the lease. Idempotent."""
        if self.token:
            log.warning("another node has the rooms now")
            self._leave_rooms(clean=False)

    def _leave_rooms(self, *, clean: bool) -> None:
        self.token = 0
        self.edge.epoch = self._chat.parts.hub.epoch
        self.edge.take_rooms(self.owner.not_returned(), clean=clean)
        self.owner.end(tuple(self.peers.values()), clean=clean)

    async def resign_to_another(self) -> bool:
        """As :meth:`resign`, if another node lives that could take the rooms."""
        servers = self._storage.servers()
        alive = servers is not None and servers.alive - {node_key(self.id.hex())}
        return bool(alive) and await self.resign()

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
            epoch = chat.parts.hub.epoch if chat.is_faithful() else None
            self._leave_rooms(clean=True)
            await self._confirmed()
            if self.token:  # this node has got the rooms again
                return False
            log.info("the rooms are given away")
            return await self._storage.resign(epoch)
        finally:
            self._moving = False

    async def _confirmed(self) -> None:
        until = self._now() + CONFIRM_SECONDS
        while self._now() < until:
            if all(peer.link.idle for peer in self.peers.values()):
                return
            await asyncio.sleep(TICK_SECONDS / 10)
        log.warning("not every node has confirmed that the rooms are given away")

    # For operators.

    def status(self) -> Status:
        """Return what ``/health`` says of this node."""
        owner = self.edge.owner
        return Status(
            self.name,
            role="owner" if self.token else "edge",
            owner=self.name if self.token else owner.name if owner is not None else "",
            token=self._newest if self.token or owner is not None else 0,
            bus=self._post.up,
            peers=len(self.peers),
        )

    def samples(self) -> Iterator[Sample]:
        """Yield the metrics of this node."""
        yield from (
            Sample("owner", "1 if this node has the rooms, 0 if it is an edge", float(self.token > 0), False),
            Sample("bus_up", "1 if this node reaches the bus", float(self._post.up), False),
            Sample("peers", "other nodes with which this one has a link", len(self.peers), False),
            Sample("stubs", "clients of other nodes, at the node that has the rooms", self.owner.stubs, False),
            Sample("unanswered_commands", "forwarded commands without an answer", self.edge.unanswered, False),
            Sample(
                "link_unacknowledged_bytes",
                "bytes sent to other nodes that these have not acknowledged",
                sum(peer.link.waiting_bytes for peer in self.peers.values()),
                False,
            ),
            Sample(
                "link_repeats",
                "times that packets were sent again, over the links that there are",
                sum(peer.link.repeats for peer in self.peers.values()),
                False,
            ),
        )
        yield from self.statistics.samples()

    # The end.

    async def close(self) -> None:
        """Stop, and leave the bus."""
        await self._tasks.close(1.0)
        await self.leave_bus()
