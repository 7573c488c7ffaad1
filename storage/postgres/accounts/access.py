"""The access port in Postgres."""

from collections.abc import Mapping

from msgspec.structs import asdict, replace
from psycopg.rows import TupleRow

from model.account import ApiKey, Basis, Notice, NoticeKind
from model.audit import AuditEntry
from model.principals import ACCOUNT
from storage.ports.access import key_changed, network_blocked, suspended
from storage.postgres.accounts.locking import lock_accounts
from storage.postgres.accounts.noting import lock_notices, note
from storage.postgres.accounts.pool import AccountPool, Undone, execute
from storage.postgres.connection.audit import record
from storage.postgres.connection.session import Connection, as_json, value
from storage.postgres.sql import accounts as sql_accounts
from storage.postgres.sql import notices as sql
from storage.postgres.sql import secrets as sql_secrets

_NOTICE_COLUMNS = 8  # of a record without the key


class PostgresAccessRepository:
    """Notices and API keys in Postgres."""

    def __init__(self, pool: AccountPool) -> None:
        self._pool = pool

    async def notices(self, *, after: int, limit: int = 1000) -> list[Notice]:
        values = {"after": after, "limit": max(limit, 0)}
        rows = await self._pool.fetch(sql.NOTICES_ABOVE, values, notices=True)
        return list(map(_notice_of, rows))

    async def incarnation(self) -> str:
        ((started, database, table),) = await self._pool.fetch(sql.INCARNATION, {}, notices=True)
        return f"{started.timestamp()} {database} {table}"

    async def suspend(
        self, principal: str, until: int, reason: str, entry: AuditEntry, *, basis: Basis | None = None
    ) -> bool:
        async def work(connection: Connection) -> bool:
            await lock_accounts(connection, entry, principal, basis=basis, undone=False)
            version = 0
            if not until and not await _is_denied(connection, "account", principal, entry.at):
                return False
            if until and principal.startswith(ACCOUNT):
                version = await value(connection, sql_accounts.RAISE_VERSION, account_id=principal)
                await connection.execute(sql_secrets.REMOVE_TICKETS_OF, {"account_id": principal})
            await record(connection, [entry])
            await note(connection, [suspended(principal, version, until, reason, entry.at)])
            return True

        return await self._pool.run(work)

    async def suspensions(self, now: int) -> list[Notice]:
        return [Notice(*row) for row in await self._pool.fetch(sql.SUSPENSIONS, {"now": now})]

    async def block(self, network: str, until: int, reason: str, entry: AuditEntry) -> bool:
        async def work(connection: Connection) -> bool:
            await lock_accounts(connection, entry, undone=False)
            if not until and not await _is_denied(connection, "network", network, entry.at):
                return False
            await record(connection, [entry])
            await note(connection, [network_blocked(network, until, reason, entry.at)])
            return True

        return await self._pool.run(work)

    async def blocks(self, now: int) -> list[Notice]:
        return [Notice(*row) for row in await self._pool.fetch(sql.BLOCKS, {"now": now})]

    async def insert_key(self, key: ApiKey, most: int, entry: AuditEntry, *, basis: Basis | None = None) -> bool:
        async def work(connection: Connection) -> bool:
            await lock_accounts(connection, entry, key.maker_id, basis=basis, undone=False)
            await lock_notices(connection)  # earlier than `note` does: of two, one takes the last place
            if await value(connection, sql.COUNT_KEYS, now=entry.at) >= most:
                raise Undone(False)
            await connection.execute(sql.INSERT_KEY, asdict(key))
            await record(connection, [entry])
            await note(connection, [key_changed(key.key_id, key.until, entry.at)])
            return True

        return await self._pool.run(work)

    async def keys(self, now: int) -> list[ApiKey]:
        return [ApiKey(*row) for row in await self._pool.fetch(sql.KEYS, {"now": now})]

    async def revoke_key(self, key_id: str, entry: AuditEntry) -> bool:
        async def work(connection: Connection) -> bool:
            await lock_accounts(connection, entry, undone=False)
            if not await execute(connection, sql.REVOKE_KEY, {"key_id": key_id}):
                return False
            await record(connection, [entry])
            await note(connection, [key_changed(key_id, 0, entry.at)])
            return True

        return await self._pool.run(work)

    async def used(self, uses: Mapping[str, int]) -> None:
        rows = [{"key_id": key_id, "used_at": at} for key_id, at in uses.items()]
        if rows:
            await self._pool.change(sql.USE_KEYS, {"rows": as_json(rows)})


async def _is_denied(connection: Connection, kind: NoticeKind, subject: str, now: int) -> bool:
    """Whether there is a suspension or block to end, which no other transaction ends at the same time.

    Notices are locked first, as everywhere, and their rows afterwards.
    """
    await lock_notices(connection)
    return bool(await value(connection, sql.IS_DENIED, kind=kind, subject=subject, now=now))


def _notice_of(row: TupleRow) -> Notice:
    """Make a notice of the columns of `NOTICES_ABOVE`."""
    notice, key = Notice(*row[:_NOTICE_COLUMNS]), row[_NOTICE_COLUMNS:]
    return notice if key[0] is None else replace(notice, key=ApiKey(*key))
