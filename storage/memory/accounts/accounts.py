"""The accounts port in memory."""

from bisect import bisect_right
from typing import Any

from msgspec.structs import replace

from model.account import Account, AccountChange, Basis, NewAccount, RoomWork, fold_email, rename_work
from model.audit import AuditEntry
from storage.memory.account_tables import ACCOUNTS, ALIASES, WORK, AccountTables, check_space
from storage.memory.accounts.erasing import delete_account, remove_traces
from storage.memory.accounts.expiring import expire
from storage.memory.contents import Contents
from storage.ports.access import account_changed, guest_moved, login_ended, more_room_work, name_taken
from storage.ports.accounts import Inserted


class MemoryAccountRepository:
    """Accounts in memory."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    async def find(self, account_id: str) -> Account | None:
        return self._contents.accounts.accounts.get(account_id)

    async def find_by_username(self, username: str) -> Account | None:
        tables = self._contents.accounts
        return tables.accounts.get(tables.usernames.get(username, ""))

    async def find_by_email(self, email: str) -> Account | None:
        tables = self._contents.accounts
        return tables.accounts.get(tables.emails.get(fold_email(email), ""))

    async def named_like(self, look: str) -> str | None:
        return self._contents.accounts.looks.get(look)

    async def page(self, *, after: str, contains: str, limit: int) -> list[Account]:
        tables = self._contents.accounts
        names = sorted(name for name in tables.usernames if name > after and contains in name)
        return [tables.accounts[tables.usernames[name]] for name in names[: max(limit, 0)]]

    async def looks(self, *, after: str, limit: int) -> list[str]:
        looks = sorted(self._contents.accounts.looks)
        first = bisect_right(looks, after)
        return looks[first : first + max(limit, 0)]

    async def has_admin(self) -> bool:
        return any(account.role == "admin" for account in self._contents.accounts.accounts.values())

    async def insert(self, new: NewAccount, entry: AuditEntry) -> Inserted:
        tables, account = self._contents.accounts, new.account
        check_space(len(tables.accounts), ACCOUNTS)
        if new.admin_ticket is not None:
            ticket = tables.tickets.get(new.admin_ticket)
            if ticket is None or ticket.kind != "admin" or ticket.until <= entry.at or await self.has_admin():
                return Inserted.NO_LINK
        link = None
        if new.link is not None:
            link = next((one for one in tables.links.values() if one.hash == new.link), None)
            if link is None or link.room_id is not None or link.until <= entry.at or not link.uses_left:
                return Inserted.NO_LINK
        if account.username in tables.usernames or account.look in tables.looks:
            return Inserted.NAME_TAKEN
        if account.email is not None and fold_email(account.email) in tables.emails:
            return Inserted.EMAIL_TAKEN
        if new.admin_ticket is not None:
            del tables.tickets[new.admin_ticket]
        if link is not None:
            tables.links[link.link_id] = replace(link, uses_left=link.uses_left - 1)
        tables.put_account(account)
        if new.login is not None:
            tables.put_login(new.login)
        if new.ticket is not None:
            tables.tickets[new.ticket.hash] = new.ticket
        tables.record([entry])
        tables.note([name_taken(account.look, entry.at)])
        return Inserted.STORED

    async def change(
        self, account_id: str, change: AccountChange, entry: AuditEntry, *, basis: Basis | None = None
    ) -> Account | None:
        if not self._contents.accounts.permits(entry, account_id, basis=basis):
            return None
        return change_account(self._contents.accounts, account_id, change, entry)

    async def rehash(self, account_id: str, before: str, after: str) -> None:
        tables = self._contents.accounts
        account = tables.accounts.get(account_id)
        if account is not None and account.password == before:
            tables.put_account(replace(account, password=after))

    async def delete(self, account_id: str, work: RoomWork, entry: AuditEntry, *, basis: Basis | None = None) -> bool:
        if not self._contents.accounts.permits(entry, account_id, basis=basis):
            return False
        delete_account(self._contents.accounts, account_id, work, entry)
        return True

    async def remove_traces(self, work: RoomWork, at: int, *, ends: bool) -> bool:
        tables = self._contents.accounts
        tables.note(remove_traces(tables, work, at))
        if ends:
            tables.work.pop(work.number, None)
        return False

    async def aliases(self, account_id: str) -> list[str]:
        found = [(at, guest) for guest, (of, at) in self._contents.accounts.aliases.items() if of == account_id]
        return [guest for _, guest in sorted(found)]

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
        tables = self._contents.accounts
        account = tables.accounts.get(account_id)
        if account is None or not tables.permits(entry, account_id, basis=basis):
            return False
        if guest_id in tables.aliases or len(await self.aliases(account_id)) >= most:
            return False
        check_space(len(tables.aliases), ALIASES)
        check_space(len(tables.work), WORK)
        changed = replace(account, version=account.version + 1)
        tables.put_account(changed)
        tables.aliases[guest_id] = (account_id, entry.at)
        for user_id, blocked in tables.user_blocks.items():
            if guest_id in blocked and user_id != account_id:
                blocked.setdefault(account_id, blocked[guest_id])
        tables.add_work(work)
        tables.record([entry])
        tables.note(
            [guest_moved(guest_id, entry.at), more_room_work(entry.at)],
            versions=[account_changed(account_id, changed.version, entry.at)],
        )
        return True

    async def room_work(self) -> list[RoomWork]:
        return list(self._contents.accounts.work.values())

    async def advance(self, number: int, room_id: int | None) -> None:
        work = self._contents.accounts.work
        if number in work:
            if room_id is None:
                del work[number]
            else:
                work[number] = replace(work[number], room_id=room_id)

    async def expire(self, now: int, limit: int) -> int:
        return expire(self._contents.accounts, now, limit)


def change_account(tables: AccountTables, account_id: str, change: AccountChange, entry: AuditEntry) -> Account | None:
    """See `storage.ports.accounts.AccountRepository.change`."""
    account = tables.accounts.get(account_id)
    if account is None or (change.email and tables.emails.get(fold_email(change.email), account_id) != account_id):
        return None
    if change.name is not None:
        check_space(len(tables.work), WORK)
    new: dict[str, Any] = {
        name: given
        for name in ("name", "role", "password", "totp_on", "email", "totp_nonce")
        if (given := getattr(change, name)) is not None
    }
    for name in ("email", "totp_nonce"):
        if name in new and not new[name]:
            new[name] = None
    if change.password is not None:
        new["password_at"] = entry.at
    if change.outdates_tokens:
        new["version"] = account.version + 1
    account = replace(account, **new)
    tables.put_account(account)
    if change.codes is not None:
        tables.codes[account_id] = set(change.codes)
    if change.ends_tickets:
        tables.drop_tickets(account_id)
    ended = end_logins(tables, account_id, but=change.keep_login) if change.end_logins else []
    notices = [login_ended(login_id, entry.at) for login_id in ended]
    if change.name is not None:
        tables.drop_work(account_id, "rename")
        tables.add_work(rename_work(account_id, change.name))
        notices.append(more_room_work(entry.at))
    tables.record([entry])
    versions = [account_changed(account_id, account.version, entry.at)] if change.outdates_tokens else []
    tables.note(notices, versions=versions)
    return account


def end_logins(tables: AccountTables, account_id: str, *, only: str = "", but: str = "") -> list[str]:
    """Remove logins of an account, and return their ids."""
    ended = [one for one in tables.logins_of.get(account_id, ()) if one != but and only in ("", one)]
    for login_id in ended:
        tables.drop_login(login_id)
    return ended
