"""The logins port: devices on which accounts are signed in. See `storage.ports.accounts` for what all methods share."""

from typing import Protocol

from model.account import Basis, Login, Refreshed
from model.audit import AuditEntry

# The token before the last one has the same successor for this long, in microseconds: two tabs may refresh at once.
AGAIN_US = 10_000_000


class LoginRepository(Protocol):
    """Logins. One that has ended is not found, whether it was ended or its time is over."""

    async def insert(self, login: Login, most: int, entry: AuditEntry, *, basis: Basis) -> list[str] | None:
        """Store a login, and end the account's oldest ones above ``most``. Returns the ids of those that ended.

        None if the ``basis`` does not hold any more: a new password has ended all logins, and this one would come after
        them.
        """

    async def refresh(
        self, login_id: str, generation: int, now: int, *, ends_at: int, address: str, entry: AuditEntry
    ) -> Refreshed:
        """Exchange the refresh token of this generation for its successor.

        ``new``: the generation rises, and ``ends_at``, ``address`` and ``refreshed_at`` are set, by one atomic update.
        ``again``: the successor exists since `AGAIN_US` at most, by clocks that may differ as much, and nothing is
        written. ``reused``: any other earlier
        generation; the login ends, and only then is the entry stored. ``unknown``: no such login, or a generation that
        it never had.
        """

    async def find(self, login_id: str, now: int) -> Login | None:
        """Find a login that has not ended."""

    async def of_account(self, account_id: str, now: int) -> list[Login]:
        """List the logins of an account, the oldest first."""

    async def end(self, account_id: str, *, only: str = "", but: str = "", entry: AuditEntry) -> list[str]:
        """End one login of an account, or all but one, or all. Returns the ids of those that ended.

        The entry is stored only if there were any.
        """
