"""The access port in memory."""

from collections.abc import Mapping
from itertools import islice

from msgspec.structs import replace

from model.account import ApiKey, Basis, Notice, NoticeKind
from model.audit import AuditEntry
from storage.memory.account_tables import DENIED, KEYS, check_space
from storage.memory.contents import Contents
from storage.ports.access import key_changed, network_blocked, suspended


class MemoryAccessRepository:
    """Notices and API keys in memory."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    async def notices(self, *, after: int, limit: int = 1000) -> list[Notice]:
        tables = self._contents.accounts
        new: list[Notice] = []
        for notice in reversed(tables.notices.values()):
            if notice.number <= after:
                break
            new.append(notice)
        oldest = islice(reversed(new), max(limit, 0))
        return [replace(one, key=tables.keys.get(one.subject)) if one.kind == "key" else one for one in oldest]

    async def incarnation(self) -> str:
        return ""  # it ends with the process

    async def suspend(
        self, principal: str, until: int, reason: str, entry: AuditEntry, *, basis: Basis | None = None
    ) -> bool:
        tables = self._contents.accounts
        if not tables.permits(entry, principal, basis=basis):
            return False
        if not self._may_deny("account", principal, until, entry.at):
            return False
        account, version = tables.accounts.get(principal), 0
        if account is not None and until:
            version = account.version + 1
            tables.put_account(replace(account, version=version))
            tables.drop_tickets(principal)
        tables.record([entry])
        tables.note([suspended(principal, version, until, reason, entry.at)])
        return True

    async def suspensions(self, now: int) -> list[Notice]:
        return self._denied("account", now)

    async def block(self, network: str, until: int, reason: str, entry: AuditEntry) -> bool:
        tables = self._contents.accounts
        if not tables.permits(entry) or not self._may_deny("network", network, until, entry.at):
            return False
        tables.record([entry])
        tables.note([network_blocked(network, until, reason, entry.at)])
        return True

    async def blocks(self, now: int) -> list[Notice]:
        return self._denied("network", now)

    def _may_deny(self, kind: NoticeKind, subject: str, until: int, now: int) -> bool:
        """Whether there is space for a suspension or block, or with ``until`` 0 one to end."""
        denied = self._denied(kind, now)
        if not until:
            return any(one.subject == subject for one in denied)
        check_space(len(denied), DENIED)
        return True

    def _denied(self, kind: str, now: int) -> list[Notice]:
        notices = self._contents.accounts.notices.values()
        found = [one for one in notices if one.kind == kind and one.deny_until > now]
        return sorted(found, key=lambda one: (one.at, one.number), reverse=True)

    async def insert_key(self, key: ApiKey, most: int, entry: AuditEntry, *, basis: Basis | None = None) -> bool:
        tables = self._contents.accounts
        if not tables.permits(entry, key.maker_id, basis=basis):
            return False
        if sum(one.until > entry.at for one in tables.keys.values()) >= most:
            return False
        check_space(len(tables.keys), KEYS)
        tables.keys[key.key_id] = key
        tables.record([entry])
        tables.note([key_changed(key.key_id, key.until, entry.at)])
        return True

    async def keys(self, now: int) -> list[ApiKey]:
        found = [key for key in self._contents.accounts.keys.values() if key.until > now]
        return sorted(found, key=lambda key: (key.created_at, key.key_id))

    async def revoke_key(self, key_id: str, entry: AuditEntry) -> bool:
        tables = self._contents.accounts
        if not tables.permits(entry) or tables.keys.pop(key_id, None) is None:
            return False
        tables.record([entry])
        tables.note([key_changed(key_id, 0, entry.at)])
        return True

    async def used(self, uses: Mapping[str, int]) -> None:
        keys = self._contents.accounts.keys
        for key_id, at in uses.items():
            if key_id in keys:
                keys[key_id] = replace(keys[key_id], used_at=max(keys[key_id].used_at, at))
