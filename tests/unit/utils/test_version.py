import importlib.metadata

import pytest

from utils import version


def test_the_version_is_that_which_pip_has_installed() -> None:
    assert version.installed_version() == importlib.metadata.version("parley")


def test_files_that_are_not_installed_have_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version, "PACKAGE", "parley-that-nobody-has-installed")
    assert version.installed_version() == "unknown"
