"""The links of a node with the other ones: each lasts from a greeting until one of its two nodes gives the other up."""

import logging
import math
from collections.abc import Callable, Iterator

from chat.cluster import operations as op
from chat.cluster.bus_end import BusEnd
from chat.cluster.greetings import Greeting, Notices, Owning, Terms
from chat.cluster.peers import Peer
from chat.cluster.statistics import Statistics
from chat.link.envelope import Address
from chat.link.link import Packet
from chat.ports import Sample
from storage.ports.servers import Servers

log = logging.getLogger(__name__)

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
LISTENED_SECONDS = 0.5
"""What counts as silence between two ticks, at most: if they are further apart, this node was paused, or kept from
running, and has not listened."""
OBSTACLE_SECONDS = 5.0
"""Seconds after a refused packet or greeting in which it counts as the reason for a missing link."""
UNDEAD_SECONDS = 5.0
"""Seconds after the last greeting of a node that was given up in which this node's greetings say so."""
GIVEN_UP = 1000
"""Nodes that are remembered as given up, and as having given this one up."""


class Links:
    """See the top of this file.

    Args:
        id: of this node.
        terms: compares this node with others.
        now: a monotonic clock.
        flush_last: `chat.rooms.hub.Hub.flush_last`.
        claim: returns the claim of this node, if it has the rooms.
        claimed: called with each claim of a peer.
        receive: called with the operations of each packet.
        dropped: called with each peer whose link has ended.
        notices: those that this node knows; None if it follows none.

    Attributes:
        name: of this node, for operators.
        peers: the nodes with which there is a link, by id.
        bus: this node's end of the bus.
    """

    def __init__(
        self,
        id: bytes,
        terms: Terms,
        now: Callable[[], float],
        statistics: Statistics,
        *,
        flush_last: Callable[[Peer], object],
        claim: Callable[[], Owning | None],
        claimed: Callable[[Peer, Owning], object],
        receive: Callable[[Peer, list[op.AnyOperation]], object],
        dropped: Callable[[Peer], object],
        notices: Notices | None = None,
    ) -> None:
        self.name = ""
        self.peers: dict[bytes, Peer] = {}
        self._id = id
        self._terms = terms
        self._now = now
        self._statistics = statistics
        self._flush_last = flush_last
        self._claim, self._claimed, self._receive, self._dropped = claim, claimed, receive, dropped
        self._notices = notices
        self.bus = BusEnd(
            id, heard=self._heard, greeted=self._greeted, on_up=self._on_up, now=now, statistics=statistics
        )
        self._generations: dict[bytes, int] = {}  # of this node's links; 1 with nodes that are not in it
        self._given_up: dict[bytes, int] = {}
        self._undead: dict[bytes, float] = {}  # nodes that were given up and greet, and when they last did
        self._greeted_at = -math.inf
        self._repeats = 0  # of the links that have ended
        self._ticked = now()

    # Greetings.

    def greet(self, *, stops: bool = False) -> None:
        """Say to all nodes what this one is, or with ``stops``, that it will not be heard again."""
        self._greeted_at = now = self._now()
        self._undead = {node: at for node, at in self._undead.items() if now - at < UNDEAD_SECONDS}
        given_up = {node: self._given_up[node] for node in self._undead}
        terms, fingerprints = self._terms.own(), self._terms.fingerprints()
        claim = None if stops else self._claim()
        noticed = 0 if self._notices is None else self._notices.last()
        self.bus.greet(Greeting(self.name, terms, fingerprints, given_up, self._generations, claim, stops, noticed))

    def _on_up(self) -> None:
        self.greet()
        for peer in self.peers.values():
            peer.link.repeat()

    def _greeted(self, node: bytes, greeting: Greeting) -> None:
        if greeting.stops:
            self._stopped(Address(node, greeting.generations.get(self._id, 1)))
            return
        if self._notices is not None:
            self._notices.hear(greeting.noticed)
        if greeting.name == self.name:
            self.bus.note(f"another node is called {self.name}, too: give each a NODE_NAME of its own")
        if greeting.given_up.get(self._id, 0) >= self._generation(node):
            log.warning("node %s had given this node up: their link begins again", greeting.name)
            self._begin_again(node)
            self.greet()
        sender = Address(node, greeting.generations.get(self._id, 1))
        peer = self.peers.get(sender.node)
        if peer is not None and peer.address.generation < sender.generation:
            self._give_up(peer, "it has begun again")
            peer = None
        if peer is None and sender.generation > self._given_up.get(sender.node, 0):
            if differences := self._terms.differences(greeting.terms):
                self.bus.warn(f"node {greeting.name} has other settings: {'; '.join(differences)}")
                return
            peer = self._link(sender, greeting.name)
            if differing := self._terms.differing(greeting.fingerprints):
                log.warning("node %s has another %s", peer, " and another ".join(differing))
        if peer is None:
            self._undead[sender.node] = self._now()
        elif peer.address == sender and greeting.owning is not None:
            self._claimed(peer, greeting.owning)

    def obstacle(self) -> str | None:
        """Return why there may be no link with another node, in words."""
        return self.bus.last_warning if self._now() - self.bus.warned_at < OBSTACLE_SECONDS else None

    # The life of a link.

    def _link(self, address: Address, name: str) -> Peer:
        peer = self.peers[address.node] = Peer(
            address,
            name,
            send=self.bus.sender(self._generation(address.node), address),
            receive=self._receive,
            flush_last=self._flush_last,
            failed=lambda peer: self._give_up(peer, "it does not accept what it is sent"),
            now=self._now,
            space=self.bus.space,
        )
        log.info("there is a link with node %s", peer)
        self.greet()
        return peer

    def _generation(self, node: bytes) -> int:
        """Return the generation of this node's link with another one."""
        return self._generations.get(node, 1)

    def _heard(self, sender: Address, receiver: Address, packet: Packet) -> None:
        peer = self.peers.get(sender.node)
        if peer is not None and peer.address == sender and receiver.generation == self._generation(sender.node):
            peer.link.receive(packet)

    def tick(self, servers: Servers | None, talks: Callable[[Peer], bool]) -> None:
        """Greet, send signs of life, and give up the dead, where it is due. Call it every 100 ms or so.

        Args:
            servers: those of the database, if it is reached.
            talks: returns whether the two nodes have something to say to each other: one of them has the rooms.
        """
        now = self._now()
        missed, self._ticked = now - self._ticked - LISTENED_SECONDS, now
        if missed > 0:
            # The event loop may run this before it reads what has arrived in the meantime.
            for peer in self.peers.values():
                peer.link.excuse(missed)
        if now - self._greeted_at >= GREETING_SECONDS:
            self.greet()
        for peer in tuple(self.peers.values()):
            close = talks(peer)
            peer.link.tick(PING_SECONDS if close else RARE_PING_SECONDS)
            silent = self._now() - peer.link.heard
            if silent > DEAD_SECONDS:
                self._give_up(peer, f"it is silent for {silent:.0f} s")
            elif silent > (GONE_SECONDS if close else FAR_SILENT_SECONDS) and peer.has_died(servers):
                self._give_up(peer, "it is silent, and has no session with the database")

    def living(self, servers: Servers | None) -> list[Peer]:
        """Return the peers that seem to live."""
        now = self._now()
        return [
            peer
            for peer in self.peers.values()
            if now - peer.link.heard < FAR_SILENT_SECONDS and not peer.has_died(servers)
        ]

    def _give_up(self, peer: Peer, why: str) -> None:
        """End a link: what the peer had here ends, and it must begin again."""
        if self.peers.get(peer.address.node) is peer:
            log.warning("node %s is lost: %s", peer, why)
            self._statistics.peers_given_up += 1
            _note(self._given_up, peer.address.node, peer.address.generation)
            self._drop(peer)

    def _stopped(self, address: Address) -> None:
        """End the link with a node that has said that it stops."""
        peer = self.peers.get(address.node)
        if peer is not None and peer.address == address:
            log.info("node %s has stopped", peer)
            _note(self._given_up, address.node, address.generation)
            self._drop(peer)

    def _drop(self, peer: Peer) -> None:
        del self.peers[peer.address.node]
        self._repeats += peer.link.repeats
        peer.end()
        self._dropped(peer)

    def begin_again(self) -> None:
        """End all links; the peers that still live have new ones with the next greeting."""
        for node in tuple(self.peers):
            self._begin_again(node)

    def _begin_again(self, node: bytes) -> None:
        """End the link with a node, which has forgotten its own end, or is to forget it: neither can be continued."""
        _note(self._generations, node, self._generation(node) + 1)
        if (peer := self.peers.get(node)) is not None:
            self._drop(peer)

    # For operators.

    def samples(self) -> Iterator[Sample]:
        """Yield the metrics of the links."""
        links = [peer.link for peer in self.peers.values()]
        waiting = sum(link.waiting_bytes for link in links)
        repeats = self._repeats + sum(link.repeats for link in links)
        yield from (
            Sample("peers", "other nodes with which this one has a link", len(links), False),
            Sample(
                "link_unacknowledged_bytes",
                "bytes sent to other nodes that these have not acknowledged",
                waiting,
                False,
            ),
            Sample("link_repeats", "times that packets were sent again", repeats, True),
        )


def _note(generations: dict[bytes, int], node: bytes, generation: int) -> None:
    generations[node] = generation
    if len(generations) > GIVEN_UP:
        del generations[next(iter(generations))]
