"""One run: a fresh server, one load, one result."""

import http.client
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
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
    url = database.create_database() if database and subject.is_parley else ""
    try:
        with _server(subject, url, generator.cores) as (port, server):
            result = _load(subject, workload, generator, port, server.pid, acks=acks)
    finally:
        if database and url:
            database.drop_database(url)
    return Run(subject.key, result, is_disturbed(result, generator.cores.server))


def is_disturbed(result: Result, core: int | None) -> bool:
    """Whether others used the server's core during a run: it was busier than the server was."""
    if core is None or core >= len(result.cpu_busy) or not result.seconds:
        return False
    return result.cpu_busy[core] - result.server_busy > DISTURBED


@contextmanager
def _server(subject: Subject, database_url: str, cores: Cores) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    folder = make_temp_folder("load")
    port = free_port()
    log = folder / "server.log"
    settings = {"DATABASE_URL": database_url} if database_url else {}
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
            poll_until(lambda: _is_ready(subject, port, server), timeout=30, what="it takes connections")
        except NotReadyError as error:
            raise LoadError(f"{subject.title} did not start: {error}\n{_tail(log)}") from error
        yield port, server
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


def _load(
    subject: Subject, workload: Workload, generator: Generator, port: int, server_pid: int, *, acks: bool
) -> Result:
    command = [*generator.command, *subject.talk.options(port, idle=workload.idle, acks=acks)]
    command += ["--pid", str(server_pid), *shlex.split(workload.options)]
    folder = make_temp_folder("generator")
    log = folder / "generator.log"
    process = spawn(command, log=log, env={**inherited_environment(), "PYTHONPATH": str(ROOT)}, cwd=folder)
    try:
        pin(process.pid, generator.affinity)
        process.wait(180)
        said = log.read_text(errors="replace")
        return parse_result(said)
    except (subprocess.TimeoutExpired, ValueError) as error:
        raise LoadError(f"the generator gave no result for {subject.title}, {workload.name}: {_tail(log)}") from error
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        remove_temp_folder(folder)


def parse_result(said: str) -> Result:
    """Read the one JSON line among what a generator printed. Raises ValueError."""
    line = next((line for line in said.splitlines() if line.startswith("{")), "")
    try:
        return msgspec.json.decode(line, type=Result, strict=False)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-3000:].strip() if log.exists() else ""
