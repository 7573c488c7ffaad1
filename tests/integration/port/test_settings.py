"""The settings, as an operator sets them: environment, `.env`, command line; and their effects."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import jwt
import pytest

from server.cli import main
from server.settings.table import SETTINGS
from tests.support.process import ROOT, free_port, poll_until
from tests.support.rawws import NATIVE, RawClient, command, fetch, frame
from tests.support.server import ServerProcess
from tests.support.serving import Serve

Call = Callable[..., "subprocess.CompletedProcess[str]"]
SECRET = "s3cr3t-w0rd, which is long enough"


def run(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `main.py` to its end in an empty folder, with only the given environment.

    Starting Python takes half a second, so most tests use `call`.
    """
    return subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "main.py"), *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Do the same in this process. No server is started."""

    def run_here(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        with monkeypatch.context() as patch:
            for name in os.environ:
                patch.delenv(name)
            for name, value in environment.items():
                patch.setenv(name, value)
            patch.chdir(folder)
            patch.setattr(sys, "argv", ["main.py", *arguments])
            patch.setattr("server.cli._run", lambda settings, again: pytest.fail("a server would be started"))
            try:
                status = main(arguments)
            except SystemExit as ended:
                status = int(ended.code or 0)
        printed = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, status, printed.out, printed.err)

    return run_here


def test_help_prints_every_setting_with_its_values_and_default(tmp_path: Path) -> None:
    done = run(tmp_path, "--help", PORT="nonsense", COLUMNS="200")
    assert (done.returncode, done.stderr) == (0, "")
    for setting in SETTINGS:
        (line,) = [line for line in done.stdout.splitlines() if line.startswith(f"  {setting.name} ")]
        assert setting.help in line
        assert setting.kind in line
    assert "--host" in done.stdout
    assert "--port" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "environment", "dotenv", "named"),
    [
        ((), {"PORT": "65536"}, "", "PORT must be a whole number from 0 to 65535"),
        (("--port", "http"), {}, "", "PORT must be"),
        ((), {}, "WORKERS=none\n", "WORKERS must be a whole number from 1 to 64"),
        ((), {"DATABASE_URL": "mysql://u:s3cr3t-w0rd@h/d"}, "", "DATABASE_URL must be postgresql://"),
        ((), {"DATABASE_URL": "postgresql://u:s3cr3t-w0rd@h/d?nonsense=1"}, "", "DATABASE_URL has a parameter that"),
        ((), {"DATABASE_URL": "postgresql://u:p@s3cr3t-w0rd@h/d"}, "", "DATABASE_URL has more than one @"),
        ((), {"DB_NAME": "d", "DB_HOST": "s3cr3t-w0rd:5432"}, "", "DB_HOST must be a host name"),
        ((), {"HOST": "a..b"}, "", "HOST must be comma-separated addresses"),
        ((), {}, "HOST=caf\xe9\n", ".env must be UTF-8 text"),
        ((), {"SLOW_BYTES_HIGH": "2000", "SLOW_BYTES_LOW": "3000"}, "", "SLOW_BYTES_HIGH must"),
        ((), {"JWT_SECRET": "s3cr3t-w0rd"}, "", "JWT_SECRET must have 32 characters or more, unless"),
        ((), {}, "JWT_SECRET_FILE=.env\n", "JWT_SECRET and JWT_SECRET_FILE are both set"),
        ((), {"DATABASE_URL_FILE": "none"}, "", "DATABASE_URL_FILE: no such file: none"),
        (("check",), {"DATABASE_URL": "postgresql://u:s3cr3t-w0rd@h/d?x=1"}, "", "DATABASE_URL has a parameter that"),
        (("check", "--port", "99999"), {}, "", "PORT must be a whole number from 0 to 65535"),
        (("--port", "99999", "check"), {}, "", "PORT must be a whole number from 0 to 65535"),
        (("run", "--port", "99999"), {}, "", "PORT must be a whole number from 0 to 65535"),
        ((), {"ADMIN_PORT": "9100", "PORT": "9100"}, "", "ADMIN_PORT must differ from PORT"),
    ],
    ids=[
        *(
            "environment",
            "argument",
            "file",
            "password",
            "a URL for libpq",
            "an @",
            "DB_HOST",
            "host",
            "not UTF-8",
            "two",
            "short",
        ),
        *(
            "twice",
            "no such file",
            "check",
            "argument of check",
            "argument before check",
            "argument of run",
            "one port",
        ),
    ],
)
def test_an_invalid_setting_is_one_line_and_status_2(
    call: Call, tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str], dotenv: str, named: str
) -> None:
    (tmp_path / ".env").write_text(dotenv, encoding="latin-1")
    done = call(tmp_path, *arguments, **{"JWT_SECRET": SECRET, "DB_PASS": SECRET, **environment})
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"main.py: {named}")
    assert "s3cr3t-w0rd" not in line


def test_check_says_whether_the_settings_are_valid_and_what_is_unusual(call: Call, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PROT=1\nDATABASE_URL=postgresql://nobody@127.0.0.1:1/none\n")
    (tmp_path / ".env").chmod(0o600)
    done = call(tmp_path, "check", "--offline", RETENTION_DAY="5")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split(maxsplit=2)[1:] for line in done.stdout.splitlines()[2:]] == [
        ["ok", "the settings are valid"],
        ["warning", "PROT in .env is not a setting; did you mean PORT?"],
        ["warning", "RETENTION_DAY in the environment is not a setting; did you mean RETENTION_DAYS?"],
        ["warning", "PUBLIC_URL is not set: browsers may send passwords and the cookies of logins without encryption"],
    ]


@pytest.mark.parametrize("arguments", [(), ("check",)], ids=["start", "check"])
def test_all_invalid_values_are_reported_at_once(call: Call, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = call(tmp_path, *arguments, PORT="x", WORKERS="0", DATABASE_URL="postgresql://u:s3cr3t-w0rd@h/d?x=1")
    assert (done.returncode, done.stdout) == (2, "")
    lines = [line.removeprefix("main.py: ").partition(" ")[0] for line in done.stderr.splitlines()]
    assert lines == ["PORT", "DATABASE_URL", "WORKERS"]


@pytest.mark.parametrize("arguments", [(), ("check",)], ids=["start", "check"])
def test_a_folder_in_place_of_the_env_file_is_reported(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / ".env").mkdir()
    done = run(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "main.py: .env is a directory; it must be a file\n"


def test_a_taken_admin_port_is_reported_as_such(tmp_path: Path) -> None:
    with ServerProcess() as server:
        done = run(tmp_path, PORT="0", ADMIN_PORT=str(server.port))
    assert done.returncode == 1
    said = f"main.py: cannot listen on ADMIN_HOST 127.0.0.1, ADMIN_PORT {server.port}: "
    assert done.stderr.splitlines()[-1].startswith(said)
    assert "Traceback" not in done.stderr


def test_the_version_is_printed(tmp_path: Path) -> None:
    done = run(tmp_path, "--version", PORT="nonsense")
    assert (done.returncode, done.stdout) == (0, f"parley {metadata.version('parley')}\n")


def test_the_given_settings_are_shown_with_their_sources_and_without_secrets(call: Call, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"JWT_SECRET={SECRET!r}\nWORKERS=3\nPORT=9000\nGUESTS=\n")
    (tmp_path / "url").write_text("postgresql://ann:s3cr3t-w0rd@h/d\n")
    environment = {"WORKERS": "2", "RATE_LIMIT_GUESTS": "1/20", "DATABASE_URL_FILE": "url"}
    done = call(tmp_path, "settings", "--json", "--port", "9001", **environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert [tuple(json.loads(line).values()) for line in done.stdout.splitlines()] == [
        ("PORT", "9001", "--port"),
        ("DATABASE_URL", "set", "url"),
        ("JWT_SECRET", "set", ".env"),
        ("RATE_LIMIT_GUESTS", "1/20", "environment"),
        ("WORKERS", "2", "environment"),
    ]
    table = call(tmp_path, "settings", "--all", **environment).stdout.splitlines()
    assert [line.split()[0] for line in table] == ["SETTING", *(setting.name for setting in SETTINGS)]
    assert "s3cr3t" not in "".join(table)


@pytest.mark.parametrize(
    "arguments", [("--env-file", "{}", "settings"), ("settings", "--env-file", "{}")], ids=" ".join
)
def test_another_file_than_env_can_be_read(call: Call, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / ".env").write_text("PORT=1\n")
    file = tmp_path / "parley.conf"
    asked = [argument.format(file) for argument in arguments]
    done = call(tmp_path, *asked)
    assert (done.returncode, done.stderr) == (2, f"main.py: --env-file: no such file: {file}\n")
    file.write_text("PORT=9000\nPROT=1\n")
    assert call(tmp_path, *asked).stdout.splitlines()[1].split() == ["PORT", "9000", str(file)]
    said = call(tmp_path, "check", "--offline", "--env-file", str(file)).stdout
    assert f"PROT in {file} is not a setting; did you mean PORT?" in said


async def test_sighup_reads_the_file_of_env_file_again(tmp_path: Path) -> None:
    file = tmp_path / "parley.conf"
    file.write_text("LOG_LEVEL=info\n")
    async with ServerProcess(arguments=("run", "--env-file", str(file))) as server:
        file.write_text("LOG_LEVEL=debug\n")
        os.kill(server.pid, signal.SIGHUP)
        await asyncio.to_thread(server.wait_for_log, "settings were reloaded; changed: LOG_LEVEL")


# --- main.py token ---------------------------------------------------------------------------------------------------


def test_a_token_is_printed_and_nothing_else(tmp_path: Path) -> None:
    """Alone on its line, so that a shell can use it: $(python main.py token --user ann)."""
    (tmp_path / ".env").write_text(f"JWT_SECRET='{SECRET}'\n")
    done = run(tmp_path, "token", "--user", "ann")
    assert (done.returncode, done.stderr) == (0, "")
    claims = jwt.decode(done.stdout.strip(), SECRET, algorithms=["HS256"])
    assert abs(claims.pop("exp") - time.time() - 30 * 86400) < 60
    assert claims == {"userid": "ann", "username": "ann", "role": "user"}


def test_a_token_has_the_claims_in_its_arguments(call: Call, tmp_path: Path) -> None:
    arguments = ("--user", "42", "--name", "Ann Lee", "--role", "bot", "--days", "0.5")
    done = call(tmp_path, "token", *arguments, JWT_SECRET=SECRET, CHAT_ROLES="player bot")
    claims = jwt.decode(done.stdout.strip(), SECRET, algorithms=["HS256"])
    assert abs(claims.pop("exp") - time.time() - 43200) < 60
    assert claims == {"userid": "42", "username": "Ann Lee", "role": "bot"}
    done = call(tmp_path, "token", "--user", "42", JWT_SECRET=SECRET, JWT_AUDIENCE="chat", JWT_ISSUER="shop")
    claims = jwt.decode(done.stdout.strip(), SECRET, algorithms=["HS256"], audience="chat", issuer="shop")
    assert (claims["aud"], claims["iss"]) == ("chat", "shop")
    done = call(tmp_path, "token", "--user", "42", JWT_SECRET=SECRET, CHAT_ROLES="player bot")
    assert jwt.decode(done.stdout.strip(), options={"verify_signature": False})["role"] == "player"


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (("--user", "ann"), {"JWT_SECRET": ""}, "JWT_SECRET is not set"),
        (("--user", "ann"), {"PORT": "x"}, "PORT must be"),
        (("--user", ""), {}, "--user must have 1 to 64 printable characters"),
        (("--user", "x" * 65), {}, "--user must have 1 to 64 printable characters"),
        (("--user", "a", "--name", "a\u202eb"), {}, "--name contains U+202E"),
        (("--user", "a", "--name", ""), {}, "--name is empty"),
        (("--user", "a", "--name", "SYSTEM"), {}, "the name 'SYSTEM' is reserved"),
        (("--user", "a", "--role", "root"), {}, "--role must be one of CHAT_ROLES: player, participant, user, "),
        (("--user", "a", "--days", "0"), {}, "--days must be a number above 0"),
        (("--user", "a", "--days", "-1"), {}, "--days must be a number above 0"),
        (("--user", "a", "--days", "nan"), {}, "--days must be a number above 0"),
        (("--user", "a", "--days", "inf"), {}, "--days must be a number above 0"),
        (("--user", "a", "--days", "soon"), {}, "--days must be a number above 0"),
    ],
)
def test_an_invalid_token_argument_is_one_line_and_status_2(
    call: Call, tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    done = call(tmp_path, "token", *arguments, **{"JWT_SECRET": SECRET, "PYTHONUTF8": "1", **environment})
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"main.py: {said}")
    assert SECRET not in line


@pytest.mark.parametrize("arguments", [("token",), ("token", "--user"), ("tokens",), ("token", "--user", "a", "b")])
def test_an_unknown_word_is_status_2_with_the_usage(call: Call, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = call(tmp_path, *arguments, JWT_SECRET=SECRET)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: main.py")


def test_help_describes_the_token_command(call: Call, tmp_path: Path) -> None:
    assert "main.py token --user ID" in call(tmp_path, "--help").stdout
    told = call(tmp_path, "token", "--help").stdout
    assert all(option in told for option in ("--user ID", "--name", "--role", "--days", "JWT_SECRET"))


async def test_a_printed_token_authenticates(tmp_path: Path, serve: Serve) -> None:
    done = await asyncio.to_thread(run, tmp_path, "token", "--user", "ann", JWT_SECRET=SECRET)
    server = await serve(JWT_SECRET=SECRET)
    header = ("Authorization", f"Bearer {done.stdout.strip()}")
    async with await RawClient.open(server.port, "/api/chat", [header]) as ann:
        assert await ann.message() == {"event": "join", "userid": "ann", "username": "ann"}


# --- a server of its own ---------------------------------------------------------------------------------------------


def test_an_unknown_argument_is_status_2(call: Call, tmp_path: Path) -> None:
    done = call(tmp_path, "--colour")
    assert done.returncode == 2
    assert "--colour" in done.stderr


def test_a_taken_port_is_one_line_and_status_1(tmp_path: Path) -> None:
    with ServerProcess() as server:
        done = run(tmp_path, PORT=str(server.port), JWT_SECRET=SECRET)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"main.py: cannot listen on HOST 127.0.0.1, PORT {server.port}: ")
    assert "Traceback" not in done.stderr


def test_the_file_is_read_and_the_environment_wins_and_arguments_win_over_both(tmp_path: Path) -> None:
    from_file, from_environment, from_argument = free_port(), free_port(), free_port()
    (tmp_path / ".env").write_text(f"PORT={from_file}\nLOG_LEVEL=error\nALLOWED_ORIGINS=https://only.example\n")

    def port_of(*arguments: str, **environment: str) -> int:
        log = tmp_path / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, str(ROOT / "main.py"), *arguments],
                cwd=tmp_path,
                env={"LOG_LEVEL": "info", **environment},
                stdout=output,
                stderr=output,
            )
        try:
            poll_until(lambda: b"listening on" in log.read_bytes(), what="the server says where it listens")
        finally:
            process.terminate()
            assert process.wait(20) == 0
        return int(log.read_text().split("listening on http://127.0.0.1:")[1].split(",")[0])

    assert port_of() == from_file
    assert port_of(PORT=str(from_environment)) == from_environment
    assert port_of("--port", str(from_argument), PORT=str(from_environment)) == from_argument


async def test_a_running_server_logs_no_secrets_and_stops_on_sigterm() -> None:
    """The log contains no password, even if the database cannot be reached."""
    env = {"DB_NAME": "nothing", "DB_HOST": "127.0.0.1", "DB_PORT": "1", "DB_PASS": SECRET, "JWT_SECRET": SECRET}
    async with ServerProcess({**env, "LOG_LEVEL": "debug"}) as server:
        assert (await fetch(server.port, "/ready")).status == 503
        async with await RawClient.open(server.port, headers=NATIVE) as client:
            await client.expect("welcome")
            server.terminate()
            await client.expect("goodbye")
            assert await client.closing() == (1001, "going away")
            client.send_close(1001)
            assert await client.rest() == b""
        assert await asyncio.to_thread(server.wait) == 0
        log = server.log_text()
    assert SECRET not in log
    assert "Traceback" not in log


# --- the effects of settings -----------------------------------------------------------------------------------------


async def test_configured_limits_are_announced(serve: Serve) -> None:
    server = await serve(
        MAX_FRAME_BYTES="5000",
        MAX_CONTENT_CHARS="77",
        RATE_LIMIT_MESSAGES="2.5",
        SESSION_ROOMS="9",
        RESUME_LIMIT="11",
        EDIT_WINDOW="3.5",
        HEARTBEAT="7.5",
    )
    async with await RawClient.open(server.port, headers=NATIVE) as client:
        welcome = await client.expect("welcome")
    assert welcome["heartbeat"] == 7.5
    assert welcome["limits"] == {
        "max_frame_bytes": 5000,
        "max_content_chars": 77,
        "messages_per_second": 2.5,
        "messages_burst": 8,
        "max_rooms": 9,
        "resume_limit": 11,
        "edit_window": 3.5,
        "history_limit": 500,
        "id_chars": 64,
        "name_chars": 64,
    }


async def test_without_guests_every_command_before_hello_is_refused(serve: Serve) -> None:
    server = await serve(GUESTS="off")
    async with await RawClient.open(server.port, headers=NATIVE) as client:
        client.send(command(type="join", id="j", room="den"))
        error = await client.message()
        assert (error["type"], error["code"], error["id"]) == ("error", "unauthorized", "j")


async def test_without_guests_a_guest_token_is_refused(serve: Serve) -> None:
    """A token from the time when guests were enabled."""
    secret = "x" * 40
    with_guests = await serve(SERVER_SECRET=secret)
    async with await RawClient.open(with_guests.port, headers=NATIVE) as client:
        token = (await client.expect("welcome"))["token"]
    without = await serve(SERVER_SECRET=secret, GUESTS="off")
    async with await RawClient.open(without.port, headers=NATIVE) as client:
        client.send(command(type="hello", token=token))
        await client.refused("unauthorized")


async def test_the_same_secret_restores_a_guest_on_another_server(serve: Serve) -> None:
    secret = "y" * 40
    first, second = await serve(SERVER_SECRET=secret), await serve(SERVER_SECRET=secret)
    async with await RawClient.open(first.port, "/chat?u=ann", NATIVE) as client:
        welcome = await client.expect("welcome")
    async with await RawClient.native(second.port, "/chat") as client:
        client.send(command(type="hello", id="h", token=welcome["token"]))
        assert (await client.expect("welcome", id="h"))["user"] == welcome["user"]


async def test_joined_states_the_guest_role(serve: Serve) -> None:
    server = await serve(GUEST_ROLE="readonly")
    async with await RawClient.native(server.port, "/chat?r=den") as client:
        assert (await client.expect("joined"))["role"] == "readonly"


async def test_a_rate_of_zero_means_no_limit(serve: Serve) -> None:
    server = await serve(RATE_LIMIT_MESSAGES="0")
    async with await RawClient.native(server.port, "/chat?r=den") as client:
        await client.expect("joined")
        client.send(b"".join(command(type="message", id=str(n), room="den", content="x") for n in range(300)))
        await client.expect("message", id="299")


@pytest.mark.one_server("memory storage")
async def test_memory_keeps_the_configured_number_of_messages(serve: Serve) -> None:
    server = await serve(MEMORY_MESSAGES="5", ROOM_TAIL="0")
    async with await RawClient.native(server.port, "/chat?r=den") as client:
        await client.expect("joined")
        for number in range(12):
            client.send(command(type="message", id=str(number), room="den", content=str(number)))
        await client.expect("message", id="11")
        kept = [message["content"] for message in (await fetch(server.port, "/history?r=den&limit=500")).json()]
    assert kept == ["7", "8", "9", "10", "11"]


async def test_a_slow_reader_is_disconnected_above_the_limit(serve: Serve) -> None:
    """By the bytes queued for it in the server; it gets the reason when it reads."""
    server = await serve(SLOW_BYTES_LOW="4096", SLOW_BYTES_HIGH="65536", RATE_LIMIT_MESSAGES="0", CLOSE_SECONDS="30")
    async with (
        await RawClient.native(server.port, "/chat?u=slow&r=den") as slow,
        await RawClient.native(server.port, "/chat?u=ann&r=den") as ann,
    ):
        await slow.expect("joined")
        await ann.expect("joined")
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport that reads as well
        number = 0
        while not server.chat.parts.counters.slow_members:
            number += 1
            ann.send(command(type="message", id=str(number), room="den", content="x" * 4000))
            await ann.expect("message", id=str(number))
            assert number < 20_000, "it was never cut off"
        slow.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert await slow.closing() == (4008, "slow_consumer")


async def test_the_server_listens_on_the_configured_host(serve: Serve) -> None:
    server = await serve(HOST="127.0.0.2")
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await RawClient.connect(server.port)


async def test_fractions_of_seconds_are_accepted(serve: Serve) -> None:
    server = await serve(HEAD_SECONDS="0.5", HELLO_SECONDS="0.02", CLOSE_SECONDS="0.03", HEARTBEAT="0.04")
    async with await RawClient.connect(server.port) as client:
        client.send(b"G")
        assert (await client.reply()).status == 408
    async with await RawClient.native(server.port) as client:
        client.send(frame(0x9, b"x"))
        assert (await client.frame()).opcode in (0x9, 0xA)
