"""Deleting an account: one transaction over all tables that name it, except those of rooms."""

from typing import Any

from msgspec.structs import asdict, replace

from model.account import DELETED_USER, Account, Notice, RoomWork, guess_keys
from model.audit import AuditEntry
from storage.ports.access import account_deleted, key_changed, more_room_work, name_taken
from storage.postgres.accounts.noting import note
from storage.postgres.accounts.pool import execute
from storage.postgres.connection.audit import record
from storage.postgres.connection.session import Connection, fetch_all
from storage.postgres.sql import accounts as sql
from storage.postgres.sql import notices as sql_notices
from storage.postgres.sql import secrets as sql_secrets

# Rows that one statement changes, at most.
ROWS = 1000
_ERASE = (
    sql.ERASE_ACTOR,
    sql.ERASE_TARGET,
    sql.ERASE_REPORTER,
    sql.ERASE_REPORTED,
    sql.ERASE_HANDLER,
    sql.REMOVE_BLOCKS,
)


async def delete_account(connection: Connection, account_id: str, work: RoomWork, entry: AuditEntry) -> None:
    """See `storage.ports.accounts.AccountRepository.delete`. Ends the transaction.

    The account is locked, as for an adoption, and for each change that names it: nothing of it is added from here on.
    """
    of_account: dict[str, Any] = {"account_id": account_id}
    aliases = [guest_id for (guest_id,) in await fetch_all(connection, sql.ALIASES_OF, of_account)]
    work = replace(work, ids=tuple(dict.fromkeys((*work.ids, *aliases))))
    rows = await fetch_all(connection, sql.REMOVE_ACCOUNT, of_account)  # and what refers to it
    account = Account(*rows[0])
    await record(connection, [entry])  # which names the account
    revoked, _ = await remove_traces(connection, work, entry.at)
    await connection.execute(sql_secrets.FORGET_KEYS, {"keys": guess_keys(account)})
    await connection.execute(sql.REMOVE_WORK_OF, of_account)
    await connection.execute(sql.INSERT_WORK, work_row(work))
    notices = [
        account_deleted(account_id, entry.at),
        name_taken(account.look, entry.at, taken=False),
        more_room_work(entry.at),
        *revoked,
    ]
    await note(connection, notices)


async def remove_traces(connection: Connection, work: RoomWork, at: int) -> tuple[list[Notice], bool]:
    """See `storage.ports.accounts.AccountRepository.remove_traces`.

    Returns the notices of the keys that it revoked, and whether there may be more traces.
    """
    values = {
        "ids": list(work.ids),
        "tombstone": work.account_id,
        "name": DELETED_USER,
        "messages": work.messages,
        "limit": ROWS,
    }
    changed = [await execute(connection, statement, values) for statement in _ERASE]
    await connection.execute(sql.REMOVE_LINKS, values)
    keys = await fetch_all(connection, sql_notices.REVOKE_KEYS_OF, values)
    return [key_changed(key_id, 0, at) for (key_id,) in keys], max(changed) == ROWS


def work_row(work: RoomWork) -> dict[str, Any]:
    """Return the row of new work."""
    return {**asdict(work), "ids": list(work.ids)}
