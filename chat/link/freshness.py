"""Refuse packets that are sent a second time: a recorded packet must not make a dead node look alive."""

from chat.link.envelope import EVERYONE, Address

NODES = 10_000
"""Lives of nodes whose counts are kept, about 300 bytes each; beyond that, the one heard of first is forgotten."""


class Freshness:
    """The counts of the packets that a node has accepted.

    Packets for this node and packets for all nodes travel on two subjects of the bus, which may overtake each other. So
    each sender has a count on either. The generations of its links with this node are one sequence: a later one ends
    the earlier ones.

    A node that has just started accepts a recorded packet for all nodes, as it has heard nothing of the sender. Only a
    packet that is addressed to this life of the node cannot be older: take nothing else as proof that the sender lives.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[bytes, bool], tuple[int, int]] = {}

    def accept(self, sender: Address, receiver: Address, count: int) -> bool:
        """Take a packet as unpacked by `Envelope`, for this node or for all.

        Returns:
            Whether it is newer than all before it. False: ignore it.
        """
        key = sender.node, receiver.node == EVERYONE
        if (sender.generation, count) <= self._last.get(key, (0, 0)):
            return False
        self._last[key] = sender.generation, count
        if len(self._last) > NODES:
            del self._last[next(iter(self._last))]
        return True
