"""One node of a cluster: which other nodes there are, which of them has the rooms, and what follows from a change.

Who has the rooms is decided in the database, by the lease: see `storage.postgres.connection.lease`. The bus only says
it sooner. A node that gets the lease is the owner, every other one an edge; both are told to the others several times a
second.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec
from msgspec import Struct
from msgspec.msgpack import Decoder, Encoder

from chat.chat import Chat
from chat.cluster import operations as op
from chat.cluster.edge import SILENT_SECONDS, Edge
from chat.cluster.owner import Owner
from chat.cluster.peers import Peer
from chat.handlers import HANDLERS
from chat.link.bus import Bus
from chat.link.envelope import EVERYONE, Address, Envelope, NotFromHere
from chat.link.freshness import Freshness
from chat.link.link import Packet
from chat.ports import Dialect
from storage.ports.servers import node_key
from utils.tasks import TaskRegistry

log = logging.getLogger(__name__)

TICK_SECONDS = 0.05
GREETING_SECONDS = 0.3
"""Between two signs of life."""
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
GIVEN_UP = 1000
"""Lives of nodes that are remembered as given up."""


class Owning(Struct, frozen=True, gc=False, array_like=True):
    """A node's claim to have the rooms. There is one shard, 0."""

    shard: int
    token: int
    epoch: str


class Greeting(Struct, frozen=True, gc=False, array_like=True):
    """What a node says of itself to all others.

    Attributes:
        name: for operators.
        terms: what must be the same on all nodes, as text.
        given_up: nodes that it takes for dead, with their generations.
        owning: its claim, if it has the rooms.
    """

    name: str
    terms: dict[str, str]
    given_up: dict[bytes, int]
    owning: Owning | None


_encode = Encoder().encode
_decode = Decoder(Greeting).decode


