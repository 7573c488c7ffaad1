"""`main.py user`, `session`, `key`, `block` and `audit`, next to a running server; some as processes."""

import asyncio
import io
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import psutil
import pytest

from model.account import Basis, NewAccount
from model.errors import ACCOUNT_CHANGED, BLOCKED, SIGNED_OUT, SUSPENDED, CloseCode
from model.principals import BOT
from server.accounts.hashing import Hashing
from server.app import Server
from server.cli import main
from server.settings.table import SETTINGS
from storage.ports.accounts import Inserted
from tests.support.accounts import account, login, noted, signed_in
from tests.support.client import Client
from tests.support.process import ROOT, inherited_environment, poll_until
from tests.support.serving import started

pytestmark = pytest.mark.one_server("commands talk to the database alone")
PASSWORD = "correct horse battery"
VERBS = [
    ["user", "create"],
    ["user", "list"],
    ["user", "suspend"],
    ["user", "restore"],
    ["user", "erase"],
    ["user", "reset-password"],
    ["user", "set-role"],
    ["user", "make-admin"],
    ["session", "list"],
    ["session", "end"],
    ["key", "create"],
    ["key", "list"],
    ["key", "revoke"],
    ["block", "add"],
    ["block", "list"],
    ["block", "remove"],
    ["audit"],
]


