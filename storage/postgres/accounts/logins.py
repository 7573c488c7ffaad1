"""The logins port in Postgres."""

from typing import Literal

from msgspec.structs import asdict

from model.account import Account, Basis, Login, Refreshed
from model.audit import AuditEntry
from storage.ports.access import login_ended
from storage.ports.logins import AGAIN_US
from storage.postgres.accounts.changing import end_logins
from storage.postgres.accounts.locking import lock_accounts
from storage.postgres.accounts.noting import note
from storage.postgres.accounts.pool import AccountPool
from storage.postgres.connection.audit import record
from storage.postgres.connection.session import Connection, fetch_all
from storage.postgres.sql import accounts as sql_accounts
from storage.postgres.sql import logins as sql


class PostgresLoginRepository:
    """Logins in Postgres."""

    def __init__(self, pool: AccountPool) -> None:
        self._pool = pool

    async def insert(self, login: Login, most: int, entry: AuditEntry, *, basis: Basis) -> list[str] | None:
        async def work(connection: Connection) -> list[str] | None:
            await lock_accounts(connection, entry, login.account_id, basis=basis)
            await connection.execute(sql.INSERT_LOGIN, asdict(login))
            oldest = {"account_id": login.account_id, "most": most}
            ended = [login_id for (login_id,) in await fetch_all(connection, sql.END_OLDEST, oldest)]
            await record(connection, [entry])
            await note(connection, [login_ended(login_id, entry.at) for login_id in ended])
            return ended

        return await self._pool.run(work)

    async def refresh(
        self, login_id: str, generation: int, now: int, *, ends_at: int, address: str, entry: AuditEntry
    ) -> Refreshed:
        values = {
            "login_id": login_id,
            "generation": generation,
            "now": now,
            "ends_at": ends_at,
            "address": address,
        }

        async def work(connection: Connection) -> Refreshed:
            rows = await fetch_all(connection, sql.REFRESH, values)
            if rows:
                return await _refreshed(connection, "new", Login(*rows[0]))
            rows = await fetch_all(connection, sql.LOCK_LOGIN, values)
            login = Login(*rows[0]) if rows else None
            if login is None or generation > login.generation:
                return Refreshed("unknown")
            if login.generation == generation + 1 and abs(now - login.refreshed_at) <= AGAIN_US:
                return await _refreshed(connection, "again", login)
            await connection.execute(sql.REMOVE_LOGIN, values)
            await record(connection, [entry])
            await note(connection, [login_ended(login_id, entry.at)])
            return Refreshed("reused")

        return await self._pool.run(work)

    async def find(self, login_id: str, now: int) -> Login | None:
        rows = await self._pool.fetch(sql.FIND_LOGIN, {"login_id": login_id, "now": now})
        return Login(*rows[0]) if rows else None

    async def of_account(self, account_id: str, now: int) -> list[Login]:
        rows = await self._pool.fetch(sql.LOGINS_OF, {"account_id": account_id, "now": now})
        return [Login(*row) for row in rows]

    async def end(self, account_id: str, *, only: str = "", but: str = "", entry: AuditEntry) -> list[str]:
        async def work(connection: Connection) -> list[str]:
            await lock_accounts(connection, entry, account_id, undone=[])
            ended = await end_logins(connection, account_id, only=only, but=but)
            if ended:
                await record(connection, [entry])
                await note(connection, [login_ended(login_id, entry.at) for login_id in ended])
            return ended

        return await self._pool.run(work)


async def _refreshed(connection: Connection, outcome: Literal["new", "again"], login: Login) -> Refreshed:
    rows = await fetch_all(connection, sql_accounts.FIND_ACCOUNT, {"account_id": login.account_id})
    return Refreshed(outcome, login, Account(*rows[0]))
