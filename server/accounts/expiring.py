"""Remove what has expired: rows of accounts, entries of the audit log, and reports. Every node does it."""

import asyncio
import logging

from server.accounts.service import Accounts
from storage.ports.errors import StorageUnavailable
from storage.ports.storage import READER
from utils.clock import DAY_US
from utils.fairness import Party

log = logging.getLogger(__name__)

# Rows of each kind in one transaction, and the pause between two, as for messages (`chat.maintenance`).
BATCH = 1000
BETWEEN_BATCHES = 1.0
BETWEEN_ROUNDS = 600.0
BEFORE_THE_FIRST = 90.0


async def expire_accounts(accounts: Accounts) -> None:
    """Remove expired rows, forever; after a failure the next round continues."""
    READER.set(Party("expiry"))
    await asyncio.sleep(BEFORE_THE_FIRST)  # storage is still connecting, and messages go first
    while True:
        more = False
        try:
            more = await expire_once(accounts)
        except StorageUnavailable as error:
            log.warning("expired logins and audit entries could not be removed yet: %s", error)
        except Exception:
            # An unforeseen error must not end it: the tables would grow until a restart.
            log.exception("removing expired logins and audit entries failed")
        await asyncio.sleep(BETWEEN_BATCHES if more else BETWEEN_ROUNDS)


async def expire_once(accounts: Accounts) -> bool:
    """Remove one batch: of logins and what else `AccountRepository.expire` removes; and what is older than
    ``AUDIT_DAYS``: entries of the audit log, and reports since they were handled. Returns whether there may be more.

    Raises:
        StorageUnavailable: some of them may have been removed.
    """
    now, days = accounts.clock.now_us(), accounts.settings.audit_days
    more = await accounts.storage.accounts.expire(now, BATCH) >= BATCH
    if days:
        oldest = now - days * DAY_US
        more |= await accounts.storage.audit.expire(oldest, BATCH) >= BATCH
        more |= await accounts.storage.safety.expire(oldest, BATCH) >= BATCH
    return more
