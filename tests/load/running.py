"""One run: a fresh server, one load, one result."""

import http.client
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tests.load.place import Cores, pin
from tests.load.record import Result, Run
from tests.load.subjects import Subject
from tests.load.workloads import Workload
from tests.support.postgres import DatabaseServer
from tests.support.process import (
    ROOT,
    NotReadyError,
    free_port,
    inherited_environment,
    make_temp_folder,
    poll_until,
    remove_temp_folder,
    spawn,
)

DISTURBED = 0.1  # this part of the server's core went to others: the run does not count
MARKS = ("measuring", "measured")  # lines of wsload


class LoadError(Exception):
    """A server did not start or a generator gave no result; the text holds the end of what it said."""


@dataclass(frozen=True)
class Generator:
    """The program that makes the load: the C one, or the Python one where `program` is None."""

    program: Path | None
    cores: Cores

    @property
    def title(self) -> str:
        """Its name for the record."""
        count = self._processes
        return "wsload (C)" if self.program else f"Python, {count} process{'es' * (count > 1)}"

    @property
    def _processes(self) -> int:
        return max(1, min(len(self.cores.others) or (os.cpu_count() or 2) - 1, 6))

    @property
    def command(self) -> list[str]:
        """The words to start it with, without a load."""
        if self.program:
            return [str(self.program)]
        return [sys.executable, "-m", "tests.load.generator", "--processes", str(self._processes)]

    @property
    def affinity(self) -> tuple[int, ...]:
        """The cores it may use. The C program has one thread, which should not wander."""
        return self.cores.generator if self.program else self.cores.others


def run_once(
    subject: Subject, workload: Workload, generator: Generator, database: DatabaseServer | None = None, *, acks: bool
) -> Run:
    """Start the server, load it, kill it. Raises LoadError.

    `database`: where Parley gets an empty database of its own; None: it keeps messages in memory.
    """
    with own_database(database if subject.is_parley else None) as url, serve(subject, url, generator.cores) as server:
        result = load(subject, workload, generator, [server], acks=acks)
    return Run(subject.key, result, is_disturbed(result, generator.cores.server))


@contextmanager
def own_database(database: DatabaseServer | None) -> Iterator[dict[str, str]]:
    """Create an empty database, and drop it in the end. Yields the setting that names it; none without `database`."""
    if database is None:
        yield {}
        return
    url = database.create_database()
    try:
        yield {"DATABASE_URL": url}
    finally:
        database.drop_database(url)


def is_disturbed(result: Result, core: int | None) -> bool:
    """Whether others used the server's core during a run: it was busier than the server was."""
    if core is None or core >= len(result.cpu_busy) or not result.seconds:
        return False
    return result.cpu_busy[core] - result.server_busy > DISTURBED


@dataclass(frozen=True)
class Served:
    """A server that takes connections on `port` of 127.0.0.1."""

    port: int
    pid: int


@contextmanager
def serve(subject: Subject, settings: Mapping[str, str], cores: Cores) -> Iterator[Served]:
    """Start a server with more settings, wait until it takes connections, and kill it in the end. Raises LoadError."""
    folder = make_temp_folder("load")
    port = free_port()
    log = folder / "server.log"
    server = spawn(
        [word.replace("{port}", str(port)) for word in subject.command],
        log=log,
        env={**subject.env, **settings, "PORT": str(port)},
        cwd=folder,
    )
    try:
        if cores.server is not None:
            pin(server.pid, (cores.server,))
        try:
            poll_until(lambda: _is_ready(subject, port, server), what="it takes connections")
        except NotReadyError as error:
            raise LoadError(f"{subject.title} did not start: {error}\n{_tail(log)}") from error
        yield Served(port, server.pid)
        if server.poll() is not None:
            raise LoadError(f"{subject.title} ended with status {server.returncode}\n{_tail(log)}")
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)  # nothing that a goodbye would add to the figures
        server.wait()
        remove_temp_folder(folder)


def _is_ready(subject: Subject, port: int, server: "subprocess.Popen[bytes]") -> bool:
    if server.poll() is not None:
        raise NotReadyError(f"it ended with status {server.returncode}")
    try:
        if not subject.is_parley:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        finally:
            connection.close()
    except (OSError, http.client.HTTPException):  # not listening yet
        return False


def load(
    subject: Subject,
    workload: Workload,
    generator: Generator,
    servers: Sequence[Served],
    *,
    acks: bool,
    at_mark: Callable[[], None] | None = None,
    clients_of: Sequence[Served] | None = None,
) -> Result:
    """Load the servers, and return what the generator measured of all of them. Raises LoadError.

    Clients connect to all of them unless ``clients_of`` says to which.
    `at_mark` is called as the measurement begins, and again as it ends; only the C generator can do that, and only it
    takes several servers.
    """
    ports = [server.port for server in clients_of or servers]
    command = [*generator.command, *subject.talk.options(ports, idle=workload.idle, acks=acks)]
    command += [word for server in servers for word in ("--pid", str(server.pid))]
    command += [*shlex.split(workload.options), *(["--marks"] if at_mark else [])]
    folder = make_temp_folder("generator")
    log = folder / "generator.log"
    process = spawn(command, log=log, env={**inherited_environment(), "PYTHONPATH": str(ROOT)}, cwd=folder)
    try:
        pin(process.pid, generator.affinity)
        if at_mark:
            for mark in MARKS:
                _wait_for(mark, log, process)
                at_mark()
        process.wait(180)
        said = log.read_text(errors="replace")
        return parse_result(said)
    except (subprocess.TimeoutExpired, ValueError, NotReadyError) as error:
        raise LoadError(f"the generator gave no result for {subject.title}, {workload.name}: {_tail(log)}") from error
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        remove_temp_folder(folder)


def _wait_for(mark: str, log: Path, process: "subprocess.Popen[bytes]") -> None:
    """Wait until a program has printed a line, or has ended."""
    poll_until(lambda: mark in log.read_text() or process.poll() is not None, timeout=90, what=mark, every=0.01)


def parse_result(said: str) -> Result:
    """Read the one JSON line among what a generator printed. Raises ValueError."""
    line = next((line for line in said.splitlines() if line.startswith("{")), "")
    try:
        return msgspec.json.decode(line, type=Result, strict=False)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-3000:].strip() if log.exists() else ""
