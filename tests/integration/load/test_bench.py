"""`dev.py bench` from end to end, for a second: nothing is lost, and the table says so. Speed is not tested."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.load.bench import BenchError, Options, choose_generator
from tests.load.building import BuildError, build
from tests.load.figures import FAULTS
from tests.load.place import choose_cores
from tests.load.record import Record, read_record
from tests.load.running import Generator, run_once
from tests.load.sizes import Amounts, measure
from tests.load.subjects import Subject, baselines, parley
from tests.load.workloads import Workload
from tests.support.process import ROOT

pytestmark = pytest.mark.slow  # a tool's tests

TINY = Workload("tiny", "tiny", "--clients 12 --rooms 2 --publishers 2 --window 2 --warmup 0 --seconds 0.2 --drain 5")


def run_bench(folder: Path, *arguments: str) -> tuple[str, Record]:
    """Measure Parley for a second; return the output and the record."""
    file = folder / "record.json"
    command = [sys.executable, "-m", "tests.load", "smoke", "-n", "1", "--no-repeats", "--no-baselines"]
    done = subprocess.run(
        [*command, *arguments, "--json", str(file)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[1/" in done.stderr
    return done.stdout, read_record(file)


def holds(record: Record) -> None:
    for run in record.series[0].runs:
        assert run.result.received == run.result.expected > 0
        assert {name: getattr(run.result, name) for name in FAULTS} == dict.fromkeys(FAULTS, 0)


def test_the_bench_runs_with_the_c_generator(tmp_path: Path) -> None:
    try:
        build("wsload")
    except BuildError:  # a machine without a compiler: the message says so
        with pytest.raises(BenchError, match="no C compiler"):
            choose_generator(Options((), generator="c"), Generator(None, choose_cores()))
        return
    printed, record = run_bench(tmp_path, "--generator", "c")
    holds(record)
    assert "| smoke: a second of everything | Parley |" in printed
    assert record.generator == "wsload (C)"


def test_the_bench_runs_with_the_python_generator(tmp_path: Path) -> None:
    printed, record = run_bench(tmp_path, "--generator", "python")
    holds(record)
    assert "| smoke: a second of everything | Parley |" in printed


def test_the_bench_compares_nodes_with_one(tmp_path: Path) -> None:
    try:
        build("wsload")
    except BuildError:
        with pytest.raises(BenchError, match="no C compiler"):
            choose_generator(Options((), nodes=2), Generator(None, choose_cores()))
        return
    printed, record = run_bench(tmp_path, "--nodes", "2")
    holds(record)
    single, *several = record.series[0].runs
    assert [single.subject, *(run.subject for run in several)] == ["parley", "nodes", "edges"]
    assert single.nodes is not None
    assert len(single.nodes.cpu_s) == 1
    for run in several:
        assert run.nodes is not None
        assert len(run.nodes.cpu_s) == 2
        assert single.nodes.link_messages == 0 < run.nodes.link_messages
    for who in ("Parley, 2 nodes", "Parley, 2 nodes, no clients at the owner"):
        assert f"smoke, {who}: all together use" in printed


@pytest.mark.parametrize("subject", baselines(), ids=lambda one: one.key)
def test_the_baselines_deliver_everything(subject: Subject) -> None:
    run = run_once(subject, TINY, Generator(None, choose_cores()), acks=False)
    assert run.result.received == run.result.expected > 0
    assert (run.result.lost, run.result.disconnects, run.result.protocol_errors) == (0, 0, 0)


def test_every_message_is_acked_and_timed() -> None:
    """Two processes share each room, so that a message is received by members of both."""

    class TwoProcesses(Generator):
        @property
        def _processes(self) -> int:
            return 2

    # Acks are timed only while the run measures: long enough for some to arrive on a busy machine too.
    one_room = Workload("tiny", "tiny", TINY.options.replace("--rooms 2", "--rooms 1").replace("0.2", "2"))
    run = run_once(parley(), one_room, TwoProcesses(None, choose_cores()), acks=True)
    assert run.result.received == run.result.expected > 0
    assert (run.result.unacked, run.result.order_violations, run.result.divergent_rooms) == (0, 0, 0)
    assert run.result.ack_us is not None
    assert run.result.ack_us.p50 > 0


@pytest.mark.parametrize("language", ["C", "Python"])
def test_messages_that_are_refused_are_not_lost(language: str) -> None:
    try:
        program = build("wsload") if language == "C" else None
    except BuildError as error:
        pytest.skip(str(error))
    limited = replace(parley(), env={**parley().env, "RATE_LIMIT_MESSAGES": "1"})
    busy = Workload("busy", "busy", "--clients 12 --rooms 2 --publishers 2 --rate 40 --warmup 0 --seconds 1")
    result = run_once(limited, busy, Generator(program, choose_cores()), acks=True).result
    assert result.refused > 0
    assert result.received == result.expected > 0
    assert (result.lost, result.unacked, result.order_violations, result.divergent_rooms) == (0, 0, 0, 0)


def test_a_missing_compiler_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(BuildError, match="no C compiler"):
        build("wsload")


def test_the_sizes_are_measured() -> None:
    """On a database and a server of its own; of few messages, so the figures say nothing."""
    rows = measure(Amounts(messages=500, users=10, rooms=10, connections=20, used_rooms=20)).splitlines()[2:]
    assert [row.split(" | ")[0] for row in rows] == [
        "| a message",
        "| an account with a login",
        "| a member of a room",
        "| a message in a backup",
        "| the server, when it is ready",
        "| a connection",
        "| a room in use",
    ]
