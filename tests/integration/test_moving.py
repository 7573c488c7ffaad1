"""`parley export` and `parley import`: a server in memory, with talk of every kind, moves into PostgreSQL."""

import asyncio
import json
import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Any

import psycopg
import pytest
from psycopg import sql

from model.room import RoomRecord
from server.cli import main
from server.settings.table import SETTINGS
from server.transfer.archive import FORMAT, VERSION, ArchiveReader, ArchiveWriter, Header
from storage.factory import export_storage, import_storage
from storage.ports.transfer import (
    KINDS,
    Audit,
    Record,
    Room,
    Secret,
    StoredLogin,
    StoredMessage,
    in_batches,
    kind_of,
)
from storage.postgres.sql.transfer import TABLES
from tests.support.accounts import SignedIn, visitor
from tests.support.client import Client
from tests.support.process import ROOT, bound, inherited_environment, poll_until
from tests.support.server import ServerProcess
from tests.support.serving import started, wait_ready
from tests.support.slack import pack, workspace
from tests.support.web import SECRET, Web, path
from tests.unit.server.test_archive import AT, RECORDS

pytestmark = pytest.mark.one_server("a server in memory is alone")
TOKEN = secrets.token_urlsafe(32)
PASSWORD = "correct horse battery"
# What clients ask for, as each of the users below.
ASKED = (
    "/api/rooms?limit=500",
    "/api/rooms?mine=true",
    f"{path('plans')}/messages?limit=500",
    f"{path('plans')}/messages?pinned=true",
    f"{path('plans')}/messages?include_deleted=true",
    f"{path('plans')}/members",
    f"{path('plans')}/members?banned=true",
    f"{path('cellar')}/messages",
    f"{path('cellar')}/members",
    f"{path('cellar')}/members?invited=true",
    "/search?q=tree",
    "/api/me",
    "/api/me/blocks",
    "/api/links",
    "/api/reports",
    "/api/keys",
    "/api/audit?limit=1000",
)