class Commands:
    """Runs commands on one database, in an empty folder, which is the working directory of this process, too."""

    def __init__(self, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._settings = {"DATABASE_URL": url}
        for setting in SETTINGS:
            monkeypatch.delenv(setting.name, raising=False)
        monkeypatch.setenv("DATABASE_URL", url)
        monkeypatch.chdir(folder)

    async def __call__(self, *arguments: str, given: str = "", status: int = 0) -> str:
        """Run a command with `given` as its standard input, and return what it printed: with another status than 0 to
        standard error.

        In a thread of this process: starting Python takes longer than most commands. One at a time.
        """
        out, error = io.StringIO(), io.StringIO()

        def run() -> object:
            with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(error):
                patch.setattr(sys, "stdin", io.StringIO(given))
                try:
                    return main(arguments)
                except SystemExit as ended:  # of argparse
                    return ended.code

        ended = await asyncio.to_thread(run)
        assert ended == status, (ended, out.getvalue(), error.getvalue())
        return error.getvalue() if status else out.getvalue()

    def command(self, *arguments: str) -> dict[str, Any]:
        """Return what runs a command as a process: arguments of `subprocess.run` and `Popen`."""
        return {
            "args": [sys.executable, str(ROOT / "main.py"), *arguments],
            "env": {**inherited_environment(), "PYTHONWARNINGS": "error", **self._settings},
            "cwd": self.folder,
        }

    async def process(self, *arguments: str, given: str = "", status: int = 0, with_errors: bool = False) -> str:
        """Run a command as a process; see `__call__`. ``with_errors`` adds what it wrote to standard error."""
        options = {**self.command(*arguments), "input": given, "capture_output": True, "text": True, "timeout": 60}
        done = await asyncio.to_thread(lambda: subprocess.run(check=False, **options))
        assert done.returncode == status, done
        assert "Traceback" not in done.stderr, done.stderr
        return f"{done.stdout}{done.stderr}" if with_errors else str(done.stderr if status else done.stdout)

    async def json(self, *arguments: str, given: str = "") -> list[dict[str, Any]]:
        return [json.loads(line) for line in (await self(*arguments, "--json", given=given)).splitlines()]

    async def create(self, username: str, *more: str) -> str:
        """Make an account, and return its id."""
        (made,) = await self.json("user", "create", username, "--password-file", "-", *more, given=f"{PASSWORD}\n")
        return str(made["id"])


@pytest.fixture
async def server(database_url: str) -> AsyncIterator[Server]:
    """A server, which has made the tables."""
    server = await started({"DATABASE_URL": database_url, "REGISTRATION": "open"})
    yield server
    assert await server.stop() == 0


@pytest.fixture
def run(server: Server, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    return Commands(database_url, tmp_path, monkeypatch)


@pytest.mark.parametrize("program", ["main.py", "parley"])
@pytest.mark.parametrize("verb", [*VERBS, ["user"], ["session"], ["key"], ["block"]], ids=" ".join)
def test_help_has_examples(
    verb: list[str], program: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the name of the program as it was called."""
    monkeypatch.setattr(sys, "argv", [f"/usr/bin/{program}"])
    with pytest.raises(SystemExit) as ended:
        main([*verb, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert f"  {program} {' '.join(verb)}" in shown.partition("Examples:")[2]
    assert ("--json" in shown) is (verb in VERBS)


def test_the_help_of_the_program_names_each_noun(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert all(
        f"\n    {noun}" in shown
        for noun in (
            "run",
            "check",
            "health",
            "migrate",
            "settings",
            "token",
            "user",
            "session",
            "key",
            "block",
            "audit",
        )
    )


async def test_an_account_is_made_and_listed(server: Server, run: Commands) -> None:
    (run.folder / "password").write_text(f"{PASSWORD}\n")
    said = await run.process("user", "create", "Ann", "--admin", "--name", "Ann B", "--password-file", "password")
    assert said.startswith("made the account ann (a_")
    found = await server.accounts.storage.accounts.find_by_username("ann")
    assert found is not None
    assert (found.name, found.role, found.email) == ("Ann B", "admin", None)
    hashing = Hashing()
    assert (await hashing.verify(found.password, PASSWORD, "")).matches
    hashing.close()
    bob = await run.create("bob", "--email", "Bob@example.org")
    table = (await run.process("user", "list")).splitlines()
    assert table[0].split() == [
        "USERNAME",
        "ID",
        "NAME",
        "ROLE",
        "EMAIL",
        "CREATED",
        "AT",
        "SUSPENDED",
        "SUSPENDED",
        "UNTIL",
    ]
    assert table[1].split()[:2] == ["ann", found.account_id]
    assert table[2].index(bob) == table[1].index(found.account_id)
    assert [one["username"] for one in await run.json("user", "list", "--contains", "bo")] == ["bob"]


async def test_hashes_of_other_servers_are_taken_over(server: Server, run: Commands) -> None:
    of_bcrypt = "$2b$04$ZxJ2uBxGfRz0oAO2zPrmLeh1fjkGBuQwAbYGYgVtkYlK6YzKvJp1q"
    await run("user", "create", "eve", "--password-hash", of_bcrypt)
    found = await server.accounts.storage.accounts.find_by_username("eve")
    assert found is not None
    assert found.password == of_bcrypt
    too_costly = of_bcrypt.replace("$04$", "$15$")
    for wrong in (too_costly, "md5"):
        assert "--password-hash" in await run("user", "create", "max", "--password-hash", wrong, status=2)


REFUSALS: list[tuple[list[str], str, int, str]] = [
    (["a b"], PASSWORD, 2, "username has a character"),
    (["bob", "--name", "\u200b"], PASSWORD, 2, "--name"),
    (["bob", "--email", "bob"], PASSWORD, 2, "--email"),
    (["bob"], "short", 2, "at least 8"),
    (["bob"], "password1", 2, "most common"),
    (["bob"], "", 2, "at least 8"),
    (["ann"], PASSWORD, 1, "taken"),
    (["аnn"], PASSWORD, 1, "taken"),  # its first letter is Cyrillic
    (["bob", "--name", "Ann"], PASSWORD, 1, "looks like"),
    (["bob", "--role", "king"], PASSWORD, 2, "--role"),
]


async def test_what_user_create_refuses(server: Server, run: Commands) -> None:
    assert await server.accounts.storage.accounts.insert(NewAccount(account("ann")), noted()) is Inserted.STORED

    for run_it, cases in ((run, REFUSALS), (run.process, REFUSALS[-1:])):
        for arguments, given, status, said in cases:
            error = await run_it("user", "create", *arguments, "--password-file", "-", given=given, status=status)
            assert said in error, (arguments, error)
    assert await server.accounts.storage.accounts.page(after="b", contains="", limit=9) == []


async def test_a_password_is_never_an_argument_and_needs_a_terminal_or_a_file(run: Commands) -> None:
    assert "--password-file is required" in await run("user", "create", "bob", status=2)
    assert "cannot be read" in await run("user", "create", "bob", "--password-file", "missing", status=2)


async def test_suspend_and_restore(server: Server, run: Commands) -> None:
    ann = await run.create("ann")
    await run("user", "suspend", "ann", "--until", "7d", "--reason", "spam")
    await run("user", "suspend", "u_42", "--until", "2099-01-01T00:00:00Z")
    (listed,) = await run.json("user", "list")
    assert (listed["suspended"], listed["reason"]) == (True, "spam")
    suspended = await server.accounts.storage.access.suspensions(server.accounts.clock.now_us())
    assert {notice.subject for notice in suspended} == {ann, "u_42"}
    await run("user", "restore", ann)
    assert "not suspended" in await run("user", "restore", "ann", status=1)
    assert "not blocked" in await run("block", "remove", "192.0.2.9", status=1)
    assert (await run.json("user", "list"))[0]["suspended"] is False
    for wrong in ("yesterday", "2001-01-01T00:00:00Z", "0d", "5y"):
        assert "--until" in await run("user", "suspend", "ann", "--until", wrong, status=2)
    assert "a span such as 7d" in await run("user", "suspend", "ann", "--until", "tomorrow", status=2)
    assert "no account" in await run("user", "suspend", "eve", status=1)
    found = await run.json("user", "list", "--suspended")
    assert [(one["id"], one["suspended_until"]) for one in found] == [("u_42", "2099-01-01T00:00:00.000000Z")]


async def test_erase_asks_first(server: Server, run: Commands) -> None:
    ann = await run.create("ann")
    assert "--yes" in await run("user", "erase", "ann", status=2)
    assert "deleted ann" in await run("user", "erase", "ann", "--yes")
    assert await server.accounts.storage.accounts.find(ann) is None
    assert "no account" in await run("user", "erase", "ann", "--yes", status=1)


async def test_ctrl_c_at_a_question_changes_nothing(server: Server, run: Commands) -> None:
    ann = await run.create("ann")

    def interrupted() -> None:
        terminal, inside = pty.openpty()
        asked = subprocess.Popen(
            **run.command("user", "erase", "ann"),
            stdin=inside,
            stdout=inside,
            stderr=inside,
            # Python leaves SIGINT ignored if it is at its start, as in the background of a shell.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        os.close(inside)
        try:
            shown = b""
            while b"Type the username" not in shown:
                shown += os.read(terminal, 4096)
            # Between the question and its read, Python would not notice the signal until a key is pressed.
            process = psutil.Process(asked.pid)
            poll_until(lambda: process.status() == psutil.STATUS_SLEEPING, what="the command reads")
            asked.send_signal(signal.SIGINT)
            assert asked.wait(60) == 1
            assert b"nothing was changed" in os.read(terminal, 4096)
        finally:
            os.close(terminal)
            asked.kill()
            asked.wait()

    await asyncio.to_thread(interrupted)
    assert await server.accounts.storage.accounts.find(ann) is not None


def test_a_command_does_not_load_the_server() -> None:
    """That would take longer than the command itself."""
    loaded = "import sys, server.cli; print('server.app' in sys.modules or 'aiohttp' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


async def test_a_new_password_ends_all_sessions(server: Server, run: Commands) -> None:
    ann = await run.create("ann")
    logins = server.accounts.storage.logins
    now = server.accounts.clock.now_us()
    before = await server.accounts.storage.accounts.find(ann)
    assert before is not None
    for _ in range(2):
        device = login(before, created_at=now, refreshed_at=now, ends_at=now + 10**12, device="Firefox", address="::1")
        assert await logins.insert(device, 9, noted(), basis=Basis(before)) == []
    listed = await run.json("session", "list", "Ａnn")  # the same username, in another width and case
    assert [(one["device"], one["address"]) for one in listed] == [("Firefox", "::1")] * 2
    assert "ended 1 session of ann" in await run("session", "end", "ann", "--session", listed[0]["id"])
    assert "has no session" in await run("session", "end", "ann", "--session", listed[0]["id"], status=1)
    assert "leave --session out" in await run("session", "end", "ann", "--session", "", status=2)
    await run("user", "reset-password", "ann", "--password-file", "-", given="another one of mine\n")
    assert await run.json("session", "list", "ann") == []
    after = await server.accounts.storage.accounts.find(ann)
    assert after is not None
    assert after.password != before.password
    assert after.version > before.version


async def test_make_admin(server: Server, run: Commands) -> None:
    ann = await run.create("ann")
    await run("user", "make-admin", "ann")
    found = await server.accounts.storage.accounts.find(ann)
    assert found is not None
    assert found.role == "admin"


async def test_set_role(server: Server, run: Commands) -> None:
    """Down as well as up; that no admin is left is said."""
    ann = await run.create("ann", "--admin")
    assert await run("user", "set-role", "ann", "admin", status=1) == "ann is an admin already\n"
    warned = await run.process("user", "set-role", "ann", "organizer", with_errors=True)
    assert warned == "ann is an organizer now\nann is the only admin: none is left. user make-admin makes one.\n"
    assert await run("user", "set-role", "ann", "user") == "ann is a user now\n"
    found = await server.accounts.storage.accounts.find(ann)
    assert found is not None
    assert found.role == "user"
    shown = await run.json("audit", "--action", "role")
    assert [entry["detail"] for entry in shown] == ["user", "organizer"]
    assert "invalid choice" in await run("user", "set-role", "ann", "king", status=2)


async def test_keys(run: Commands) -> None:
    (made,) = await run.json("key", "create", "news", "--scope", "write", "--days", "90")
    assert made["secret"].startswith(made["prefix"])
    assert len(made["secret"]) == 46
    assert made["bot"].startswith(BOT)
    (again,) = await run.json("key", "create", "news", "--scope", "read", "--bot", made["bot"])
    assert again["bot"] == made["bot"]
    table = await run("key", "list")
    assert made["id"] in table
    assert made["secret"] not in table
    await run("key", "revoke", made["id"])
    assert [one["id"] for one in await run.json("key", "list")] == [again["id"]]
    assert "no key" in await run("key", "revoke", made["id"], status=1)
    assert "--days" in await run("key", "create", "x", "--scope", "read", "--days", "0", status=2)
    assert "no key belongs" in await run("key", "create", "x", "--scope", "read", "--bot", "b_x", status=1)


async def test_blocks(run: Commands) -> None:
    assert "blocked 192.0.2.0/24 without an end" in await run("block", "add", "192.0.2.77/24", "--reason", "flood")
    await run("block", "add", "::ffff:198.51.100.7", "--until", "12h")
    listed = await run.json("block", "list")
    assert [(one["network"], one["reason"]) for one in listed] == [("198.51.100.7", ""), ("192.0.2.0/24", "flood")]
    assert listed[1]["until"] is None
    await run("block", "remove", "192.0.2.0/24")
    assert "not blocked" in await run("block", "remove", "192.0.2.0/24", status=1)
    for wrong in ("0.0.0.0/0", "2001:db8::/16", "example.org", "fe80::1%eth0"):
        assert "network" in await run("block", "add", wrong, status=2)


async def test_a_block_of_the_operator_s_own_needs_force(run: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "198.51.100.7 50022 192.0.2.1 22")
    monkeypatch.setenv("TRUSTED_PROXIES", "10.1.2.3")
    for network, what in (
        ("127.0.0.1", "loopback"),
        ("127.0.0.0/8", "loopback"),
        ("::1", "loopback"),
        ("198.51.100.0/24", "your own address"),
        ("10.0.0.0/8", "TRUSTED_PROXIES"),
    ):
        assert what in await run("block", "add", network, status=1)
    assert await run.json("block", "list") == []
    await run("block", "add", "127.0.0.1", "--force")


async def test_operators_give_reserved_names_but_no_bot_the_name_of_an_account(run: Commands) -> None:
    await run.create("admin")
    assert "username of an account" in await run("key", "create", "Admin", "--scope", "read", status=1)


async def test_the_audit_log_has_what_commands_did(run: Commands) -> None:
    ann = await run.create("ann")
    await run("user", "suspend", "ann")
    table = (await run("audit")).splitlines()
    assert table[0].split() == ["AT", "ACTION", "RESULT", "ACTOR", "TARGET", "ADDRESS", "ROOM", "DETAIL"]
    assert table[1].split()[1:6] == ["suspend", "ok", "operator", ann, "(ann)"]
    (entry,) = await run.json("audit", "--target", ann, "--action", "register", "--since", "2020-01-01T00:00:00Z")
    assert entry["actor"] == {"id": "operator"}
    for given in (("--target", "Ann"), ("--target", ann, "--since", "1h")):
        found = await run.json("audit", *given)
        assert [one["action"] for one in found] == ["suspend", "register"]
        assert not {"room", "address"} & found[0].keys()
    assert await run.json("audit", "--actor", "operator", "--until", "1h") == []
    assert await run.json("audit", "--target", "192.0.2.0/24") == []
    assert "no account 'bob'" in await run("audit", "--actor", "bob", status=1)
    assert "invalid choice" in await run("audit", "--action", "sing", status=2)
    assert "--since" in await run("audit", "--since", "now", status=2)


async def test_the_last_admin_is_not_erased_without_a_word(run: Commands) -> None:
    await run.create("ann", "--admin")
    await run.create("bob", "--admin")
    assert "only admin" not in await run("user", "erase", "bob", status=2)  # without a terminal, and without --yes
    await run("user", "erase", "bob", "--yes")
    assert "ann is the only admin" in await run("user", "erase", "ann", status=2)
    await run("user", "erase", "ann", "--yes")


async def test_without_a_database_or_tables_a_command_says_so(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "DATABASE_URL" in await Commands("", tmp_path, monkeypatch)("user", "list", status=1)
    assert "no tables for accounts yet" in await Commands(empty_database_url, tmp_path, monkeypatch)(
        "user", "list", status=1
    )
    away = Commands("postgresql://nobody:hunter2@127.0.0.1:1/none", tmp_path, monkeypatch)
    said = await away.process("user", "list", status=1)
    assert "cannot connect to Postgres at 127.0.0.1:1" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("command", "close"),
    [
        (["user", "suspend", "ann", "--reason", "spam"], SUSPENDED),
        (["session", "end", "ann"], SIGNED_OUT),
        (["user", "erase", "ann", "--yes"], SIGNED_OUT),
        (["user", "make-admin", "ann"], ACCOUNT_CHANGED),
        (["block", "add", "127.0.0.1", "--force"], BLOCKED),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else "",
)
async def test_a_command_closes_connections_of_a_running_server(
    server: Server, run: Commands, command: list[str], close: CloseCode
) -> None:
    ann = await signed_in(server, "ann")
    async with Client(f"ws://127.0.0.1:{server.port}", room="plans", token=ann.token) as client:
        await run(*command)
        assert (await client.closed())[0] == close.code
