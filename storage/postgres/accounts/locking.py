"""The accounts that a transaction is about stay as they are until it ends."""

from typing import Any

from model.account import Account, Basis
from model.audit import AuditEntry
from storage.ports.audit import named_accounts
from storage.postgres.accounts.pool import Undone
from storage.postgres.connection.session import Connection, fetch_all
from storage.postgres.sql import accounts as sql
from storage.postgres.sql import logins as sql_logins


async def find_locked(connection: Connection, ids: list[str]) -> dict[str, Account]:
    """Return the accounts with these ids that exist, locked. An account is locked before what belongs to it.

    Without ids, storage is asked, too: how long a failed login takes must not tell whether there is such a username.
    """
    rows = await fetch_all(connection, sql.LOCK_ACCOUNTS, {"ids": ids})
    return {account.account_id: account for account in (Account(*row) for row in rows)}


async def lock_accounts(
    connection: Connection,
    entry: AuditEntry | None,
    *more: str,
    basis: Basis | None = None,
    unless: str = "",
    undone: Any = None,
) -> dict[str, Account]:
    """Lock the accounts that an entry and other ids name, at the beginning of a transaction, and return them.

    Args:
        unless: an id that may be that of a deleted account, since it is erased later.
        undone: the result of the transaction if it is not made.

    Raises:
        Undone: if one of them does not exist, or the basis does not hold.
    """
    ids = named_accounts(entry, *more, "" if basis is None else basis.account.account_id)
    found = await find_locked(connection, ids)
    if {*ids} - {unless} - found.keys():
        raise Undone(undone)
    if basis is not None:
        held = basis.still_holds(found.get(basis.account.account_id))
        if held and basis.login_id:
            values = {"login_id": basis.login_id, "now": 0 if entry is None else entry.at}
            held = bool(await fetch_all(connection, sql_logins.LOCK_LOGIN, values))
        if not held:
            raise Undone(undone)
    return found
