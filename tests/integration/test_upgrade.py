"""An upgrade of the release before, the way back, and what refuses it.

`tests/releases` has the server of the release before this one, as a clone may have no history. When there is a new
release, replace it: ``git archive --format=zip -9 -o tests/releases/parley-0.2.0.zip RELEASE main.py server chat model
storage utils client.html``.
"""

import asyncio
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest

from storage.postgres.connection.migrate import Migration, load_migrations, migrate
from tests.support.postgres import DatabaseServer
from tests.support.process import ROOT
from tests.support.server import ServerProcess
from tests.support.told import SECRET, Asker, ready, stop, talk, told

pytestmark = pytest.mark.one_server("upgrades of nodes are in test_nodes")

Start = Callable[[Mapping[str, str]], ServerProcess]


def same(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return `now` without the fields that the other version does not have."""
    assert len(before) == len(now)
    return [{name: value for name, value in new.items() if name in old} for old, new in zip(before, now, strict=True)]


def upgrade(url: str, migrations: list[Migration]) -> list[str]:
    """Apply migrations, as a newer version does."""

    async def apply() -> list[str]:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            return await migrate(connection, migrations)

    return asyncio.run(apply())


@pytest.fixture
def start_release(tmp_path: Path) -> Start:
    """Starts the release before this one."""
    (archive,) = (ROOT / "tests" / "releases").glob("parley-*.zip")
    with zipfile.ZipFile(archive) as files:
        files.extractall(tmp_path / "release")

    def start(settings: Mapping[str, str]) -> ServerProcess:
        return ServerProcess(settings, main=tmp_path / "release" / "main.py").start()

    return start


@pytest.mark.slow
def test_upgrade_from_the_release_before_and_back_to_its_backup(
    start_server: Start, start_release: Start, postgres: DatabaseServer, empty_database_url: str
) -> None:
    """The new server starts beside the old one, and takes over without a loss. The old one refuses the database then,
    and goes on with the backup.
    """
    settings = {"DATABASE_URL": empty_database_url, "JWT_SECRET": SECRET}
    older = start_release(settings)
    backup = ""
    try:
        ready(older)
        talk(older)
        before = told(older)
        assert (len(before), before[-1]["content"]) == (11, "line one, corrected")
        stop(older)
        backup = postgres.copy_database(empty_database_url)
        older.start()
        ready(older)
        newer = start_server(settings)
        assert newer.get_status("/ready") == 503
        stop(older)
        ready(newer)
        assert same(before, told(newer)) == before
        Asker(newer, "bob")("POST", "/api/rooms/plans/messages", {"content": "after the upgrade", "id": "n1"})
        stop(newer)
        older.start()
        older.wait_for_log(r"the database has migration 0004_invitations\.sql, which is unknown here: a newer Parley")
        assert older.get_status("/ready") == 503
        stop(older)
        older.env["DATABASE_URL"] = backup
        older.start()
        ready(older)
        assert told(older) == before
        stop(older)
    finally:
        older.remove()
        if backup:
            postgres.drop_database(backup)


def test_after_additive_migrations_the_version_before_goes_on(start_server: Start, database_url: str) -> None:
    """It loses nothing that the newer one stored; after other migrations it says what to do."""
    server = start_server({"DATABASE_URL": database_url, "JWT_SECRET": SECRET})
    ready(server)
    talk(server)
    before = told(server)
    stop(server)
    known = load_migrations()
    number = len(known) + 1
    additive = Migration(number, "more", "-- additive\nALTER TABLE messages ADD COLUMN more text", "checksum")
    other = Migration(number + 1, "changed", "ALTER TABLE messages DROP COLUMN more", "checksum")
    assert upgrade(database_url, [*known, additive]) == [additive.file]
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE messages SET more = 'of the newer version'")
        server.start()
        ready(server)
        assert told(server) == before
        Asker(server, "bob")("POST", "/api/rooms/plans/messages", {"content": "back again", "id": "n1"})
        stop(server)
        assert connection.execute("SELECT count(more), count(*) FROM messages").fetchall() == [(6, 7)]
    assert upgrade(database_url, [*known, additive, other]) == [other.file]
    server.start()
    server.wait_for_log(
        rf"the database has migration {number + 1:04d}_changed\.sql, which this version does not know: a newer Parley"
        r" applied it; run that one, or restore the backup from before the upgrade"
    )
    assert server.get_status("/ready") == 503
    stop(server)
