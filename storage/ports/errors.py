"""The exceptions of storage.

StorageError
|-- StorageUnavailable   the outcome is unknown: keep the write and retry it later
|   |-- TooManyReads     too many reads are queued already
|-- Forgotten            storage evicted messages that the answer needs
|-- BatchRefused         storage refuses a row of the batch: halve the batch to find it
|-- NotEmpty             an import needs an empty storage
"""


class StorageError(Exception):
    """Base class of everything that storage raises."""


class StorageUnavailable(StorageError):
    """Storage cannot answer now: unreachable, starting, out of space, read-only, or another server writes to it.

    The text gives the reason, for an operator. A write may or may not have been stored: retry it unchanged, because
    writes are idempotent.
    """


class Forgotten(StorageError):
    """Messages that the result needs were evicted for lack of space. Only memory storage evicts."""


class TooManyReads(StorageUnavailable):
    """The read was not queued. ``own``: its `storage.ports.storage.READER` has too many queued reads."""

    def __init__(self, *, own: bool) -> None:
        self.own = own
        super().__init__("too many reads are queued")


class BatchRefused(StorageError):
    """A row of the batch can never be stored (SQLSTATE classes 22 and 23). Nothing in the batch was stored."""


class NotEmpty(StorageError):
    """Something is stored where an import needs an empty storage. The text names the tables."""