class Terms(Protocol):
    """What must be the same on all nodes: what is stored and answered must not depend on which node has the rooms."""

    def own(self) -> dict[str, str]:
        """Return the terms of this node."""

    def differences(self, theirs: Mapping[str, str]) -> Sequence[str]:
        """Return how the terms of another node differ, in words; empty if there can be a link with it."""


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
        name: of this node, for operators.
        terms: compares this node with others.

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
        name: str,
        terms: Terms,
    ) -> None:
        self.id = id
        self.name = name
        self.token = 0
        self.peers: dict[bytes, Peer] = {}
        self._chat = chat
        self._storage = chat.parts.storage
        self._terms = terms
        self._now = chat.parts.clock.monotonic
        self.owner = Owner(chat, dialects, serve)
        self.edge = Edge(chat, dialects, self._now)
        self._generation = 1
        self._bus: Bus | None = None
        self._envelope: Envelope | None = None
        self._freshness = Freshness()
        self._count = 0
        self._newest = 0  # the largest token that was heard of
        self._next: _Next | None = None
        self._given_up: dict[bytes, int] = {}
        self._said: set[str] = set()  # log lines that are not repeated
        self._tasks = TaskRegistry()
        self._bus_down_since: float | None = self._now()
        self._moving = False
        self.edge.begin()
        self.edge.take_rooms()

    @property
    def address(self) -> Address:
        """Where others reach this life of the node."""
        return Address(self.id, self._generation)

    # The bus.

    def start(self) -> None:
        """Do what is due, from now on."""
        self._tasks.spawn(self._run(), name="node")

    async def join_bus(self, bus: Bus, envelope: Envelope) -> None:
        """Look for the other nodes of the installation."""
        self._bus, self._envelope = bus, envelope
        await bus.start(self.id.hex(), self._hear, self._on_up)

    async def leave_bus(self) -> None:
        """Give up all links. The clients of this node, and the rooms, stay."""
        bus, self._bus = self._bus, None
        if bus is not None:
            self._generation += 1
            for peer in tuple(self.peers.values()):
                self._drop(peer)
            await bus.close()

    async def _run(self) -> None:
        greeted = 0.0
        while True:
            now = self._now()
            if now - greeted >= GREETING_SECONDS:
                greeted = now
                self._greet()
                for peer in self.peers.values():
                    peer.link.ping()
            self.tick()
            await asyncio.sleep(TICK_SECONDS)

    def tick(self) -> None:
        """Do what is due."""
        now = self._now()
        bus_up = self._bus is not None and self._bus.up
        self._storage.say_on_bus(bus_up)
        if bus_up:
            self._bus_down_since = None
        elif self._bus_down_since is None:
            self._bus_down_since = now
        servers = self._storage.servers()
        for peer in tuple(self.peers.values()):
            peer.link.tick()
            silent = now - peer.link.heard
            if silent > DEAD_SECONDS:
                self._lost(peer, f"it is silent for {silent:.0f} s")
            elif silent > SILENT_SECONDS and servers is not None and not servers.lives(peer.address.node.hex()):
                self._lost(peer, "it is silent, and has no session with the database")
        self._adopt_next()
        self.edge.tick()
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

    def _greet(self) -> None:
        if self._bus is not None:
            owning = Owning(0, self.token, self._chat.parts.hub.epoch) if self.token and not self._moving else None
            body = _encode(Greeting(self.name, self._terms.own(), self._given_up, owning))
            self._bus.send_all(self._pack(Address(EVERYONE, 0), Packet(0, 0, 0, body)))

    def _on_up(self) -> None:
        self._greet()
        for peer in self.peers.values():
            peer.link.repeat()

    def _send(self, receiver: Address, packet: Packet) -> None:
        if self._bus is not None:
            self._bus.send(receiver.node.hex(), self._pack(receiver, packet))

    def _pack(self, receiver: Address, packet: Packet) -> bytes:
        assert self._envelope is not None
        self._count += 1
        return self._envelope.pack(self.address, receiver, self._count, packet)

    def _hear(self, data: bytes) -> None:
        assert self._envelope is not None
        try:
            sender, receiver, count, packet = self._envelope.unpack(data)
        except NotFromHere as refused:
            self._warn(f"a packet on the bus was refused: {refused}")
            return
        if sender.node == self.id or not self._freshness.accept(sender, receiver, count):
            return
        if receiver.node == EVERYONE:
            try:
                greeting = _decode(packet.body)
            except msgspec.DecodeError:
                self._warn("a greeting of another node cannot be read")
            else:
                self._greeted(sender, greeting)
        elif receiver == self.address and (peer := self.peers.get(sender.node)) and peer.address == sender:
            peer.link.receive(packet)

    def _warn(self, words: str) -> None:
        if words not in self._said and len(self._said) < 1000:
            self._said.add(words)
            log.warning("%s", words)

    # Other nodes.

    def _greeted(self, sender: Address, greeting: Greeting) -> None:
        if greeting.given_up.get(self.id, 0) >= self._generation:
            self._begin_again(greeting.name)
        peer = self.peers.get(sender.node)
        if peer is not None and peer.address.generation < sender.generation:
            self._lost(peer, "it has begun again")
            peer = None
        if peer is None and sender.generation > self._given_up.get(sender.node, 0):
            if differences := self._terms.differences(greeting.terms):
                words = "; ".join(differences)
                self._warn(f"there is no link with node {greeting.name}, which has other settings: {words}")
                return
            peer = self._link(sender, greeting.name)
        if peer is not None and peer.address == sender and greeting.owning is not None:
            self._claimed(peer, greeting.owning)

    def _link(self, address: Address, name: str) -> Peer:
        peer = self.peers[address.node] = Peer(
            address,
            name,
            send=lambda packet: self._send(address, packet),
            receive=self._receive,
            flush_last=self._chat.parts.hub.flush_last,
            failed=lambda peer: self._lost(peer, "it does not accept what it is sent"),
            now=self._now,
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
        self._generation += 1
        for peer in tuple(self.peers.values()):
            self._drop(peer)
        self._greet()

    # The owner changes.

    def _claimed(self, peer: Peer, owning: Owning) -> None:
        if self.token and owning.token > self.token:
            self.superseded()
        if owning.token < max(self._newest, self.token):
            return
        self._newest = owning.token
        if self.edge.owner is peer:
            if owning.epoch != self.edge.epoch:
                self.edge.epoch = self._chat.parts.hub.epoch = owning.epoch
        elif not self.token and (self._next is None or self._next.peer is not peer):
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
        log.info("node %s has the rooms now, with token %d and epoch %s", peer, owning.token, owning.epoch)
        self.edge.adopt(peer, owning.epoch)

    def gained(self, token: int, epoch: str | None) -> None:
        """Have the rooms from now on: this node got the lease.

        Args:
            token: of the tenure; larger than all before it.
            epoch: of the previous owner, if everything that it broadcast is stored.
        """
        if self.token:
            self.superseded()
        before = self.edge.epoch
        rejoining, waiting = self.edge.end()
        self.token = self._newest = token
        self._next = None
        self.owner.begin(epoch)
        self.edge.epoch = self._chat.parts.hub.epoch
        log.info("this node has the rooms now, with token %d and epoch %s", token, self.edge.epoch)
        for room, head, sessions, behind in rejoining:
            self.owner.rejoin(room, head, before, sessions, behind)
        for session, command in waiting:
            self._chat.receive(session, command)
        self._greet()

    def superseded(self) -> None:
        """Have the rooms no longer: another node got the lease. Idempotent."""
        if self.token:
            log.warning("another node has the rooms now")
            self.edge.begin()
            self._leave_rooms(clean=False)

    def _leave_rooms(self, *, clean: bool) -> None:
        self.token = 0
        self.edge.epoch = self._chat.parts.hub.epoch
        self.edge.take_rooms()
        self.owner.end(clean=clean)

    async def resign(self) -> bool:
        """Give the rooms to another node in good order. Returns whether this node has none now."""
        if not self.token:
            return True
        chat = self._chat
        self._moving = True
        try:
            self.edge.begin()
            done = await self.owner.move_out(MOVE_SECONDS)
            if not self.token:  # superseded
                return True
            if not done:
                log.warning("the rooms stay here: not everything could be stored in %.0f s", MOVE_SECONDS)
                self.owner.stay()
                chat.handlers = HANDLERS
                for session, command in self.edge.end()[1]:
                    chat.receive(session, command)
                return False
            epoch = chat.parts.hub.epoch if chat.is_faithful() else None
            self._leave_rooms(clean=True)
            await self._confirmed()
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

    # The end.

    async def close(self) -> None:
        """Stop, and leave the bus."""
        await self._tasks.close(1.0)
        await self.leave_bus()
