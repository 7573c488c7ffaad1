"""Follows the notices of all servers: read in the order of their numbers, every half second."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from model.account import Notice
from server.auth.access_list import AccessList
from storage.ports.errors import StorageUnavailable, TooManyReads
from storage.ports.storage import READER, Storage
from utils.fairness import Party
from utils.tasks import is_cancelled

log = logging.getLogger(__name__)

PAUSE_SECONDS = 0.5
# The least pause, however many changes ask for a read.
LEAST_SECONDS = 0.05
# How often uses of API keys are stored, and expired notices forgotten.
UPKEEP_SECONDS = 60.0
# After so long without a read, a connection may have missed a notice that storage has removed since
# (`storage.ports.access.KEPT_US`).
MISSED_SECONDS = 23 * 3600.0
_PAGE = 1000

# Called with each page of new notices; with none if some may have been missed, after `MISSED_SECONDS`.
Listener = Callable[[Sequence[Notice]], Awaitable[None]]


class Follower:
    """See the top of this file.

    Attributes:
        listeners: called with the new notices, after the access list has them.
    """

    def __init__(self, storage: Storage, access: AccessList) -> None:
        self._storage = storage
        self._access = access
        self.listeners: list[Listener] = []
        self._incarnation: str | None = None  # of the database that was read
        self._wanted = asyncio.Event()
        self._reading = asyncio.Lock()
        self._away = False
        self._problem: Exception | None = None

    def last(self) -> int:
        """Return the number of the last notice that this server knows."""
        return self._access.number

    def hear(self, number: int) -> None:
        """Read soon if another server knows a newer notice."""
        if number > self._access.number:
            self.wake()

    def wake(self) -> None:
        """Read soon, because there is probably a new notice."""
        self._wanted.set()

    async def catch_up(self) -> None:
        """Read every notice that is stored now, and let the listeners act on it.

        Raises:
            StorageUnavailable: they cannot be read.
            TooManyReads: too many reads of this task's `READER` are queued.
        """
        async with self._reading:
            incarnation = await self._storage.access.incarnation()
            if incarnation != self._incarnation or not await self._read_on():
                await self._read_anew()
                self._incarnation = incarnation
            if self._access.confirm() > MISSED_SECONDS:
                await self._tell(())

    async def _read_on(self) -> bool:
        """Read what is new. Returns False if the database has gone back, as after a backup was restored in place.

        Each page begins with the last notice that is known. If that is not there and no later one, the database has
        gone back, since the newest notice never expires.
        """
        while True:
            known = self._access.number
            found = await self._storage.access.notices(after=max(0, known - 1), limit=_PAGE)
            if known and not found:
                return False
            notices = [notice for notice in found if notice.number > known]
            if notices:
                self._access.take(notices)
                await self._tell(notices)
            if len(found) < _PAGE:
                return True

    async def _read_anew(self) -> None:
        """Read everything, because numbers of another database, or of this one before it was restored, say nothing."""
        access, notices = self._access.blank(), list[Notice]()
        await self._read_looks(access)
        while page := await self._storage.access.notices(after=access.number, limit=_PAGE):
            access.take(page)
            notices += page
        self._access.become(access)
        if notices:
            await self._tell(notices)

    async def _tell(self, notices: Sequence[Notice]) -> None:
        for listener in self.listeners:
            await listener(notices)

    async def _read_looks(self, access: AccessList) -> None:
        after = ""
        while looks := await self._storage.accounts.looks(after=after, limit=_PAGE):
            access.take_looks(looks)
            after = looks[-1]

    async def first(self, seconds: float) -> None:
        """Read once before the server listens, within a time limit. Without success, :meth:`run` goes on trying."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    if await self._is_read():
                        return
                    await asyncio.sleep(LEAST_SECONDS)
        except TimeoutError:
            log.warning("notices about accounts were not read yet: accounts made here are refused until they are")

    async def run(self) -> None:
        """Read forever."""
        READER.set(Party("follower"))
        loop = asyncio.get_running_loop()
        upkeep_at = loop.time() + UPKEEP_SECONDS
        while not is_cancelled():
            await asyncio.sleep(LEAST_SECONDS)
            try:
                async with asyncio.timeout(PAUSE_SECONDS - LEAST_SECONDS):
                    await self._wanted.wait()
            except TimeoutError:
                pass
            self._wanted.clear()
            try:
                await self._try()
                if loop.time() >= upkeep_at:
                    upkeep_at = loop.time() + UPKEEP_SECONDS
                    await self._keep_up()
            except Exception:
                # An unforeseen error must not end it: the list would be stale until a restart.
                log.exception("following the notices failed")

    async def _is_read(self) -> bool:
        try:
            await self.catch_up()
        except (StorageUnavailable, TooManyReads) as error:
            self._problem = error
            return False
        return True

    async def _try(self) -> None:
        read = await self._is_read()
        if not read and not self._away:
            log.warning("notices about accounts cannot be read: %s", self._problem)
        elif read and self._away:
            log.info("notices about accounts are read again")
        self._away = not read

    async def _keep_up(self) -> None:
        self._access.forget()
        uses, self._access.uses = self._access.uses, {}
        try:
            await self._storage.access.used(uses)
        except (StorageUnavailable, TooManyReads):
            self._access.uses = uses | self._access.uses
