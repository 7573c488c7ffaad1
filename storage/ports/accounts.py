"""The accounts port: who signs in, and the work in rooms that follows from changes of accounts.

Each method of this port, and of those of logins, secrets, links, access, audit and safety, is one transaction, which
any server may run, whichever has the rooms. Its audit entry is stored with each change, and with what it ends a
`model.account.Notice` for the other servers. The time of a change is that of the entry. A method that changes something
does nothing, and returns the same as if there was nothing to change, if an account that it or its entry names was
deleted before, so that nothing of that account comes back; or if its ``basis`` does not hold any more. Each raises
`storage.ports.errors.StorageUnavailable` when storage does not answer: a change may have been made then, and may be
asked for again.
"""

from enum import Enum
from typing import Protocol

from model.account import Account, AccountChange, Basis, NewAccount, RoomWork
from model.audit import AuditEntry


class Inserted(Enum):
    """The outcome of storing an account."""

    STORED = "stored"
    NAME_TAKEN = "name taken"  # an account has this username, or one that looks like it
    EMAIL_TAKEN = "email taken"
    NO_LINK = "no link"  # the invite link or admin ticket is unknown, expired, or used up; or there is an admin already


class AccountRepository(Protocol):
    """Accounts. See the top of this file."""

    async def find(self, account_id: str) -> Account | None:
        """Find an account."""

    async def find_by_username(self, username: str) -> Account | None:
        """Find the account with exactly this username."""

    async def find_by_email(self, email: str) -> Account | None:
        """Find the account that has confirmed this address, in any case."""

    async def named_like(self, look: str) -> str | None:
        """Return the id of the account whose username has this look."""

    async def page(self, *, after: str, contains: str, limit: int) -> list[Account]:
        """List up to ``limit`` accounts by username, from the first above ``after``, with ``contains`` in it."""

    async def looks(self, *, after: str, limit: int) -> list[str]:
        """List up to ``limit`` looks of usernames, sorted, from the first above ``after``."""

    async def has_admin(self) -> bool:
        """Whether any account has the role ``admin``."""

    async def insert(self, new: NewAccount, entry: AuditEntry) -> Inserted:
        """Store an account with all that comes with it, or nothing, and say in a notice that its name is taken."""

    async def change(
        self, account_id: str, change: AccountChange, entry: AuditEntry, *, basis: Basis | None = None
    ) -> Account | None:
        """Change an account and return it; None if there is none, or another one has confirmed the same address.

        A new password, and a new address or none, end all tickets of the account. A new name is work for the rooms, in
        place of such work that is not done yet.
        """

    async def rehash(self, account_id: str, before: str, after: str) -> None:
        """Replace the hash of a password if it is still ``before``. No access token is outdated by that."""

    async def delete(self, account_id: str, work: RoomWork, entry: AuditEntry, *, basis: Basis | None = None) -> bool:
        """Remove an account with its logins, tickets, codes, guesses, aliases, keys, links and blocks; put the
        tombstone ``work.account_id`` in its place in the audit log and in reports; and store the work for the rooms,
        with the aliases added to its ``ids``.

        In audit entries the addresses from which it acted are removed, and of entries without a known actor that are
        about it. Reports by it are kept without its name. Of its own reported messages the content is removed with
        ``work.messages``. The entry may name the account: the tombstone replaces that as well. False if there is none.
        """

    async def remove_traces(self, work: RoomWork, at: int, *, ends: bool) -> bool:
        """Do once more what :meth:`delete` does with the audit log, reports, blocks, keys and links.

        What the account did before its connections closed may be stored later, and others report and moderate what it
        wrote until the rooms know that it was deleted. Each call, like `delete`, changes a bounded number of rows.
        Returns whether there may be more; if not, ``ends`` removes the work in the same transaction.
        """

    async def aliases(self, account_id: str) -> list[str]:
        """List the guests that became this account, the earliest first."""

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
        """Make a guest an alias of an account: end the guest's tokens, outdate the account's, store the work. Users who
        block the guest block the account, too.

        False, and nothing else, if the guest belongs to an account already, or the account has ``most`` aliases.
        """

    async def room_work(self) -> list[RoomWork]:
        """List unfinished work, the oldest first."""

    async def advance(self, number: int, room_id: int | None) -> None:
        """Record that all rooms up to this one are done; None for all rooms, which removes the work."""

    async def expire(self, now: int, limit: int) -> int:
        """Remove up to ``limit`` each of the logins, tickets, guesses, links, notices and keys whose time is over.

        Returns how many were removed. The newest notice stays: a server that knows it and does not find it takes the
        database for an older copy, and reads all of them anew.
        """
