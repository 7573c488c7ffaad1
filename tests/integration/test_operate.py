"""docs/operate.md, read and followed: its commands are run by a shell, in the order of the page, next to a server."""

import asyncio
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.contract.records import until
from tests.support.client import PATIENCE, Client
from tests.support.debian import fetch
from tests.support.postgres import PostgresCluster
from tests.support.postgres_binaries import find_postgres
from tests.support.process import ROOT, free_port, inherited_environment
from tests.support.server import ServerProcess
from tests.support.told import Asker, RefusedError, ready, stop, talk, told
from tests.support.web import Web

pytestmark = [pytest.mark.one_server("nodes are in docs/cluster.md"), pytest.mark.slow]

DEPLOY = ROOT / "docs" / "deploy"
PAGE = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
BLOCKS = [
    (language, re.sub(r"^ +", "", text, flags=re.MULTILINE) if indent else text)
    for indent, language, text in re.findall(r"^( *)```(\w*)\n(.*?)^\1```$", PAGE, re.MULTILINE | re.DOTALL)
]
# What cannot be run here: needs systemd as the first process (the units are in test_supervisor), a file of a next
# version, a certificate of a public name.
NOT_RUN = ("cp docs/deploy/systemd/", "/opt/parley/bin/pip install", "openssl s_client")
OLD, OLDER, PASSWORD = "o" * 40, "e" * 40, "hush-hush-database"
_ID, _TIME = r"\b[a-z]{1,2}_[\w-]{4,}(\.\.\.)?", r"\b\d{4}-\d\d-\d\dT[\d:.]+Z"


