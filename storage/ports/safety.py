"""The safety port: users who do not want to hear of others, and reports of messages.

See `storage.ports.accounts` for what all methods share.
"""

from collections.abc import Sequence
from typing import Protocol

from model.audit import AuditEntry
from model.room import User
from model.safety import Report, ReportState


class SafetyRepository(Protocol):
    """Blocks of users by users, and reports."""

    async def block_user(self, user_id: str, blocked_id: str, now: int, most: int, entry: AuditEntry) -> bool:
        """Block a user for another one. False if that one has blocked ``most`` already."""

    async def unblock_user(self, user_id: str, blocked_id: str, entry: AuditEntry) -> bool:
        """End a block. False if there is none."""

    async def blocked_by(self, user_id: str) -> list[str]:
        """List the users whom a user blocks, by id."""

    async def blocks(self, user_ids: Sequence[str]) -> set[tuple[str, str]]:
        """Return which of some users block which of them: the one who blocks, and the one who is blocked."""

    async def insert_report(self, report: Report, entry: AuditEntry) -> bool:
        """Store a report. False if the reporter has reported this message already.

        Also of a message by a deleted account: as long as a room has it, there is work that erases its sender from
        reports as well (`AccountRepository.remove_traces`).
        """

    async def find_report(self, report_id: str) -> Report | None:
        """Find a report."""

    async def reports(self, *, room_id: int | None, state: ReportState, before: int, limit: int) -> list[Report]:
        """List up to ``limit`` reports of a room, or of all rooms, the newest first, created before a time."""

    async def reports_by(self, reporter_id: str, *, before: int, limit: int) -> list[Report]:
        """List up to ``limit`` reports by a user, in any state, the newest first, created before a time."""

    async def handle_report(
        self, report_id: str, state: ReportState, by: User, note: str, now: int, entry: AuditEntry
    ) -> bool:
        """Set the state of a report. False if there is none."""

    async def expire(self, until: int, limit: int) -> int:
        """Remove up to ``limit`` reports that were handled before ``until``, and return how many. Open ones stay."""
