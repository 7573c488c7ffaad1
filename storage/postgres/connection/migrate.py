"""Migrations of the schema: numbered SQL files, each applied once, by the server that starts first."""

import re
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from storage.postgres.connection.session import AnyConnection, fetch_all, value
from storage.postgres.sql import lease as sql

FOLDER = Path(__file__).parents[1] / "migrations"
_ALONE = "-- alone\n"
_ADDITIVE = "-- additive\n"
_FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")

# Created by the runner itself: it must exist before the first file can be recorded. The column `additive` came later.
_CREATE = b"""
CREATE TABLE IF NOT EXISTS schema_migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL
);
ALTER TABLE schema_migrations ADD COLUMN IF NOT EXISTS additive boolean NOT NULL DEFAULT false
"""


# A database that has these tables, but none of our migrations, belongs to another program.
_OURS = ("rooms", "messages", "members", "mentions", "lease", "server_secret")
_COLUMNS = {"version": "integer", "name": "text", "checksum": "text"}
_OTHERS = (
    "the table {} belongs to another program: give Parley its own schema, with CREATE SCHEMA parley and"
    " ?options=-csearch_path%3Dparley at the end of DATABASE_URL"
)
_NO_SCHEMA = "the search_path names no existing schema that this user may use: create one with CREATE SCHEMA"


class MigrationError(Exception):
    """The database does not match the files, and a retry would not help. The text names the file, for an operator."""


class MigrationsBusyError(Exception):
    """Another server is applying migrations: retry in a moment."""


class Migration(NamedTuple):
    """One file ``NNNN_name.sql``: its SQL, and the SHA-256 of that with ``\\n`` line ends (git may change those)."""

    version: int
    name: str
    text: str
    checksum: str

    @property
    def alone(self) -> bool:
        """Whether it changes what servers of an earlier version use, so that none may be running: by its first line."""
        return self.text.startswith(_ALONE)

    @property
    def additive(self) -> bool:
        """Whether servers of an earlier version may write to the database after it, too: by its first line."""
        return self.text.startswith(_ADDITIVE)

    @property
    def file(self) -> str:
        return f"{self.version:04d}_{self.name}.sql"


def load_migrations(folder: Path = FOLDER) -> list[Migration]:
    """Return the files of ``folder`` in order.

    Raises:
        MigrationError: a file is not named ``NNNN_name.sql``, or a number is repeated or missing.
    """
    found: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"migration {path.name} is not named NNNN_name.sql")
        text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
        found.append(Migration(int(match[1]), match[2], text, sha256(text.encode()).hexdigest()))
    for expected, migration in enumerate(found, start=1):
        if migration.version < expected:
            raise MigrationError(f"migration {migration.file} has the same number as {found[expected - 2].file}")
        if migration.version > expected:
            raise MigrationError(f"migration {migration.file} comes after a gap: there is no {expected:04d}")
    return found


async def pending(connection: AnyConnection, migrations: list[Migration]) -> list[Migration]:
    """Return the migrations still to be applied. Reads only.

    A newer Parley has recorded of each of its migrations whether it is additive, so an operator can return to this
    version after those, without losing what was written since.

    Raises:
        MigrationError: the database has a migration that is unknown here (from a newer Parley) and not additive, or one
            whose file was edited or renamed after it was applied; or it is not UTF-8, has no schema, or belongs to
            another program.
        psycopg.Error: from the driver, unchanged.
    """
    encoding = await value(connection, sql.ENCODING)
    if encoding != "UTF8":
        raise MigrationError(f"the database is encoded as {encoding}, Parley needs UTF8")
    if await value(connection, sql.CURRENT_SCHEMA) is None:
        raise MigrationError(_NO_SCHEMA)
    if not await value(connection, sql.HAS_TABLE, table="schema_migrations"):
        for table in _OURS:
            if await value(connection, sql.HAS_TABLE, table=table):
                raise MigrationError(_OTHERS.format(table))
        return migrations
    columns = await fetch_all(connection, sql.COLUMNS, {"table": "schema_migrations"})
    if not _COLUMNS.items() <= dict(columns).items():
        raise MigrationError(_OTHERS.format("schema_migrations"))
    applied = await fetch_all(connection, sql.APPLIED, {})
    has_column = "additive" in dict(columns)
    additive = {version for (version,) in await fetch_all(connection, sql.ADDITIVE, {})} if has_column else set()
    known = {migration.version: migration for migration in migrations}
    for expected, (version, name, checksum) in enumerate(applied, start=1):
        label = f"{version:04d}_{name}.sql"
        migration = known.get(version)
        if migration is None and version in additive:
            continue
        if migration is None:
            raise MigrationError(
                f"the database has migration {label}, which this version does not know: a newer Parley applied it;"
                " run that one, or restore the backup from before the upgrade"
            )
        if migration.name != name:
            raise MigrationError(f"migration {migration.file} was applied under the name {label}")
        if migration.checksum != checksum:
            raise MigrationError(f"migration {migration.file} was edited after it was applied")
        if version != expected:
            raise MigrationError(f"the database has migration {label}, but not number {expected:04d} before it")
    return migrations[len(applied) :]


async def migrate(connection: AnyConnection, migrations: list[Migration] | None = None) -> list[str]:
    """Apply the pending migrations, each in its own transaction, and return the names of the files applied.

    Safe to run from several servers at once: an advisory lock admits one at a time.

    Raises:
        MigrationError: as :func:`pending`.
        MigrationsBusyError: another server is applying them.
        psycopg.Error: a file failed and was rolled back; its name is added as a note.
    """
    migrations = load_migrations() if migrations is None else migrations
    if not await pending(connection, migrations):
        return []
    if not await value(connection, sql.TRY_LOCK, key=sql.MIGRATION_LOCK):
        raise MigrationsBusyError
    try:
        todo = await pending(connection, migrations)  # again: another server may have applied them first
        await connection.execute(_CREATE)
        for migration in todo:
            await _apply(connection, migration)
    finally:
        if not connection.closed:
            await connection.execute(sql.UNLOCK, {"key": sql.MIGRATION_LOCK})
    return [migration.file for migration in todo]


async def _apply(connection: AnyConnection, migration: Migration) -> None:
    try:
        async with connection.transaction():
            # No time limit: a migration of a large table may take long.
            await connection.execute("SET LOCAL statement_timeout = 0")
            # Several statements in one text, which only works without parameters.
            await connection.execute(migration.text.encode())
            await connection.execute(sql.RECORD_MIGRATION, {**migration._asdict(), "additive": migration.additive})
    except Exception as error:
        error.add_note(f"in migration {migration.file}")
        raise