class Machine:
    """A machine with Parley and PostgreSQL, installed as docs/deploy.md says, into a folder."""

    def __init__(self, folder: Path, database: PostgresCluster) -> None:
        self.folder = folder
        self.programs = folder / "bin"
        self.settings = folder / "parley.env"
        self._ports = {name: str(free_port()) for name in ("8080", "9090")}
        for each in ("bin", "backups", "units"):
            (folder / each).mkdir()
        (folder / "password").write_text("correct horse battery\n")
        # Where it asks for a password, there is a file in place of a terminal.
        parley = self.programs / "parley"
        parley.write_text(
            f"#!/bin/sh\ncase $* in *'user create'*|*reset-password*) set -- $* --password-file '{folder}/password';;"
            f" esac\nexec '{sys.executable}' -P '{ROOT}/main.py' \"$@\"\n"
        )
        # Only the user postgres may log in to PostgreSQL as its superuser.
        sudo, administrator = self.programs / "sudo", urlsplit(database.url())
        sudo.write_text(
            f'#!/bin/sh\ntest "$1 $2" = "-iu postgres" && shift 2\nexport PGHOST=127.0.0.1 PGPORT={database.port}'
            f' PGUSER=postgres PGPASSWORD="{administrator.password or ""}"\nexec "$@"\n'
        )
        for program in (parley, sudo):
            program.chmod(0o755)
        url = f"postgresql://parley:{PASSWORD}@127.0.0.1:{database.port}/parley"
        self.settings.write_text(
            f"DATABASE_URL={url}\nJWT_SECRET={OLD}\nJWT_SECRET_PREVIOUS={OLDER}\nADMIN_PORT={self._ports['9090']}\nREGISTRATION=open\n"
            f"RATE_LIMIT_MESSAGES=0\nPORT={self._ports['8080']}\n"
        )
        self.settings.chmod(0o600)
        self.server = ServerProcess({"PORT": self._ports["8080"]}, arguments=("--env-file", str(self.settings)))
        self.server.port = int(self._ports["8080"])

    def run(self, commands: str) -> str:
        """Run commands of the page, and return what they print; a failing one fails the test."""
        printed = ""
        for part in re.split(r"^(systemctl .*\n)", commands, flags=re.MULTILINE):
            if part.startswith("systemctl "):
                self._systemctl(part.split())
            elif part.strip():
                printed += self._shell(part)
        return printed

    def _systemctl(self, words: list[str]) -> None:
        assert words[-1] == "parley.service"
        if words[1] in ("stop", "restart"):
            stop(self.server)
        if words[1] in ("start", "restart"):
            self.server.start()
            ready(self.server)

    def _shell(self, commands: str) -> str:
        places = {
            "/opt/parley/bin": self.programs,
            "/usr/local/bin": self.programs,
            "/etc/parley": self.folder,
            "/var/backups/parley": self.folder / "backups",
            "docs/deploy/": f"{DEPLOY}/",
            " -o postgres": "",
            **{f"127.0.0.1:{port}": f"127.0.0.1:{real}" for port, real in self._ports.items()},
        }
        for place, real in places.items():
            commands = commands.replace(place, str(real))
        curl = fetch("curl")
        path = f"{self.programs}:{find_postgres()}:{Path(curl.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["/bin/sh", "-eu", "-c", f"{define(self.programs, self.folder)}\n{commands}"],
            cwd=self.folder,
            env={**inherited_environment(), **curl.environment, "PATH": path, "PGHOST": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, (commands, done.stdout, done.stderr)
        return done.stdout

    def setting(self, name: str) -> str:
        found = re.search(rf"^{name}=(.*)$", self.settings.read_text(), re.MULTILINE)
        return "" if found is None else found[1]


def define(programs: Path, folder: Path) -> str:
    """Return the first block of the page, which defines what the others use."""
    return BLOCKS[0][1].replace("/opt/parley/bin", str(programs)).replace("/etc/parley", str(folder))


def matches(shown: str, printed: str) -> bool:
    """Return whether a command prints what the page shows: other ids and times, and whatever is in place of `...`."""
    lines = [line for line in shown.splitlines() if line not in ("Password:", "Again:")]
    wanted, got = (
        re.sub(r"\s+", " ", re.sub(_ID, "ID", re.sub(_TIME, "TIME", text))).strip()
        for text in ("\n".join(lines), printed)
    )
    return re.fullmatch(".*".join(re.escape(part) for part in wanted.split("...")), got) is not None


async def test_the_page_is_true(tmp_path: Path) -> None:
    """Everything but what `NOT_RUN` says."""
    async with running(tmp_path) as machine:
        story = Story(machine)
        for language, text in BLOCKS[1:]:
            if text.startswith(NOT_RUN) or language == "cron":
                continue
            assert language in ("sh", "console"), text
            await story.before(text)
            if language == "console":
                await asyncio.to_thread(story.follow, text)
            else:
                await asyncio.to_thread(machine.run, text)
            await story.after(text)
        assert not story.expected


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Machine]:
    with PostgresCluster() as database:
        with psycopg.connect(database.url(), autocommit=True) as connection:
            connection.execute(f"CREATE ROLE parley LOGIN PASSWORD '{PASSWORD}'")
            connection.execute("CREATE DATABASE parley OWNER parley")
        machine = Machine(folder, database)
        async with machine.server as server:
            await asyncio.to_thread(ready, server)
            yield machine
            await asyncio.to_thread(stop, server)


