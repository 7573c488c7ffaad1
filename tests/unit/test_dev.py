"""dev.py, as far as it can be tested without a network: arguments, stamps, errors, locks."""

import ast
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import dev
from tests.support.process import ROOT
from tests.support.programs import SetupError, failure
from tests.support.test_programs import NO_SERVER


def run_dev(*arguments: str, cwd: Path = ROOT, script: Path = ROOT / "dev.py") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        cwd=cwd, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Create a folder with the two files that count, and make dev.py work in it."""
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    (tmp_path / "constraints.txt").write_text("a==1\n")
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    monkeypatch.setattr(dev, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(dev, "PYTHON", tmp_path / ".venv/bin/python")
    monkeypatch.setattr(dev, "STAMP", tmp_path / ".venv/parley-stamp.json")
    return tmp_path


# --- arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [(), ("fly",), ("--fly",), ("Run",)])
def test_an_unknown_command_prints_the_usage_and_exits_with_2(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = run_dev(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "Usage: python3 dev.py COMMAND" in done.stderr
    assert all(name in done.stderr for name in dev.COMMANDS)
    assert done.stdout == ""


@pytest.mark.parametrize("word", ["-h", "--help", "help"])
def test_help_exits_with_0(word: str) -> None:
    done = run_dev(word)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: python3 dev.py COMMAND" in done.stdout


@pytest.mark.parametrize("arguments", [("now",), ("run", "now"), ("test",)])
def test_setup_accepts_only_run(arguments: tuple[str, ...]) -> None:
    done = run_dev("setup", *arguments)
    assert (done.returncode, done.stderr) == (1, "dev.py: the only argument of setup is run\n")


def test_an_old_python_gets_one_line() -> None:
    """The version check runs before anything that an old Python lacks, and is reached by a parser as old as 3.7."""
    source = (ROOT / "dev.py").read_text()
    ast.parse(source, feature_version=(3, 7))
    check = source[: source.index("try:\n    import fcntl")]
    pretend = "import sys, collections\nsys.version_info = (3, 9, 2)\n"
    done = subprocess.run([sys.executable, "-c", pretend + check], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "Parley needs Python 3.11 or later; this is Python 3.9.\n"


# --- the stamp -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_the_fingerprint_follows_the_two_files(project: Path, name: str) -> None:
    before = dev.fingerprint()
    assert before == dev.fingerprint()
    with (project / name).open("a") as file:
        file.write("# more\n")
    assert dev.fingerprint() != before


def test_the_fingerprint_keeps_the_two_files_apart(project: Path) -> None:
    before = dev.fingerprint()
    (project / "pyproject.toml").write_text("[project]\nname = 'x'\na==1\n")
    (project / "constraints.txt").write_text("")
    assert dev.fingerprint() != before


def test_the_fingerprint_follows_the_folder_and_the_python(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = dev.fingerprint()
    monkeypatch.setattr(dev, "ROOT", project.rename(project.with_name("moved")))
    moved = dev.fingerprint()
    monkeypatch.setattr(sys.implementation, "cache_tag", "cpython-399")
    assert len({before, moved, dev.fingerprint()}) == 3


@pytest.mark.parametrize(
    ("installed", "wanted", "enough"),
    [("run", "run", True), ("test", "run", True), ("test", "test", True), ("run", "test", False)],
)
@pytest.mark.usefixtures("project")
def test_an_installation_for_tests_also_serves_run(installed: str, wanted: str, enough: bool) -> None:
    dev.VENV.mkdir()
    dev.STAMP.write_text(json.dumps({"purpose": installed, "fingerprint": dev.fingerprint()}))
    assert dev.installed_for(wanted) is enough


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '{"purpose": "test", "fingerprint": "of another day"}'])
@pytest.mark.usefixtures("project")
def test_a_missing_broken_or_old_stamp_means_not_installed(text: str | None) -> None:
    if text is not None:
        dev.VENV.mkdir()
        dev.STAMP.write_text(text)
    assert not dev.installed_for("run")


# --- ensure ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def steps(project: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record what ensure() does: "venv" for an empty .venv, "install ..." for packages. No network is needed."""
    done: list[str] = []

    def make_venv() -> None:
        done.append("venv")
        dev.PYTHON.parent.mkdir(parents=True, exist_ok=True)
        dev.PYTHON.touch()

    monkeypatch.setattr(dev, "make_venv", make_venv)
    monkeypatch.setattr(dev, "install", lambda purpose: done.append(f"install {purpose}"))
    return done


def test_ensure_installs_once(steps: list[str]) -> None:
    dev.ensure("run")
    dev.ensure("run")
    assert steps == ["venv", "install run"]


def test_test_adds_to_what_run_installed_and_run_keeps_it(steps: list[str]) -> None:
    dev.ensure("run")
    dev.ensure("test")
    dev.ensure("run")
    assert steps == ["venv", "install run", "install test"]


