"""Programs that fail, and machines without a network or apt."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.support import programs
from tests.support.programs import NetworkError, SetupError, failure, may_use_apt, quietly, with_progress

NO_SERVER = "ERROR: ... Failed to establish a new connection: [Errno -3] Temporary failure in name resolution"


def test_a_program_that_fails_shows_its_output() -> None:
    with pytest.raises(SetupError, match=r"(?s)what went wrong.*failed with status 3"):
        quietly([sys.executable, "-c", "print('what went wrong'); raise SystemExit(3)"])
    with pytest.raises(SetupError, match="cannot be started"):
        quietly(["/no/such/program"])


def test_a_program_that_takes_long_is_said_to_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """It ends when that has been said."""
    said, end = programs.say, tmp_path / "end"

    def say(line: str) -> None:
        said(line)
        end.touch()

    monkeypatch.setattr(programs, "SILENCE", 0.05)
    monkeypatch.setattr(programs, "say", say)
    wait = f"while not pathlib.Path({str(end)!r}).exists(): pass"
    program = f"import pathlib\nprint('begins', flush=True)\n{wait}\nprint('ends')"
    assert quietly([sys.executable, "-c", program]) == "begins\nends\n"
    name = re.escape(Path(sys.executable).name)
    assert re.match(rf"dev\.py: \.\.\. {name} is still running \(0 s\)\n", capsys.readouterr().err)


@pytest.mark.parametrize(
    "line",
    [
        "W: Failed to fetch http://deb.example/  Temporary failure resolving 'deb.example'",
        "E: Could not connect to deb.example:80 (192.0.2.1). - connect (113: No route to host)",
        "WARNING: Retrying ... 'NewConnectionError(... Failed to establish a new connection: [Errno 101]')",
        "npm error code EAI_AGAIN",
    ],
)
def test_a_missing_network_is_reported_as_such(line: str) -> None:
    program = f"print({line!r}); print('E: Unable to locate package x'); raise SystemExit(100)"
    with pytest.raises(NetworkError, match="cannot reach a server") as raised:
        quietly([sys.executable, "-c", program])
    assert str(raised.value).count("\n") == 0
    assert line in str(raised.value)


def test_a_certificate_that_is_not_trusted_is_reported_in_one_line() -> None:
    said = (
        "'SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed"
    )
    error = failure(["python", "-m", "pip", "install"], f"Collecting a\n{said}\nERROR: No matching distribution", 1)
    assert isinstance(error, NetworkError)
    assert str(error).startswith("pip does not trust the certificate of a server ")
    assert "PIP_CERT=FILE" in str(error)
    assert str(error).count("\n") == 0
    said = "E: ... Certificate verification failed: The certificate is NOT trusted."
    assert str(failure(["apt-get", "update"], said, 100)).startswith(
        "apt-get does not trust the certificate of a server"
    )


def test_a_failure_while_unpacking_is_not_reported_as_a_missing_network() -> None:
    """pip may have retried a server before it changed the .venv. And not everything missing is a network."""
    assert not isinstance(failure(["pip"], "FileNotFoundError: [Errno 2]", 1), NetworkError)
    output = f"Collecting a\n{NO_SERVER}\nInstalling collected packages: a\nERROR: No space left on device"
    assert not isinstance(failure(["pip"], output, 1), NetworkError)


def test_a_long_installation_shows_its_progress(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(programs, "SILENCE", 0.0)
    pip = "print('Collecting numpy==2.4.6 (from parley)'); print('Installing collected packages: numpy')"
    with_progress([sys.executable, "-c", pip])
    assert "dev.py: ... 1 package so far, unpacking" in capsys.readouterr().err.splitlines()
    with pytest.raises(SetupError, match=r"(?s)no such.*failed with status 3"):
        with_progress([sys.executable, "-c", "print('no such package'); raise SystemExit(3)"])


def test_the_progress_of_pip_is_in_packages_and_megabytes() -> None:
    lines = [
        "Looking in indexes: https://pypi.org/simple",
        "Collecting numpy==2.4.6 (from parley)",
        "  Downloading numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl (16.9 MB)",
        "Collecting PyOTP<3 (from parley)",
        "  Downloading pyotp-2.12.0-py3-none-any.whl (900 kB)",
        "Processing /wheels/uvloop-0.23.0-cp311-cp311-manylinux2014_x86_64.whl (from parley)",
        "Installing collected packages: numpy, pyotp",
    ]
    assert programs.progress(lines[0]) == "starting pip"
    assert programs.progress("\n".join(lines[:2])) == "1 package so far, now numpy"
    assert programs.progress("\n".join(lines[:5])) == "2 packages, 18 MB so far, now PyOTP"
    assert programs.progress("\n".join(lines[:6])) == "3 packages, 18 MB so far, now uvloop"
    assert programs.progress("\n".join(lines)) == "3 packages, 18 MB so far, unpacking"


def test_root_installs_by_apt_only_where_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    def pretend(uid: int, apt: str | None) -> None:
        monkeypatch.setattr(os, "getuid", lambda: uid)
        monkeypatch.setattr(shutil, "which", lambda name: apt)

    monkeypatch.delenv("PARLEY_NO_APT", raising=False)
    cases: list[tuple[int, str | None, bool]] = [(0, "/usr/bin/apt-get", True), (0, None, False), (1, "/x", False)]
    for uid, apt, allowed in cases:
        pretend(uid, apt)
        assert may_use_apt() is allowed
    pretend(0, "/usr/bin/apt-get")
    monkeypatch.setenv("PARLEY_NO_APT", "1")
    assert may_use_apt() is False
