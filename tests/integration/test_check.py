"""`parley check` and `parley health`, with real databases, NATS and mail servers, next to running servers."""

import asyncio
import contextlib
import io
import json
import re
import secrets
import socket
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import AsyncIterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import time_machine
from psycopg import sql

from server import app
from server.app import Server
from server.cli import main
from server.commands import probes
from server.commands.check import run_check
from server.settings.values import Settings
from storage.postgres.connection.migrate import load_migrations, migrate
from tests.contract.records import until
from tests.support.mail import MailServer
from tests.support.nats import NatsServer
from tests.support.pgbouncer import PgBouncer, PoolMode
from tests.support.postgres import DatabaseServer
from tests.support.process import ROOT, free_port, inherited_environment
from tests.support.serving import started

pytestmark = pytest.mark.one_server("it asks before there is a server")

READY = "a server would be ready"
NOT_READY = "a server would start, but not accept messages until this is corrected"


class Found:
    """What a check has printed."""

    def __init__(self, status: int, printed: str) -> None:
        self.status = status
        self.printed = printed
        self.lines = [json.loads(line) for line in printed.splitlines()]

    def about(self, part: str, *results: str) -> list[str]:
        """Return the sentences about one part, by default all of them."""
        return [
            line["text"] for line in self.lines if line["part"] == part and (not results or line["result"] in results)
        ]

    @property
    def result(self) -> tuple[int, str]:
        """The exit status, and the last sentence."""
        return self.status, self.lines[-1]["text"]


async def check(**settings: str) -> Found:
    """Check settings, on a free port unless they have one. In a thread: the command runs an event loop of its own."""
    given = Settings({"PORT": str(free_port()), "GUESTS": "on", **settings})
    printed = io.StringIO()

    def run() -> int:
        with redirect_stdout(printed):
            return run_check(given, Namespace(offline=False, json=True))

    return Found(await asyncio.to_thread(run), printed.getvalue())


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "MORE_SECONDS", 0.2)
    monkeypatch.setattr(probes, "ASK_SECONDS", 0.2)


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as opened:
        yield opened


