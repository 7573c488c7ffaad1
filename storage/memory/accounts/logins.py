"""The logins port in memory."""

from msgspec.structs import replace

from model.account import Basis, Login, Refreshed
from model.audit import AuditEntry
from storage.memory.accounts.accounts import end_logins
from storage.memory.contents import Contents
from storage.ports.access import login_ended
from storage.ports.logins import AGAIN_US


class MemoryLoginRepository:
    """Logins in memory."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    async def insert(self, login: Login, most: int, entry: AuditEntry, *, basis: Basis) -> list[str] | None:
        tables = self._contents.accounts
        if not tables.permits(entry, login.account_id, basis=basis):
            return None
        tables.put_login(login)
        newest = sorted(
            (tables.logins[login_id] for login_id in tables.logins_of[login.account_id]), key=_age, reverse=True
        )
        ended = [one.login_id for one in newest[most:]]
        for login_id in ended:
            tables.drop_login(login_id)
        tables.record([entry])
        tables.note(login_ended(login_id, entry.at) for login_id in ended)
        return ended

    async def refresh(
        self, login_id: str, generation: int, now: int, *, ends_at: int, address: str, entry: AuditEntry
    ) -> Refreshed:
        tables = self._contents.accounts
        login = await self.find(login_id, now)
        if login is None or generation > login.generation:
            return Refreshed("unknown")
        account = tables.accounts[login.account_id]
        if login.generation == generation:
            login = replace(login, generation=generation + 1, refreshed_at=now, ends_at=ends_at, address=address)
            tables.put_login(login)
            return Refreshed("new", login, account)
        if login.generation == generation + 1 and abs(now - login.refreshed_at) <= AGAIN_US:
            return Refreshed("again", login, account)
        tables.drop_login(login_id)
        tables.record([entry])
        tables.note([login_ended(login_id, entry.at)])
        return Refreshed("reused")

    async def find(self, login_id: str, now: int) -> Login | None:
        login = self._contents.accounts.logins.get(login_id)
        return None if login is None or login.ends_at <= now else login

    async def of_account(self, account_id: str, now: int) -> list[Login]:
        tables = self._contents.accounts
        logins = [tables.logins[login_id] for login_id in tables.logins_of.get(account_id, ())]
        return sorted((login for login in logins if login.ends_at > now), key=_age)

    async def end(self, account_id: str, *, only: str = "", but: str = "", entry: AuditEntry) -> list[str]:
        tables = self._contents.accounts
        if not tables.permits(entry, account_id):
            return []
        ended = end_logins(tables, account_id, only=only, but=but)
        if ended:
            tables.record([entry])
            tables.note(login_ended(login_id, entry.at) for login_id in ended)
        return ended


def _age(login: Login) -> tuple[int, str]:
    return login.created_at, login.login_id
