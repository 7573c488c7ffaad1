"""The access port: who may not act, and which keys may. See `storage.ports.accounts` for what all methods share."""

from collections.abc import Mapping
from typing import Protocol

from model.account import ApiKey, Basis, Notice, NoticeKind, look_hash
from model.audit import AuditEntry
from model.limits import GUEST_SECONDS
from model.room import FOREVER


class AccessRepository(Protocol):
    """Notices, which every server follows, and what operators decide."""

    async def notices(self, *, after: int, limit: int = 1000) -> list[Notice]:
        """List up to ``limit`` notices above a number, in the order of their numbers.

        No notice appears later below a number that was returned before: numbers grow in the order of commits. Each
        subject has one notice, its latest.
        """

    async def incarnation(self) -> str:
        """Name the life of the database in which notices are numbered, so that a reader recognizes another one.

        It changes when the database is restored or replaced, also by a copy, whose numbers may have gone back and then
        forward again; and it may change without that, as with a restart.
        """

    async def suspend(
        self, principal: str, until: int, reason: str, entry: AuditEntry, *, basis: Basis | None = None
    ) -> bool:
        """Suspend an account, here or of the application, or end that with ``until`` 0. A suspension outdates the
        access tokens of an account made here, and ends its tickets.

        False, and changes nothing, if there is no suspension to end, or no such account.
        """

    async def suspensions(self, now: int) -> list[Notice]:
        """List those that have not ended, the newest first."""

    async def block(self, network: str, until: int, reason: str, entry: AuditEntry) -> bool:
        """Block an address or network, or end that with ``until`` 0.

        False, and changes nothing, if there is no block to end.
        """

    async def blocks(self, now: int) -> list[Notice]:
        """List those that have not ended, the newest first."""

    async def insert_key(self, key: ApiKey, most: int, entry: AuditEntry, *, basis: Basis | None = None) -> bool:
        """Store a key. False if there are ``most`` that have not expired, or its maker is gone."""

    async def keys(self, now: int) -> list[ApiKey]:
        """List the keys that have not expired, the oldest first."""

    async def revoke_key(self, key_id: str, entry: AuditEntry) -> bool:
        """Remove a key. False if there is none."""

    async def used(self, uses: Mapping[str, int]) -> None:
        """Raise `ApiKey.used_at` of these keys."""


# --- the notices of both backends ------------------------------------------------------------------------------------

# How long a notice says something at least, in microseconds. Access tokens live for minutes only, but connections that
# were opened with a cookie for longer, and a server may be cut off from storage for a while.
KEPT_US = 24 * 3600 * 1_000_000


def login_ended(login_id: str, at: int) -> Notice:
    """Return the notice of a login that has ended."""
    return _notice("login", login_id, at)


def account_changed(account_id: str, version: int, at: int) -> Notice:
    """Return the notice of an account with a new version. It leaves a suspension as it is."""
    return _notice("account", account_id, at, version=version)


def account_deleted(account_id: str, at: int) -> Notice:
    """Return the notice of a deleted account: no version of it is valid."""
    return _notice("account", account_id, at, version=FOREVER)


def suspended(principal: str, version: int, until: int, reason: str, at: int) -> Notice:
    """Return the notice of a suspension, or with ``until`` 0 of its end."""
    return _notice("account", principal, at, until, version=version, deny_until=until, reason=reason)


def network_blocked(network: str, until: int, reason: str, at: int) -> Notice:
    """Return the notice of a blocked network, or with ``until`` 0 of the end of that."""
    return _notice("network", network, at, until, deny_until=until, reason=reason)


def key_changed(key_id: str, until: int, at: int) -> Notice:
    """Return the notice of a key that was made, or with ``until`` 0 was revoked."""
    return _notice("key", key_id, at, until)


def guest_moved(guest_id: str, at: int) -> Notice:
    """Return the notice of a guest that became an account, kept for as long as the guest's tokens are valid."""
    return _notice("guest", guest_id, at, at + GUEST_SECONDS * 1_000_000)


def name_taken(look: str, at: int, *, taken: bool = True) -> Notice:
    """Return the notice of a username that an account has, or has no longer."""
    return _notice("name", look_hash(look).hex(), at, deny_until=FOREVER if taken else 0)


def more_room_work(at: int) -> Notice:
    """Return the notice that there is work for the server that has the rooms."""
    return _notice("work", "", at)


def _notice(
    kind: NoticeKind, subject: str, at: int, until: int = 0, *, version: int = 0, deny_until: int = 0, reason: str = ""
) -> Notice:
    return Notice(kind, subject, 0, at, max(until, at + KEPT_US), version, deny_until, reason)
