"""The secrets port: tickets, recovery codes and failed guesses. See `storage.ports.accounts` for what methods share."""

from typing import Protocol

from model.account import Account, AccountChange, Basis, Guesses, Ticket, TicketKind
from model.audit import AuditEntry

# The failures of a pair of name and network are forgotten after this long without another one, in microseconds.
GUESSES_US = 24 * 3600 * 1_000_000


class SecretRepository(Protocol):
    """Secrets that are used once."""

    async def insert_ticket(self, ticket: Ticket, entry: AuditEntry | None, *, basis: Basis | None = None) -> bool:
        """Store a ticket in place of earlier ones of its kind and account. False if the account does not exist.

        One to reset a password replaces none: strangers may ask for it, and would make those of the user useless.
        """

    async def find_ticket(self, hash: bytes, kind: TicketKind, now: int) -> Ticket | None:
        """Find a ticket that was not used and has not expired."""

    async def find_pending_email(self, account_id: str, now: int) -> str | None:
        """Return the address that a ticket of this account would confirm."""

    async def spend_ticket(
        self, hash: bytes, kind: TicketKind, change: AccountChange, now: int, entry: AuditEntry
    ) -> Account | None:
        """Use a ticket up and change its account, or neither. Of two callers one succeeds.

        None if there is no such ticket, or another account has confirmed the address of the change.
        """

    async def spend_code(self, account_id: str, hash: bytes, entry: AuditEntry) -> bool:
        """Use a recovery code up. Of two callers one succeeds."""

    async def count_codes(self, account_id: str) -> int:
        """Return how many recovery codes are left."""

    async def spend_step(self, account_id: str, step: int) -> bool:
        """Use a time step of the second factor up, and all before it; False if it was (RFC 6238 section 5.2)."""

    async def failures(self, key: bytes, network: str) -> tuple[Guesses, Guesses]:
        """Return the failures under `model.account.guess_key` from this network, and from all networks together."""

    async def failed(self, key: bytes, network: str, now: int, entry: AuditEntry | None) -> None:
        """Count a failure for this network and for all together; from 1 again after `GUESSES_US` without one.

        Not if the entry is about an account that was deleted.
        """

    async def succeeded(self, key: bytes, network: str) -> None:
        """Forget the failures from this network."""
