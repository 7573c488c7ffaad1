"""The audit port: the log of who did what. Entries are only ever added, and removed by their age."""

from collections.abc import Sequence
from typing import Protocol

from model.audit import AuditEntry, AuditFilter


class AuditRepository(Protocol):
    """The audit log. See `storage.ports.accounts` for what all methods share."""

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        """Store entries of what no other transaction stores. An entry that is stored already is left as it is."""

    async def page(self, wanted: AuditFilter, *, before: int, limit: int) -> list[tuple[int, AuditEntry]]:
        """List up to ``limit`` entries with their numbers, the newest first, from the first number below ``before``."""

    async def expire(self, until: int, limit: int) -> int:
        """Remove up to ``limit`` entries from before ``until``, and return how many."""
