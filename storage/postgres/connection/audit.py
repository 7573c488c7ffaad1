"""Entries of the audit log, stored in the transaction of what they record."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from msgspec.structs import asdict

from model.audit import AuditEntry
from storage.ports.audit import log_entries
from storage.postgres.connection.session import Connection, as_json
from storage.postgres.sql import audit as sql

_RECORDED: ContextVar[list[AuditEntry]] = ContextVar("recorded")


@contextmanager
def logging_entries() -> Iterator[None]:
    """Write what is recorded in this block to the log, unless the block fails: put it around a transaction."""
    recorded: list[AuditEntry] = []
    before = _RECORDED.set(recorded)
    try:
        yield
    finally:
        _RECORDED.reset(before)
    log_entries(recorded)


async def record(connection: Connection, entries: Sequence[AuditEntry]) -> None:
    """Append entries, inside of `logging_entries`. Those that are stored already are left as they are."""
    rows = [entry_row(place, entry) for place, entry in enumerate(entries)]
    if rows:
        await connection.execute(sql.APPEND, {"rows": as_json(rows)})
        _RECORDED.get().extend(entries)


def entry_row(place: int, entry: AuditEntry) -> dict[str, Any]:
    """Return the columns of an entry. ``place`` is its number within the statement."""
    target = entry.target
    return {
        **asdict(entry),
        "place": place,
        "entry_id": entry.id,
        "actor": entry.actor.id,
        "actor_name": entry.actor.name,
        "target": target and target.id,
        "target_name": target and target.name,
    }
