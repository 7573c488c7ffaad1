"""Merge new words into the index for search in the background, so that no insert has to."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from storage.ports.messages import FIRST, ChangeMessage, CutWords, InsertMessage
from storage.ports.storage import Write
from storage.postgres.connection.errors import FAILURES, words_for
from storage.postgres.connection.session import Connection, bounded, fetch_all
from storage.postgres.sql.messages import MERGE_WORDS

log = logging.getLogger(__name__)

# Characters of text after which their words, 0.3 to 1 MB, are merged: until then, every search reads them.
CHARS = 64 << 10
# The pause after a failure. Until it is over, inserts may have to merge (migrations/0013_words_merged.sql).
PAUSE_SECONDS = 1.0


class WordsMerger:
    """Merges on a connection of its own, which it opens when there is enough to merge.

    Args:
        connect: opens a connection (raises `FAILURES`).
        seconds: time limit of a merge.
    """

    def __init__(self, connect: Callable[[], Awaitable[Connection]], seconds: float) -> None:
        self._connect = connect
        self._seconds = seconds
        self._connection: Connection | None = None
        self._chars = 0
        self._due = asyncio.Event()
        self._failed = False

    def note(self, batch: Sequence[Write]) -> None:
        """Count the text of writes that were stored."""
        for write in batch:
            if isinstance(write, InsertMessage):
                self._chars += len(write.message.content)
            elif isinstance(write, ChangeMessage) and write.content is not None:
                self._chars += len(write.content)
            elif isinstance(write, CutWords) and write.after != FIRST:  # the first one of a pass mostly finds nothing
                self._chars += CHARS
        if self._chars >= CHARS:
            self._due.set()

    async def run(self) -> None:
        """Merge whenever there is enough, forever."""
        try:
            while True:
                await self._due.wait()
                self._due.clear()
                self._chars = 0
                try:
                    await self._merge()
                    self._failed = False
                except FAILURES as error:
                    self._drop()
                    if not self._failed:
                        log.warning("new words could not be merged into the index for search: %s", words_for(error))
                    self._failed = True
                    await asyncio.sleep(PAUSE_SECONDS)
        finally:
            self._drop()

    async def _merge(self) -> None:
        if self._connection is None:
            self._connection = await self._connect()
        await bounded(self._connection, fetch_all(self._connection, MERGE_WORDS, {}), self._seconds)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()
            connection.finish()
