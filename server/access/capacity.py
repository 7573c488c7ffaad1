"""How many connections there may be, in all and of one address; every socket of the port counts, whatever it speaks."""

from __future__ import annotations

import resource

from chat.delivery.counters import Counters

# Descriptors for all else: storage, files, the listener, and connections that are only told that there is no room.
RESERVED = 128
# Connections beyond the bound that are let in to be told so; more of them are closed at once.
SPARE = 48


def room_for(limit: int) -> int:
    """How many sockets there may be with this limit of descriptors."""
    return max(limit - RESERVED, limit // 2)


class Place:
    """What one socket takes up, from :meth:`Capacity.admit` to :meth:`release`.

    Attributes:
        peer: the address at the other end, "" when it is not known.
        over: there are more sockets than there may be: answer, and close.
    """

    __slots__ = ("_capacity", "_network", "over", "peer")

    def __init__(self, capacity: Capacity, peer: str, network: str, *, over: bool) -> None:
        self._capacity: Capacity | None = capacity
        self._network = network
        self.peer = peer
        self.over = over

    @property
    def network(self) -> str:
        """What the peer counts as by address."""
        return self._network

    def move(self, network: str) -> None:
        """It is known for whom the connection is: it counts for that address."""
        if self._capacity is not None and network != self._network:
            self._capacity.count(self._network, -1)
            self._network = network
            self._capacity.count(network, 1)

    @property
    def crowded(self) -> bool:
        """Whether its address has more connections than it may have."""
        return self._capacity is not None and self._capacity.is_crowded(self._network)

    def release(self) -> None:
        """The socket is closed. Idempotent."""
        capacity, self._capacity = self._capacity, None
        if capacity is not None:
            capacity.counters.sockets -= 1
            capacity.count(self._network, -1)


class Capacity:
    """The places there are.

    Args:
        most: sockets in all; 0 for the limit of descriptors less what is reserved.
        of_address: sockets of one address; 0 for three quarters of ``most``.

        counters: where sockets, refusals and pauses are counted.
    """

    def __init__(self, most: int, of_address: int, counters: Counters) -> None:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.most = most or room_for(limit)
        self.of_address = of_address or max(1, self.most * 3 // 4)
        self.counters = counters
        self._by_network: dict[str, int] = {}

    def admit(self, peer: str, network: str) -> Place | None:
        """A place for a socket of this peer, which counts for this address ("" for none); None to close it at once."""
        mine = self._by_network.get(network, 0) if network else 0
        if self.counters.sockets >= self.most + SPARE or mine >= self.of_address + SPARE:
            self.counters.refused_connections += 1
            return None
        self.counters.sockets += 1
        self.count(network, 1)
        return Place(self, peer, network, over=self.counters.sockets > self.most)

    def is_crowded(self, network: str) -> bool:
        """Whether an address has more sockets than it may have."""
        return self._by_network.get(network, 0) > self.of_address

    def count(self, network: str, more: int) -> None:
        """Count sockets of an address; "" does not count."""
        if network:
            self._by_network[network] = count = self._by_network.get(network, 0) + more
            if not count:
                del self._by_network[network]
