"""Read everything in one snapshot of the database, next to running servers."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from psycopg.rows import TupleRow

from model.account import Account, AddedUser, ApiKey, InviteLink, Login
from model.room import NetworkSanction, RoomRecord
from storage.ports.errors import StorageUnavailable
from storage.ports.transfer import (
    SESSIONS,
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
from storage.postgres.accounts.audit import entry_of
from storage.postgres.accounts.safety import report_of
from storage.postgres.connection.migrate import MigrationError, load_migrations, pending
from storage.postgres.connection.once import connected
from storage.postgres.connection.session import Connection
from storage.postgres.read.rooms import member_of
from storage.postgres.sql import transfer as sql
from utils.clock import microseconds

# Rows in one read. A message has at most a million characters.
_PAGE = 200


def _secret(row: TupleRow) -> Secret | None:
    """Make a record of the secret, None for the row of a database that never needed one."""
    secret, replaced_at = row
    return None if secret is None else Secret(bytes(secret), replaced_at and microseconds(replaced_at))


def _account(row: TupleRow) -> StoredAccount:
    *columns, codes = row
    return StoredAccount(Account(*columns), tuple(map(bytes, codes)))


def _message(row: TupleRow) -> StoredMessage:
    (room_id, seq, version, sender, sender_id, content, at, client_id, edited_at, deleted_at, reply_to, mentions) = row[
        :12
    ]
    reactions, pinned_at, pinned_by, alias_of, body_hash = row[12:]
    return StoredMessage(
        room_id,
        seq,
        version,
        sender,
        sender_id,
        content,
        at,
        client_id,
        edited_at,
        deleted_at,
        reply_to,
        tuple(mentions or ()),
        reactions or None,
        pinned_at,
        pinned_by,
        alias_of,
        body_hash,
    )


def _work(row: TupleRow) -> Work:
    values: dict[str, Any] = dict(zip(sql.WORK_COLUMNS, row, strict=True))
    return Work(of=values.pop("kind"), ids=tuple(values.pop("ids")), **values)


_READS: Sequence[tuple[type[Record], bytes, Callable[[TupleRow], Record | None]]] = (
    (Secret, sql.ALL_SECRETS, _secret),
    (StoredAccount, sql.ALL_ACCOUNTS, _account),
    (StoredLogin, sql.ALL_LOGINS, lambda row: StoredLogin(Login(*row))),
    (Alias, sql.ALL_ALIASES, lambda row: Alias(*row)),
    (Key, sql.ALL_KEYS, lambda row: Key(ApiKey(*row))),
    (Added, sql.ALL_USERS, lambda row: Added(AddedUser(*row))),
    (Room, sql.ALL_ROOMS, lambda row: Room(RoomRecord(*row))),
    (Sanction, sql.ALL_SANCTIONS, lambda row: Sanction(row[0], NetworkSanction(*row[1:]))),
    (StoredMember, sql.ALL_MEMBERS, lambda row: StoredMember(row[0], member_of(row[1:]))),
    (StoredMessage, sql.ALL_MESSAGES, _message),
    (Link, sql.ALL_LINKS, lambda row: Link(InviteLink(*row))),
    (Block, sql.ALL_BLOCKS, lambda row: Block(*row)),
    (StoredReport, sql.ALL_REPORTS, lambda row: StoredReport(report_of(row))),
    (StoredNotice, sql.ALL_NOTICES, lambda row: StoredNotice(*row)),
    (Work, sql.ALL_WORK, _work),
    (Audit, sql.ALL_AUDIT, lambda row: Audit(entry_of((0, *row)))),
)


async def export_database(
    url: str, *, sessions: bool, connect_seconds: float = 5.0, seconds: float = 10.0
) -> AsyncIterator[Sequence[Record]]:
    """See `storage.factory.export_storage`."""
    async with connected(url, "parley export", connect_seconds=connect_seconds, seconds=seconds) as (connection, _):
        await _check_tables(connection)
        await connection.execute(sql.BEGIN)
        await connection.execute(sql.NO_LIMITS)
        for kind, text, record_of in _READS:
            if sessions or kind not in SESSIONS:
                async for rows in _pages(connection, text):
                    yield [record for row in rows if (record := record_of(row)) is not None]
        await connection.execute(sql.COMMIT)


async def _check_tables(connection: Connection) -> None:
    try:
        todo = await pending(connection, load_migrations())
    except MigrationError as error:
        raise StorageUnavailable(str(error)) from error
    if todo:
        files = f"{todo[0].file} to {todo[-1].file}" if len(todo) > 1 else todo[0].file
        raise StorageUnavailable(f"the tables are not those of this version: {files} must be applied; see migrate")


async def _pages(connection: Connection, text: bytes) -> AsyncIterator[list[TupleRow]]:
    await connection.execute(sql.OPEN + text, prepare=False)
    while rows := await (await connection.execute(sql.fetch(_PAGE), prepare=False)).fetchall():
        yield rows
    await connection.execute(sql.CLOSE)
