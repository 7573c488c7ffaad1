"""Notices that a node is at a dead end: its bus is up, and does not carry what other nodes must be sending.

The NATS server that this node is connected to is cut off from the others, has come back without its routes, or lacks
this node's subscriptions. None of that ends by itself, and the node may reach the others by another NATS server.
"""

from collections.abc import Callable

LOST_SECONDS = 6.0
"""How long an edge hears nothing of an owner that reaches the bus; longer than a hung one has the rooms."""
LONELY_SECONDS = 20.0
"""How long an owner hears nothing at all: the others have moved to its server before that, if they can."""
# The most that counts between two looks: a node that was paused has not listened.
_MOST_SECONDS = 0.2


class DeadEnd:
    """How long what must be heard was missed. Call `look` every 100 ms or so.

    Args:
        now: a monotonic clock.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._looked = now()
        self._missed_for = 0.0

    def look(self, *, misses: bool, owner: bool) -> bool:
        """Return whether to connect to the bus anew, now.

        Args:
            misses: other nodes say that they reach the bus, which is up here, and those that must be heard are not.
            owner: this node has the rooms.
        """
        now = self._now()
        passed, self._looked = now - self._looked, now
        self._missed_for = self._missed_for + min(passed, _MOST_SECONDS) if misses else 0.0
        if self._missed_for < (LONELY_SECONDS if owner else LOST_SECONDS):
            return False
        self._missed_for = 0.0
        return True
