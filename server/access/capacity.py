"""Limits on connections, in total and per address. Every socket of the port counts, whatever its protocol."""

from __future__ import annotations

import resource

from chat.delivery.counters import Counters

# Descriptors for everything else: storage, files, the listener, and connections that only get a refusal.
RESERVED = 128
# Connections above the limit that are accepted, to answer with a refusal; any more are closed at once.
SPARE = 48


def room_for(limit: int) -> int:
    """Return the largest number of sockets for a limit of file descriptors."""
    return max(limit - RESERVED, limit // 2)


class Place:
    """The place of one socket, from :meth:`Capacity.admit` to :meth:`release`.

    Attributes:
        peer: the address of the peer, "" if it is unknown.
        network: the network that the socket counts for; :meth:`move` changes it.
        over: whether the server has too many sockets: refuse this one, and close it.
    """

    __slots__ = ("_capacity", "network", "over", "peer")

    def __init__(self, capacity: Capacity, peer: str, network: str, *, over: bool) -> None:
        self._capacity: Capacity | None = capacity
        self.network = network
        self.peer = peer
        self.over = over

    def move(self, network: str) -> None:
        """Count the socket for another network, once the client behind a proxy is known."""
        if self._capacity is not None and network != self.network:
            self._capacity.count(self.network, -1)
            self.network = network
            self._capacity.count(network, 1)

    @property
    def crowded(self) -> bool:
        """Whether the network has too many sockets."""
        return self._capacity is not None and self._capacity.is_crowded(self.network)

    def release(self) -> None:
        """Give the place back when the socket has closed. Idempotent."""
        capacity, self._capacity = self._capacity, None
        if capacity is not None:
            capacity.counters.sockets -= 1
            capacity.count(self.network, -1)


class Capacity:
    """Counts sockets and refuses those above the limits.

    Args:
        most: the limit in total; 0 for the limit of file descriptors without the reserved ones.
        of_address: the limit for one network; 0 for three quarters of ``most``.
        counters: count the sockets and refusals.
    """

    def __init__(self, most: int, of_address: int, counters: Counters) -> None:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.most = most or room_for(limit)
        self.of_address = of_address or max(1, self.most * 3 // 4)
        self.counters = counters
        self._by_network: dict[str, int] = {}

    def admit(self, peer: str, network: str) -> Place | None:
        """Return a place for a socket that counts for ``network``, "" for none; None if it must be closed at once."""
        mine = self._by_network.get(network, 0) if network else 0
        if self.counters.sockets >= self.most + SPARE or mine >= self.of_address + SPARE:
            self.counters.refused_connections += 1
            return None
        self.counters.sockets += 1
        self.count(network, 1)
        return Place(self, peer, network, over=self.counters.sockets > self.most)

    def is_crowded(self, network: str) -> bool:
        """Return whether a network has too many sockets."""
        return self._by_network.get(network, 0) > self.of_address

    def count(self, network: str, more: int) -> None:
        """Add to the sockets of a network; "" is not counted."""
        if network:
            self._by_network[network] = count = self._by_network.get(network, 0) + more
            if not count:
                del self._by_network[network]
