"""The contents of memory storage, and the turns of reads that examine much of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from storage.memory.account_tables import AccountTables
from storage.memory.logs import Logs
from storage.memory.members import Members
from storage.memory.sanctions import Sanctions
from storage.ports.errors import StorageUnavailable, TooManyReads
from storage.ports.storage import READER
from utils.fairness import FairQueue
from utils.turns import SharedTurns

# Reads that examine much: how many run at once, one per reader, and how many of one reader may be queued. The queues
# are those of `storage.postgres.read.pool`: lists arrive in bursts when a client reconnects, searches are few and long.
_READS_AT_ONCE = 4
_WAITING_LISTS = 100
_WAITING_SEARCHES = 16


class Contents:
    """Rooms, messages, members and accounts, until they are closed.

    Attributes:
        lists, searches: the queues that :meth:`turn` takes.
    """

    def __init__(self, logs: Logs, members: Members) -> None:
        self._logs = logs
        self._members = members
        self._accounts = AccountTables()
        self._sanctions = Sanctions()
        self.lists = FairQueue(_READS_AT_ONCE, each=1, waiting=_WAITING_LISTS, full=TooManyReads)
        self.searches = FairQueue(_READS_AT_ONCE, each=1, waiting=_WAITING_SEARCHES, full=TooManyReads)
        self._turns = SharedTurns()
        self.closed = False

    @property
    def logs(self) -> Logs:
        """The rooms with their messages. Raises `StorageUnavailable` when closed."""
        self.check_open()
        return self._logs

    @property
    def members(self) -> Members:
        """The members' rows. Raises `StorageUnavailable` when closed."""
        self.check_open()
        return self._members

    @property
    def sanctions(self) -> Sanctions:
        """The sanctions of rooms. Raises `StorageUnavailable` when closed."""
        self.check_open()
        return self._sanctions

    @property
    def accounts(self) -> AccountTables:
        """The tables of accounts. Raises `StorageUnavailable` when closed."""
        self.check_open()
        return self._accounts

    @asynccontextmanager
    async def turn(self, queue: FairQueue) -> AsyncIterator[SharedTurns]:
        """Wait for the turn of a read that examines much. The read pauses whenever its slice is over.

        Raises:
            TooManyReads: the queue is full.
            StorageUnavailable: closed, also while the read ran.
        """
        self.check_open()
        async with queue.turn(READER.get()), self._turns.work() as slices:
            yield slices
            self.check_open()

    def close(self) -> None:
        """Forget everything, permanently."""
        if not self.closed:
            self.closed = True
            del self._logs, self._members, self._sanctions, self._accounts

    def check_open(self) -> None:
        """Raise `StorageUnavailable` when closed."""
        if self.closed:
            raise StorageUnavailable("the storage is closed")
