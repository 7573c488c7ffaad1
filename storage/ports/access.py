"""The access port: who may not act, and which keys may. See `storage.ports.accounts` for what all methods share."""

from collections.abc import Mapping
from typing import Protocol

from model.account import ApiKey, Notice
from model.audit import AuditEntry


class AccessRepository(Protocol):
    """Notices, which every server follows, and what operators decide."""

    async def notices(self, *, after: int, limit: int = 1000) -> list[Notice]:
        """List up to ``limit`` notices above a number, in the order of their numbers.

        No notice appears later below a number that was returned before: numbers grow in the order of commits. Each
        subject has one notice, its latest.
        """

    async def suspend(self, principal: str, until: int, reason: str, entry: AuditEntry) -> None:
        """Suspend an account, here or of the application, or end that with ``until`` 0. Outdates the access tokens of
        an account made here.
        """

    async def suspensions(self, now: int) -> list[Notice]:
        """List those that have not ended, the newest first."""

    async def block(self, network: str, until: int, reason: str, entry: AuditEntry) -> None:
        """Block an address or network, or end that with ``until`` 0."""

    async def blocks(self, now: int) -> list[Notice]:
        """List those that have not ended, the newest first."""

    async def insert_key(self, key: ApiKey, entry: AuditEntry) -> None:
        """Store a key."""

    async def keys(self, now: int) -> list[ApiKey]:
        """List the keys that have not expired, the oldest first."""

    async def revoke_key(self, key_id: str, entry: AuditEntry) -> bool:
        """Remove a key. False if there is none."""

    async def used(self, uses: Mapping[str, int]) -> None:
        """Raise `ApiKey.used_at` of these keys."""
