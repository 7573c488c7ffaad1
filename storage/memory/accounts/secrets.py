"""The secrets port in memory."""

from msgspec.structs import replace

from model.account import Account, AccountChange, Basis, Guesses, Ticket, TicketKind
from model.audit import AuditEntry
from storage.memory.accounts.accounts import change_account
from storage.memory.contents import Contents
from storage.ports.secrets import GUESSES_US


class MemorySecretRepository:
    """Tickets, recovery codes and failed guesses in memory."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    async def insert_ticket(self, ticket: Ticket, entry: AuditEntry | None, *, basis: Basis | None = None) -> bool:
        tables = self._contents.accounts
        if not tables.permits(entry, ticket.account_id or "", basis=basis):
            return False
        if ticket.kind != "reset":
            tables.drop_tickets(ticket.account_id, ticket.kind)
        tables.tickets[ticket.hash] = ticket
        if entry is not None:
            tables.record([entry])
        return True

    async def find_ticket(self, hash: bytes, kind: TicketKind, now: int) -> Ticket | None:
        ticket = self._contents.accounts.tickets.get(hash)
        return None if ticket is None or ticket.kind != kind or ticket.until <= now else ticket

    async def find_pending_email(self, account_id: str, now: int) -> str | None:
        tickets = self._contents.accounts.tickets.values()
        pending = (one for one in tickets if one.account_id == account_id and one.kind == "email" and one.until > now)
        return next((one.email for one in pending), None)

    async def spend_ticket(
        self, hash: bytes, kind: TicketKind, change: AccountChange, now: int, entry: AuditEntry
    ) -> Account | None:
        tables = self._contents.accounts
        ticket = await self.find_ticket(hash, kind, now)
        if ticket is None or ticket.account_id is None or not tables.permits(entry, ticket.account_id):
            return None
        account = change_account(tables, ticket.account_id, change, entry)
        if account is not None:
            tables.tickets.pop(hash, None)
        return account

    async def spend_code(self, account_id: str, hash: bytes, entry: AuditEntry) -> bool:
        tables = self._contents.accounts
        codes = tables.codes.get(account_id, set())
        if hash not in codes:
            return False
        codes.remove(hash)
        tables.record([entry])
        return True

    async def count_codes(self, account_id: str) -> int:
        return len(self._contents.accounts.codes.get(account_id, ()))

    async def spend_step(self, account_id: str, step: int) -> bool:
        tables = self._contents.accounts
        account = tables.accounts.get(account_id)
        if account is None or account.totp_step >= step:
            return False
        tables.put_account(replace(account, totp_step=step))
        return True

    async def failures(self, key: bytes, network: str) -> tuple[Guesses, Guesses]:
        guesses = self._contents.accounts.guesses
        return guesses.get((key, network), Guesses()), guesses.get((key, ""), Guesses())

    async def failed(self, key: bytes, network: str, now: int, entry: AuditEntry | None) -> None:
        tables = self._contents.accounts
        if not tables.permits(entry):
            return
        for of in {"", network}:
            before = tables.guesses.get((key, of), Guesses())
            failures = 1 if before.last_at <= now - GUESSES_US else before.failures + 1
            tables.put_guesses((key, of), Guesses(failures, now))
        if entry is not None:
            tables.record([entry])

    async def succeeded(self, key: bytes, network: str) -> None:
        self._contents.accounts.guesses.pop((key, network), None)
