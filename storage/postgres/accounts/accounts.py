"""The accounts port in Postgres."""

from msgspec.structs import asdict
from psycopg.rows import TupleRow

from model.account import Account, AccountChange, Basis, NewAccount, RoomWork, fold_email
from model.audit import AuditEntry
from storage.ports.access import account_changed, guest_moved, more_room_work, name_taken
from storage.ports.accounts import Inserted
from storage.ports.secrets import GUESSES_US
from storage.postgres.accounts.changing import change_account
from storage.postgres.accounts.erasing import delete_account, remove_traces, work_row
from storage.postgres.accounts.locking import lock_accounts
from storage.postgres.accounts.noting import note
from storage.postgres.accounts.pool import AccountPool, Undone, execute
from storage.postgres.connection.audit import record
from storage.postgres.connection.session import Connection, fetch_all, value
from storage.postgres.sql import accounts as sql
from storage.postgres.sql import logins as sql_logins
from storage.postgres.sql import notices as sql_notices
from storage.postgres.sql import secrets as sql_secrets

_EXPIRE = (
    sql_logins.EXPIRE_LOGINS,
    sql_secrets.EXPIRE_TICKETS,
    sql_secrets.EXPIRE_GUESSES,
    sql_secrets.EXPIRE_LINKS,
    sql_notices.EXPIRE_NOTICES,
    sql_notices.EXPIRE_KEYS,
)


