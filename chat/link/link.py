"""The link between two nodes: operations arrive in order, each exactly once, for as long as both nodes live.

The bus underneath may lose, duplicate, reorder and delay packets (core NATS promises at most once, and loses what is
published while a subscriber reconnects). So a link numbers its packets, acknowledges what it received, and repeats
what was not acknowledged: go-back-N, as in the data link layer of the textbooks (Tanenbaum, Computer Networks, 3.4.2).

All operations of one turn of the event loop travel in one packet. An acknowledgement rides on whatever packet goes the
other way, and alone only if there is none by the next tick.

A link keeps no clock and starts no task: its owner calls `tick` regularly. It ends when one of the two nodes gives the
other up; a new link begins with number 1 and remembers nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import accumulate, islice
from typing import Any

from msgspec import Struct

PACKET_BYTES = 900_000
"""Bytes of operations in one packet, at most: a NATS server accepts messages of 1 MiB unless configured otherwise."""
WINDOW_BYTES = 64 << 20
"""`Link.waiting_bytes` above which a link fails: its peer does not accept what it is sent."""
KEPT_BYTES = 256
"""Memory of an unacknowledged packet besides its body, which counts as well: many small packets are bounded, too."""
SOON_BYTES = 256 << 10
"""Received bytes that are acknowledged at once: a sender that waits for this does not wait for a tick as well."""
REPEAT_SECONDS = 0.5
"""Seconds without an acknowledgement until the packets are repeated; doubled each time, up to `REPEAT_MOST`."""
REPEAT_MOST = 2.0
LATE_SECONDS = 4.0
"""Seconds that an acknowledgement may be late: a bus may lose a packet, and then its first repetitions."""
REPEAT_AT_ONCE = 64
"""Packets that are repeated before the first of them is acknowledged: a peer that has just come back is not flooded."""
REPEAT_BYTES_AT_ONCE = 1 << 20
"""The same in bytes, or one packet. A NATS server disconnects a node that has more than `max_pending` to read: a larger
repetition would fail again and again."""


class Flag:
    """What a packet says besides its operations."""

    MORE = 1
    """The operations continue in the next packet."""
    GAP = 2
    """The sender is missing the packet after ``received``."""
    REST = 4
    """The operations have begun in the packet before. Only its sender needs to know."""


class Packet(Struct, frozen=True, gc=False):
    """One message of the bus.

    Attributes:
        number: its place in the order, from 1; 0 for a packet without operations, which is not acknowledged.
        received: the number of the last packet that the sender has received in order.
        flags: see `Flag`.
        body: encoded operations, or a part of them.
    """

    number: int
    received: int
    flags: int
    body: bytes


class LinkFailed(Exception):
    """The peer does not acknowledge `WINDOW_BYTES`, or cannot be sent what comes next: give it up."""


class Link:
    """One end of a link. Not thread-safe; nothing here waits.

    Args:
        send: sends a packet to the peer, or drops it. Must not raise.
        deliver: is called with the operations of each packet, in the order in which the peer queued them. Must not
            raise: an operation that was delivered is never delivered again.
        encode, decode: translate a list of operations.
        now: the time in seconds, from any start; never goes back.
        space: returns how many bytes of body the bus carries in one packet now.

    Attributes:
        heard: when the peer's last packet came.
        sent_at: when the last packet was sent, or the link began.
        gap: the seconds between the last two packets.
        waiting_bytes: memory of what was flushed and is not acknowledged. The users of the link hold back what they can
            when it grows.
        queued_bytes: what was not flushed, as far as its size was given; what was withdrawn since counts, too.
        repeats: how often packets were repeated.
    """

    def __init__(
        self,
        send: Callable[[Packet], object],
        deliver: Callable[[list[Any]], object],
        encode: Callable[[list[Any]], bytes],
        decode: Callable[[bytes], list[Any]],
        now: Callable[[], float],
        space: Callable[[], int] = lambda: PACKET_BYTES,
    ) -> None:
        self._send, self._deliver, self._encode, self._decode, self._now = send, deliver, encode, decode, now
        self._space = space
        self.heard = now()
        self.waiting_bytes = 0
        self.queued_bytes = 0
        self.repeats = 0
        # Sending.
        self._operations: list[Any] = []
        self._unacknowledged: dict[int, tuple[int, bytes]] = {}  # flags and body, by number
        self._next = 1  # number of the next packet to send
        self._acknowledged = 0  # number of the last packet that the peer has received
        self._catching_up = 0  # packets up to this number are repeated, REPEAT_AT_ONCE at a time
        self.sent_at = self.heard
        self.gap = math.inf
        self._progress_at = self.heard  # when something was last sent first or acknowledged
        self._waits_since = self.heard  # when the peer last acknowledged something, or it began to owe that
        self._patience = REPEAT_SECONDS
        # Receiving.
        self._received = 0
        self._told = 0  # the last `received` that the peer was told; -1 to tell it again
        self._untold_bytes = 0  # received since the peer was told
        self._gap_told = -1  # the gap after this number was reported
        self._parts: list[bytes] = []

    # Sending.

    @property
    def idle(self) -> bool:
        """Whether everything queued was sent and acknowledged."""
        return not self._unacknowledged and not self._operations

    @property
    def queued(self) -> bool:
        """Whether operations wait for the next `flush`."""
        return bool(self._operations)

    def put(self, operation: Any, size: int = 0) -> bool:
        """Queue an operation, whose size in bytes is known here if it may be large.

        Returns whether it is the first since the last `flush`.
        """
        self.queued_bytes += size
        self._operations.append(operation)
        return len(self._operations) == 1

    def flush(self) -> None:
        """Send the queued operations.

        Raises:
            LinkFailed: too much is unacknowledged, or the bus has come to carry less than the next packet.
        """
        if not self._operations:
            return
        body = self._encode(self._operations)
        self._operations = []
        self.queued_bytes = 0
        if not self._unacknowledged:
            self._progress_at = self._waits_since = self._now()
        space = self._space()
        size = min(PACKET_BYTES, space)
        if size < 1:
            raise LinkFailed
        last = self._acknowledged + len(self._unacknowledged)
        for start in range(0, len(body), size):
            last += 1
            flags = Flag.MORE if start + size < len(body) else 0
            if start:
                flags |= Flag.REST
            self._unacknowledged[last] = (flags, body[start : start + size])
            self.waiting_bytes += KEPT_BYTES
        self.waiting_bytes += len(body)
        _, next_body = self._unacknowledged[self._acknowledged + 1]
        self._pump()
        if self.waiting_bytes > WINDOW_BYTES or len(next_body) > space:
            raise LinkFailed

    def _pump(self) -> None:
        """Send what may be sent: everything, or the next few packets of those to be repeated."""
        last = self._acknowledged + len(self._unacknowledged)
        if self._acknowledged < self._catching_up:
            last = self._acknowledged + self._at_once()
        while self._next <= last:
            number = self._next
            self._next += 1  # before the peer can answer, which some buses let it do at once
            self._transmit(number, *self._unacknowledged[number])

    def _at_once(self) -> int:
        """Return how many of the unacknowledged packets may be repeated at once."""
        sizes = accumulate(len(body) for _, body in islice(self._unacknowledged.values(), REPEAT_AT_ONCE))
        return max(1, sum(size <= REPEAT_BYTES_AT_ONCE for size in sizes))

    def _transmit(self, number: int, flags: int, body: bytes) -> None:
        self._told, self._untold_bytes = self._received, 0
        before, self.sent_at = self.sent_at, self._now()
        self.gap = self.sent_at - before
        self._send(Packet(number, self._received, flags, body))

    def repeat(self) -> None:
        """Send everything unacknowledged again: it seems to be lost, or the bus is back."""
        if self._unacknowledged:
            self.repeats += 1
            self._catching_up = self._next - 1
            self._next = self._acknowledged + 1
            self._progress_at = self._now()
            self._pump()

    def withdraw(self, unwanted: Callable[[Any], bool], naming: bytes = b"") -> None:
        """Send unwanted operations no more. The peer gets those that it has received already, or that are under way.

        A packet keeps its number, and may become empty: if the peer has received it before, it ignores the new one as a
        repetition. What was too large for one packet stays as it is, because the peer may have the first of its parts.

        Args:
            unwanted: says so of an operation.
            naming: bytes that are in every packet with such an operation: no other one is decoded.
        """
        for number, (flags, body) in self._unacknowledged.items():
            if flags & (Flag.MORE | Flag.REST) or naming not in body:
                continue
            operations = self._decode(body)
            wanted = [operation for operation in operations if not unwanted(operation)]
            if len(wanted) < len(operations):
                rest = self._encode(wanted)
                self._unacknowledged[number] = (flags, rest)
                self.waiting_bytes += len(rest) - len(body)
        self._operations = [operation for operation in self._operations if not unwanted(operation)]
        if not self._operations:
            self.queued_bytes = 0

    # Receiving.

    @property
    def reached(self) -> float:
        """When both ends last heard each other, as far as is known: a peer that hears this one acknowledges.

        An acknowledgement may be `LATE_SECONDS` late.
        """
        return min(self.heard, self._waits_since + LATE_SECONDS) if self._unacknowledged else self.heard

    def excuse(self, seconds: float = math.inf) -> None:
        """Do not count silence of some seconds: this end did not listen, or the peer had nothing to say."""
        now = self._now()
        self.heard = min(now, self.heard + seconds)
        self._waits_since = min(now, self._waits_since + seconds)

    def receive(self, packet: Packet) -> None:
        """Take a packet of the peer: deliver its operations if they are the next ones."""
        self.heard = self._now()
        self._confirm(packet.received)
        if packet.flags & Flag.GAP and packet.received == self._acknowledged:
            self.repeat()
        if packet.number == 0:
            return
        if packet.number != self._received + 1:
            if packet.number <= self._received:
                self._told = -1  # a repetition: the acknowledgement was lost
            elif self._gap_told != self._received:
                self._gap_told = self._received
                self._transmit(0, Flag.GAP, b"")
            return
        self._received += 1
        self._parts.append(packet.body)
        if not packet.flags & Flag.MORE:
            body = b"".join(self._parts)
            self._parts.clear()
            self._deliver(self._decode(body))
        self._untold_bytes += len(packet.body)
        if self._untold_bytes >= SOON_BYTES:
            self._transmit(0, 0, b"")

    def _confirm(self, received: int) -> None:
        if received not in self._unacknowledged:
            return  # known already
        for number in range(self._acknowledged + 1, received + 1):
            self.waiting_bytes -= KEPT_BYTES + len(self._unacknowledged.pop(number)[1])
        self._acknowledged = received
        self._next = max(self._next, received + 1)
        self._patience = REPEAT_SECONDS
        self._progress_at = self._waits_since = self.heard
        self._pump()

    def tick(self, quiet: float = math.inf) -> None:
        """Acknowledge and repeat what is due. Call it every 100 ms or so.

        After ``quiet`` seconds in which nothing was sent, it sends a sign of life.
        """
        if self._told != self._received or self._now() - self.sent_at >= quiet:
            self._transmit(0, 0, b"")
        if self._unacknowledged and self._now() - self._progress_at >= self._patience:
            self._patience = min(REPEAT_MOST, 2 * self._patience)
            self.repeat()
