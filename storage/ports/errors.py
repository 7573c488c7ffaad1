"""What storage raises.

StorageError
|-- StorageUnavailable   nothing was decided: keep the work and try again later
|   |-- TooManyReads     so many reads wait already that one more may not
|-- Forgotten            storage let go, for lack of space, of what is asked for
|-- BatchRefused         storage refuses a row of the batch for itself: halve the batch to find it
"""

from __future__ import annotations


class StorageError(Exception):
    """Anything storage raises."""


class StorageUnavailable(StorageError):
    """Storage cannot answer now (away, starting, out of space, read-only, not this server's turn to write).

    The text says why, in words for an operator. Whether a write took place is not known: retry it as it is, writes are
    idempotent.
    """


class Forgotten(StorageError):
    """Messages that the answer should have were evicted for lack of space; only memory ever does that."""


class TooManyReads(StorageUnavailable):
    """A read that was not even queued; ``own`` when its `READER` has too many of them waiting."""

    def __init__(self, *, own: bool) -> None:
        self.own = own
        super().__init__("too many reads are queued")


class BatchRefused(StorageError):
    """A row of the batch can never be stored as it is (SQLSTATE classes 22 and 23). Nothing of the batch was stored."""
