"""The nodes of `dev.py cluster`: started, shown, watched, stopped."""

import json
import signal
import sys
import time
from collections.abc import Mapping
from http.client import HTTPException
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.request import urlopen

from tests.support.process import (
    ROOT,
    NotReadyError,
    has_ended,
    inherited_environment,
    is_free,
    make_temp_folder,
    remove_temp_folder,
    spawn,
)

FIRST_PORT = 8080
READY_SECONDS = 60.0
STOP_SECONDS = 20.0
EVERY_SECONDS = 0.1
LOOK_SECONDS = 0.5
"""Between two questions of which node is the owner."""


def show(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


def say(line: str) -> None:
    """Print a line that is none of a node's."""
    show(f"dev.py: {line}")


class Node:
    """One server process, and what it logs.

    Args:
        settings: besides its name and port.
    """

    def __init__(self, name: str, port: int, settings: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.url = f"http://127.0.0.1:{port}"
        log = folder / f"{name}.log"
        own = {"PYTHONUNBUFFERED": "1", "HOST": "127.0.0.1", "PORT": str(port), "NODE_NAME": name}
        self.process = spawn(
            [sys.executable, ROOT / "main.py"],
            log=log,
            env={**inherited_environment(), **settings, **own},
            cwd=folder,  # where no .env is
        )
        self._log = log.open("rb")
        self._rest = b""

    @property
    def kill_command(self) -> str:
        """What kills it."""
        return f"kill -9 {self.process.pid}"

    @property
    def end(self) -> str:
        """How it has ended, in words; empty while it runs."""
        status = self.process.poll()
        if status is None:
            return ""
        return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"

    def status(self) -> dict[str, Any]:
        """Return what it says of itself, `{}` if it does not answer."""
        try:
            with urlopen(f"{self.url}/health", timeout=1) as answer:
                status: dict[str, Any] = json.load(answer)["cluster"]
                return status
        except (OSError, HTTPException):
            return {}

    def show_log(self) -> None:
        """Show the lines that it has logged since the last call."""
        *lines, self._rest = (self._rest + self._log.read()).split(b"\n")
        for line in lines:
            show(f"{self.name} | {line.decode(errors='replace')}")

    def close(self) -> None:
        """Kill it if it still runs, and show its last lines."""
        self.process.kill()
        self.process.wait()
        self.show_log()
        self._log.close()


class Nodes:
    """Several nodes; they are stopped on exit.

    Args:
        settings: what all have in common.
        others: the process ids of other programs to watch, by name.
    """

    def __init__(self, count: int, settings: Mapping[str, str], others: Mapping[str, int]) -> None:
        self._folder = make_temp_folder("cluster")
        ports = islice(filter(is_free, range(FIRST_PORT, 1 << 16)), count)
        self.nodes = [Node(f"n{number}", port, settings, self._folder) for number, port in enumerate(ports, 1)]
        self._others = dict(others)
        self._running = list(self.nodes)
        self._owner = ""

    def wait(self) -> None:
        """Wait until every node knows the owner. Raises NotReadyError."""
        deadline = time.monotonic() + READY_SECONDS
        waiting = self.nodes
        while waiting := [node for node in waiting if not node.status().get("owner")]:
            for node in self.nodes:
                node.show_log()
                if end := node.end:
                    raise NotReadyError(f"{node.name} cannot start: it {end} (see above)")
            if time.monotonic() > deadline:
                names = ", ".join(node.name for node in waiting)
                raise NotReadyError(f"cannot start: {names} did not find the owner (see above)")
            time.sleep(EVERY_SECONDS)
        self._owner = self.nodes[0].status()["owner"]

    def describe(self) -> str:
        """Return where the nodes are, and what to try."""
        rows = [
            f"  {node.name}  {node.url}   {node.kill_command}{'   owner' * (node.name == self._owner)}"
            for node in self.nodes
        ]
        others = [f"  {name}: kill -9 {pid}" for name, pid in self._others.items()]
        return "\n".join(
            [
                "",
                f"{len(self.nodes)} nodes are running. They have the same rooms, whichever you connect to:",
                "",
                *rows,
                "",
                f"Open two of them in a browser, but not {self._owner}, and talk. Then kill {self._owner}, and go on",
                "talking. You can also kill",
                "",
                *others,
                "",
                "Ctrl-C stops everything and removes what was stored.",
                "",
            ]
        )

    def follow(self) -> None:
        """Show what the nodes log, and what happens to them, until none is left."""
        looked = 0.0
        while self._running:
            self._look_at_processes()
            if time.monotonic() - looked >= LOOK_SECONDS:
                self._look_for_owner()
                looked = time.monotonic()
            time.sleep(EVERY_SECONDS)
        say("no node is left")

    def _look_at_processes(self) -> None:
        for node in self._running.copy():
            end = node.end  # before its log: afterwards nothing more comes
            node.show_log()
            if end:
                self._running.remove(node)
                say(f"{node.name} {end}; the rest goes on")
        for name in [name for name, pid in self._others.items() if has_ended(pid)]:
            del self._others[name]
            say(f"{name} has ended; the rest goes on")

    def _look_for_owner(self) -> None:
        owner = next((owner for node in self._running if (owner := node.status().get("owner"))), "")
        node = next((node for node in self._running if node.name == owner), None)
        if node is not None and owner != self._owner:
            self._owner = owner
            say(f"{owner} is the owner now; {node.kill_command} kills it")

    def stop(self) -> None:
        """Stop all nodes in good order, those that take too long by force."""
        deadline = time.monotonic() + STOP_SECONDS
        try:
            for node in self._running:
                node.process.terminate()
            while any(not node.end for node in self._running) and time.monotonic() < deadline:
                for node in self._running:
                    node.show_log()
                time.sleep(EVERY_SECONDS)
        finally:
            for node in self.nodes:
                node.close()
            remove_temp_folder(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
