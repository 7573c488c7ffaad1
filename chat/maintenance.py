"""Maintenance in the background, a bounded number of messages at a time.

Expired messages are removed, the text of deleted ones is erased, and the words of messages that an older version cut
are cut again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from chat.rooms.invitations import oldest_open
from chat.rooms.parts import Parts
from model.limits import GUEST_SECONDS
from model.principals import GUEST
from storage.ports.errors import BatchRefused, StorageUnavailable
from storage.ports.messages import FIRST, CutWords, EraseDeleted, ExpireMessages
from storage.ports.rooms import ExpireGuests, ExpireInvitations, ExpireSanctions
from storage.ports.storage import Removed, WordsCut, Writer
from utils.clock import DAY_US
from utils.wording import counted

log = logging.getLogger(__name__)

# Messages in one transaction, and the pause between two: a million messages are removed in a quarter of an hour, or cut
# again in an hour, and other users hardly notice.
BATCH = 1000
WORDS_BATCH = 500
BETWEEN_BATCHES = 1.0
# Until the next look: messages expire, and a dump that is restored may have words of an older version.
BETWEEN_ROUNDS = 600.0
BEFORE_THE_FIRST = 60.0
# Until storage is reached, at the start or after an outage.
BEFORE_THE_NEXT_TRY = 5.0


async def expire_messages(parts: Parts, writer: Writer) -> None:
    """Remove expired messages, and erase what was deleted long ago, forever; after a failure the next round continues.

    The log has one line for each of both in a round, also for one that fails or is cancelled.
    """
    counters, clock = parts.counters, parts.clock
    counters.expired_at = clock.monotonic()
    await asyncio.sleep(BEFORE_THE_FIRST)  # storage is still connecting
    while True:
        try:
            await _all(parts, writer, expire_once, _tell_removed)
        except (StorageUnavailable, BatchRefused) as error:
            log.warning("expired messages could not be removed yet: %s", error)
        else:
            counters.expired_at = clock.monotonic()
        try:
            await _all(parts, writer, erase_once, _tell_erased)
        except (StorageUnavailable, BatchRefused) as error:
            log.warning("deleted messages could not be erased yet: %s", error)
        await asyncio.sleep(BETWEEN_ROUNDS)


_Once = Callable[[Parts, Writer], Awaitable[int]]


async def _all(parts: Parts, writer: Writer, once: _Once, tell: Callable[[int], None]) -> None:
    """Take batches until one is not full, with a pause after each, and tell the total.

    Raises:
        StorageUnavailable, BatchRefused: the rest is still there.
    """
    total, count = 0, BATCH
    try:
        while count == BATCH and not parts.storage.another_writes():
            count = await once(parts, writer)
            total += count
            if count == BATCH:
                await asyncio.sleep(BETWEEN_BATCHES)
    finally:
        if total:
            tell(total)


def _tell_removed(total: int) -> None:
    log.info("%s removed: past the retention of their rooms", counted(total, "message was", "messages were"))


def _tell_erased(total: int) -> None:
    log.info("%s erased: deleted long enough ago", counted(total, "deleted message was", "deleted messages were"))


async def expire_once(parts: Parts, writer: Writer) -> int:
    """Remove one batch of expired messages, invitations, guests and sanctions. Returns how many messages were removed.

    Raises:
        StorageUnavailable, BatchRefused: nothing was removed.
    """
    now, days = parts.clock.now_us(), parts.options.retention_days
    for room in parts.hub.rooms.values():
        if keep := room.record.retention_days or days:
            room.tail.forget(now - keep * DAY_US, room.backlog.unconfirmed)
    invitations = ExpireInvitations(oldest_open(parts), BATCH)
    present = [user_id for user_id in parts.directory.people if user_id.startswith(GUEST)]
    guests = ExpireGuests(now - GUEST_SECONDS * 1_000_000, now, present, BATCH)
    sanctions = ExpireSanctions(now, BATCH)
    *_, outcome = await writer.write([invitations, guests, sanctions, ExpireMessages(now, days, BATCH)])
    assert isinstance(outcome, Removed)
    parts.counters.expired += outcome.count
    log.debug("removed %d messages in one transaction", outcome.count)
    return outcome.count


async def erase_once(parts: Parts, writer: Writer) -> int:
    """Erase one batch of what was deleted long ago: the text of messages, and rooms. Returns how many messages it was.

    Raises:
        StorageUnavailable, BatchRefused: nothing was erased.
    """
    now, days = parts.clock.now_us(), parts.options.erase_after_days
    if not days:
        return 0
    for room in parts.hub.rooms.values():  # whose tails have messages as they were before they were deleted
        room.tail.forget(now - days * DAY_US, room.backlog.unconfirmed)
    (outcome,) = await writer.write([EraseDeleted(now, days, BATCH)])
    assert isinstance(outcome, Removed)
    parts.counters.erased += outcome.count
    log.debug("erased %d deleted messages in one transaction", outcome.count)
    return outcome.count


async def cut_words_again(parts: Parts, writer: Writer) -> None:
    """Cut the words of messages that an older version cut, forever.

    Each message records the version that cut it, so a restarted server continues there.
    """
    counters, after = parts.counters, FIRST
    while True:
        try:
            (outcome,) = await writer.write([CutWords(after, WORDS_BATCH)])
            assert isinstance(outcome, WordsCut)
            if outcome.left and not counters.words_left:
                left = counted(outcome.left, "stored message is", "stored messages are")
                log.info("%s re-indexed for search in the background", left)
            left_before = counters.words_left if outcome.left is None else outcome.left
            counters.words_left = 0 if outcome.after is None else max(0, left_before - WORDS_BATCH)
            # After a pass that cut any, another one: some messages may have changed while they were cut.
            pause = BETWEEN_ROUNDS if outcome.after is None and after == FIRST else BETWEEN_BATCHES
            after = outcome.after or FIRST
        except StorageUnavailable:  # logged by the workers
            pause = BEFORE_THE_NEXT_TRY
        except BatchRefused as error:
            log.error("messages are not re-indexed for search: %s", error)
            pause = BETWEEN_ROUNDS
        await asyncio.sleep(pause)
