"""The schema: created once by the first server, refused by name if it does not match, and as the code expects."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from msgspec.structs import replace

from model.room import RoomRecord
from storage.ports.messages import ExpireMessages
from storage.ports.rooms import UpdateRoom
from storage.ports.storage import STORED, LeaseEvents, Removed
from storage.postgres.connection.lease import Lease
from storage.postgres.connection.migrate import (
    FOLDER,
    Migration,
    MigrationError,
    MigrationsBusyError,
    load_migrations,
    migrate,
    pending,
)
from storage.postgres.connection.session import AnyConnection
from storage.postgres.sql import expiry as sql_expiry
from storage.postgres.sql import lease as sql_lease
from storage.postgres.sql import messages as sql
from storage.postgres.sql import pages as sql_pages
from storage.postgres.sql import rooms as sql_rooms
from storage.postgres.storage import PostgresStorage
from tests.contract.records import PACE, open_postgres, ready, until
from tests.support.schema import QUERIES, SCHEMA
from utils.clock import DAY_US


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    return empty_database_url


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[AnyConnection]:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as opened:
        yield opened


FUTURE = {"version": 99, "name": "future", "checksum": ""}


async def schema(connection: AnyConnection) -> dict[str, str]:
    lines = {}
    for name, query in QUERIES.items():
        rows = await (await connection.execute(query)).fetchall()
        lines[name] = "\n" + "".join(f"{row[0]}\n" for row in rows)
    return lines


def write(folder: Path, **files: str) -> list[Migration]:
    for name, text in files.items():
        (folder / f"{name[1:]}.sql").write_text(text, encoding="utf-8")
    return load_migrations(folder)


async def test_the_migrations_create_the_schema_the_code_expects(connection: AnyConnection) -> None:
    assert await migrate(connection) == [migration.file for migration in load_migrations()]
    assert await schema(connection) == SCHEMA
    assert await migrate(connection) == []


async def test_data_from_before_room_kinds_is_migrated(database_url: str, connection: AnyConnection) -> None:
    """Every room is ephemeral and found by its name in any case; its messages hold only text, and expire."""
    await migrate(connection, load_migrations()[:2])
    await connection.execute(b"""
        INSERT INTO rooms SELECT n, name, to_timestamp(n), CASE WHEN n = 3 THEN now() END
        FROM unnest(ARRAY['Caf\303\251 ONE', 'two', 'gone', 'empty']) WITH ORDINALITY AS r(name, n);
        INSERT INTO messages (room_id, seq, version, created_at, sender_id, sender, client_id, content, words)
        SELECT room, seq, seq, to_timestamp(0), 'u1', 'ann', 'c' || seq, 'hello', ARRAY['hello']
        FROM generate_series(1, 3) room, generate_series(7, 9) seq""")
    repository = await open_postgres(database_url)
    rooms = await repository.rooms.listed_rooms(after="", contains="", limit=9)
    assert rooms == [
        RoomRecord(n, name, f"1970-01-01T00:00:0{n}.000000Z") for n, name in ((1, "Caf\xe9 ONE"), (2, "two"))
    ]
    assert await repository.rooms.listed_rooms(after="", contains="caf\xe9 o", limit=9) == rooms[:1]
    assert [
        (each.seq, each.content, each.mentions) for each in await repository.messages.history(rooms[0], limit=9)
    ] == [(seq, "hello", ()) for seq in (7, 8, 9)]
    writer = repository.writer()
    assert await writer.write([UpdateRoom(replace(rooms[0], kind="private", title="Tea"))]) == [STORED]
    assert await writer.write([ExpireMessages(DAY_US + 9, 1, 99)]) == [Removed(6)]
    assert [each.seq for each in await repository.messages.history(rooms[1], limit=9)] == [9]
    await repository.close()


async def test_room_names_from_before_single_spaces_are_migrated(database_url: str, connection: AnyConnection) -> None:
    """They get the normalized names by which clients look them up, unless another room already has that name."""
    await migrate(connection, load_migrations()[:3])
    await connection.execute(b"""
        INSERT INTO rooms (room_id, name, created_at, kind, folded_name, folded_title, deleted_at)
        SELECT n, name, to_timestamp(n), 'public', lower(name), U&'a  \\2764\\FE0F', CASE WHEN n = 5 THEN now() END
        FROM unnest(ARRAY['Tea  Room', 'b  c', 'b c', 'x    y', 'b   c']) WITH ORDINALITY AS r(name, n)""")
    repository = await open_postgres(database_url)
    rooms = await repository.rooms.listed_rooms(after="", contains="", limit=9)
    assert [(each.room_id, each.name) for each in rooms] == [(1, "Tea Room"), (2, "b  c"), (3, "b c"), (4, "x y")]
    assert await repository.rooms.listed_rooms(after="", contains="TEA ROOM", limit=9) == rooms[:1]
    assert await repository.rooms.listed_rooms(after="", contains="a ❤", limit=9) == rooms
    await repository.close()


async def test_mentions_follow_manual_changes_of_messages(connection: AnyConnection) -> None:
    """Also by hand: after an operator deletes messages, no mention of them is counted."""
    await migrate(connection)
    mentions = b"SELECT name, seq FROM mentions ORDER BY name, seq"
    steps = [
        (
            b"INSERT INTO messages (room_id, seq, version, created_at, sender_id, sender, content, words, mentions)"
            b" VALUES (1, 1, 1, now(), 'u1', 'ann', '', '{}', '{bob,ann,bob}'),"
            b" (1, 2, 2, now(), 'u1', 'ann', '', '{}', NULL)",
            [("ann", 1), ("bob", 1)],
        ),
        (b"UPDATE messages SET mentions = '{ann,cy}'", [("ann", 1), ("ann", 2), ("cy", 1), ("cy", 2)]),
        (b"UPDATE messages SET deleted_at = now() WHERE seq = 1", [("ann", 2), ("cy", 2)]),
        (b"UPDATE messages SET mentions = '{ann,bob}'", [("ann", 2), ("bob", 2)]),
        (b"UPDATE messages SET deleted_at = NULL", [("ann", 1), ("ann", 2), ("bob", 1), ("bob", 2)]),
        (b"DELETE FROM messages WHERE seq = 2", [("ann", 1), ("bob", 1)]),
        (b"UPDATE messages SET mentions = NULL", []),
        (b"DELETE FROM messages", []),
    ]
    for statement, expected in steps:
        await connection.execute(statement)
        assert await (await connection.execute(mentions)).fetchall() == expected, statement


def statements() -> list[tuple[str, bytes]]:
    """Return every SQL text of storage.postgres by name."""
    modules = (sql, sql_pages, sql_rooms, sql_expiry, sql_lease)
    texts = [(name, text) for module in modules for name, text in vars(module).items() if isinstance(text, bytes)]
    return texts + [(f"HISTORY {kind}", text) for kind, text in sql_pages.HISTORY.items()]


async def test_every_statement_fits_the_schema(connection: AnyConnection) -> None:
    """Postgres parses each against the tables: no column is misspelt, and every type can be inferred."""
    await migrate(connection)
    assert len(statements()) > 60
    for number, (name, text) in enumerate(statements()):
        plain = text
        for position, parameter in enumerate(sorted(set(re.findall(rb"%\([a-z_0-9]+\)s", text))), start=1):
            plain = plain.replace(parameter, f"${position}".encode())
        try:
            await connection.execute(b"PREPARE s%d AS %b" % (number, plain))
        except psycopg.Error as error:
            error.add_note(name)
            raise


async def test_concurrent_servers_apply_each_migration_once(database_url: str, tmp_path: Path) -> None:
    """While one of them migrates, all others have to wait."""
    migrations = write(
        tmp_path,
        _0001_one="CREATE TABLE one (x int)",
        _0002_two="CREATE TABLE two (x int); INSERT INTO one VALUES (1)",
        _0003_three="SELECT pg_advisory_xact_lock(7); INSERT INTO one VALUES (2)",
    )
    turned_away: set[int] = set()

    async def run(number: int) -> list[str]:
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
            while True:
                try:
                    return await migrate(connection, migrations)
                except MigrationsBusyError:
                    turned_away.add(number)
                    await asyncio.sleep(0)  # again at once, to interfere as much as possible

    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as gate:
        await gate.execute("SELECT pg_advisory_lock(7)")
        running = asyncio.gather(*(run(number) for number in range(5)))
        await until(lambda: len(turned_away) == 4)
    applied = await running
    assert sorted(map(len, applied)) == [0, 0, 0, 0, 3]
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        assert await (await connection.execute("SELECT x FROM one ORDER BY x")).fetchall() == [(1,), (2,)]
        rows = await (await connection.execute(sql_lease.APPLIED)).fetchall()
    assert [(row[0], row[1]) for row in rows] == [(1, "one"), (2, "two"), (3, "three")]


async def test_a_failing_file_leaves_nothing_behind(connection: AnyConnection, tmp_path: Path) -> None:
    migrations = write(tmp_path, _0001_one="CREATE TABLE one (x int)", _0002_bad="CREATE TABLE two (x int); SELECT 1/0")
    with pytest.raises(psycopg.errors.DivisionByZero) as raised:
        await migrate(connection, migrations)
    assert raised.value.__notes__ == ["in migration 0002_bad.sql"]
    mended = write(tmp_path, _0002_bad="CREATE TABLE two (x int)")
    assert await migrate(connection, mended) == ["0002_bad.sql"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"_0001_one": "", "_0003_three": ""}, "0003_three.sql comes after a gap: there is no 0002"),
        ({"_0002_two": ""}, "0002_two.sql comes after a gap: there is no 0001"),
        ({"_0001_one": "", "_0001_other": ""}, "0001_other.sql has the same number as 0001_one.sql"),
        ({"_0000_zero": "", "_0001_one": ""}, "0000_zero.sql"),
        ({"_1_one": ""}, "1_one.sql is not named NNNN_name.sql"),
        ({"_0001_One": ""}, "0001_One.sql is not named NNNN_name.sql"),
    ],
)
def test_invalid_files_are_refused_by_name(tmp_path: Path, files: dict[str, str], words: str) -> None:
    with pytest.raises(MigrationError, match=words):
        write(tmp_path, **files)


async def test_a_database_that_does_not_match_is_refused_by_name(connection: AnyConnection, tmp_path: Path) -> None:
    migrations = write(tmp_path, _0001_one="CREATE TABLE one (x int)", _0002_two="CREATE TABLE two (x int)")
    await migrate(connection, migrations)
    with pytest.raises(
        MigrationError, match=r"has migration 0002_two\.sql, which this version does not know: a newer Parley"
    ):
        await pending(connection, migrations[:1])
    await connection.execute("UPDATE schema_migrations SET additive = true WHERE version = 2")
    assert await pending(connection, migrations[:1]) == []
    edited = write(tmp_path, _0001_one="CREATE TABLE one (x int, y int)")
    with pytest.raises(MigrationError, match=r"0001_one\.sql was edited after it was applied"):
        await pending(connection, edited)
    renamed = [migrations[0], migrations[1]._replace(name="zwei")]
    with pytest.raises(MigrationError, match=r"0002_zwei\.sql was applied under the name 0002_two\.sql"):
        await pending(connection, renamed)
    await connection.execute("DELETE FROM schema_migrations WHERE version = 1")
    with pytest.raises(MigrationError, match=r"has migration 0002_two\.sql, but not number 0001"):
        await pending(connection, migrations)


def test_line_ends_do_not_count_as_an_edit(tmp_path: Path) -> None:
    (one,) = write(tmp_path, _0001_one="SELECT 1;\nSELECT 2;\n")
    (tmp_path / "0001_one.sql").write_bytes(b"SELECT 1;\r\nSELECT 2;\r\n")
    assert load_migrations(tmp_path) == [one]


async def test_a_refused_migration_is_reported_until_it_is_fixed(database_url: str, connection: AnyConnection) -> None:
    """It does not stop the process, is reported, and does not keep a matching server from writing."""
    await migrate(connection)
    await connection.execute(sql_lease.RECORD_MIGRATION, {**FUTURE, "additive": False})
    repository = PostgresStorage(database_url, pace=PACE)
    await repository.start()
    await until(lambda: "0099_future.sql, which this version does not know" in str(repository.problem()))
    assert repository.lease.tenure is None
    locks = b"SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
    assert await (await connection.execute(locks)).fetchall() == []
    await connection.execute("DELETE FROM schema_migrations WHERE version = 99")
    await ready(repository)
    await repository.close()


async def test_a_standby_does_not_change_the_schema(
    database_url: str, connection: AnyConnection, tmp_path: Path
) -> None:
    """A newer server waits for its turn before it changes the tables under an older one that writes."""
    old = await open_postgres(database_url)
    newer = write(
        tmp_path,
        **{f"_{each.file.removesuffix('.sql')}": (FOLDER / each.file).read_text("utf-8") for each in load_migrations()},
    )
    newer = write(tmp_path, **{f"_{len(newer) + 1:04d}_next": "CREATE TABLE next (x int)"})

    async def nothing() -> None:
        return None

    lease = Lease(
        old.connect,
        LeaseEvents(),
        on_lost=lambda: None,
        on_connected=nothing,
        pace=PACE,
        migrations=lambda: newer,
    )
    running = asyncio.ensure_future(lease.run())
    await until(lambda: "another server" in str(lease.problem))
    assert await (await connection.execute("SELECT to_regclass('next')")).fetchall() == [(None,)]
    await old.close()
    await until(lambda: lease.tenure is not None)
    assert await (await connection.execute("SELECT to_regclass('next')")).fetchall() == [("next",)]
    running.cancel()
    await asyncio.wait({running})


# --- databases of other programs -------------------------------------------------------------------------------------

FOREIGN = {
    "schema_migrations": b"CREATE TABLE schema_migrations (version varchar PRIMARY KEY)",
    "rooms": b"CREATE TABLE rooms (id serial PRIMARY KEY, number text)",
    "messages": b"CREATE TABLE messages (id serial PRIMARY KEY)",
    "members": b"CREATE VIEW members AS SELECT 1 AS id",
}


@pytest.mark.parametrize("table", FOREIGN)
async def test_a_database_of_another_program_is_refused_and_left_alone(
    connection: AnyConnection, database_url: str, table: str
) -> None:
    """The error names the table and a solution that works: a separate schema."""
    await connection.execute(FOREIGN[table])
    before = await schema(connection)
    with pytest.raises(
        MigrationError, match=f"the table {table} belongs to another program: give Parley its own schema"
    ):
        await pending(connection, load_migrations())
    repository = PostgresStorage(database_url, pace=PACE)
    await repository.start()
    await until(lambda: f"the table {table} belongs to another program" in str(repository.problem()))
    assert await schema(connection) == before
    await repository.close()
    own = PostgresStorage(f"{database_url}?options=-csearch_path%3Dparley", pace=PACE)
    await own.start()
    await until(lambda: "names no existing schema" in str(own.problem()))
    await connection.execute(b"CREATE SCHEMA parley")
    await ready(own)
    assert await own.rooms.find_room("general") is None
    assert await schema(connection) == before
    await own.close()


async def test_matching_columns_alone_are_not_a_parley_database(connection: AnyConnection) -> None:
    await connection.execute(b"CREATE TABLE schema_migrations (version varchar, name text, checksum text)")
    with pytest.raises(MigrationError, match="belongs to another program"):
        await migrate(connection)
