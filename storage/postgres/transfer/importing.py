"""Write everything into an empty database, in one transaction: all of it or nothing."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

from msgspec.structs import asdict

from model.account import fold_email
from storage.ports.errors import NotEmpty, StorageUnavailable
from storage.ports.rooms import SetMember
from storage.ports.transfer import (
    Added,
    Alias,
    Audit,
    Block,
    Key,
    Link,
    Record,
    Room,
    Sanction,
    Secret,
    StoredAccount,
    StoredLogin,
    StoredMember,
    StoredMessage,
    StoredNotice,
    StoredReport,
    Work,
)
from storage.postgres.accounts.safety import report_row
from storage.postgres.connection.audit import entry_row
from storage.postgres.connection.errors import REFUSALS, translated
from storage.postgres.connection.migrate import MigrationError, MigrationsBusyError, migrate
from storage.postgres.connection.once import connected
from storage.postgres.connection.session import Connection, fetch_all
from storage.postgres.connection.upgrade import keep_servers_out
from storage.postgres.sql import audit as sql_audit
from storage.postgres.sql import transfer as sql
from storage.postgres.write.rows import member_row, room_row, rows, words_of
from utils.clock import rfc3339

_Insert = Callable[[Connection, Any], Awaitable[None]]


async def import_records(
    url: str,
    batches: Iterable[Sequence[Record]],
    *,
    beside_accounts: bool = False,
    connect_seconds: float = 5.0,
    seconds: float = 10.0,
) -> None:
    """See `storage.factory.import_storage`."""
    try:
        async with connected(url, "parley import", connect_seconds=connect_seconds, seconds=seconds) as (connection, _):
            tables = sql.OF_ROOMS if beside_accounts else sql.TABLES
            await keep_servers_out(connection)  # until it ends
            await _check_empty(connection, tables)  # before the tables of another installation are changed
            await migrate(connection)
            await _import(connection, batches, tables)
    except (MigrationError, MigrationsBusyError) as error:
        raise StorageUnavailable(str(error) or "another server is applying migrations") from error


async def find_rows(
    url: str, *, beside_accounts: bool = False, connect_seconds: float = 5.0, seconds: float = 10.0
) -> None:
    """See `storage.factory.check_empty`."""
    async with connected(url, "parley import", connect_seconds=connect_seconds, seconds=seconds) as (connection, _):
        await _check_empty(connection, sql.OF_ROOMS if beside_accounts else sql.TABLES)


async def _import(connection: Connection, batches: Iterable[Sequence[Record]], tables: Sequence[str]) -> None:
    async with connection.transaction():
        await connection.execute(sql.NO_LIMITS)
        await connection.execute(sql.LOCK)
        await _check_empty(connection, tables)
        for batch in batches:
            try:
                await _INSERTS[type(batch[0])](connection, batch)
            except REFUSALS as error:
                raise translated(error) from error
        await connection.execute(sql.ANALYZE)  # else the first searches would be planned for empty tables


async def _check_empty(connection: Connection, tables: Sequence[str]) -> None:
    there = await fetch_all(connection, sql.THERE, {"names": list(tables)})
    filled = [name for (name,) in there if await fetch_all(connection, sql.HAS_ROWS[name], {})]
    if filled:
        raise NotEmpty(f"the database is not empty: there are rows in {', '.join(sorted(filled))}")


def _simple(text: bytes, row_of: Callable[[Any], object]) -> _Insert:
    """Return the function that inserts a batch with one statement."""

    async def insert(connection: Connection, batch: Sequence[Record]) -> None:
        await connection.execute(text, rows([row_of(record) for record in batch]))

    return insert


async def _keep_secret(connection: Connection, batch: Sequence[Secret]) -> None:
    for one in batch:
        replaced_at = None if one.replaced_at is None else rfc3339(one.replaced_at)
        await connection.execute(sql.KEEP_SECRET, {"secret": one.secret, "replaced_at": replaced_at})


async def _insert_accounts(connection: Connection, batch: Sequence[StoredAccount]) -> None:
    new = [
        {**asdict(one.account), "folded_email": one.account.email and fold_email(one.account.email)} for one in batch
    ]
    await connection.execute(sql.INSERT_ACCOUNTS, rows(new))
    codes = [{"account_id": one.account.account_id, "hash": code} for one in batch for code in one.codes]
    if codes:
        await connection.execute(sql.INSERT_CODES, rows(codes))


def _message_row(one: StoredMessage) -> dict[str, Any]:
    return {
        **asdict(one),
        "created_at": one.at,
        "client_id": one.id,
        "words": words_of(one.content),
        "mentions": one.mentions or None,
        "body_hash": one.first_body,
    }


async def _append(connection: Connection, batch: Sequence[Audit]) -> None:
    await connection.execute(sql_audit.APPEND, rows([entry_row(place, one.entry) for place, one in enumerate(batch)]))


def _named(record: StoredNotice | Work) -> dict[str, Any]:
    return {**asdict(record), "kind": record.of}


_INSERTS: dict[type[Record], _Insert] = {
    Secret: _keep_secret,
    StoredAccount: _insert_accounts,
    StoredLogin: _simple(sql.INSERT_LOGINS, attrgetter("login")),
    Alias: _simple(sql.INSERT_ALIASES, asdict),
    Key: _simple(sql.INSERT_KEYS, attrgetter("key")),
    Added: _simple(sql.INSERT_USERS, attrgetter("user")),
    Room: _simple(sql.INSERT_ROOMS, lambda one: room_row(one.room)),
    Sanction: _simple(sql.INSERT_SANCTIONS, lambda one: {"room_id": one.room_id, **asdict(one.sanction)}),
    StoredMember: _simple(sql.INSERT_MEMBERS, lambda one: member_row(0, SetMember(one.room_id, one.member))),
    StoredMessage: _simple(sql.INSERT_MESSAGES, _message_row),
    Link: _simple(sql.INSERT_LINKS, attrgetter("link")),
    Block: _simple(sql.INSERT_BLOCKS, asdict),
    StoredReport: _simple(sql.INSERT_REPORTS, lambda one: report_row(one.report)),
    StoredNotice: _simple(sql.INSERT_NOTICES, _named),
    Work: _simple(sql.INSERT_WORK, _named),
    Audit: _append,
}
