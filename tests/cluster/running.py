"""The nodes of `dev.py cluster`: started, shown, watched, stopped."""

import json
import signal
import sys
import time
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self
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
RESTART_SECONDS = 5.0
"""How long a nats-server or PostgreSQL that was killed is away."""
LOOK_SECONDS = 0.5
"""Between two questions of which node is the owner."""


def show(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


def say(line: str) -> None:
    """Print a line that is none of a node's."""
    show(f"dev.py: {line}")


class Restartable(Protocol):
    """A program that the nodes need."""

    @property
    def pid(self) -> int:
        """Its process id, also after it has ended."""

    def kill(self) -> None:
        """End what is left of it."""

    def start(self) -> object:
        """Start it again. Raises NotReadyError."""


class Node:
    """One server process, and what it logs.

    Args:
        settings: besides its name and port.

    Attributes:
        listens: it has said so; whatever answers on its port before is another program.
    """

    def __init__(self, name: str, port: int, settings: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.port = port
        self.listens = False
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
            self.listens |= b" listening on " in line
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
        others: other programs to watch, by name.
    """

    def __init__(self, count: int, settings: Mapping[str, str], others: Mapping[str, Restartable]) -> None:
        self._folder = make_temp_folder("cluster")
        self._settings = settings
        self._ports = filter(is_free, range(FIRST_PORT, 1 << 16))
        self.nodes = [Node(f"n{n}", next(self._ports), settings, self._folder) for n in range(1, count + 1)]
        self._others = dict(others)
        self._ended: dict[str, float] = {}  # of those, since when
        self._running = list(self.nodes)
        self._owner = ""

    def wait(self) -> None:
        """Wait until every node knows the owner. Raises NotReadyError."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            self.replace_ended()
            waiting = [node for node in self.nodes if not node.listens or not node.status().get("owner")]
            if not waiting:
                break
            if time.monotonic() > deadline:
                names = ", ".join(node.name for node in waiting)
                raise NotReadyError(f"cannot start: {names} did not find the owner (see above)")
            time.sleep(EVERY_SECONDS)
        self._running = list(self.nodes)
        self._owner = self.nodes[0].status()["owner"]

    def replace_ended(self) -> None:
        """Start nodes again whose port another program took first. Raises NotReadyError if one ended otherwise."""
        for at, node in enumerate(self.nodes):
            end = node.end
            node.show_log()
            if end and not node.listens and not is_free(node.port):
                node.close()
                self.nodes[at] = Node(node.name, next(self._ports), self._settings, self._folder)
            elif end:
                raise NotReadyError(f"{node.name} cannot start: it {end} (see above)")

    def describe(self) -> str:
        """Return where the nodes are, and what to try."""
        rows = [
            f"  {node.name}  {node.url}   {node.kill_command}{'   owner' * (node.name == self._owner)}"
            for node in self.nodes
        ]
        others = [f"  {name}: kill -9 {program.pid}" for name, program in self._others.items()]
        edges = [node.name for node in self.nodes if node.name != self._owner]
        which = f"two of {', '.join(edges)}" if len(edges) > 2 else " and ".join(edges)
        if len(edges) == 1:
            which = f"{which} twice"
        return "\n".join(
            [
                "",
                f"{len(self.nodes)} nodes are running. They have the same rooms, whichever you connect to:",
                "",
                *rows,
                "",
                f"Open {which} in a browser, and talk. Then kill {self._owner}, the owner, and go on talking.",
                f"You can also kill one of these, which starts again after {RESTART_SECONDS:.0f} seconds:",
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
        now = time.monotonic()
        for name, program in self._others.items():
            if name in self._ended:
                if now - self._ended[name] >= RESTART_SECONDS:
                    self._start_again(name, program)
            elif has_ended(program.pid):
                self._ended[name] = now
                say(f"{name} has ended; the rest goes on, and it starts again in {RESTART_SECONDS:.0f} seconds")

    def _start_again(self, name: str, program: Restartable) -> None:
        try:
            program.kill()
            program.start()
        except NotReadyError as error:
            self._ended[name] = time.monotonic()
            say(f"{name} cannot start yet: {str(error).splitlines()[0]}")
        else:
            del self._ended[name]
            say(f"{name} is back; kill -9 {program.pid} kills it")

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
