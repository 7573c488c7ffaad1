"""Retention: messages that are older than their room keeps them are removed, a bounded number at a time."""

from __future__ import annotations

import asyncio
import logging

from chat.rooms.invitations import oldest_open
from chat.rooms.parts import Parts
from model.limits import GUEST_SECONDS
from model.principals import GUEST
from storage.ports.errors import BatchRefused, StorageUnavailable
from storage.ports.messages import ExpireMessages
from storage.ports.outcomes import Removed
from storage.ports.rooms import ExpireGuests, ExpireInvitations
from storage.ports.storage import Writer
from utils.clock import DAY_US
from utils.wording import counted

log = logging.getLogger(__name__)

# Messages of one transaction, and the pauses between two of them and between two rounds: a million in a quarter of an
# hour, while everybody else hardly notices.
BATCH = 1000
BEFORE_THE_FIRST = 60.0
BETWEEN_BATCHES = 1.0
BETWEEN_ROUNDS = 600.0


async def expire_messages(parts: Parts, writer: Writer) -> None:
    """Remove what is too old, for ever; rounds that storage does not take are the next round's."""
    await asyncio.sleep(BEFORE_THE_FIRST)  # storage is still connecting
    while True:
        await expire_all(parts, writer)
        await asyncio.sleep(BETWEEN_ROUNDS)


async def expire_all(parts: Parts, writer: Writer) -> None:
    """Remove what is too old now, batch by batch. The log has one line about all of them, also when it is cut short."""
    total, removed = 0, BATCH
    try:
        while removed == BATCH:
            removed = await expire_once(parts, writer)
            total += removed
            if removed == BATCH:
                await asyncio.sleep(BETWEEN_BATCHES)
    except (StorageUnavailable, BatchRefused) as error:
        log.warning("expired messages could not be removed yet: %s", error)
    finally:
        if total:
            removed_messages = counted(total, "message was", "messages were")
            log.info("%s removed: older than their rooms keep them", removed_messages)


async def expire_once(parts: Parts, writer: Writer) -> int:
    """Remove one batch. Returns how many messages that were.

    Raises:
        StorageUnavailable: nothing was removed.
    """
    now, days = parts.clock.now_us(), parts.options.retention_days
    for room in parts.hub.rooms.values():
        keep = room.record.retention_days or days
        if keep:
            room.tail.forget(now - keep * DAY_US, room.backlog.unconfirmed)
    forgotten = ExpireInvitations(oldest_open(parts), BATCH)
    present = tuple(user_id for user_id in parts.directory.people if user_id.startswith(GUEST))
    guests = ExpireGuests(now - GUEST_SECONDS * 1_000_000, now, present, BATCH)
    _, _, outcome = await writer.write([forgotten, guests, ExpireMessages(now, days, BATCH)])
    removed = outcome.count if isinstance(outcome, Removed) else 0
    log.debug("removed %d messages in one transaction", removed)
    return removed