def as_user(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{parts.netloc.rpartition('@')[2]}"))


# --- the database ----------------------------------------------------------------------------------------------------


async def test_without_a_database_messages_are_in_memory() -> None:
    found = await check()
    assert found.result == (0, READY)
    assert found.about("database") == ["none: messages are kept in memory until the server stops"]
    assert found.about("program")[0].startswith("parley ")
    assert (await check(PORT="0")).about("listen") == ["HOST 127.0.0.1, PORT 0 picks a free port"]


async def test_an_empty_database_is_left_empty(empty_database_url: str) -> None:
    found = await check(DATABASE_URL=empty_database_url)
    assert found.result == (0, READY)
    about = found.about("database", "ok")
    assert about[0].startswith("PostgreSQL ")
    assert urlsplit(empty_database_url).path in about[0]
    assert about[1:] == [
        "the database is empty: the server would create its tables",
        "no server writes to the database: this one would",
    ]
    async with await psycopg.AsyncConnection.connect(empty_database_url) as connection:
        tables = await connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert await tables.fetchone() == (0,)


async def test_settings_of_postgres_that_lose_messages_are_reported(
    database_url: str, connection: psycopg.AsyncConnection[Any]
) -> None:
    name = urlsplit(database_url).path.lstrip("/")
    change = sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(sql.Identifier(name))
    await connection.execute(change)
    found = await check(DATABASE_URL=database_url)
    assert found.result == (0, READY)
    said = "synchronous_commit is off: messages that were acknowledged may be lost if PostgreSQL crashes"
    assert said in found.about("database", "warning")


async def test_pending_migrations_are_named(empty_database_url: str) -> None:
    *earlier, last = load_migrations()
    async with await psycopg.AsyncConnection.connect(empty_database_url, autocommit=True) as connection:
        await migrate(connection, earlier)
    found = await check(DATABASE_URL=empty_database_url)
    assert found.result == (0, READY)
    said = f"the server would apply {last.file}: back up first, as older versions refuse the database then"
    assert said in found.about("database", "warning")


async def test_a_database_of_a_newer_version_is_refused(
    database_url: str, connection: psycopg.AsyncConnection[Any]
) -> None:
    await connection.execute("INSERT INTO schema_migrations VALUES (9999, 'future', '', now())")
    found = await check(DATABASE_URL=database_url)
    assert found.result == (1, NOT_READY)
    assert "a newer Parley applied it" in found.about("database", "error")[0]
    await connection.execute(
        "UPDATE schema_migrations SET version = version - 9999 + %s, additive = true WHERE version = 9999",
        (len(load_migrations()) + 1,),
    )
    found = await check(DATABASE_URL=database_url)
    assert found.result == (0, READY)
    said = "a newer version has changed the tables, in a way that this one can use"
    assert said in found.about("database", "ok")


async def test_a_database_that_is_away_is_named_without_its_password() -> None:
    found = await check(DATABASE_URL=f"postgresql://ann:hush-hush@127.0.0.1:{free_port()}/chat")
    assert found.result == (1, NOT_READY)
    assert "Connection refused" in found.about("database", "error")[0]
    assert "hush-hush" not in found.printed


async def test_missing_privileges_are_reported(
    postgres: DatabaseServer, database_url: str, empty_database_url: str
) -> None:
    user, password = f"u{secrets.token_hex(4)}", secrets.token_hex(8)
    name = sql.Identifier(user)
    postgres.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} CONNECTION LIMIT 9").format(name, sql.Literal(password)))
    try:
        found = await check(DATABASE_URL=as_user(empty_database_url, user, password))
        assert found.result == (1, NOT_READY)
        assert found.about("database", "error") == ["this user may not create tables; migrate as one who may"]
        assert "9 connections are free, and a server opens up to 14" in found.about("database", "warning")

        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
            await connection.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}").format(name))
            await connection.execute(sql.SQL("GRANT INSERT, UPDATE, DELETE ON rooms, members TO {}").format(name))
            tables, sequences = (await check(DATABASE_URL=as_user(database_url, user, password))).about(
                "database", "error"
            )
            assert tables.startswith("this user may not read and write these tables: messages, lease, mentions, ")
            assert sequences == "this user may not use these sequences: lease_beat, notice_numbers"
            await connection.execute("DELETE FROM schema_migrations WHERE version > 17")
            said = "\n".join((await check(DATABASE_URL=as_user(database_url, user, password))).about("database"))
            assert re.search(
                r"^migrations change tables of another user, as whom to migrate: accounts, .*, rooms, ",
                said,
                re.MULTILINE,
            )
    finally:
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
            await connection.execute(sql.SQL("DROP OWNED BY {}").format(name))
        postgres.execute(sql.SQL("DROP ROLE {}").format(name))


async def test_a_read_only_database_is_refused(database_url: str) -> None:
    found = await check(DATABASE_URL=f"{database_url}?options=-cdefault_transaction_read_only%3Don")
    assert found.result == (1, NOT_READY)
    assert found.about("database", "error") == [
        "transactions of this user are read-only (default_transaction_read_only)"
    ]


async def test_a_server_that_runs_is_named(database_url: str) -> None:
    server = await started({"DATABASE_URL": database_url})
    try:
        found = await check(DATABASE_URL=database_url, PORT=str(server.port))
        assert found.result == (0, "a server would be ready as soon as the one that runs has stopped")
        (taken,) = found.about("listen", "warning")
        assert taken == f"HOST 127.0.0.1, PORT {server.port} is taken, by a Parley that runs: stop it first"
        assert any(
            text.startswith("parley at ") and text.endswith("this server would wait until that one stops")
            for text in found.about("database", "warning")
        )
        assert server.chat.problem() is None
    finally:
        await server.stop()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_a_pooler_must_be_in_session_mode(database_url: str, mode: PoolMode) -> None:
    pooler = PgBouncer(database_url, mode)
    try:
        await asyncio.to_thread(pooler.start)
        found = await check(DATABASE_URL=pooler.url)
    finally:
        await asyncio.to_thread(pooler.remove)
    if mode == "session":
        assert found.result == (0, READY)
    else:
        assert found.result == (1, NOT_READY)
        assert "set its pool_mode to session" in found.about("database", "error")[0]


