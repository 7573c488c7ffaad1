"""The safety port in Postgres."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import asdict
from psycopg.rows import TupleRow

from model.audit import AuditEntry
from model.room import User
from model.safety import Report, ReportState
from storage.postgres.accounts.locking import lock_accounts
from storage.postgres.accounts.pool import AccountPool, Undone, execute
from storage.postgres.connection.audit import record
from storage.postgres.connection.session import Connection, value
from storage.postgres.sql import safety as sql


class PostgresSafetyRepository:
    """User blocks and reports in Postgres."""

    def __init__(self, pool: AccountPool) -> None:
        self._pool = pool

    async def block_user(self, user_id: str, blocked_id: str, now: int, most: int, entry: AuditEntry) -> bool:
        async def work(connection: Connection) -> bool:
            await lock_accounts(connection, entry, user_id, blocked_id, undone=True)
            added = await execute(connection, sql.BLOCK_USER, {"user_id": user_id, "blocked_id": blocked_id, "at": now})
            if not added:
                return True
            if await value(connection, sql.COUNT_BLOCKS, user_id=user_id) > most:
                raise Undone(False)
            await record(connection, [entry])
            return True

        return await self._pool.run(work)

    async def unblock_user(self, user_id: str, blocked_id: str, entry: AuditEntry) -> bool:
        async def work(connection: Connection) -> bool:
            await lock_accounts(connection, entry, undone=False)
            if not await execute(connection, sql.UNBLOCK_USER, {"user_id": user_id, "blocked_id": blocked_id}):
                return False
            await record(connection, [entry])
            return True

        return await self._pool.run(work)

    async def blocked_by(self, user_id: str) -> list[str]:
        return [str(row[0]) for row in await self._pool.fetch(sql.BLOCKED_BY, {"user_id": user_id})]

    async def blocks(self, user_ids: Sequence[str]) -> set[tuple[str, str]]:
        return {(row[0], row[1]) for row in await self._pool.fetch(sql.BLOCKS, {"users": list(user_ids)})}

    async def insert_report(self, report: Report, entry: AuditEntry) -> bool:
        async def work(connection: Connection) -> bool:
            await lock_accounts(connection, entry, report.reporter.id, unless=report.sender.id, undone=False)
            if not await execute(connection, sql.INSERT_REPORT, report_row(report)):
                return False
            await record(connection, [entry])
            return True

        return await self._pool.run(work)

    async def find_report(self, report_id: str) -> Report | None:
        rows = await self._pool.fetch(sql.FIND_REPORT, {"report_id": report_id})
        return report_of(rows[0]) if rows else None

    async def reports(self, *, room_id: int | None, state: ReportState, before: int, limit: int) -> list[Report]:
        text = sql.REPORTS if room_id is None else sql.REPORTS_OF_ROOM
        values = {"room_id": room_id, "state": state, "before": before, "limit": max(limit, 0)}
        return list(map(report_of, await self._pool.fetch(text, values)))

    async def reports_by(self, reporter_id: str, *, before: int, limit: int) -> list[Report]:
        values = {"reporter_id": reporter_id, "before": before, "limit": max(limit, 0)}
        return list(map(report_of, await self._pool.fetch(sql.REPORTS_BY, values)))

    async def handle_report(
        self, report_id: str, state: ReportState, by: User, note: str, now: int, entry: AuditEntry
    ) -> bool:
        values = {"report_id": report_id, "state": state, "handler_id": by.id, "note": note, "handled_at": now}

        async def work(connection: Connection) -> bool:
            await lock_accounts(connection, entry, by.id, undone=False)
            if not await execute(connection, sql.HANDLE_REPORT, values):
                return False
            await record(connection, [entry])
            return True

        return await self._pool.run(work)

    async def expire(self, until: int, limit: int) -> int:
        return await self._pool.change(sql.EXPIRE_REPORTS, {"until": until, "limit": limit})


def report_row(report: Report) -> dict[str, Any]:
    """Return the columns of a report."""
    return {
        **asdict(report),
        "reporter_id": report.reporter.id,
        "reporter": report.reporter.name,
        "sender_id": report.sender.id,
        "sender": report.sender.name,
    }


def report_of(row: TupleRow) -> Report:
    """Make a report of the columns of `storage.postgres.sql.safety`."""
    values = dict(zip(sql.REPORT_COLUMNS, row, strict=True))
    reporter = User(values.pop("reporter_id"), values.pop("reporter"))
    sender = User(values.pop("sender_id"), values.pop("sender"))
    return Report(**values, reporter=reporter, sender=sender)
