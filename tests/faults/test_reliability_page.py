"""docs/reliability.md names tests that exist, every fault case is named there, and its words are the code's."""

import re
from pathlib import Path

import pytest

from storage.postgres.connection import errors

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


@pytest.mark.parametrize(("file", "name"), NAMED, ids=lambda part: part.rpartition("/")[2])
def test_a_test_that_is_named_exists(file: str, name: str) -> None:
    path = ROOT / file
    assert path.is_file(), f"docs/reliability.md names {file}, which is not there"
    found = re.search(rf"^(async def|def|class) {name}\b|^{name} = ", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert found, f"docs/reliability.md names {name}, which is not in {file}"


def test_every_fault_case_is_named() -> None:
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        if path == Path(__file__):
            continue
        cases = re.findall(r"^(?:(?:async )?def (?=test_)|(?=Test\w+ =))(\w+)", path.read_text("utf-8"), re.MULTILINE)
        assert cases, f"no case in {path.name}"
        for case in cases:
            assert (f"tests/faults/{path.name}", case) in NAMED, f"docs/reliability.md does not name {case}"


def test_what_ready_says_is_what_storage_says() -> None:
    for words in (
        "the connection to Postgres failed",
        "the database is read-only",
        "the database server's disk is full",
    ):
        assert words in errors._WORDS.values()
        assert words in PAGE
