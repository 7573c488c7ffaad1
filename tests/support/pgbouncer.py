"""A real PgBouncer in front of a real PostgreSQL, for tests."""

import os
import socket
import subprocess
from typing import Literal, Self
from urllib.parse import urlsplit

from tests.support.debian import fetch
from tests.support.postgres_binaries import unprivileged_user
from tests.support.process import (
    NotReadyError,
    free_port,
    inherited_environment,
    make_temp_folder,
    poll_until,
    remove_temp_folder,
    spawn,
)

PoolMode = Literal["session", "transaction", "statement"]

# `any`: every client is logged in as the user in the database's line.
_CONFIGURATION = """
[databases]
* = host={host} port={database_port} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
max_client_conn = 200
{more}
"""


class PgBouncer:
    """A PgBouncer on a free port of 127.0.0.1 that dies with pytest.

    Args:
        url: a database of the server behind it.
        mode: the mode of its pools.
        more: additional lines for its configuration.

    Methods block, and start() raises `tests.support.debian.ProgramMissingError` if the program is not available.
    """

    def __init__(self, url: str, mode: PoolMode, more: str = "") -> None:
        self._behind = urlsplit(url)
        self._mode = mode
        self._more = more
        self._folder = make_temp_folder("pgbouncer")
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    @property
    def url(self) -> str:
        """The database through the pooler."""
        return f"postgresql://{self._behind.username}@127.0.0.1:{self.port}{self._behind.path}"

    def start(self) -> Self:
        """Start it and wait until it listens. Raises NotReadyError with its output."""
        program = fetch("pgbouncer")
        user = unprivileged_user()  # it refuses to run as root
        configuration = self._folder / "pgbouncer.ini"
        configuration.write_text(self._text())
        if user is not None:
            os.chown(configuration, *user)
        self._process = spawn(
            [program.executable, configuration],
            log=self._folder / "log",
            env={**inherited_environment(), **program.environment},
            cwd=self._folder,
            user=user,
        )
        poll_until(self._listens, what="pgbouncer listens")
        return self

    def log_text(self) -> str:
        """Return what it has written so far."""
        return (self._folder / "log").read_text(errors="replace")

    def remove(self) -> None:
        """Kill it if it still runs and remove its folder. Safe to call twice."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        remove_temp_folder(self._folder)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.remove()

    def _text(self) -> str:
        behind = self._behind
        return _CONFIGURATION.format(
            host=behind.hostname,
            database_port=behind.port,
            user=behind.username,
            password=behind.password,
            port=self.port,
            mode=self._mode,
            more=self._more,
        )

    def _listens(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise NotReadyError(f"pgbouncer ended with status {self._process.returncode}:\n{self.log_text()[-2000:]}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
