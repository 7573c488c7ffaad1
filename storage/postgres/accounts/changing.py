"""A change of an account, as a part of a transaction."""

from msgspec.structs import asdict
from psycopg import errors

from model.account import Account, AccountChange, fold_email, rename_work
from model.audit import AuditEntry
from storage.ports.access import account_changed, login_ended, more_room_work
from storage.postgres.accounts.erasing import work_row
from storage.postgres.accounts.noting import note
from storage.postgres.accounts.pool import Undone
from storage.postgres.connection.audit import record
from storage.postgres.connection.session import Connection, fetch_all
from storage.postgres.sql import accounts as sql
from storage.postgres.sql import logins as sql_logins
from storage.postgres.sql import secrets as sql_secrets


async def change_account(connection: Connection, account_id: str, change: AccountChange, entry: AuditEntry) -> Account:
    """Carry out the whole change, which ends the transaction.

    Raises:
        Undone: with None if there is no such account, or another one has confirmed the same address.
    """
    values = {
        **asdict(change),
        "account_id": account_id,
        "folded_email": None if change.email is None else fold_email(change.email),
        "at": entry.at,
        "raised": int(change.outdates_tokens),
    }
    try:
        rows = await fetch_all(connection, sql.CHANGE_ACCOUNT, values)
    except errors.UniqueViolation:
        raise Undone(None) from None
    if not rows:
        raise Undone(None)
    account = Account(*rows[0])
    if change.codes is not None:
        await connection.execute(sql_secrets.REMOVE_CODES, values)
        for code in change.codes:
            await connection.execute(sql_secrets.INSERT_CODE, {"account_id": account_id, "hash": code})
    if change.ends_tickets:
        await connection.execute(sql_secrets.REMOVE_TICKETS_OF, values)
    ended = await end_logins(connection, account_id, but=change.keep_login) if change.end_logins else []
    notices = [login_ended(login_id, entry.at) for login_id in ended]
    if change.name is not None:
        await connection.execute(sql.REMOVE_RENAME, {"account_id": account_id})
        await connection.execute(sql.INSERT_WORK, work_row(rename_work(account_id, change.name)))
        notices.append(more_room_work(entry.at))
    await record(connection, [entry])
    versions = [account_changed(account_id, account.version, entry.at)] if change.outdates_tokens else []
    await note(connection, notices, versions=versions)
    return account


async def end_logins(connection: Connection, account_id: str, *, only: str = "", but: str = "") -> list[str]:
    """Remove logins of an account, and return their ids."""
    values = {"account_id": account_id, "only": only, "but": but}
    return [login_id for (login_id,) in await fetch_all(connection, sql_logins.END_LOGINS, values)]
