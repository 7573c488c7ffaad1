"""docs/reliability.md names existing tests, each promise has one in the default run, and its quotes match the code."""

import ast
import re
from pathlib import Path

import pytest

from storage.postgres.connection import errors

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
NAMES = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
NAMED = sorted(set(NAMES.findall(PAGE)))
PROMISES = [line for line in PAGE.splitlines() if line.startswith("|") and NAMES.search(line)]


@pytest.mark.parametrize(("file", "name"), NAMED, ids=lambda part: part.removeprefix("tests/"))
def test_every_named_test_exists(file: str, name: str) -> None:
    path = ROOT / file
    assert path.is_file(), f"docs/reliability.md names {file}, which is not there"
    found = re.search(rf"^(async def|def|class) {name}\b|^{name} = ", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert found, f"docs/reliability.md names {name}, which is not in {file}"


def left_out(file: str, name: str) -> bool:
    """Return whether the default run omits a whole test: a mark on one parameter keeps the others."""
    module = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    marks: list[ast.expr] = []
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == name:
            marks += node.decorator_list
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
            marks += node.value.elts if isinstance(node.value, ast.List) else [node.value]
    return any(ast.unparse(mark) in ("pytest.mark.slow", "pytest.mark.alone") for mark in marks)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda line: line.split("|")[1].strip()[:40])
def test_each_promise_has_a_test_in_the_default_run(promise: str) -> None:
    named = NAMES.findall(promise)
    assert not all(left_out(file, name) for file, name in named), f"only `dev.py test --all` runs any of {named}"


def test_every_fault_case_is_named() -> None:
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        if path == Path(__file__):
            continue
        cases = re.findall(r"^(?:(?:async )?def (?=test_)|(?=Test\w+ =))(\w+)", path.read_text("utf-8"), re.MULTILINE)
        assert cases, f"no case in {path.name}"
        for case in cases:
            assert (f"tests/faults/{path.name}", case) in NAMED, f"docs/reliability.md does not name {case}"


def test_the_reasons_on_the_page_match_the_code() -> None:
    for words in (
        "the connection to Postgres failed",
        "the database is read-only",
        "the database server's disk is full",
    ):
        assert words in errors._WORDS.values()
        assert words in PAGE