def test_a_changed_pyproject_reinstalls_in_place_with_the_same_extras(steps: list[str], project: Path) -> None:
    dev.ensure("test")
    (project / "pyproject.toml").write_text("[project]\nname = 'y'\n")
    dev.ensure("run")
    assert steps == ["venv", "install test", "install test"]


def test_an_interrupted_installation_is_redone(steps: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(purpose: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(dev, "install", interrupted)
        with pytest.raises(KeyboardInterrupt):
            dev.ensure("run")
    dev.ensure("run")
    assert steps == ["venv", "venv", "install run"]


def test_a_venv_whose_python_is_gone_is_recreated(steps: list[str]) -> None:
    dev.ensure("run")
    dev.PYTHON.unlink()
    dev.ensure("run")
    assert steps == ["venv", "install run", "venv", "install run"]


def test_a_venv_of_another_python_is_recreated(steps: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    dev.ensure("run")
    monkeypatch.setattr(sys, "base_prefix", "/opt/another")
    monkeypatch.setattr(sys.implementation, "cache_tag", "cpython-399")
    dev.ensure("run")
    assert steps == ["venv", "install run", "venv", "install run"]


def without_network(purpose: str) -> None:
    raise failure(["python", "-m", "pip", "install"], f"Collecting a\n{NO_SERVER}\nERROR: nothing found", 1)


def test_without_a_network_an_earlier_installation_still_runs(
    steps: list[str], project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dev.ensure("test")
    (project / "constraints.txt").write_text("a==2\n")
    with monkeypatch.context() as patch:
        patch.setattr(dev, "install", without_network)
        dev.ensure("run")
        dev.ensure("test")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("dev.py: keeping the installed packages") for line in lines)
    assert NO_SERVER in lines[0]
    dev.ensure("run")  # with a network again
    assert steps == ["venv", "install test", "install test"]


def test_without_a_network_tests_do_not_run_without_their_packages(
    steps: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dev.ensure("run")
    monkeypatch.setattr(dev, "install", without_network)
    assert dev.main(["test"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("dev.py: pip cannot reach a server (is there a network?): ERROR: ... Failed to establish")


def test_a_read_only_folder_says_which_venv_it_has(
    steps: list[str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For example on a read-only mount, where the folder has another name."""
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(SetupError, match=f"{project} is not writable, and has no .venv"):
        dev.ensure("run")
    dev.STAMP.parent.mkdir(parents=True)
    dev.STAMP.write_text(json.dumps({"purpose": "run", "fingerprint": "-", "python": "cpython-311 /usr /elsewhere"}))
    with pytest.raises(SetupError, match=r"its \.venv was made for cpython-311 /usr /elsewhere"):
        dev.ensure("run")
    assert dev.STAMP.exists()
    assert not steps


def test_a_second_call_waits_for_the_first(steps: list[str], project: Path) -> None:
    """The lock belongs to the folder: a child that requests it waits, and gets it when the first call ends."""
    ask = f"import dev, pathlib; dev.ROOT = pathlib.Path({str(project)!r})\nwith dev.locked(): print('mine')"
    with dev.locked():
        child = subprocess.Popen(
            [sys.executable, "-c", ask], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert child.stderr is not None
        assert child.stderr.readline() == "dev.py: waiting for another installation in this folder\n"
        assert child.poll() is None
    out, err = child.communicate(timeout=30)
    assert (out, err, child.returncode) == ("mine\n", "", 0)


# --- installing ------------------------------------------------------------------------------------------------------


def test_run_installs_no_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the packages for tests nor those for several nodes."""
    asked: list[str] = []
    monkeypatch.setattr(dev, "with_progress", lambda command: asked.append(command[-1]))
    dev.install("run")
    dev.install("test")
    assert asked == [".", ".[cluster,test]"]


def test_a_failure_of_pip_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def pip(command: list[str], **_: object) -> str:
        raise SetupError(f"{' '.join(command)}\nno network")

    monkeypatch.setattr(dev, "with_progress", pip)
    with pytest.raises(SetupError, match="no network"):
        dev.install("run")


def test_without_any_way_to_a_venv_there_is_one_clear_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dev, "has_ensurepip", lambda: False)
    monkeypatch.setattr(dev, "pip_of_this_python", lambda: False)
    monkeypatch.setenv("PARLEY_NO_APT", "1")
    assert dev.main(["run"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "dev.py: creating .venv"
    assert re.fullmatch(r"dev\.py: this Python cannot create a virtual environment: .*python3\.\d+-venv.*", lines[1])
    assert len(lines) == 2


@pytest.mark.parametrize("quote", ['"', "'"])
def test_pip_gets_the_certificates_that_the_system_lacks(project: Path, quote: str) -> None:
    site = dev.VENV / "site-packages"
    source = site / "pip" / "_vendor" / "certifi" / "core.py"
    source.parent.mkdir(parents=True)
    source.write_text(f"PATH = {quote}/etc/ssl/certs/ca-certificates.crt{quote}\ndef where():\n    return PATH\n")
    (project / "a.crt").write_text("A\n")
    (project / "b.crt").write_text("B\n")
    dev.use_certificates(site, [project / "a.crt", project / "b.crt"])
    where = runpy.run_path(str(source))["where"]
    assert Path(where()).read_text() == "A\nB\n"


def test_ctrl_c_prints_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(arguments: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(dev.COMMANDS, "run", interrupted)
    assert dev.main(["run"]) == 130
    assert capsys.readouterr().err == "\ndev.py: interrupted\n"


def test_a_folder_without_permission_gets_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused() -> None:
        raise PermissionError(13, "Permission denied", str(dev.VENV))

    monkeypatch.setattr(dev, "make_venv", refused)
    assert dev.main(["run"]) == 1
    assert capsys.readouterr().err == f"dev.py: [Errno 13] Permission denied: '{project}/.venv'\n"


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_anything_in_place_of_the_venv_is_replaced(project: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    elsewhere = project / "elsewhere"
    elsewhere.mkdir()
    if kind == "file":
        dev.VENV.touch()
    elif kind == "folder":
        (dev.VENV / "half").mkdir(parents=True)
    else:
        dev.VENV.symlink_to(elsewhere)
    monkeypatch.setattr(dev, "has_ensurepip", lambda: True)
    monkeypatch.setattr(dev, "quietly", lambda command: "")
    dev.make_venv()
    assert not dev.VENV.exists()
    assert elsewhere.exists()


# --- becoming the program --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("run", ["main.py", "--port", "1"]),
        ("test", ["-m", "pytest", *dev.PARALLEL, "--port", "1"]),
        ("bench", ["-m", "tests.load", "--port", "1"]),
        ("cluster", ["-m", "tests.cluster", "--nodes", "4"]),
    ],
)
def test_the_process_becomes_the_program_with_the_arguments_given(
    project: Path, monkeypatch: pytest.MonkeyPatch, command: str, expected: list[str]
) -> None:
    became: list[list[str]] = []
    monkeypatch.setattr(dev, "ensure", lambda purpose: None)
    monkeypatch.setattr(dev, "become", became.append)
    monkeypatch.setenv("PARLEY_GET_CHROMIUM", "1")  # restored afterwards, as test sets it
    monkeypatch.chdir(project)  # restored afterwards, as test changes it
    assert dev.main([command, *expected[-2:]]) == 0
    assert [word.removeprefix(f"{project}/") for word in became[0]] == [".venv/bin/python", *expected]


@pytest.mark.parametrize(("arguments", "status"), [(["--help"], 0), (["--nodes", "10"], 2)])
def test_the_command_line_of_cluster_is_read_before_anything_is_installed(
    project: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], status: int
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(dev, "ensure", asked.append)
    with pytest.raises(SystemExit) as ended:
        dev.main(["cluster", *arguments])
    assert (ended.value.code, asked) == (status, [])


def test_dev_needs_only_the_standard_library() -> None:
    modules = [ROOT / "dev.py"]
    for module in modules:
        tree = ast.parse(module.read_text())
        names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        own = {name for name in names if name.startswith("tests.")}
        modules += [ROOT / f"{name.replace('.', '/')}.py" for name in own]
        assert {name.split(".")[0] for name in names - own} <= sys.stdlib_module_names


@pytest.mark.parametrize(
    ("statuses", "status"), [((0, 0), 0), ((1, 0), 1), ((0, 3), 3), ((2, 3), 2), ((0, 5), 0), ((5, 1), 1), ((5, 5), 5)]
)
def test_all_runs_the_tests_that_must_run_alone_last(
    monkeypatch: pytest.MonkeyPatch, statuses: tuple[int, int], status: int
) -> None:
    runs: list[list[str]] = []
    left = list(statuses)

    def run(command: list[str], *, check: bool) -> "subprocess.CompletedProcess[bytes]":
        runs.append(command[3:])
        return subprocess.CompletedProcess(command, left.pop(0))

    monkeypatch.setattr(dev, "ensure", lambda purpose: None)
    monkeypatch.setenv("PARLEY_GET_CHROMIUM", "1")  # restored afterwards, as test sets it
    monkeypatch.setattr("dev.subprocess.run", run)
    with pytest.raises(SystemExit) as ended:
        dev.command_test(["--all", "tests/abuse"])
    assert ended.value.code == status
    assert runs == [[*dev.PARALLEL, "tests/abuse", "-m", "not alone"], ["-rP", "tests/abuse", "-m", "alone"]]
