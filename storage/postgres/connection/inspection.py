"""Find out what a server would meet in a database, without taking a lock or changing anything."""

import re
from collections.abc import Collection
from typing import Any

from storage.ports.inspection import Inspection
from storage.postgres.connection.lease import Holder
from storage.postgres.connection.look import Look, look_of
from storage.postgres.connection.migrate import Migration, MigrationError, load_migrations, pending
from storage.postgres.connection.once import connected
from storage.postgres.connection.session import Connection, as_json, bounded, fetch_all, value
from storage.postgres.sql import inspection as sql
from storage.postgres.sql import lease, nodes

_TABLE, _SEQUENCE = (re.compile(rf"^CREATE {kind} (\w+)", re.MULTILINE) for kind in ("TABLE", "SEQUENCE"))
_SETTINGS = (
    "server_version",
    "transaction_read_only",
    "in_hot_standby",
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "max_connections",
    "superuser_reserved_connections",
    "reserved_connections",  # since PostgreSQL 16
)


async def inspect_database(url: str, *, connect_seconds: float = 5.0, seconds: float = 5.0) -> Inspection:
    """See `storage.factory.inspect_storage`."""
    async with connected(url, "parley check", connect_seconds=connect_seconds, seconds=seconds) as (connection, place):
        return await bounded(connection, _inspected(connection, place), seconds)


async def _inspected(connection: Connection, place: str) -> Inspection:
    given: dict[str, str] = dict(await fetch_all(connection, sql.SETTINGS, {"names": list(_SETTINGS)}))
    server = f"PostgreSQL {given['server_version'].partition(' ')[0]}"
    free = await _free_connections(connection, given)
    warnings = tuple(_unsafe(given))
    now_us = round((await value(connection, sql.CLOCK)).timestamp() * 1e6)
    migrations = load_migrations()
    try:
        todo = await pending(connection, migrations)
    except MigrationError as refused:
        return Inspection(server, place, now_us, free_connections=free, errors=(str(refused),), warnings=warnings)
    errors = [*_read_only(given), *await _lacking(connection, migrations, todo)]
    look = await _look(connection, with_row=not errors)
    return Inspection(
        server,
        place,
        now_us,
        applied=len(migrations) - len(todo),
        to_apply=tuple(migration.file for migration in todo),
        alone=tuple(migration.file for migration in todo if migration.alone),
        additive=all(migration.additive for migration in todo),
        newer=await _has_newer(connection, migrations),
        writer=await _writer(connection),
        writer_is_node=look.node_of(look.writer) is not None,
        nodes=len(look.alive),
        on_bus=len(look.on_bus),
        installation=None if look.row.installation is None else look.row.installation.bytes,
        free_connections=free,
        errors=tuple(errors),
        warnings=warnings,
    )


async def _has_newer(connection: Connection, migrations: list[Migration]) -> bool:
    if not await value(connection, lease.HAS_TABLE, table="schema_migrations"):
        return False
    return len(await fetch_all(connection, lease.APPLIED, {})) > len(migrations)


def _read_only(given: dict[str, str]) -> Collection[str]:
    if given["in_hot_standby"] == "on":
        return ["this PostgreSQL is a standby, which accepts no writes: connect to the primary"]
    if given["transaction_read_only"] == "on":
        return ["transactions of this user are read-only (default_transaction_read_only)"]
    return []


def _unsafe(given: dict[str, str]) -> Collection[str]:
    return [
        f"{name} is off: messages that were acknowledged may be lost if {what} crashes"
        for name, what in (
            ("fsync", "the database's machine"),
            ("full_page_writes", "the database's machine"),
            ("synchronous_commit", "PostgreSQL"),
        )
        if given[name] == "off"
    ]


async def _free_connections(connection: Connection, given: dict[str, str]) -> int:
    user = {"user": connection.info.user}
    ((of_all, of_user, of_database),) = await fetch_all(connection, sql.CONNECTIONS, user)
    ((user_limit, database_limit),) = await fetch_all(connection, sql.LIMITS, user)
    kept = sum(int(given.get(name, 0)) for name in ("superuser_reserved_connections", "reserved_connections"))
    limits: tuple[tuple[int, int], ...] = (
        (int(given["max_connections"]) - kept, of_all),
        (-1 if user_limit is None else user_limit, of_user),
        (database_limit, of_database),
    )
    free = min(limit - used for limit, used in limits if limit >= 0)
    return max(0, free + 1)  # that of this inspection ends


async def _lacking(connection: Connection, migrations: list[Migration], todo: list[Migration]) -> list[str]:
    """Return sentences about privileges that the user lacks."""
    tables, sequences = (_rows(migrations, pattern) for pattern in (_TABLE, _SEQUENCE))
    problems = []
    if lacking := [name for (name,) in await fetch_all(connection, sql.LACKING, tables)]:
        problems.append(f"this user may not read and write these tables: {', '.join(lacking)}")
    if lacking := [name for (name,) in await fetch_all(connection, sql.LACKING_SEQUENCES, sequences)]:
        problems.append(f"this user may not use these sequences: {', '.join(lacking)}")
    if todo:
        if not await value(connection, sql.MAY_CREATE):
            problems.append("this user may not create tables; migrate as one who may")
        if others := sorted(name for (name,) in await fetch_all(connection, sql.OF_OTHERS, tables)):
            problems.append(f"migrations change tables of another user, as whom to migrate: {', '.join(others)}")
    return problems


def _rows(migrations: list[Migration], pattern: re.Pattern[str]) -> dict[str, Any]:
    names = [name for migration in migrations for name in pattern.findall(migration.text)]
    return {"rows": as_json([{"name": name} for name in names])}


async def _look(connection: Connection, *, with_row: bool) -> Look:
    has_row = with_row and await value(connection, lease.HAS_TABLE, table=nodes.BEAT)
    statement = nodes.LOOK if has_row else nodes.LOOK_AT_LOCKS
    return look_of(await fetch_all(connection, statement, {"holds": False}))


async def _writer(connection: Connection) -> str:
    rows = await fetch_all(connection, lease.HOLDERS, {"number": nodes.WRITER[1]})
    return ", ".join(str(Holder(*row)) for row in rows)
