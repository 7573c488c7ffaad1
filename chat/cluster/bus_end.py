"""A node's end of the bus: packs and unpacks, and refuses what was not made for it, or comes again."""

import logging
import math
from collections.abc import Callable

import msgspec

from chat.cluster import greetings
from chat.cluster.greetings import Greeting
from chat.cluster.statistics import Statistics
from chat.link.bus import LEAST_BYTES, Bus
from chat.link.envelope import EVERYONE, MOST_BYTES_ADDED, Address, Envelope, NotFromHere
from chat.link.freshness import Freshness
from chat.link.link import PACKET_BYTES, Packet

log = logging.getLogger(__name__)

# Lines that are logged once each; more of them are not logged at all.
SAID = 1000


class BusEnd:
    """See the top of this file.

    Args:
        id: of the node.
        heard: called with each packet for this node: the sender, the receiver and the packet.
        greeted: called with each greeting and the node that it is of.
        on_up: called each time the bus is up.
        now: a monotonic clock.

    Attributes:
        last_warning, warned_at: what was refused last, and when.
        heard_at: when anything arrived, refused or not.
    """

    def __init__(
        self,
        id: bytes,
        *,
        heard: Callable[[Address, Address, Packet], object],
        greeted: Callable[[bytes, Greeting], object],
        on_up: Callable[[], object],
        now: Callable[[], float],
        statistics: Statistics,
    ) -> None:
        self._id = id
        self._statistics = statistics
        self._heard = heard
        self._greeted = greeted
        self._on_up = on_up
        self._bus: Bus | None = None
        self._envelope: Envelope
        self._freshness = Freshness()
        self._count = 0
        self._said: set[str] = set()
        self._now = now
        self.last_warning, self.warned_at = "", -math.inf
        self.heard_at = now()

    @property
    def up(self) -> bool:
        """Whether what is sent now has a chance to arrive."""
        return self._bus is not None and self._bus.up

    @property
    def joined(self) -> bool:
        """Whether the node has a bus, up or not."""
        return self._bus is not None

    @property
    def problem(self) -> str:
        """Why the bus is down, see `chat.link.bus.Bus`; empty without one."""
        return "" if self._bus is None else self._bus.problem

    def space(self) -> int:
        """Return how many bytes of operations fit into a packet, if the bus carries as much as it must."""
        return max(self._bus.max_bytes, LEAST_BYTES) - MOST_BYTES_ADDED if self._bus is not None else PACKET_BYTES

    async def join(self, bus: Bus, envelope: Envelope) -> None:
        """Send and receive by a bus."""
        self._bus, self._envelope = bus, envelope
        await bus.start(self._id.hex(), self._hear, self._on_up)

    async def leave(self) -> None:
        """Send and receive nothing more. Idempotent."""
        bus, self._bus = self._bus, None
        if bus is not None:
            await bus.close()

    def reconnect(self) -> None:
        """See `chat.link.bus.Bus`."""
        if self._bus is not None:
            self._bus.reconnect()

    def sender(self, generation: int, receiver: Address) -> Callable[[Packet], None]:
        """Return what sends a packet over one link, or drops it; ``generation`` is that of this node."""
        here, name = Address(self._id, generation), receiver.node.hex()

        def send(packet: Packet) -> None:
            if self._bus is not None:
                self._bus.send(name, self._pack(here, receiver, packet))

        return send

    def greet(self, greeting: Greeting) -> None:
        """Send a greeting to all nodes, or drop it."""
        if self._bus is None:
            return
        if self._bus.max_bytes < LEAST_BYTES:
            self.warn(
                f"NATS carries at most {self._bus.max_bytes} bytes in one message, and at least {LEAST_BYTES} are "
                "needed: raise max_payload in the configuration of nats-server"
            )
            return
        packet = Packet(0, 0, 0, greetings.encode(greeting))
        self._bus.send_all(self._pack(Address(self._id, 0), Address(EVERYONE, 0), packet))

    def _pack(self, here: Address, receiver: Address, packet: Packet) -> bytes:
        self._count += 1
        data = self._envelope.pack(here, receiver, self._count, packet)
        self._statistics.link_packets_sent += 1
        self._statistics.link_bytes_sent += len(data)
        return data

    def _hear(self, data: bytes) -> None:
        if self._bus is None:  # it is being closed
            return
        self.heard_at = self._now()
        try:
            sender, receiver, count, packet = self._envelope.unpack(data)
        except NotFromHere as refused:
            self._statistics.link_packets_refused += 1
            self.warn(f"a packet on the bus was refused: {refused}")
            return
        if sender.node == self._id or not self._freshness.accept(sender, receiver, count):
            self._statistics.link_packets_refused += 1
            return
        self._statistics.link_packets_received += 1
        if receiver.node == EVERYONE:
            try:
                greeting = greetings.decode(packet.body)
            except msgspec.DecodeError:
                self.warn("a greeting of another node cannot be read")
            else:
                self._greeted(sender.node, greeting)
        elif receiver.node == self._id:
            self._heard(sender, receiver, packet)

    def warn(self, words: str) -> None:
        """Log a warning once; it may be why there is no link with a node."""
        self.last_warning, self.warned_at = words, self._now()
        self.note(words)

    def note(self, words: str) -> None:
        """Log a warning once, which is no reason to leave the rooms to others."""
        if words not in self._said and len(self._said) < SAID:
            self._said.add(words)
            log.warning("%s", words)
