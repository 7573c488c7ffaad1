"""The audit port: the log of who did what. Entries are only ever added, and removed by their age."""

import logging
from collections.abc import Iterable, Sequence
from typing import Protocol

from model.audit import AuditEntry, AuditFilter
from model.principals import ACCOUNT
from utils.encoding import to_json

log = logging.getLogger("parley.audit")


class AuditRepository(Protocol):
    """The audit log. See `storage.ports.accounts` for what all methods share."""

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        """Store entries of what no other transaction stores. An entry that is stored already is left as it is, and one
        that names a deleted account is not stored.
        """

    async def page(self, wanted: AuditFilter, *, before: int, limit: int) -> list[tuple[int, AuditEntry]]:
        """List up to ``limit`` entries with their numbers, the newest first, from the first number below ``before``."""

    async def expire(self, until: int, limit: int) -> int:
        """Remove up to ``limit`` entries from before ``until``, and return how many."""


def named_accounts(entry: AuditEntry | None, *more: str) -> list[str]:
    """Return the accounts made here among the actor and the target of an entry and other ids, sorted."""
    named = {*more} if entry is None else {*more, entry.actor.id, "" if entry.target is None else entry.target.id}
    return sorted(one for one in named if one.startswith(ACCOUNT))


def log_entries(entries: Iterable[AuditEntry]) -> None:
    """Write entries that are stored to the log, a line each, as ``key=value`` with the values in JSON.

    Each backend calls it once they are stored. A write that is repeated may log its entry again: ``id`` is the same.
    """
    for entry in entries:
        target = entry.target
        values = {
            "result": entry.result,
            "actor": entry.actor.id,
            "actor_name": entry.actor.name,
            "target": "" if target is None else target.id,
            "target_name": "" if target is None else target.name,
            "address": entry.address,
            "room": entry.room,
            "detail": entry.detail,
            "id": str(entry.id),
        }
        line = " ".join(f"{name}={to_json(value).decode()}" for name, value in values.items() if value)
        # A template for each action: repeated lines are left out by their template.
        log.info(
            f"action={entry.action} %s",  # noqa: G004 - see above
            line,
            extra={"audit": {"action": entry.action, **{name: value for name, value in values.items() if value}}},
        )