@pytest.mark.parametrize(("shift", "side"), [(3600, "ahead of"), (-3600, "behind")])
async def test_a_wrong_clock_is_reported(database_url: str, shift: int, side: str) -> None:
    with time_machine.travel(time.time() + shift):
        found = await check(DATABASE_URL=database_url)
    (said,) = [text for text in found.about("database", "warning") if "clock" in text]
    assert re.fullmatch(rf"the clock of this machine is (3599|360[01]) seconds {side} that of the database", said)


# --- NATS ------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def node(node_settings: dict[str, str]) -> AsyncIterator[Server]:
    server = await started(node_settings | {"NODE_NAME": "first"})
    await until(lambda: (seen := server._storage.servers()) is not None and len(seen.on_bus) == 1)
    yield server
    await server.stop()


async def test_a_node_would_join_the_others(node: Server, node_settings: dict[str, str]) -> None:
    found = await check(**node_settings)
    assert found.result == (0, READY)
    (bus,) = found.about("bus")
    assert bus.startswith("NATS 2.")
    (said,) = [text for text in found.about("database", "ok") if "would join" in text]
    assert said.startswith("1 node lives, 1 of them on the bus: this one would join them; parley first at ")


async def test_a_server_without_nats_would_wait_for_the_nodes(node: Server, database_url: str) -> None:
    found = await check(DATABASE_URL=database_url)
    assert found.result == (1, NOT_READY)
    assert found.about("database", "error")[0].startswith("1 node lives, ")
    assert "no NATS_URL" in found.about("database", "error")[0]


@pytest.mark.parametrize(
    ("configuration", "login", "said"),
    [
        ('authorization { user: "ann", password: "right" }', "ann:wrong-one", "Authorization Violation"),
        (
            'authorization { users: [{ user: ann, password: x, permissions { subscribe: "x" } }] }',
            "ann:x",
            "Permissions",
        ),
        ("max_payload: 8192", "", "carries at most 8192 bytes in one message, and at least 32768 are needed"),
    ],
    ids=["password", "permissions", "payload"],
)
@pytest.mark.slow
async def test_a_nats_that_refuses_is_reported(database_url: str, configuration: str, login: str, said: str) -> None:
    with NatsServer(configuration, login=login) as server:
        found = await check(DATABASE_URL=database_url, NATS_URL=server.url)
    assert found.result == (1, NOT_READY)
    assert said.lower() in found.about("bus", "error")[0].lower()
    assert "wrong-one" not in found.printed


async def test_a_nats_that_is_away_is_reported(database_url: str) -> None:
    found = await check(DATABASE_URL=database_url, NATS_URL=f"nats://ann:hush-hush@127.0.0.1:{free_port()}")
    assert found.result == (1, NOT_READY)
    assert "NATS is out of reach" in found.about("bus", "error")[0]
    assert "hush-hush" not in found.printed


# --- mail and addresses ----------------------------------------------------------------------------------------------


async def test_a_mail_server_is_asked_and_sends_nothing() -> None:
    with MailServer() as server:
        found = await check(**server.settings)
        assert found.result == (0, READY)
        assert found.about("mail", "ok")[0].endswith(" takes mail")
        assert server.letters == []


async def test_a_mail_server_without_the_tls_that_is_asked_for_is_reported() -> None:
    with MailServer() as server:
        settings = server.settings
        url = (
            settings["SMTP_URL"].replace("smtp://", "smtp://ann:hush-hush@").replace("starttls=no", "starttls=required")
        )
        found = await check(**{**settings, "SMTP_URL": url})
    assert found.result == (1, "a server would be ready, but could not send mail")
    assert "STARTTLS" in found.about("mail", "error")[0]
    assert "hush-hush" not in found.printed