class Story:
    """What happens next to the commands, and what must be so after them.

    Attributes:
        expected: words of the commands after which something is checked.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._server = machine.server
        self.expected = {
            "postgres parley-backup /var/backups/parley": self._backed_up,
            "pg_restore --exit-on-error": self._checked,
            "ALTER DATABASE parley_restored": self._restored,
            "JWT_SECRET=$new": self._two_secrets,
            "sed -i /^JWT_SECRET_PREVIOUS=/d": self._one_secret,
            "ALTER ROLE parley PASSWORD": self._new_password,
            "UPDATE server_secret": self._other_guest,
        }
        self._told: list[dict[str, object]] = []
        self._sure: set[str] = set()
        self._said: list[str] = []

    def follow(self, text: str) -> None:
        """Run the commands of a console, one after the other in one shell, and compare what they print."""
        commands = [(part.partition("\n")[0], part.partition("\n")[2]) for part in text.split("$ ") if part.strip()]
        assert f"$ {'$ '.join(chr(10).join(one) for one in commands)}" == text
        known = ""
        for command, shown in commands:
            if variable := re.match(r"(\w+)=\$", command):
                value = self._machine.run(f'{command}\nprintf %s "${variable[1]}"')
                known += f"{variable[1]}={shlex.quote(value)}\n"
                continue
            printed = self._machine.run(f"{known}{command}\n")
            deadline = time.monotonic() + (PATIENCE if command.startswith("curl") else 0)  # servers follow a command
            while not matches(shown, printed) and time.monotonic() < deadline:
                printed = self._machine.run(f"{known}{command}\n")
            assert matches(shown, printed), (command, shown, printed)

    async def before(self, text: str) -> None:
        if "parley session list ann" in text:
            browser = Web(self._server.port, origin="http://localhost")
            credentials = {"username": "ann", "password": "correct horse battery"}
            assert (await browser.post("/api/login", credentials)).status == 200
            self._guest = await Client(self._server.ws_url, "bob", "general").open()
        if "parley-backup /var/backups" in text:
            await asyncio.to_thread(talk_with, self._server)
            self._told = await asyncio.to_thread(told_by, self._server)
            for number in range(20):
                await self._say(number)
            self._sure = set(self._said)
            self._chatter = asyncio.create_task(self._chat())

    async def after(self, text: str) -> None:
        for words in [words for words in self.expected if words in text]:
            await self.expected.pop(words)()

    async def _say(self, number: int) -> None:
        content = f"message {number}"
        await self._guest.say(content, f"c{number}")
        await self._guest.all_acked(f"c{number}")
        self._said.append(content)

    async def _chat(self) -> None:
        number = 20
        while True:
            await self._say(number)
            number += 1

    async def _backed_up(self) -> None:
        """The server was written to during the backup, and after it."""
        there = len(self._said)
        await until(lambda: len(self._said) > there)
        self._chatter.cancel()
        await asyncio.wait([self._chatter])
        assert len(list((self._machine.folder / "backups").iterdir())) == 1
        Asker(self._server, "bob", secret=OLD)("POST", "/api/rooms/plans/messages", {"content": "too late", "id": "x"})

    async def _checked(self) -> None:
        assert await asyncio.to_thread(told_by, self._server) != self._told

    async def _restored(self) -> None:
        """The running server says what the backup has: what was acknowledged before it, and nothing after."""
        await asyncio.to_thread(
            self._server.wait_for_log, "or it was restored from a backup: disconnecting every client"
        )
        assert (await self._guest.closed())[0] == 4002
        await self._guest.close()
        await asyncio.to_thread(ready, self._server)
        assert await asyncio.to_thread(told_by, self._server) == self._told
        async with Client(self._server.ws_url, "bob", "general") as bob:
            contents: list[str] = []
            before: dict[str, Any] = {}
            while page := (await bob.history(limit=500, **before))["messages"]:
                contents = [*(message["content"] for message in page), *contents]
                before = {"before": page[0]["seq"]}
            assert contents == self._said[: len(contents)]
            assert self._sure <= set(contents)
            await bob.say("after the restore", "after")
            await bob.all_acked("after")

    async def _two_secrets(self) -> None:
        assert self._machine.setting("JWT_SECRET_PREVIOUS") == OLD
        for secret in (OLD, self._machine.setting("JWT_SECRET")):
            assert await asyncio.to_thread(told_by, self._server, secret) == self._told

    async def _one_secret(self) -> None:
        with pytest.raises(RefusedError, match="401"):
            await asyncio.to_thread(told_by, self._server)
        assert await asyncio.to_thread(told_by, self._server, self._machine.setting("JWT_SECRET")) == self._told

    async def _new_password(self) -> None:
        url = self._machine.setting("DATABASE_URL")
        assert PASSWORD not in url
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(re.sub(r"parley:.*@", f"parley:{PASSWORD}@", url))

    async def _other_guest(self) -> None:
        async with Client(self._server.ws_url, "bob") as bob:
            await bob.send(type="hello", id="h", token=self._guest.token)
            assert (await bob.expect("error"))["code"] == "unauthorized"


def talk_with(server: ServerProcess) -> None:
    talk(server, secret=OLD)


def told_by(server: ServerProcess, secret: str = OLD) -> list[dict[str, object]]:
    return told(server, secret=secret)