def parley(*arguments: str, folder: Path, **settings: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a command as a process."""
    return subprocess.run(
        [sys.executable, ROOT / "main.py", *arguments],
        env={**inherited_environment(), "PYTHONWARNINGS": "error", **settings},
        cwd=folder,
        capture_output=True,
        timeout=60,
        check=False,
    )


Run = Callable[..., Awaitable[str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process, with these settings alone, in an empty folder; returns its standard error."""
    monkeypatch.chdir(tmp_path)
    for setting in SETTINGS:
        monkeypatch.delenv(setting.name, raising=False)

    async def run(*arguments: str, status: int = 0, **settings: str) -> str:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(name, value)
            ended = await asyncio.to_thread(main, arguments)
        said = capsys.readouterr().err
        assert ended == status, said
        return said

    return run


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def records(file: Path) -> list[Record]:
    with file.open("rb") as opened:
        return [record for record, _ in ArchiveReader(opened)]


async def talk(port: int, people: Mapping[str, Web]) -> str:
    """Let people do something of every kind; return the token of a guest."""
    ann, bob, carol = people["ann"], people["bob"], people["carol"]
    await ann.create("plans", title="The Plans", topic="of *trees*")
    await ann.create("cellar", private=True, password="wine-wine")
    await ann.create("gone")
    await ann.say("gone", "a tree that was cut down")
    assert (await ann.delete(path("gone"))).status in (200, 204)
    await bob.create("gone")
    url = f"ws://127.0.0.1:{port}"
    async with (
        Client(url, room="plans", token=ann.token) as a,
        Client(url, room="plans", token=bob.token) as b,
        Client(url, room="plans", token=carol.token) as c,
        Client(url, room="plans", token=Web(port, "mallory").token),
        Client(url, "gus", "plans") as g,
    ):
        first = await ann.say("plans", "a tree, @bob and @[carol], by \u65e5\u672c\u8a9e \U0001f332", id="m1")
        second = await bob.say("plans", "an answer", reply_to=first)
        third = await carol.say("plans", "a typpo")
        fourth = await bob.say("plans", "deleted tree")
        await g.say("from a guest", id="g1", room="plans")
        await g.all_acked("g1")
        ids = iter(range(1000))

        async def does(who: Client, kind: str, **fields: Any) -> None:
            own = f"c{next(ids)}"
            await who.send(kind, id=own, **fields)
            await who.holds(lambda: own in who.acked() or any(frame.get("id") == own for frame in who.frames), kind)
            assert not who.of("error"), who.of("error")

        await does(c, "edit", room="plans", seq=third, content="a type")
        await does(b, "delete", room="plans", seq=fourth)
        await does(b, "react", room="plans", seq=first, emoji="\U0001f44d")
        await does(c, "react", room="plans", seq=first, emoji="\U0001f44d")
        await does(a, "pin", room="plans", seq=second)
        await b.send("read", room="plans", seq=second)
        await b.holds(lambda: bool(b.of("read")), "read")
        guest = g.of("welcome")[-1]["user"]["id"]
        await does(a, "mute", room="plans", user=guest, seconds=3600, reason="loud")
        await does(a, "set_role", room="plans", user=carol.id, role="moderator")
        await does(a, "ban", room="plans", user="u_mallory", reason="spam")
        await does(a, "update_room", room="plans", slow_mode=30, retention_days=90)
        await does(a, "join", room="cellar")
        await does(a, "invite", room="cellar", user=bob.id)
        await does(a, "direct", user=bob.id)
        direct = a.of("joined")[-1]["room"]
        await a.say("in secret", id="d1", room=direct)
        await a.all_acked("d1")
        await ann.say("cellar", "bottles under the tree")
        assert (await carol.put(f"/api/me/blocks/{guest}")).status in (200, 204)
        reported = await bob.post(f"{path('plans')}/messages/{third}/reports", {"reason": "spelling"})
        assert reported.status in (200, 201, 204), reported
        assert (await ann.post("/api/links", {"room": "cellar", "uses": 3, "seconds": 3600})).status in (200, 201)
        made = await people["root"].post("/api/keys", {"name": "news", "scope": "read", "days": 9})
        assert made.status == 201, made
        return g.token


async def answers(people: Mapping[str, Web]) -> dict[tuple[str, str], Any]:
    """Return what each of them is answered."""
    found = {}
    for name, web in people.items():
        for target in ASKED:
            reply = await web.get(target)
            body: Any = reply.body
            if reply.status == 200 and "audit" in target:  # what was done between the two is not compared
                entries = map(json.loads, reply.body.splitlines())
                body = [{**one, "number": 0} for one in entries if one["action"] not in ("export", "import")]
            found[name, target] = (reply.status, body)
    return found


async def test_a_server_in_memory_moves_into_a_database(
    start_server: Callable[[Mapping[str, str]], ServerProcess], run: Run, empty_database_url: str, tmp_path: Path
) -> None:
    server = start_server({"JWT_SECRET": SECRET})
    reply = await visitor(server.port).post("/api/register", {"username": "carol", "password": PASSWORD})
    carol = SignedIn(server.port, reply.json(), visitor(server.port))
    tokens = {
        name: Web(server.port, name, role).token for name, role in (("ann", "user"), ("bob", "user"), ("root", "admin"))
    }
    tokens["carol"] = carol.token

    def people(port: int) -> dict[str, Web]:
        found = {name: Web(port, token=token) for name, token in tokens.items()}
        for name, web in found.items():
            web.id = carol.id if name == "carol" else f"u_{name}"
        return found

    tokens["guest"] = await talk(server.port, people(server.port))

    # The operator turns the export on while the server runs.
    file = tmp_path / "all.jsonl.gz"
    of_server = {"PORT": str(server.port)}
    assert "write a random EXPORT_TOKEN into its .env" in await run("export", file.name, status=1, **of_server)
    of_server["EXPORT_TOKEN"] = TOKEN
    assert "403 EXPORT_TOKEN is not set" in await run("export", file.name, status=1, **of_server)
    assert names_in(tmp_path) == []
    (server.folder / ".env").write_text(f"EXPORT_TOKEN={TOKEN}\n")
    os.kill(server.pid, signal.SIGHUP)
    await asyncio.to_thread(server.wait_for_log, "settings were reloaded; changed: EXPORT_TOKEN")
    for wrong in (tokens["root"], TOKEN[:-1] + "!"):  # no role is enough
        assert (await Web(server.port, token=wrong).get("/api/export")).status == 401

    before = await answers(people(server.port))
    done = await asyncio.to_thread(parley, "export", str(file), folder=tmp_path, **of_server)
    assert done.returncode == 0, done
    assert re.search(rb"^exported the secret of the servers, 1 account, .*rooms, .*messages", done.stderr, re.MULTILINE)
    assert (file.stat().st_mode & 0o777, names_in(tmp_path)) == (0o600, [file.name])
    assert {kind_of(one) for one in records(file)} >= {*map(kind_of, KINDS)} - {"alias", "sanction", "work", "user"}
    assert "exists already" in await run("export", file.name, status=1, **of_server)
    server.terminate()
    await asyncio.to_thread(server.wait)

    of_database = {"DATABASE_URL": empty_database_url}
    dry = await run("import", file.name, "--dry-run", **of_database)
    assert "would import the secret of the servers, 1 account, " in dry
    assert await run("import", file.name, **of_database) == dry.replace("would import", "imported")
    not_empty = "the database is not empty: there are rows in accounts, api_keys, audit, "
    assert not_empty in await run("import", file.name, status=1, **of_database)

    moved = start_server({"JWT_SECRET": SECRET, **of_database})
    await asyncio.to_thread(wait_ready, moved)
    after = await answers(people(moved.port))
    for asked, was in before.items():
        assert after[asked] == was, asked
    assert len([1 for status, _ in before.values() if status == 200]) > 40
    login = await visitor(moved.port).post("/api/login", {"username": "carol", "password": PASSWORD})
    assert login.status == 200, login
    signed = SignedIn(moved.port, reply.json(), visitor(moved.port))
    await signed.refresh()  # her session goes on
    async with Client(moved.ws_url, token=tokens["guest"]) as guest:
        await guest.send("message", id="x", room="plans", content="still muted?")
        await guest.until(lambda frame: frame["type"] == "error" and frame["code"] in ("muted", "not_joined"), "error")
    async with Client(moved.ws_url, room="plans", token=tokens["ann"]) as ann:
        await ann.say("the same id", id="m1", room="plans")  # is still known
        await ann.until(lambda frame: frame["type"] == "error" and frame["code"] == "conflict", "conflict")

    # What is exported from the database, next to the server, is the same again.
    second = tmp_path / "second"
    await run("export", second.name, **of_database)
    old, new = ({repr(one) for one in records(each) if not isinstance(one, Audit)} for each in (file, second))
    assert len(old - new) <= 3, old - new  # the session that was refreshed; who was there again


@pytest.mark.parametrize(
    ("head", "body", "said"),
    [
        ("200 OK", "whole", "exported 1 room, 50 messages"),
        ("200 OK", "cut off", "the server broke the export off; its log says why"),
        ("200 OK", "truncated", "the export is truncated: "),
        ("401 Unauthorized", b'{"error":{"message":"wrong \\u001b[2J"}}', r"refused the export: 401 wrong \x1b[2J"),
        ("404 Not Found", b"404: Not Found", "the server refused the export: 404 404: Not Found"),
    ],
)
async def test_an_export_that_breaks_off_leaves_no_file(
    run: Run, tmp_path: Path, head: str, body: str | bytes, said: str
) -> None:
    whole = many_messages(tmp_path / "whole", 50)
    sent = {"whole": whole, "cut off": whole[:1000], "truncated": whole[:1000]}.get(str(body), body)
    assert isinstance(sent, bytes)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        assert f"Authorization: Bearer {TOKEN}".encode() in request
        end = b"" if body == "cut off" else b"0\r\n\r\n"
        writer.write(f"HTTP/1.1 {head}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        writer.write(b"%x\r\n%b\r\n%b" % (len(sent), sent, end))
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        settings = {"PORT": str(server.sockets[0].getsockname()[1]), "EXPORT_TOKEN": TOKEN}
        assert said in await run("export", "all", status=int(body != "whole"), **settings)
    assert names_in(tmp_path) == (["all", "whole"] if body == "whole" else ["whole"])


# --- all or nothing --------------------------------------------------------------------------------------------------


def rows_in(url: str) -> int:
    """Count the rows of all tables that an import fills."""
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        names = {name for (name,) in found} - {"schema_migrations", "lease", "server_secret"}
        count = sql.SQL("SELECT count(*) FROM {}").format
        counts = [connection.execute(count(sql.Identifier(name))).fetchone() for name in names]
    return sum(count for (count,) in filter(None, counts))


def many_messages(file: Path, count: int) -> bytes:
    """Write an export of many messages, and return it."""
    writer = ArchiveWriter(Header(FORMAT, VERSION, "0.2.0", AT, "memory", sessions=False))
    room = Room(RoomRecord(7, "plans", AT, "public"))
    messages = [
        StoredMessage(7, n, n, "ann", "u_ann", f"{n} {token_hex(40)}", AT, f"m{n}") for n in range(1, count + 1)
    ]
    data = writer.write([room, *messages]) + writer.end()
    file.write_bytes(data)
    return data


async def test_every_record_survives_a_database(empty_database_url: str) -> None:
    await import_storage(empty_database_url, in_batches((one, 1) for one in RECORDS))
    exported = [one async for batch in export_storage(empty_database_url, sessions=True) for one in batch]
    assert exported == list(RECORDS)
    with psycopg.connect(empty_database_url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    # A new table is exported, or not on purpose.
    left_out = {"lease", "schema_migrations", "tickets", "guesses"}
    with_others = {"server_secret", "logins", "recovery_codes", "mentions"}
    assert {name for (name,) in tables} == {*TABLES, *with_others, *left_out}
    without = [one async for batch in export_storage(empty_database_url, sessions=False) for one in batch]
    assert without == [one for one in RECORDS if not isinstance(one, (Secret, StoredLogin))]


async def test_an_import_that_fails_stores_nothing(database_url: str, tmp_path: Path, run: Run) -> None:
    file = tmp_path / "all.jsonl.gz"
    whole = many_messages(file, 3000)

    async def fails(*arguments: str) -> str:
        said = await run("import", *arguments, status=1, DATABASE_URL=database_url)
        assert rows_in(database_url) == 0
        return said

    assert "cannot read none: No such file or directory" in await fails("none")
    for data, said in (
        (whole[: len(whole) // 2], "the export is truncated: it ends in line "),
        (whole[:-8] + bytes(8), "the export is damaged at its end: "),
        (b"PK", "this is not an export of Parley: "),
    ):
        file.write_bytes(data)
        assert said in await fails(str(file))
        assert said in await fails(str(file), "--dry-run")
    twice = ArchiveWriter(Header(FORMAT, VERSION))
    message = StoredMessage(7, 1, 1, "ann", "u_ann", "hello", AT)
    file.write_bytes(twice.write([Room(RoomRecord(7, "plans", AT)), message, message]) + twice.end())
    assert "the database refuses a record: duplicate key value violates " in await fails(str(file))

    server = await started({"DATABASE_URL": database_url})
    file.write_bytes(whole)
    try:
        assert "a server writes to the database; stop it first: parley at " in await fails(str(file))
    finally:
        await server.stop()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO reports SELECT 'p_1', 7, '', 1, '', '', '', '', '', '', '', 0, '', '', '', 0")
        connection.execute("DELETE FROM schema_migrations WHERE version = (SELECT max(version) FROM schema_migrations)")
        applied = connection.execute("SELECT count(*) FROM schema_migrations").fetchone()
        said = await run("import", str(file), status=1, DATABASE_URL=database_url)
        assert "the database is not empty: there are rows in reports. " in said
        # The tables of an installation of an earlier version are left as they are.
        assert connection.execute("SELECT count(*) FROM schema_migrations").fetchone() == applied
    assert "DATABASE_URL is not set: an import needs a database" in await run("import", str(file), status=1)
    assert "would import 1 room, 3,000 messages\n" in await run("import", str(file), "--dry-run")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_an_import_that_is_interrupted_stores_nothing(
    database_url: str, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    """In the middle of a transaction, with thousands of messages in it."""
    whole = many_messages(tmp_path / "all.jsonl.gz", 20_000)
    command = bound([sys.executable, ROOT / "main.py", "import", "-"])
    env = {**inherited_environment(), "DATABASE_URL": database_url}
    with subprocess.Popen(command, env=env, cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(whole[: len(whole) // 2])
        process.stdin.flush()
        with psycopg.connect(database_url, autocommit=True) as connection:
            # It has written what it has read, and waits for more in the open transaction.
            open_ones = b"SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname ="
            inside = (
                b" current_database() AND application_name = 'parley import' AND query LIKE 'INSERT INTO \"messages%%'"
            )
            poll_until(lambda: connection.execute(open_ones + inside).fetchone() == (1,), what="messages are inserted")
        process.send_signal(number)
        assert process.wait(60) == status
        said = process.stderr.read()
    assert b"Traceback" not in said
    assert (b"interrupted: nothing was imported" in said) == (number == signal.SIGINT)
    poll_until(lambda: rows_in(database_url) == 0, what="the transaction is rolled back")
    done = parley("import", "all.jsonl.gz", folder=tmp_path, DATABASE_URL=database_url)
    assert (done.returncode, rows_in(database_url)) == (0, 20_002)  # the room, and an entry of the audit log


# --- from Slack ------------------------------------------------------------------------------------------------------


async def test_a_workspace_of_slack_becomes_rooms_that_its_users_find(
    empty_database_url: str, tmp_path: Path, run: Run
) -> None:
    pack(tmp_path / "slack.zip", workspace())
    (tmp_path / "ids.csv").write_text("ann@example.com,ann\nU0BOB,bob\n")
    asked = partial(run, "import", "--slack", "slack.zip", "--users", "ids.csv", DATABASE_URL=empty_database_url)
    dry = await asked("--dry-run")
    assert "would import 2 added users, 6 rooms, 11 members, 12 messages\n" in dry
    assert "users: 6, of whom --users names 2\n" in dry
    assert "not as it was in Slack: messages of the kind channel_join: 1\n" in dry
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("SELECT 1 FROM pg_tables WHERE tablename = 'rooms'").fetchall() == []
    assert await asked() == dry.replace("would import", "imported")
    assert "the database is not empty: there are rows in members, messages, rooms. " in await asked(status=1)
    pack(tmp_path / "slack.zip", {**workspace(), "../x.json": []})
    assert "the archive is not safe: it has a file with the path ../x.json" in await asked(status=1)

    server = await started({"DATABASE_URL": empty_database_url, "JWT_SECRET": SECRET})
    try:
        ann, bob, eve = (Web(server.port, name) for name in ("ann", "bob", "eve"))
        messages = (await ann.json(f"{path('general')}/messages"))["messages"]
        assert [one["content"] for one in messages][1:3] == ["an answer", "fixed"]
        assert (messages[1]["reply_to"]["sender"], messages[0]["mentions"]) == ("Ann Lee", ["bob"])
        assert {one["room"] for one in (await bob.json("/api/rooms?mine=true"))["rooms"]} >= {"general", "secret", "D2"}
        assert (await eve.get(f"{path('secret')}/messages")).status == 404
        assert await Web(server.port).json("/history?r=general") == []  # a guest reads nothing
        found = await bob.json("/search?q=just+us")
        assert [one["content"] for one in found["messages"]] == ["just us"]
        async with Client(f"ws://127.0.0.1:{server.port}", token=ann.token) as client:
            await client.send("direct", id="1", user="u_bob")
            joined = await client.expect("joined")
            assert joined["room"] == found["messages"][0]["room"]  # the room of the two is that of Slack
            await client.say("still us", id="2", room=joined["room"])
            await client.all_acked("2")
    finally:
        assert await server.stop() == 0
