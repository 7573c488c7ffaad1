"""The links port in Postgres."""

from msgspec.structs import asdict

from model.account import InviteLink
from model.audit import AuditEntry
from storage.postgres.accounts.locking import lock_accounts
from storage.postgres.accounts.pool import AccountPool, execute
from storage.postgres.connection.audit import record
from storage.postgres.connection.session import Connection, fetch_all
from storage.postgres.sql import links as sql


class PostgresLinkRepository:
    """Invite links in Postgres."""

    def __init__(self, pool: AccountPool) -> None:
        self._pool = pool

    async def insert(self, link: InviteLink, entry: AuditEntry) -> bool:
        async def work(connection: Connection) -> bool:
            await lock_accounts(connection, entry, link.maker_id, undone=False)
            await connection.execute(sql.INSERT_LINK, asdict(link))
            await record(connection, [entry])
            return True

        return await self._pool.run(work)

    async def find(self, hash: bytes, now: int) -> InviteLink | None:
        rows = await self._pool.fetch(sql.FIND_LINK, {"hash": hash, "now": now})
        return InviteLink(*rows[0]) if rows else None

    async def find_by_id(self, link_id: str) -> InviteLink | None:
        rows = await self._pool.fetch(sql.FIND_LINK_BY_ID, {"link_id": link_id})
        return InviteLink(*rows[0]) if rows else None

    async def of_room(self, room_id: int, now: int) -> list[InviteLink]:
        rows = await self._pool.fetch(sql.LINKS_OF_ROOM, {"room_id": room_id, "now": now})
        return [InviteLink(*row) for row in rows]

    async def of_maker(self, maker_id: str, now: int) -> list[InviteLink]:
        rows = await self._pool.fetch(sql.LINKS_OF_MAKER, {"maker_id": maker_id, "now": now})
        return [InviteLink(*row) for row in rows]

    async def use(self, hash: bytes, now: int) -> InviteLink | None:
        async def work(connection: Connection) -> InviteLink | None:
            rows = await fetch_all(connection, sql.USE_LINK, {"hash": hash, "now": now})
            return InviteLink(*rows[0]) if rows else None

        return await self._pool.run(work)

    async def give_back(self, link_id: str) -> None:
        await self._pool.change(sql.GIVE_BACK, {"link_id": link_id})

    async def revoke(self, link_id: str, entry: AuditEntry) -> bool:
        async def work(connection: Connection) -> bool:
            await lock_accounts(connection, entry, undone=False)
            if not await execute(connection, sql.REVOKE_LINK, {"link_id": link_id}):
                return False
            await record(connection, [entry])
            return True

        return await self._pool.run(work)
