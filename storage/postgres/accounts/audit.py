"""The audit port in Postgres."""

from collections.abc import Sequence

from msgspec.structs import asdict
from psycopg.rows import TupleRow

from model.audit import AuditEntry, AuditFilter
from model.room import User
from storage.ports.audit import named_accounts
from storage.postgres.accounts.locking import find_locked
from storage.postgres.accounts.pool import AccountPool
from storage.postgres.connection.audit import record
from storage.postgres.connection.session import Connection
from storage.postgres.sql import audit as sql


class PostgresAuditRepository:
    """The audit log in Postgres."""

    def __init__(self, pool: AccountPool) -> None:
        self._pool = pool

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        ids = sorted({one for entry in entries for one in named_accounts(entry)})

        async def work(connection: Connection) -> None:
            found = await find_locked(connection, ids)
            await record(connection, [entry for entry in entries if found.keys() >= {*named_accounts(entry)}])

        if entries:
            await self._pool.run(work)

    async def page(self, wanted: AuditFilter, *, before: int, limit: int) -> list[tuple[int, AuditEntry]]:
        rows = await self._pool.fetch(sql.PAGE, {**asdict(wanted), "before": before, "limit": max(limit, 0)})
        return [(row[0], entry_of(row)) for row in rows]

    async def expire(self, until: int, limit: int) -> int:
        return await self._pool.change(sql.EXPIRE_AUDIT, {"until": until, "limit": limit})


def entry_of(row: TupleRow) -> AuditEntry:
    """Make an entry of its number and its columns."""
    _, entry_id, at, action, result, actor, actor_name, target, target_name, *rest = row
    named = None if target is None else User(target, target_name)
    return AuditEntry(entry_id, at, action, result, User(actor, actor_name), named, *rest)
