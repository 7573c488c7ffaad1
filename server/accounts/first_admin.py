"""The first admin: a link in a file that only the user of the server's process can read."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

from model.account import Ticket
from server.accounts.service import Accounts
from storage.ports.errors import StorageUnavailable
from storage.ports.storage import READER
from utils.fairness import Party
from utils.ids import hash_secret, new_secret

log = logging.getLogger(__name__)

FILE = Path("first-admin-link.txt")  # in the working directory
VALID_SECONDS = 3600
# Until the next look whether this server has the rooms, and whether there is an admin.
LOOK_SECONDS = 2.0


async def offer_first_admin(accounts: Accounts, has_rooms: Callable[[], bool]) -> None:
    """Write the link once this server has the rooms, if no account is an admin and ``PUBLIC_URL`` is set; remove the
    file when there is an admin, when the link expires, and when the server stops.

    Args:
        has_rooms: whether this server has the rooms: of several nodes one writes it.
    """
    READER.set(Party("first admin"))
    if not accounts.settings.public_url:
        return
    has_admin: bool | None = None
    while has_admin is None:
        await asyncio.sleep(LOOK_SECONDS)
        has_admin = await _has_admin(accounts) if has_rooms() else None
    if has_admin:
        _remove()  # of a server that was killed: its link makes no second admin, and nothing else
        return
    secret = new_secret()
    until = accounts.clock.now_us() + VALID_SECONDS * 1_000_000
    try:
        await accounts.storage.secrets.insert_ticket(Ticket(hash_secret(secret), "admin", None, None, until), None)
        path = _write(f"{accounts.settings.public_url}/client.html#admin={secret}\n")
    except (StorageUnavailable, OSError) as error:
        log.warning(
            "there is no admin yet, and no link to make one: %s; use the command user create --admin, or with memory"
            " storage start in a folder that the server may write",
            error,
        )
        return
    log.warning("there is no admin yet: %s has a link to make one, for an hour and one use", path)
    try:
        while not has_admin and accounts.clock.now_us() < until:
            await asyncio.sleep(LOOK_SECONDS)
            has_admin = await _has_admin(accounts)
    finally:
        _remove()


async def _has_admin(accounts: Accounts) -> bool | None:
    """Return whether there is an admin, None if storage does not answer."""
    try:
        return await accounts.storage.accounts.has_admin()
    except StorageUnavailable:
        return None


def _remove() -> None:
    with contextlib.suppress(OSError):  # removed already, or in a folder that has become read-only
        FILE.unlink()


def _write(link: str) -> Path:
    """Write a new file, never into one that is there, or through a link of another user. Returns its path."""
    FILE.unlink(missing_ok=True)  # of a server that was killed
    descriptor = os.open(FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(link)
    return FILE.absolute()
