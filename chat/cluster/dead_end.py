"""Notices that a node is at a dead end: its bus is up, and does not carry what other nodes must be sending.

The NATS server that this node is connected to is cut off from the others, has come back without its routes, or lacks
this node's subscriptions. None of that ends by itself, and the node may reach the others by another NATS server.
"""

from collections.abc import Callable

APART_SECONDS = 2.0
"""How long an edge does not hear an owner that reaches the bus, nor any other node, until it is apart from them. One
that has never had an owner is apart even if it hears others: they may be at the same wrong bus."""
LOST_SECONDS = 6.0
"""How long an edge hears nothing of an owner that reaches the bus; longer than a hung one has the rooms."""
LONELY_SECONDS = 20.0
"""How long an owner hears nothing at all: the others have moved to its server before that, if they can. It is twice as
long each time after that, because they may all have lost the bus."""
DEAF_SECONDS = 30.0
"""How long a node hears nothing at all before it counts as off the bus: it has looked for another server in vain."""
# The most that counts between two looks: a node that was paused has not listened.
_MOST_SECONDS = 0.2


class DeadEnd:
    """How long what must be heard was missed. Call `look` every 100 ms or so.

    Args:
        now: a monotonic clock.

    Attributes:
        deaf: the bus that is up here is not that of the others, and no other one is found.
        apart: this node is at another bus than the others, who would not hear it: it must not take the rooms from them
            when their owner dies. It stays apart until it hears an owner.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._looked = now()
        self._missed_for = 0.0
        self._silent_for = 0.0
        self._lonely_for = LONELY_SECONDS
        self._had_owner = False
        self.deaf = False
        self.apart = False

    def look(self, *, misses: bool, silent: bool, hears_owner: bool, owner: bool) -> bool:
        """Return whether to connect to the bus anew, now.

        Args:
            misses: other nodes live, and the bus, which is up here, does not carry what must be heard: of the owner; at
                the owner, of any.
            silent: other nodes say that they reach the bus, and none at all is heard.
            hears_owner: the owner was heard a moment ago.
            owner: this node has the rooms.
        """
        now = self._now()
        passed, self._looked = min(now - self._looked, _MOST_SECONDS), now
        self._missed_for = self._missed_for + passed if misses else 0.0
        self._silent_for = self._silent_for + passed if silent else 0.0
        self.deaf = self._silent_for >= DEAF_SECONDS
        if hears_owner or owner:
            self.apart, self._had_owner = False, True
        elif self._missed_for >= APART_SECONDS and (silent or not self._had_owner):
            self.apart = True
        if not misses:
            self._lonely_for = LONELY_SECONDS
        if self._missed_for < (self._lonely_for if owner else LOST_SECONDS):
            return False
        self._missed_for = 0.0
        if owner:
            self._lonely_for *= 2
        return True
