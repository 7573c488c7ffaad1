"""Words that are stored as an older version cut them are cut again, a bounded number at a time."""

from __future__ import annotations

import asyncio
import logging

from chat.rooms.parts import Parts
from storage.ports.errors import BatchRefused, StorageUnavailable
from storage.ports.messages import FIRST, CutWords
from storage.ports.outcomes import WordsCut
from storage.ports.storage import Writer
from utils.wording import counted

log = logging.getLogger(__name__)

# Messages of one transaction, and the pause between two: a million in an hour, while everybody else hardly notices.
BATCH = 500
BETWEEN_BATCHES = 1.0
# Until storage is there, or there again; and until the next look whether all is done, as an older dump may be restored.
BEFORE_THE_NEXT_TRY = 5.0
BETWEEN_ROUNDS = 600.0


async def cut_words_again(parts: Parts, writer: Writer) -> None:
    """Cut what is to be cut, for ever. What is done is stored with each message, so a restart goes on from there."""
    after = FIRST
    while True:
        try:
            after, more = await cut_once(parts, writer, after)
            pause = BETWEEN_BATCHES if more else BETWEEN_ROUNDS
        except StorageUnavailable:  # which is logged where people wait for it
            pause = BEFORE_THE_NEXT_TRY
        except BatchRefused as error:
            log.error("messages are not re-indexed for search: %s", error)
            pause = BETWEEN_ROUNDS
        await asyncio.sleep(pause)


async def cut_once(parts: Parts, writer: Writer, after: tuple[int, int]) -> tuple[tuple[int, int], bool]:
    """Cut one batch behind ``after``. Returns behind which message the next one begins, and whether there may be more.

    Raises:
        StorageUnavailable, BatchRefused: nothing was cut.
    """
    (outcome,) = await writer.write([CutWords(after, BATCH)])
    assert isinstance(outcome, WordsCut)
    counters = parts.counters
    if outcome.left and not counters.words_left:
        left = counted(outcome.left, "stored message is", "stored messages are")
        log.info("%s re-indexed for search in the background", left)
    counters.words_left = max(0, (counters.words_left if outcome.left is None else outcome.left) - BATCH)
    if outcome.after is not None:
        return outcome.after, True
    counters.words_left = 0
    if after == FIRST:
        return FIRST, False
    return FIRST, True  # from the first on: some may have been changed while they were cut
