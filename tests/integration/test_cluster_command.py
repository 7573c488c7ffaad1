"""`dev.py cluster`: starts everything, survives a kill, and stops everything."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.__main__ import in_one_line
from tests.cluster.arguments import count_of
from tests.cluster.running import Node, Nodes
from tests.support.client import Client
from tests.support.process import (
    ROOT,
    NotReadyError,
    free_port,
    has_ended,
    is_free,
    make_temp_folder,
    poll_until,
    remove_temp_folder,
    spawn,
)

pytestmark = pytest.mark.slow  # a tool's tests

ROW = re.compile(r"^  (n\d)  http://(127\.0\.0\.1:\d+)   kill -9 (\d+)(   owner)?$", re.MULTILINE)


class Command:
    """A running `dev.py cluster`, without the installation, and what it has printed."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self._folder = folder
        self._log = folder / "printed"
        self.process = spawn(
            [sys.executable, "-m", "tests.cluster", *arguments],
            log=self._log,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), **environment},
            cwd=ROOT,
        )

    def printed(self) -> str:
        return self._log.read_text(errors="replace")

    def folders(self) -> list[str]:
        """Its temporary folders."""
        return [path.name for path in self._folder.iterdir() if path.is_dir()]

    def wait_for(self, text: str) -> None:
        def is_there() -> bool:
            if text not in self.printed() and self.process.poll() is not None:
                raise NotReadyError(f"ended with status {self.process.returncode}:\n{self.printed()[-3000:]}")
            return text in self.printed()

        poll_until(is_there, what=text)

    def wait(self) -> int:
        return self.process.wait(timeout=60)

    def close(self) -> None:
        """Kill it if it still runs; what it has started dies with it."""
        self.process.kill()
        self.process.wait()


@pytest.fixture
def folder() -> Iterator[Path]:
    """The folder for temporary files: not pytest's own, which PostgreSQL's user cannot enter."""
    folder = make_temp_folder("command")
    yield folder
    remove_temp_folder(folder)


async def test_clients_go_on_talking_when_the_owner_is_killed_and_ctrl_c_stops_everything(folder: Path) -> None:
    command = Command(folder)
    try:
        await asyncio.to_thread(command.wait_for, "Ctrl-C stops everything")
        rows = ROW.findall(command.printed())
        assert [name for name, *_ in rows] == ["n1", "n2", "n3"]
        ((owner, _, pid, _),) = [row for row in rows if row[3]]
        first, second = (f"ws://{address}" for name, address, *_ in rows if name != owner)
        async with Client(first, "ann", "general") as ann, Client(second, "bob", "general") as bob:
            await talk(ann, bob, "before")
            os.kill(int(pid), signal.SIGKILL)
            await talk(ann, bob, "after")
            await talk(bob, ann, "again")
            await asyncio.to_thread(command.wait_for, "is the owner now; kill -9 ")
        assert f"dev.py: {owner} was killed by SIGKILL; the rest goes on\n" in command.printed()
        pids = [int(found) for found in re.findall(r"kill -9 (\d+)", command.printed())]
        assert len(set(pids)) == 5  # with nats-server and PostgreSQL
        command.process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(command.wait) == 0
        assert command.printed().endswith("\ndev.py: stopped\n")
        assert all(has_ended(pid) for pid in pids)
        assert not command.folders()
    finally:
        command.close()


async def talk(author: Client, reader: Client, content: str) -> None:
    """Have a message acked and received."""
    await author.say(content, id=content)
    await author.all_acked(content)
    await reader.expect("message", content=content)


