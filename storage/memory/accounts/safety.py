"""The safety port in memory."""

from collections.abc import Sequence
from itertools import islice

from msgspec.structs import replace

from model.audit import AuditEntry
from model.room import User
from model.safety import Report, ReportState
from storage.memory.account_tables import BLOCKS, REPORTS, AccountTables, check_space
from storage.memory.contents import Contents


class MemorySafetyRepository:
    """User blocks and reports in memory; of too many reports, the oldest one that was handled is removed."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    async def block_user(self, user_id: str, blocked_id: str, now: int, most: int, entry: AuditEntry) -> bool:
        tables = self._contents.accounts
        blocked = tables.user_blocks.get(user_id, {})
        if blocked_id in blocked or not tables.permits(entry, user_id, blocked_id):
            return True
        if len(blocked) >= most:
            return False
        check_space(sum(map(len, tables.user_blocks.values())), BLOCKS)
        tables.user_blocks.setdefault(user_id, {})[blocked_id] = now
        tables.record([entry])
        return True

    async def unblock_user(self, user_id: str, blocked_id: str, entry: AuditEntry) -> bool:
        tables = self._contents.accounts
        blocked = tables.user_blocks.get(user_id, {})
        if not tables.permits(entry) or blocked.pop(blocked_id, None) is None:
            return False
        if not blocked:
            del tables.user_blocks[user_id]
        tables.record([entry])
        return True

    async def blocked_by(self, user_id: str) -> list[str]:
        return sorted(self._contents.accounts.user_blocks.get(user_id, ()))

    async def blocks(self, user_ids: Sequence[str]) -> set[tuple[str, str]]:
        blocks = self._contents.accounts.user_blocks
        return {(one, other) for one in user_ids for other in user_ids if other in blocks.get(one, ())}

    async def insert_report(self, report: Report, entry: AuditEntry) -> bool:
        tables = self._contents.accounts
        key = _key(report)
        if not tables.permits(entry, report.reporter.id, unless=report.sender.id):
            return False
        if report.report_id in tables.reports or any(_key(one) == key for one in tables.reports.values()):
            return False
        _make_space(tables)
        tables.reports[report.report_id] = report
        tables.record([entry])
        return True

    async def find_report(self, report_id: str) -> Report | None:
        return self._contents.accounts.reports.get(report_id)

    async def reports(self, *, room_id: int | None, state: ReportState, before: int, limit: int) -> list[Report]:
        found = [
            one
            for one in self._contents.accounts.reports.values()
            if one.state == state and one.created_at < before and room_id in (None, one.room_id)
        ]
        return sorted(found, key=_newest)[: max(limit, 0)]

    async def reports_by(self, reporter_id: str, *, before: int, limit: int) -> list[Report]:
        reports = self._contents.accounts.reports.values()
        found = [one for one in reports if one.reporter.id == reporter_id and one.created_at < before]
        return sorted(found, key=_newest)[: max(limit, 0)]

    async def handle_report(
        self, report_id: str, state: ReportState, by: User, note: str, now: int, entry: AuditEntry
    ) -> bool:
        tables = self._contents.accounts
        report = tables.reports.get(report_id)
        if report is None or not tables.permits(entry, by.id):
            return False
        tables.reports[report_id] = replace(report, state=state, handler_id=by.id, note=note, handled_at=now)
        tables.record([entry])
        return True

    async def expire(self, until: int, limit: int) -> int:
        reports = self._contents.accounts.reports
        due = (key for key, one in reports.items() if one.state != "open" and one.handled_at < until)
        keys = list(islice(due, max(limit, 0)))
        for key in keys:
            del reports[key]
        return len(keys)


def _newest(report: Report) -> tuple[int, str]:
    return -report.created_at, report.report_id


def _key(report: Report) -> tuple[int, int, str]:
    return report.room_id, report.seq, report.reporter.id


def _make_space(tables: AccountTables) -> None:
    if len(tables.reports) >= REPORTS:
        handled = next((key for key, one in tables.reports.items() if one.state != "open"), None)
        if handled is not None:
            del tables.reports[handled]
    check_space(len(tables.reports), REPORTS)
