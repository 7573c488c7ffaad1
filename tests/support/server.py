"""Run `main.py` as its users do: as a process that is configured by environment variables and serves TCP."""

import asyncio
import http.client
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from server.settings.table import SETTINGS
from tests.support import forking, log_search
from tests.support.process import (
    PATIENCE,
    NotReadyError,
    free_port,
    inherited_environment,
    make_temp_folder,
    poll_until,
    remove_temp_folder,
    spawn,
)

_SETTINGS = {setting.name for setting in SETTINGS}


class ServerProcess:
    """One server process on a free port of 127.0.0.1, that dies with pytest.

    `env` are its settings (`DATABASE_URL`, `RATE_LIMIT_MESSAGES`, ...); it gets no others of ours, and its working
    directory, `folder`, is empty, so it finds no `.env` there. Methods block: from async tests use
    `async with`, and `asyncio.to_thread` for the rest. After `wait()` it can be started again, on the same port.

    Python warnings inside the server are errors, unless `env` has another PYTHONWARNINGS. It is forked from a process
    that has imported it, unless it is to have another main file, interpreter, or environment of Python, or to be `new`.
    """

    def __init__(
        self,
        env: Mapping[str, str] | None = None,
        *,
        arguments: tuple[str, ...] = (),
        main: Path = forking.MAIN,
        python: str | Path = sys.executable,
        new: bool = False,
    ) -> None:
        self.folder = make_temp_folder("server")
        self._python = python
        self.main = main
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | forking.Forked | None = None
        self.port = free_port()
        self.env: dict[str, str] = {
            **(outside := {**inherited_environment(), **forking.OF_PYTHON}),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "PRESENCE_GRACE": "0",  # so that tests do not wait for it, except those about it
            **(env or {}),
        }
        same = {name: value for name, value in self.env.items() if name not in _SETTINGS} == outside
        self._forks = forking.POSSIBLE and same and python == sys.executable and not new

    @property
    def http_url(self) -> str:
        """`http://127.0.0.1:<port>`, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """`ws://127.0.0.1:<port>`, without a slash at the end."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the running server. Raises NotReadyError before start()."""
        return self._running().pid

    @property
    def returncode(self) -> int | None:
        """The exit status; None while it runs or before it was started."""
        return None if self._process is None else self._process.poll()

    def spawn(self) -> Self:
        """Start the process and return at once, for tests of what happens before it is healthy, or of its exit."""
        if self._process is not None and self._process.poll() is None:
            raise NotReadyError("the server is already running")
        log = self.folder / "server.log"
        if self._forks and self.main == forking.MAIN:
            self._process = forking.fork(self._arguments, env=self.env, cwd=self.folder, log=log)
        else:
            command: list[str | Path] = [self._python, self.main, *self._arguments]
            self._process = spawn(command, log=log, env=self.env, cwd=self.folder)
        return self

    def start(self, timeout: float = PATIENCE) -> Self:
        """Start the process and wait until `GET /health` answers 200. Raises NotReadyError with the end of its log."""
        self.spawn()
        try:
            poll_until(self.healthy, timeout=timeout, what=f"GET {self.http_url}/health answers 200")
        except NotReadyError as error:
            self.close()
            raise NotReadyError(f"{error}\n{self.log_text()[-4000:]}") from None
        return self

    def healthy(self) -> bool:
        """Ask `/health` once: whether it answers 200. Raises NotReadyError if the process has ended."""
        if self.returncode is not None:
            raise NotReadyError(f"the server ended with status {self.returncode}")
        try:
            return self.get_status("/health") == 200
        except (OSError, http.client.HTTPException):  # not listening yet
            return False

    def get_status(self, path: str, timeout: float = PATIENCE) -> int:
        """GET `path` on a connection of its own; return the status. Raises OSError and HTTPException."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()

    def terminate(self) -> None:
        """Send SIGTERM and return at once: the server drains."""
        self._running().send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL and wait for the end."""
        self._running().kill()
        self.wait()

    def wait(self, timeout: float = PATIENCE) -> int:
        """Wait for the process to end and return its exit status (negative: the signal that killed it)."""
        try:
            return self._running().wait(timeout)
        except subprocess.TimeoutExpired:
            raise NotReadyError(f"the server did not end within {timeout:g} s\n{self.log_text()[-4000:]}") from None

    def log_text(self) -> str:
        """Return everything the server has written to stdout and stderr so far, over all of its starts."""
        log = self.folder / "server.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def wait_for_log(self, pattern: str, timeout: float = PATIENCE) -> re.Match[str]:
        """Wait until a part of the log matches the regular expression `pattern`; return the match."""
        return poll_until(
            lambda: re.search(pattern, self.log_text()), timeout=timeout, what=f"the log matches {pattern!r}"
        )

    def close(self) -> None:
        """Kill the process if it still runs. The log stays readable until remove()."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def remove(self) -> None:
        """Kill the process if it still runs and remove its folder. Safe to call twice."""
        self.close()
        log_search.note_log(self.log_text())
        remove_temp_folder(self.folder)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.remove()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.remove)

    def _running(self) -> "subprocess.Popen[bytes] | forking.Forked":
        if self._process is None:
            raise NotReadyError("the server was not started")
        return self._process
