"""The promises of tests/support/proxies.py: each proxy starts with a test's configuration, and says what is wrong."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.support import debian, programs
from tests.support.process import NotReadyError
from tests.support.proxies import FILES, ProxyProcess, example
from tests.support.server import ServerProcess

pytestmark = pytest.mark.slow  # a tool's tests


@pytest.mark.parametrize("name", FILES)
def test_each_proxy_forwards(
    name: str, start_server: Callable[..., ServerProcess], start_proxy: Callable[..., ProxyProcess]
) -> None:
    proxy = start_proxy(name, example(name), start_server({}).port)
    with urlopen(f"{proxy.http_url}/health") as answer:
        assert answer.status == 200


def test_an_invalid_configuration_is_named(start_proxy: Callable[..., ProxyProcess]) -> None:
    with pytest.raises(NotReadyError, match="no_such_directive"):
        start_proxy("nginx", "no_such_directive on;")


def test_an_unavailable_program_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_NO_APT", "1")
    with pytest.raises(debian.ProgramMissingError, match=r"^no no-such-program found: install it .*$"):
        debian.fetch("no-such-program")


def test_an_ordinary_user_unpacks_missing_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(programs, "may_use_apt", lambda: False)
    monkeypatch.setattr(debian, "_installed", lambda name: None)
    program = debian.fetch("haproxy")
    assert Path(program.executable).is_relative_to(tmp_path)
    subprocess.run([program.executable, "-v"], env=program.environment, check=True, capture_output=True)
    assert debian.fetch("haproxy") == program
