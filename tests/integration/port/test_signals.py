"""Signals and standard streams, as used by shells, supervisors and log rotation; settings that SIGHUP reloads."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from server.auth.tokens import sign_account
from server.settings.values import Settings
from tests.support.process import ROOT, poll_until
from tests.support.rawws import NATIVE, RawClient, command, fetch, upgrade
from tests.support.server import ServerProcess
from tests.support.serving import Serve

pytestmark = pytest.mark.one_server("signals are sent to one process")

LOOPS = ["asyncio", *(["uvloop"] if find_spec("uvloop") else [])]
OLD, NEW = "the first secret, of 32 characters or more", "the second secret, of 32 characters or more"


@contextmanager
def started_by(script: str, tmp_path: Path, **environment: str) -> Iterator[ServerProcess]:
    """Start a server from a shell script, which ends with `exec "$@"` and its redirections."""
    file = tmp_path / "start.sh"
    file.write_text(script.replace('"$@"', f'"{sys.executable}" "{ROOT / "main.py"}"'))
    with ServerProcess(environment, python="/bin/sh", main=file) as server:
        yield server


@pytest.fixture
def server() -> Iterator[ServerProcess]:
    """A server that is not started yet, as its `.env` is written first."""
    server = ServerProcess()
    yield server
    server.remove()


async def renew(server: ServerProcess, *lines: str) -> str:
    """Write `.env` and send SIGHUP. Returns the new log lines."""
    before = len(server.log_text())
    (server.folder / ".env").write_text("".join(f"{line}\n" for line in lines))
    os.kill(server.pid, signal.SIGHUP)
    await asyncio.to_thread(server.wait_for_log, rf"(?s)^.{{{before}}}.*settings were (reloaded|not reloaded)[^\n]*\n")
    return server.log_text()[before:]


def bearer(role: str, secret: str = OLD) -> tuple[str, str]:
    token = sign_account(secret, userid="7", username="ann", role=role, expires=4_000_000_000)
    return ("Authorization", f"Bearer {token}")


# --- signals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loop", LOOPS)
async def test_signals_that_are_ignored_at_the_start_stay_ignored(tmp_path: Path, loop: str) -> None:
    """As by nohup, by trap, and in background jobs of a script."""

    def run() -> str:
        with started_by("""trap '' HUP INT\nexec "$@"\n""", tmp_path, EVENT_LOOP=loop) as server:
            os.kill(server.pid, signal.SIGHUP)
            os.kill(server.pid, signal.SIGINT)
            assert server.get_status("/health") == 200
            server.terminate()  # a second signal, if the others counted
            assert server.wait() == 0
            return server.log_text()

    log = await asyncio.to_thread(run)
    assert "stopping;" in log
    assert "stopping immediately" not in log
    assert "reloaded" not in log


def test_sigterm_can_be_ignored_too(tmp_path: Path) -> None:
    with started_by("""trap '' TERM\nexec "$@"\n""", tmp_path) as server:
        server.terminate()
        assert server.get_status("/health") == 200
        os.kill(server.pid, signal.SIGINT)
        assert server.wait() == 0


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_do_not_change_the_exit_status(tmp_path: Path, closed: str, loop: str) -> None:
    with started_by(f'exec "$@" {closed}\n', tmp_path, EVENT_LOOP=loop) as server:
        server.terminate()
        assert server.wait() == 0


def test_a_broken_log_pipe_does_not_change_the_exit_status(server: ServerProcess) -> None:
    read, write = os.pipe()
    process = subprocess.Popen([sys.executable, ROOT / "main.py"], cwd=server.folder, env=server.env, stderr=write)
    os.close(read)
    os.close(write)
    poll_until(lambda: is_up(server), what="the server answers")
    process.terminate()
    assert process.wait(20) == 0


def is_up(server: ServerProcess) -> bool:
    try:
        return server.get_status("/health") == 200
    except OSError:
        return False


# --- SIGHUP ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loop", LOOPS)
async def test_sighup_applies_the_settings_that_can_change(server: ServerProcess, loop: str) -> None:
    server.env["EVENT_LOOP"] = loop
    (server.folder / ".env").write_text(f"JWT_SECRET={OLD}\nEDIT_WINDOW=60\nWORKERS=2\n")
    async with server, await RawClient.open(server.port, "/chat?u=ann&r=den", NATIVE) as ann:
        assert (await ann.expect("welcome"))["limits"]["max_content_chars"] == 4000
        await ann.expect("joined")
        assert (await fetch(server.port, "/api/rooms", [bearer("scribe")])).status == 403
        said = await renew(
            server,
            f"JWT_SECRET={NEW}",
            "EDIT_WINDOW=7",
            "MAX_CONTENT_CHARS=10",
            "RATE_LIMIT_MESSAGES=0.5",
            "ALLOWED_ORIGINS=https://only.example",
            "CHAT_ROLES=scribe",
            "WORKERS=3",
            "LOG_LEVEL=debug",
        )
        changed = "ALLOWED_ORIGINS, CHAT_ROLES, MAX_CONTENT_CHARS, RATE_LIMIT_MESSAGES, EDIT_WINDOW, LOG_LEVEL"
        assert f"settings were reloaded; changed: {changed}\n" in said
        await asyncio.to_thread(server.wait_for_log, "changed and need a restart to take effect: JWT_SECRET, WORKERS\n")
        assert OLD not in server.log_text()
        assert NEW not in server.log_text()
        # Connected clients get the new limits.
        ann.send(command(type="message", id="1", room="den", content="x" * 11))
        await ann.refused("too_large", id="1")
        for number in (2, 3):
            ann.send(command(type="message", id=str(number), room="den", content="x"))
        await ann.refused("rate_limited", id="3")
        # So do new ones.
        async with await RawClient.open(server.port, headers=NATIVE) as bob:
            limits = (await bob.expect("welcome"))["limits"]
            assert (limits["edit_window"], limits["messages_per_second"]) == (7, 0.5)
        document = (await fetch(server.port, "/asyncapi.json")).json()
        assert document["info"]["title"] == "Parley"
        async with await RawClient.connect(server.port) as stranger:
            stranger.send(upgrade("/chat", [("Origin", "https://other.example")]))
            assert (await stranger.reply()).status == 403
        # The old secret, but the new role.
        assert (await fetch(server.port, "/api/rooms", [bearer("scribe")])).status == 200
        assert (await fetch(server.port, "/api/rooms", [bearer("user")])).status == 403
        assert (await fetch(server.port, "/api/rooms", [bearer("scribe", NEW)])).status == 401
        assert "changed: nothing" in await renew(server, *(server.folder / ".env").read_text().splitlines())
        server.terminate()
        assert await asyncio.to_thread(server.wait) == 0


async def test_sighup_with_an_invalid_value_changes_nothing(server: ServerProcess) -> None:
    (server.folder / ".env").write_text("EDIT_WINDOW=60\n")
    async with server:
        said = await renew(server, "EDIT_WINDOW=soon", "MAX_CONTENT_CHARS=10", f"JWT_SECRET={NEW}")
        assert said.count("\n") == 1
        assert "settings were not reloaded and keep their values: EDIT_WINDOW must be a number of seconds" in said
        async with await RawClient.open(server.port, headers=NATIVE) as ann:
            assert (await ann.expect("welcome"))["limits"]["max_content_chars"] == 4000
        said = await renew(server, "EDIT_WINDOW=61", "MAX_CONTENT_CHAR=10")
        assert "changed: EDIT_WINDOW\n" in said
        assert "MAX_CONTENT_CHAR in .env is not a setting; did you mean MAX_CONTENT_CHARS?" in said


async def test_sighup_with_a_missing_env_file_changes_nothing(server: ServerProcess) -> None:
    """It would reset every setting; a file that never existed is no reason to refuse."""
    dotenv = server.folder / ".env"

    async def hang_up() -> str:
        before = len(server.log_text())
        os.kill(server.pid, signal.SIGHUP)
        await asyncio.to_thread(
            server.wait_for_log, rf"(?s)^.{{{before}}}.*settings were (reloaded|not reloaded)[^\n]*\n"
        )
        return server.log_text()[before:]

    async with server:
        assert "changed: nothing" in await hang_up()
        assert "changed: MAX_CONTENT_CHARS\n" in await renew(server, "MAX_CONTENT_CHARS=10")
        dotenv.unlink()
        said = await hang_up()
        assert said.count("\n") == 1
        assert "keep their values: .env no longer exists" in said
        async with await RawClient.open(server.port, headers=NATIVE) as ann:
            assert (await ann.expect("welcome"))["limits"]["max_content_chars"] == 10
        dotenv.mkdir()
        assert "keep their values: .env is a directory" in await hang_up()
        dotenv.rmdir()
        assert "changed: MAX_CONTENT_CHARS\n" in await renew(server, "MAX_CONTENT_CHARS=11")


async def test_sighup_reloads_trusted_proxies(serve: Serve) -> None:
    server = await serve()
    headers = {"X-Forwarded-For": ["192.0.2.7"]}

    def client() -> str:
        return server.shared.addresses.client("127.0.0.1", lambda name: headers.get(name, [])).address

    seen, level = [client()], logging.getLogger().level
    for trusted in ("127.0.0.0/8", ""):
        server.renew(Settings({"TRUSTED_PROXIES": trusted}))
        seen.append(client())
    assert seen == ["127.0.0.1", "192.0.2.7", "127.0.0.1"]
    assert logging.getLogger().level == level  # LOG_LEVEL has no other value


async def test_sighup_while_the_server_stops_does_not_disturb_it(server: ServerProcess) -> None:
    async with server, await RawClient.open(server.port, headers=NATIVE) as ann:
        await ann.expect("welcome")
        server.terminate()
        os.kill(server.pid, signal.SIGHUP)
        await ann.expect("goodbye")
        ann.send_close(1001)
        assert await asyncio.to_thread(server.wait) == 0
        assert "Traceback" not in server.log_text()
