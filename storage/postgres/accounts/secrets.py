"""The secrets port in Postgres."""

from msgspec.structs import asdict

from model.account import Account, AccountChange, Basis, Guesses, Ticket, TicketKind
from model.audit import AuditEntry
from storage.ports.secrets import GUESSES_US
from storage.postgres.accounts.changing import change_account
from storage.postgres.accounts.locking import lock_accounts
from storage.postgres.accounts.pool import AccountPool, Undone, execute
from storage.postgres.connection.audit import record
from storage.postgres.connection.session import Connection, as_json, fetch_all
from storage.postgres.sql import accounts as sql_accounts
from storage.postgres.sql import secrets as sql


class PostgresSecretRepository:
    """Tickets, recovery codes and failed guesses in Postgres."""

    def __init__(self, pool: AccountPool) -> None:
        self._pool = pool

    async def insert_ticket(self, ticket: Ticket, entry: AuditEntry | None, *, basis: Basis | None = None) -> bool:
        async def work(connection: Connection) -> bool:
            await lock_accounts(connection, entry, ticket.account_id or "", basis=basis, undone=False)
            if ticket.kind != "reset":
                await connection.execute(sql.REMOVE_TICKETS, asdict(ticket))
            await connection.execute(sql.INSERT_TICKET, asdict(ticket))
            if entry is not None:
                await record(connection, [entry])
            return True

        return await self._pool.run(work)

    async def find_ticket(self, hash: bytes, kind: TicketKind, now: int) -> Ticket | None:
        rows = await self._pool.fetch(sql.FIND_TICKET, {"hash": hash, "kind": kind, "now": now})
        return Ticket(*rows[0]) if rows else None

    async def find_pending_email(self, account_id: str, now: int) -> str | None:
        rows = await self._pool.fetch(sql.PENDING_EMAIL, {"account_id": account_id, "now": now})
        return str(rows[0][0]) if rows else None

    async def spend_ticket(
        self, hash: bytes, kind: TicketKind, change: AccountChange, now: int, entry: AuditEntry
    ) -> Account | None:
        async def work(connection: Connection) -> Account | None:
            values = {"hash": hash, "kind": kind, "now": now}
            rows = await fetch_all(connection, sql.FIND_TICKET, values)
            account_id = Ticket(*rows[0]).account_id if rows else None
            if account_id is None:
                raise Undone(None)
            await lock_accounts(connection, entry, account_id)  # first, as all others that use its tickets
            if not await execute(connection, sql.SPEND_TICKET, values):
                raise Undone(None)
            return await change_account(connection, account_id, change, entry)

        return await self._pool.run(work)

    async def spend_code(self, account_id: str, hash: bytes, entry: AuditEntry) -> bool:
        async def work(connection: Connection) -> bool:
            if not await execute(connection, sql.SPEND_CODE, {"account_id": account_id, "hash": hash}):
                return False
            await record(connection, [entry])
            return True

        return await self._pool.run(work)

    async def count_codes(self, account_id: str) -> int:
        rows = await self._pool.fetch(sql.COUNT_CODES, {"account_id": account_id})
        return int(rows[0][0]) if rows else 0

    async def spend_step(self, account_id: str, step: int) -> bool:
        return bool(await self._pool.change(sql_accounts.SPEND_STEP, {"account_id": account_id, "step": step}))

    async def failures(self, key: bytes, network: str) -> tuple[Guesses, Guesses]:
        rows = await self._pool.fetch(sql.FAILURES, {"key": key, "network": network})
        found = {of: Guesses(*counts) for of, *counts in rows}
        return found.get(network, Guesses()), found.get("", Guesses())

    async def failed(self, key: bytes, network: str, now: int, entry: AuditEntry | None) -> None:
        rows = [{"network": of} for of in {"", network}]
        values = {"key": key, "now": now, "forgotten": now - GUESSES_US, "rows": as_json(rows)}

        async def work(connection: Connection) -> None:
            await lock_accounts(connection, entry)
            await connection.execute(sql.FAIL, values)
            if entry is not None:
                await record(connection, [entry])

        await self._pool.run(work)

    async def succeeded(self, key: bytes, network: str) -> None:
        await self._pool.change(sql.FORGET_FAILURES, {"key": key, "network": network})
