"""The users port in Postgres."""

from msgspec.structs import asdict

from model.account import AddedUser, rename_work
from model.audit import AuditEntry
from model.room import User
from storage.ports.access import more_room_work
from storage.postgres.accounts.erasing import work_row
from storage.postgres.accounts.locking import lock_accounts
from storage.postgres.accounts.noting import note
from storage.postgres.accounts.pool import AccountPool, execute
from storage.postgres.connection.audit import record
from storage.postgres.connection.session import Connection, fetch_all
from storage.postgres.sql import accounts as sql_accounts
from storage.postgres.sql import users as sql


class PostgresUserRepository:
    """The users whom the application has added, in Postgres."""

    def __init__(self, pool: AccountPool) -> None:
        self._pool = pool

    async def find(self, user_id: str) -> AddedUser | None:
        rows = await self._pool.fetch(sql.FIND_USER, {"user_id": user_id})
        return AddedUser(*rows[0]) if rows else None

    async def put(self, user: User, entry: AuditEntry) -> bool | None:
        values = asdict(AddedUser(user.id, user.name, entry.at, entry.at))

        async def put(connection: Connection) -> bool:
            await lock_accounts(connection, entry)
            added = await execute(connection, sql.ADD_USER, values) > 0
            renamed = not added and await execute(connection, sql.RENAME_USER, values) > 0
            renames = bool(await fetch_all(connection, sql.HAS_OTHER_NAME, values))
            if renames:
                await connection.execute(sql_accounts.REMOVE_RENAME, {"account_id": user.id})
                await connection.execute(sql_accounts.INSERT_WORK, work_row(rename_work(user.id, user.name)))
            if added or renamed:
                await record(connection, [entry])
            await note(connection, [more_room_work(entry.at)] if renames else [])
            return added

        return await self._pool.run(put)

    async def remove(self, user_id: str, entry: AuditEntry) -> bool:
        async def remove(connection: Connection) -> bool:
            await lock_accounts(connection, entry, undone=False)
            if not await execute(connection, sql.REMOVE_USER, {"user_id": user_id}):
                return False
            await record(connection, [entry])
            return True

        return await self._pool.run(remove)
