"""`parley migrate`, and a server whose database user may not change tables."""

import asyncio
import re
import secrets
from argparse import Namespace
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from server.commands.migrate import run_migrate
from server.settings.values import Settings
from storage.postgres.connection.migrate import load_migrations
from tests.support.postgres import DatabaseServer
from tests.support.process import ROOT, free_port
from tests.support.rawws import NATIVE, RawClient, command
from tests.support.serving import started

pytestmark = pytest.mark.one_server("migrations are applied to a database, not at a node")
GRANTS = re.findall(r"^ +(ALTER DEFAULT PRIVILEGES .*);$", (ROOT / "docs" / "storage.md").read_text(), re.MULTILINE)
FILES = [migration.file for migration in load_migrations()]


async def run(url: str) -> int:
    """Run the command in a thread: it has an event loop of its own."""
    return await asyncio.to_thread(run_migrate, Settings({"DATABASE_URL": url}), Namespace())


async def test_the_tables_are_made_once(empty_database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run(empty_database_url) == 0
    began, ended = capsys.readouterr().out.splitlines()
    assert began.endswith(f": {', '.join(FILES)}")
    assert ended == "done"
    assert await run(empty_database_url) == 0
    assert (
        capsys.readouterr().out == f"nothing to apply: the tables are those of this version ({len(FILES)} migrations)\n"
    )


async def test_a_server_that_writes_is_not_disturbed(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    server = await started({"DATABASE_URL": database_url})
    try:
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
            await connection.execute("DELETE FROM schema_migrations WHERE version = %s", (len(FILES),))
        assert await run(database_url) == 1
        assert capsys.readouterr().err.startswith("a server writes to the database; stop it first: parley at ")
        assert server.chat.problem() is None
    finally:
        await server.stop()


async def test_without_a_database_there_is_nothing_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert await run("") == 1
    assert capsys.readouterr().err == "DATABASE_URL is not set: there are no tables\n"
    assert await run(f"postgresql://ann:hush-hush@127.0.0.1:{free_port()}/x") == 1
    said = capsys.readouterr().err
    assert "Connection refused" in said
    assert "hush-hush" not in said


async def test_a_server_may_have_a_user_that_may_not_change_tables(
    postgres: DatabaseServer, empty_database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the statements of docs/storage.md."""
    user, password = f"u{secrets.token_hex(4)}", secrets.token_hex(8)
    name = sql.Identifier(user)
    parts = urlsplit(empty_database_url)
    assert len(GRANTS) == 2
    url = urlunsplit(parts._replace(netloc=f"{user}:{password}@{parts.netloc.rpartition('@')[2]}"))
    postgres.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, sql.Literal(password)))
    try:
        async with await psycopg.AsyncConnection.connect(empty_database_url, autocommit=True) as owner:
            for grant in GRANTS:
                await owner.execute(grant.replace("parley_server", f'"{user}"').encode())
            assert await run(url) == 1
            assert capsys.readouterr().err == "this user may not create tables; migrate as one who may\n"
            assert await run(empty_database_url) == 0
            server = await started({"DATABASE_URL": url})
            try:
                async with await RawClient.open(server.port, "/chat?u=ann&r=den", NATIVE) as ann:
                    await ann.expect("joined")
                    ann.send(command(type="message", id="1", room="den", content="hello"))
                    await ann.expect("ack")
            finally:
                assert await server.stop() == 0
            await owner.execute(sql.SQL("DROP OWNED BY {}").format(name))
    finally:
        postgres.execute(sql.SQL("DROP ROLE {}").format(name))
