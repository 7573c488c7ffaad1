"""The servers of one storage: which one may write, and which others live."""

from zlib import crc32

from msgspec import Struct


class Gained(Struct, frozen=True):
    """A tenure of this server: the time in which it may write, and no other server.

    Attributes:
        token: the number of the tenure, counted over all servers.
        epoch: what the previous writing server saved by `Storage.keep_epoch` or `Storage.resign`, or None. Each saved
            epoch is passed to one server only.
        after_another: clients of this server may have outdated state: another server wrote after this one had; or while
            this one waited, and then did not save its epoch. Or the database was replaced, by a copy or a backup.
    """

    token: int
    epoch: str | None
    after_another: bool


class Servers(Struct, frozen=True):
    """The servers of a cluster, as storage shows them. The clocks of two servers are never compared.

    Attributes:
        token: the number of the last tenure.
        owner: the node id of the server that had it, or a random token of a server that is no node; empty before the
            first tenure.
        owner_lives: the owner has the right to write, and was at work within the last few seconds. A server that is no
            node counts as being at work.
        alive: `node_key` of each node with a session in storage, this one included. A node that hangs has one too.
        on_bus: of those, the nodes that say that they reach the bus.
        owner_name: what the owner is called, for an operator.
    """

    token: int
    owner: str
    owner_lives: bool
    alive: frozenset[int]
    on_bus: frozenset[int]
    owner_name: str = ""

    def lives(self, node: str) -> bool:
        """Whether the node with this id has a session in storage."""
        return node_key(node) in self.alive

    def reaches_bus(self, node: str) -> bool:
        """Whether the node with this id says that it reaches the bus."""
        return node_key(node) in self.on_bus


def node_key(node: str) -> int:
    """Return 32 bits of a node id: what fits into the key of a lock."""
    return crc32(node.encode())