class PostgresAccountRepository:
    """Accounts in Postgres."""

    def __init__(self, pool: AccountPool) -> None:
        self._pool = pool

    async def find(self, account_id: str) -> Account | None:
        return _first(await self._pool.fetch(sql.FIND_ACCOUNT, {"account_id": account_id}))

    async def find_by_username(self, username: str) -> Account | None:
        return _first(await self._pool.fetch(sql.FIND_BY_USERNAME, {"username": username}))

    async def find_by_email(self, email: str) -> Account | None:
        return _first(await self._pool.fetch(sql.FIND_BY_EMAIL, {"folded_email": fold_email(email)}))

    async def named_like(self, look: str) -> str | None:
        rows = await self._pool.fetch(sql.NAMED_LIKE, {"look": look})
        return str(rows[0][0]) if rows else None

    async def page(self, *, after: str, contains: str, limit: int) -> list[Account]:
        values = {"after": after, "part": contains, "limit": max(limit, 0)}
        return [Account(*row) for row in await self._pool.fetch(sql.ACCOUNTS_PAGE, values)]

    async def looks(self, *, after: str, limit: int) -> list[str]:
        return [look for (look,) in await self._pool.fetch(sql.LOOKS, {"after": after, "limit": max(limit, 0)})]

    async def has_admin(self) -> bool:
        return bool(await self._pool.fetch(sql.HAS_ADMIN, {}))

    async def insert(self, new: NewAccount, entry: AuditEntry) -> Inserted:
        account = new.account

        async def work(connection: Connection) -> Inserted:
            if new.admin_ticket is not None:
                ticket = {"hash": new.admin_ticket, "kind": "admin", "now": entry.at}
                spent = await execute(connection, sql_secrets.SPEND_TICKET, ticket)
                if not spent or await fetch_all(connection, sql.HAS_ADMIN, {}):
                    raise Undone(Inserted.NO_LINK)
            if new.link is not None:
                link = {"hash": new.link, "now": entry.at}
                if not await execute(connection, sql_secrets.USE_LINK_TO_REGISTER, link):
                    raise Undone(Inserted.NO_LINK)
            folded = None if account.email is None else fold_email(account.email)
            if not await execute(connection, sql.INSERT_ACCOUNT, {**asdict(account), "folded_email": folded}):
                named = await fetch_all(connection, sql.NAMED_LIKE, {"look": account.look})
                raise Undone(Inserted.NAME_TAKEN if named else Inserted.EMAIL_TAKEN)
            if new.login is not None:
                await connection.execute(sql_logins.INSERT_LOGIN, asdict(new.login))
            if new.ticket is not None:
                await connection.execute(sql_secrets.INSERT_TICKET, asdict(new.ticket))
            await record(connection, [entry])
            await note(connection, [name_taken(account.look, entry.at)])
            return Inserted.STORED

        return await self._pool.run(work)

    async def change(
        self, account_id: str, change: AccountChange, entry: AuditEntry, *, basis: Basis | None = None
    ) -> Account | None:
        async def work(connection: Connection) -> Account | None:
            await lock_accounts(connection, entry, account_id, basis=basis)
            return await change_account(connection, account_id, change, entry)

        return await self._pool.run(work)

    async def rehash(self, account_id: str, before: str, after: str) -> None:
        await self._pool.change(sql.REHASH, {"account_id": account_id, "before": before, "after": after})

    async def delete(self, account_id: str, work: RoomWork, entry: AuditEntry, *, basis: Basis | None = None) -> bool:
        async def delete(connection: Connection) -> bool:
            await lock_accounts(connection, entry, account_id, basis=basis, undone=False)
            await delete_account(connection, account_id, work, entry)
            return True

        return await self._pool.run(delete)

    async def remove_traces(self, work: RoomWork, at: int, *, ends: bool) -> bool:
        async def remove(connection: Connection) -> bool:
            revoked, more = await remove_traces(connection, work, at)
            if ends and not more:
                await connection.execute(sql.REMOVE_WORK, {"number": work.number})
            await note(connection, revoked)
            return more

        return await self._pool.run(remove)

    async def aliases(self, account_id: str) -> list[str]:
        return [guest_id for (guest_id,) in await self._pool.fetch(sql.ALIASES_OF, {"account_id": account_id})]

    async def adopt(
        self,
        guest_id: str,
        account_id: str,
        work: RoomWork,
        most: int,
        entry: AuditEntry,
        *,
        basis: Basis | None = None,
    ) -> bool:
        values = {"guest_id": guest_id, "account_id": account_id, "at": entry.at}

        async def adopt(connection: Connection) -> bool:
            # Two adoptions take turns.
            await lock_accounts(connection, entry, account_id, basis=basis, undone=False)
            version = await value(connection, sql.RAISE_VERSION, account_id=account_id)
            if await value(connection, sql.COUNT_ALIASES, account_id=account_id) >= most:
                raise Undone(False)
            if not await execute(connection, sql.INSERT_ALIAS, values):
                raise Undone(False)
            await connection.execute(sql.BLOCK_ACCOUNT, values)
            await connection.execute(sql.INSERT_WORK, work_row(work))
            await record(connection, [entry])
            notices = [guest_moved(guest_id, entry.at), more_room_work(entry.at)]
            await note(connection, notices, versions=[account_changed(account_id, version, entry.at)])
            return True

        return await self._pool.run(adopt)

    async def room_work(self) -> list[RoomWork]:
        rows = [dict(zip(sql.WORK_COLUMNS, row, strict=True)) for row in await self._pool.fetch(sql.ROOM_WORK, {})]
        return [RoomWork(**{**row, "ids": tuple(row["ids"])}) for row in rows]

    async def advance(self, number: int, room_id: int | None) -> None:
        if room_id is None:
            await self._pool.change(sql.REMOVE_WORK, {"number": number})
        else:
            await self._pool.change(sql.ADVANCE_WORK, {"number": number, "room_id": room_id})

    async def expire(self, now: int, limit: int) -> int:
        values = {"now": now, "forgotten": now - GUESSES_US, "limit": limit}
        # Each in a transaction of its own: they wait for locks in another order than changes do.
        return sum([await self._pool.change(statement, values) for statement in _EXPIRE])


def _first(rows: list[TupleRow]) -> Account | None:
    return Account(*rows[0]) if rows else None
