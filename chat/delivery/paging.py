"""Bound the size of a page by its bytes as sent, whatever the messages contain."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

from model.errors import RETRY_AFTER, ParleyError
from storage.ports.storage import READER
from utils.encoding import to_json
from utils.fairness import FairQueue
from utils.turns import SharedTurns

# Bytes of one page as sent: by default half of what may be queued for a client (SLOW_BYTES_HIGH). With a lower setting,
# a page over WebSocket is smaller.
PAGE_BYTES = 512 << 10
# Messages in the first read for a page: each may have 20 reactions of 1000 users. Their size tells how many more fit.
FIRST_READ = 25

# Pages that are made at a time, one per reader; and how many of one principal may be queued: more than the principal
# may have connections, each of which requests one page at a time.
_MADE_AT_ONCE = 4
_WAITING = 1000

T = TypeVar("T")


class PageTurns:
    """Shares the making of pages: readers take turns, and together they use a slice of each event loop iteration.

    No newer event may be sent between making a page and sending it, so both happen in one callback. :meth:`spend`
    counts the time of the sending beforehand.
    """

    def __init__(self) -> None:
        self._queue = FairQueue(_MADE_AT_ONCE, each=1, waiting=_WAITING, full=partial(too_many, "reads"))
        self._turns = SharedTurns()
        self.spend = self._turns.spend

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[SharedTurns]:
        """Wait for a turn; see `utils.turns.SharedTurns.work`.

        Raises:
            ParleyError: ``rate_limited`` if too many pages of this `READER` are queued, ``overloaded`` if too many are
                queued in total.
        """
        async with self._queue.turn(READER.get()), self._turns.work() as slices:
            yield slices


def too_many(what: str, *, own: bool) -> ParleyError:
    """Make the refusal of a read or request for which the queue has no space; ``own``: in the reader's own share."""
    if own:
        return ParleyError("rate_limited", f"too many of your {what} are queued", retry_after=RETRY_AFTER)
    return ParleyError("overloaded", f"too many {what} are queued", retry_after=RETRY_AFTER)


def size_of(record: object) -> int:
    """Return the bytes of a record as sent."""
    return len(to_json(record))


def fitting(records: Sequence[T], max_bytes: int = PAGE_BYTES) -> int:
    """Return how many of the first records make a page: as many as fit, at least one."""
    left = max_bytes
    for count, record in enumerate(records):
        left -= size_of(record)
        if left < 0 and count:
            return count
    return len(records)


def next_read(limit: int, count: int, size: int, max_bytes: int = PAGE_BYTES) -> int:
    """Return how many records to read after ``count`` (one or more) that had ``size`` bytes together.

    About ``max_bytes``; at most ``limit``, at least one.
    """
    return max(1, min(limit, max_bytes * count // max(size, 1)))


async def read_fitting(
    pages: PageTurns,
    read: Callable[[int, T | None], Awaitable[Sequence[T]]],
    limit: int,
    *,
    max_bytes: int,
    least: int = 1,
    first: int = FIRST_READ,
) -> tuple[list[T], bool]:
    """Return a page, and whether there are more records after it.

    It has as many records as ``limit`` and ``max_bytes`` allow, and at least ``least``. Reads from storage
    are bounded in bytes as well.

    Args:
        pages: provides the turns.
        read: returns up to a number of records, in the order of the page, after a given one; None for the first ones.
        limit: maximum number of records.
        max_bytes: maximum size in bytes as sent.
        least: minimum number of records, whatever their size.
        first: maximum number of records in the first read.
    """
    found: list[T] = []
    size = 0
    while True:
        left = limit + 1 - len(found)
        wanted = next_read(left, len(found), size, max_bytes) if found else min(left, first)
        part = await read(wanted, found[-1] if found else None)
        async with pages.turn() as slices:
            full = False
            for record in part:
                size += size_of(record)
                full = len(found) >= limit or (size > max_bytes and len(found) >= least)
                if full:
                    break
                found.append(record)
            pages.spend(2 * slices.ran())  # the records are encoded once more, and sent
        if full or len(part) < wanted:
            return found, full
