"""The audit port in memory."""

from collections.abc import Sequence
from itertools import islice

from model.audit import AuditEntry, AuditFilter
from storage.memory.contents import Contents


class MemoryAuditRepository:
    """The audit log in memory."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        tables = self._contents.accounts
        tables.record(filter(tables.permits, entries))

    async def page(self, wanted: AuditFilter, *, before: int, limit: int) -> list[tuple[int, AuditEntry]]:
        newest = reversed(self._contents.accounts.audit.values())
        found = ((number, entry) for number, entry in newest if number < before and _matches(entry, wanted))
        return list(islice(found, max(limit, 0)))

    async def expire(self, until: int, limit: int) -> int:
        audit = self._contents.accounts.audit
        due = list(islice((key for key, (_, entry) in audit.items() if entry.at < until), limit))
        for key in due:
            del audit[key]
        return len(due)


def _matches(entry: AuditEntry, wanted: AuditFilter) -> bool:
    target = None if entry.target is None else entry.target.id
    return (
        wanted.actor in (None, entry.actor.id)
        and wanted.target in (None, target)
        and wanted.action in (None, entry.action)
        and wanted.room in (None, entry.room)
        and (wanted.since is None or entry.at >= wanted.since)
        and (wanted.until is None or entry.at < wanted.until)
    )
