"""What the members of a room have seen: counted with as little work per delivery as Python allows.

All members of a room get the same bytes, mostly in the same pieces. So a piece is taken apart once, for the first
member that reads it, and compared as a whole for the others. The first member's order is the room's log, and a member
is a position in it: who reads something else there has seen another order.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

MARK = re.compile(rb"~T([0-9a-f]{16})\.([0-9a-f]{6})\.([0-9a-f]{9})~")
CLOSE, PING, PONG = 8, 9, 10


class BrokenFrame(Exception):
    """A frame that a server must not send."""


@dataclass(slots=True)
class Frames:
    """What `split` found: where each data frame's payload is, control frames as (opcode, payload), and the rest."""

    data: list[tuple[int, int]] = field(default_factory=list)
    control: list[tuple[int, bytes]] = field(default_factory=list)
    end: int = 0


def split(data: bytes) -> Frames:
    """Walk over whole frames by their headers (RFC 6455 5.2). Raises BrokenFrame: masked, or with reserved bits."""
    found = Frames()
    at, size = 0, len(data)
    while size - at >= 2:
        first, length, head = data[at], data[at + 1], at + 2
        if first & 0x70 or length & 0x80:
            raise BrokenFrame
        if length >= 126:
            head += 2 if length == 126 else 8
            if head > size:
                break
            length = int.from_bytes(data[at + 2 : head], "big")
        if head + length > size:
            break
        at = head + length
        if first & 0x08:
            found.control.append((first & 0x0F, data[head:at]))
        else:
            found.data.append((head, at))
    found.end = at
    return found


@dataclass(slots=True)
class Piece:
    """Bytes that a member read at one position of the log: how many messages end in them, and what is left over."""

    data: bytes
    sent_at: tuple[int, ...]  # nanoseconds, of each message
    rest: bytes


class Room:
    """One room, as far as this process has members in it."""

    __slots__ = (
        "_at",
        "_floor",
        "_last",
        "_number",
        "_seen",
        "divergent",
        "log",
        "misrouted",
        "order_violations",
        "pieces",
        "rooms",
    )

    def __init__(self, number: int, rooms: int, seen: Callable[[int], None]) -> None:
        """`seen(publisher)` is called whenever all members here have seen one more message of `publisher`."""
        self._number = number
        self.rooms = rooms
        self._seen = seen
        self.log: list[tuple[int, int]] = []  # (publisher, sequence), in the first member's order
        self.pieces: dict[int, Piece] = {}  # the latest at each position
        self._at: dict[int, int] = {0: 0}  # how many members stand at a position
        self._floor = 0
        self._last: dict[int, int] = {}
        self.order_violations = 0
        self.misrouted = 0
        self.divergent = False

    def enter(self) -> None:
        """A member comes, before anybody talks."""
        self._at[0] += 1

    def parse(self, data: bytes, end: int, position: int) -> tuple[int, ...]:
        """Take apart what one member read; return when its messages were sent. Notes what is out of order."""
        sent_at: list[int] = []
        for mark in MARK.finditer(data, 0, end):
            publisher, sequence = int(mark[2], 16), int(mark[3], 16)
            place = position + len(sent_at)
            sent_at.append(int(mark[1], 16))
            if publisher % self.rooms != self._number:
                self.misrouted += 1
            if place == len(self.log):
                if sequence <= self._last.get(publisher, 0):  # one that is missing is refused, or lost
                    self.order_violations += 1
                self._last[publisher] = sequence
                self.log.append((publisher, sequence))
            elif self.log[place] != (publisher, sequence):
                self.order_violations += 1
                self.divergent = True
        return tuple(sent_at)

    def advance(self, position: int, count: int) -> int:
        """Move a member on by `count` messages; return where it stands then."""
        at = self._at
        target = position + count
        at[target] = at.get(target, 0) + 1
        at[position] -= 1
        if position == self._floor:
            # The slowest member moved, perhaps: what everybody has seen is an acknowledged message.
            while self._floor < len(self.log) and not at.get(self._floor):
                at.pop(self._floor, None)
                self.pieces.pop(self._floor, None)
                self._seen(self.log[self._floor][0])
                self._floor += 1
        return target


class Histogram:
    """Latencies in 64 linear steps per power of two, as in wsload: an error below 1.6 %."""

    def __init__(self) -> None:
        self.bins: dict[int, int] = {}
        self.max = 0

    def add(self, nanoseconds: int) -> None:
        """Count one."""
        shift = max(nanoseconds.bit_length() - 6, 0)
        lowest = (nanoseconds >> shift) << shift
        self.bins[lowest] = self.bins.get(lowest, 0) + 1
        self.max = max(self.max, nanoseconds)

    def merge(self, other: Histogram) -> None:
        """Add what another process counted."""
        for lowest, count in other.bins.items():
            self.bins[lowest] = self.bins.get(lowest, 0) + count
        self.max = max(self.max, other.max)

    def percentiles(self) -> dict[str, float]:
        """Return {"p50", "p90", "p99", "p999", "max"} in microseconds."""
        total = sum(self.bins.values())
        found = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
        result: dict[str, float] = {}
        for name, part in found.items():
            seen = 0
            result[name] = self.max / 1e3
            for lowest in sorted(self.bins):
                seen += self.bins[lowest]
                if seen > part * total:
                    result[name] = lowest / 1e3
                    break
        return result | {"max": self.max / 1e3}
