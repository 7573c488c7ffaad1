"""Record in the audit log what no other transaction records."""

import logging
from collections.abc import Sequence

from model.audit import OPERATOR, entry
from server.accounts.service import Accounts
from storage.ports.errors import StorageUnavailable

log = logging.getLogger(__name__)


async def record_reload(accounts: Accounts, changed: Sequence[str]) -> None:
    """Record that the settings were read again, and the names of those that changed."""
    try:
        await accounts.storage.audit.append([entry(accounts.clock, "reload", OPERATOR, detail=", ".join(changed))])
    except StorageUnavailable as error:
        log.warning("the audit log has no entry of the reload: %s", error)