async def test_a_mail_server_that_is_away_is_reported() -> None:
    settings = {"MAIL_FROM": "chat@example.org", "PUBLIC_URL": "https://chat.example.org"}
    found = await check(SMTP_URL=f"smtp://ann:hush-hush@127.0.0.1:{free_port()}", **settings)
    assert found.result == (1, "a server would be ready, but could not send mail")
    assert "cannot be used" in found.about("mail", "error")[0]
    assert "hush-hush" not in found.printed


@pytest.mark.parametrize("prefix", ["", "ADMIN_"])
async def test_an_address_that_another_program_has_is_an_error(prefix: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        found = await check(**{f"{prefix}PORT": str(port)})
    assert found.result == (1, "a server would not start")
    (said,) = found.about("listen", "error")
    assert said == f"cannot listen on {prefix}HOST 127.0.0.1, {prefix}PORT {port}: address already in use"


async def test_a_unix_socket_needs_a_folder(tmp_path: Path) -> None:
    port = free_port()
    assert (await check(HOST=f"unix:{tmp_path}/s", PORT=str(port))).about("listen") == [
        f"HOST unix:{tmp_path}/s, PORT {port} is free"
    ]
    (said,) = (await check(HOST=f"unix:{tmp_path}/no/s")).about("listen", "error")
    assert said.endswith("no such folder, or it is not writable")


async def test_an_address_of_another_machine_is_an_error() -> None:
    found = await check(HOST="192.0.2.1")
    assert found.result == (1, "a server would not start")


def test_a_check_is_a_table_for_people(tmp_path: Path) -> None:
    environment = {**inherited_environment(), "PORT": str(free_port()), "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, ROOT / "main.py", "check"],
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["PART", "RESULT", "TEXT"]
    assert lines[-1] == "result    warning  a server would be ready"


# --- health ----------------------------------------------------------------------------------------------------------


async def ask(monkeypatch: pytest.MonkeyPatch, *arguments: str, **settings: str) -> tuple[int, str]:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    printed = io.StringIO()
    with redirect_stdout(printed), contextlib.redirect_stderr(printed):
        status = await asyncio.to_thread(main, ["health", *arguments])
    return status, printed.getvalue().strip()


async def test_health_asks_a_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    server = await started({"HOST": "0.0.0.0", "ADMIN_PORT": "0", "PROXY_PROTOCOL": "on"})
    admin_port = server.admin_port
    try:
        settings = {"PORT": str(server.port), "HOST": "0.0.0.0", "PROXY_PROTOCOL": "on"}
        assert await ask(monkeypatch, **settings) == (0, '{"status": "ok"}')
        assert await ask(monkeypatch, "--ready") == (0, '{"status": "ready"}')
        assert await ask(monkeypatch, ADMIN_PORT=str(admin_port)) == (0, '{"status": "ok"}')
    finally:
        await server.stop()
    status, said = await ask(monkeypatch, "--timeout", "2")
    assert (status, said.partition(":")[0]) == (1, f"no answer from 127.0.0.1, port {admin_port}")


async def test_ready_is_1_while_there_is_no_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(app, "FIRST_SECONDS", 0.1)
    server = await started({"DATABASE_URL": f"postgresql://127.0.0.1:{free_port()}/none"}, patient=False)
    try:
        assert (await ask(monkeypatch, PORT=str(server.port)))[0] == 0
        status, said = await ask(monkeypatch, "--ready")
        assert status == 1
        assert json.loads(said)["status"] == "not ready"
    finally:
        await server.stop()


async def test_health_needs_a_port_that_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    status, said = await ask(monkeypatch, PORT="0")
    assert status == 2
    assert said.endswith("PORT is 0: the server picks a free port, which cannot be known here")


@pytest.mark.parametrize("text", ["0", "-1", "nan", "soon"])
def test_the_wait_for_health_is_a_positive_number(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["health", "--timeout", text])
    assert ended.value.code == 2
    assert "--timeout: must be a number of seconds above 0" in capsys.readouterr().err
