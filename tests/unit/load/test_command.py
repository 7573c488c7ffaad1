"""The command line, the plan, and where things run."""

import sys
from pathlib import Path

import pytest

from tests.load.__main__ import options_of
from tests.load.bench import BenchError, Options, choose_subjects, enough_files, plan
from tests.load.place import Cores, core_list
from tests.load.subjects import NATIVE, RAW, against
from tests.load.workloads import CURVES, FULL, OF_NODES, SHORT, WORKLOADS
from tests.support.process import ROOT

pytestmark = pytest.mark.slow  # a tool's tests


def test_without_options_the_short_selection_runs_twice() -> None:
    options = options_of([])
    assert (options.workloads, options.curves, options.runs) == (SHORT, (), 2)


def test_full_measures_everything_five_times_unless_n_is_given() -> None:
    assert (options_of(["--full"]).workloads, options_of(["--full"]).runs) == (FULL, 5)
    assert options_of(["--full", "-n", "3"]).runs == 3


def test_only_the_requested_curves_are_measured() -> None:
    options = options_of(["--curves"])
    assert (options.workloads, options.curves) == ((), ("members", "rooms", "connections"))
    assert options_of(["W1", "--curves", "members"]).workloads == ("W1",)
    assert options_of(["--curves", "--postgres"]).curves == tuple(CURVES)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["W9"], "no such workload: W9"),
        (["--curves", "W1"], "no such curve: W1"),
        (["--curves", "acks"], "needs --postgres"),
        (["-n", "0"], "-n must be 1 or more"),
        (["--nodes", "1"], "--nodes must be 2 or more"),
        (["--nodes", "3", "--full"], "only -n, --json and --no-repeats go with it"),
        (["--nodes", "3", "--curves"], "only -n, --json and --no-repeats go with it"),
        (["--nodes", "3", "W5"], "there are none in W5"),
    ],
)
def test_an_invalid_command_line_is_explained(
    arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        options_of(arguments)
    assert why in capsys.readouterr().err


def test_nodes_are_compared_with_one_three_times_in_their_own_workloads_with_postgres() -> None:
    options = options_of(["--nodes", "3"])
    assert (options.workloads, options.runs, options.postgres, options.nodes) == (OF_NODES, 3, True, 3)
    assert options_of(["N10", "W4b", "--nodes", "2", "-n", "1"]).workloads == ("N10", "W4b")
    who = [(one.key, one.nodes, one.at_edges) for one in choose_subjects(options)]
    assert who == [("parley", 1, False), ("nodes", 3, False), ("edges", 3, True)]


def test_the_page_has_a_row_for_every_workload() -> None:
    _, _, page = (ROOT / "docs" / "performance.md").read_text().partition("## The workloads\n")
    rows = [line.split(" | ")[:2] for line in page.splitlines() if line.startswith(("| W", "| N"))]
    assert rows == [[f"| {name}", WORKLOADS[name].title] for name in (*FULL, *OF_NODES)]


def test_the_other_command_needs_a_port() -> None:
    with pytest.raises(BenchError, match=r"\{port\}"):
        choose_subjects(Options(("W1",), against="python main.py"))


def test_files_of_another_command_are_found_from_its_empty_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "main.py").touch()
    monkeypatch.chdir(tmp_path)
    assert against("python main.py --port {port}").command == ("python", str(tmp_path / "main.py"), "--port", "{port}")


def test_the_plan_is_every_workload_then_every_point_of_every_curve() -> None:
    options = Options(("W1", "W5"), curves=("connections", "acks"), runs=3, baselines=True)
    jobs = plan(options, choose_subjects(options))
    assert [job.series.name for job in jobs[:3]] == ["W1", "W5", "connections=1000"]
    assert len(jobs) == 2 + len(CURVES["connections"].xs) + len(CURVES["acks"].xs)
    assert [one.key for one in jobs[0].who] == ["parley", "baseline_aiohttp", "baseline_websockets"]
    assert [one.key for one in jobs[-1].who] == ["parley"]
    assert (jobs[0].runs, jobs[-1].runs) == (3, 1)


def test_too_few_open_files_leave_a_workload_out_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert enough_files(WORKLOADS["W1"], 1024)
    assert not enough_files(WORKLOADS["W5"], 4096)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "left out W5 (idle connections): each program needs 10,128 open files" in said


def test_settings_in_the_users_environment_reach_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me@production/chat")
    options = Options(("W1",), against=f"{sys.executable} {{port}}")
    assert all("DATABASE_URL" not in one.env for one in choose_subjects(options))


def test_several_servers_are_loaded_at_once() -> None:
    words = NATIVE.options([1, 2], idle=True, acks=False)
    assert [word for word in words if word.startswith("ws://")] == [
        "ws://127.0.0.1:1/chat?u={user}",
        "ws://127.0.0.1:2/chat?u={user}",
    ]


def test_acks_are_counted_only_where_the_server_sends_them() -> None:
    assert "--acks" in NATIVE.options([1], idle=False, acks=True)
    assert "--acks" not in NATIVE.options([1], idle=False, acks=False)
    assert "--acks" not in RAW.options([1], idle=False, acks=True)
    assert "--pub" not in NATIVE.options([1], idle=True, acks=True)


@pytest.mark.parametrize(("text", "cores"), [("0", {0}), ("0,4\n", {0, 4}), ("0-1", {0, 1}), ("2-4,9", {2, 3, 4, 9})])
def test_lists_of_cores_are_parsed(text: str, cores: set[int]) -> None:
    assert core_list(text) == cores


def test_the_c_generator_stays_on_one_core() -> None:
    assert Cores(0, (2, 3)).generator == (2,)
    assert str(Cores(0, (2, 3))) == "server on core 0, generator on 2, 3"
    assert "not pinned" in str(Cores(None, ()))