def test_it_ends_when_no_node_is_left_and_starts_other_programs_that_end_again(folder: Path) -> None:
    command = Command(folder, "--nodes", "2")
    try:
        command.wait_for("Ctrl-C stops everything")
        words = r"\nOpen n[12] twice in a browser, and talk\. Then kill n[12], the owner, and go on talking"
        assert re.search(words, command.printed())
        for name in ("nats-server", "PostgreSQL"):
            (pid,) = re.findall(rf"{name}: kill -9 (\d+)", command.printed())
            os.kill(int(pid), signal.SIGKILL)
            command.wait_for(f"dev.py: {name} has ended; the rest goes on, and it starts again in 5 seconds\n")
            command.wait_for(f"dev.py: {name} is back; kill -9 ")
        for _, _, pid, _ in ROW.findall(command.printed()):
            os.kill(int(pid), signal.SIGTERM)
        assert command.wait() == 1
        assert "dev.py: n2 ended with status 0; the rest goes on\n" in command.printed()
        assert command.printed().endswith("dev.py: no node is left\n")
    finally:
        command.close()


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({"TEST_NATS_SERVER": "/no/such"}, "no nats-server at TEST_NATS_SERVER=/no/such"),
        (
            {"TEST_POSTGRES_BIN": "/no/such", "TEST_DATABASE_URL": ""},
            "no PostgreSQL in TEST_POSTGRES_BIN='/no/such'",
        ),
        ({"TEST_NATS_SERVER": "/bin/false"}, "nats-server ended with status 1:"),
        ({"TEST_DATABASE_URL": "postgresql://me@127.0.0.1:1/x"}, "connection failed: "),
    ],
)
def test_a_part_that_cannot_start_is_one_line(folder: Path, environment: dict[str, str], line: str) -> None:
    command = Command(folder, **environment)
    assert command.wait() == 1
    first, second = command.printed().splitlines()
    assert first == "dev.py: starting PostgreSQL, nats-server and 3 nodes"
    assert second.startswith(f"dev.py cluster: {line}")


def test_a_node_that_cannot_start_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    refused = pytest.raises(NotReadyError, match=r"^n\d cannot start: it ended with status 2 \(see above\)$")
    with Nodes(2, {"DATABASE_URL": "nonsense", "NATS_URL": "nats://127.0.0.1:1"}, {}) as nodes, refused:
        nodes.wait()
    assert re.search(r"^n\d \| .*DATABASE_URL", capfd.readouterr().out, re.MULTILINE)


def test_ports_in_use_are_skipped() -> None:
    with Nodes(2, {"DATABASE_URL": "nonsense", "NATS_URL": "nats://127.0.0.1:1"}, {}) as nodes:
        ports = [int(node.url.rpartition(":")[2]) for node in nodes.nodes]
    assert ports[0] >= 8080
    assert ports[0] < ports[1]
    assert is_free(ports[0])


@pytest.mark.parametrize("arguments", [["--nodes", "1"], ["--nodes", "10"], ["--nodes", "many"], ["3"]])
def test_an_invalid_command_line_is_explained(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        count_of(arguments)
    assert "dev.py cluster: error: " in capsys.readouterr().err
    assert count_of([]) == 3
    assert count_of(["--nodes", "5"]) == 5


def test_a_long_explanation_is_shortened_to_what_matters() -> None:
    assert in_one_line(NotReadyError("it ended with status 1:\nline\nwhy\n")) == "it ended with status 1: why"
    log = "initdb failed:\ncreating ... initdb: error: no space left\ninitdb: removing contents\n"
    assert in_one_line(NotReadyError(log)) == "initdb failed: creating ... initdb: error: no space left"
    assert in_one_line(NotReadyError("one line")) == "one line"
    assert in_one_line(NotReadyError()) == "NotReadyError"


def test_a_port_that_another_program_takes_first_is_left_to_it(capfd: pytest.CaptureFixture[str]) -> None:
    """As when two clusters start at the same moment; what answers there is not one of our nodes."""
    with socket.create_server(("127.0.0.1", free_port())) as other:
        taken = other.getsockname()[1]
        with Nodes(0, {"DATABASE_URL": "postgresql://me@127.0.0.1:1/x", "NATS_URL": "nats://127.0.0.1:1"}, {}) as nodes:
            nodes.nodes.append(Node("n1", taken, nodes._settings, nodes._folder))
            poll_until(lambda: bool(nodes.nodes[0].end), what="it finds its port taken")
            nodes.replace_ended()
            assert nodes.nodes[0].port != taken

            def listens() -> bool:
                nodes.replace_ended()
                return nodes.nodes[0].listens

            poll_until(listens, what="it listens")
