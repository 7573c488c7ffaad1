"""The bus between the nodes of a cluster, as a port; server/ supplies the adapter for NATS."""

from collections.abc import Callable
from typing import Protocol

LEAST_BYTES = 32 << 10
"""Bytes that a bus must carry in one message: a greeting in a large cluster takes about as many."""


class Bus(Protocol):
    """Carries bytes to one node or to all of them, at most once.

    It may lose, duplicate and reorder anything, and says nothing of it: `chat.link.link.Link` is made for that. Sending
    never blocks and never raises; what is sent while the bus is down is dropped, because it would be old when the bus
    is back.
    """

    @property
    def up(self) -> bool:
        """Whether what is sent now has a chance to arrive; False if the bus carries less than `LEAST_BYTES`."""

    @property
    def problem(self) -> str:
        """Why the bus is down, for an operator; empty while it is up, or as long as no attempt has failed."""

    @property
    def max_bytes(self) -> int:
        """The size of the largest message that the bus carries now, or carried when it was last reached."""

    async def start(self, node: str, hear: Callable[[bytes], object], on_up: Callable[[], object]) -> None:
        """Connect in the background, and again whenever the connection is lost.

        Args:
            node: the name under which this node receives; letters and digits.
            hear: is called with each message for this node or for all, but never with one that this node sent to all.
            on_up: is called each time the bus is up, from when others can reach this node.
        """

    def send(self, node: str, data: bytes) -> None:
        """Send to one node."""

    def send_all(self, data: bytes) -> None:
        """Send to all other nodes."""

    def reconnect(self) -> None:
        """Connect anew, perhaps elsewhere: the bus is up, but does not carry anything of other nodes that reach it."""

    async def close(self) -> None:
        """Disconnect, within two seconds. Nothing is heard afterwards. Idempotent."""
