"""Bound what the event loop spends at a time on snapshots, the answers to ``join``."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from chat.delivery.paging import too_many
from utils.fairness import FairQueue, Party
from utils.turns import SharedTurns

# Bytes of the snapshots of one loop iteration: 11 of a room of 200 users with the longest names. Bytes, not time, so
# that the same commands always run in the same order.
SHARED_BYTES = 256 << 10
# Bytes that a snapshot counts for besides its list of users.
ENTRY_BYTES = 1 << 10

# Sessions whose turn it is: together, and of one party.
_AT_ONCE = 32
_EACH = 16
# A session waits for one entry at a time, so the number of connections bounds the queue.
_WAITING = 1_000_000


class EntryTurns:
    """Shares the entering of rooms: sessions take turns, and each loop iteration sends only so many bytes.

    A client may join a crowded room as often as its rate of commands allows, and many clients do so at once after a
    restart. Without turns, all other users would wait for the snapshots of all of them.
    """

    def __init__(self) -> None:
        self._queue = FairQueue(_AT_ONCE, each=_EACH, waiting=_WAITING, full=partial(too_many, "joins"))
        self._turns = SharedTurns(SHARED_BYTES)
        self.spend = self._turns.spend

    def is_free(self) -> bool:
        """Whether a session may enter a room at once."""
        return self._turns.is_free() and not self._queue.waiting

    @asynccontextmanager
    async def turn(self, party: Party) -> AsyncIterator[None]:
        """Wait for a turn, to enter and :meth:`spend` without another await."""
        async with self._queue.turn(party):
            await self._turns.next_share()
            yield
