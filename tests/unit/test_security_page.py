"""docs/security.md names existing tests, and says of each requirement of the ASVS whether it is met, once."""

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.test_reliability_page import left_out

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))
STATES = {"met", "in part", "not met", "not applicable", "operator"}
ROW = re.compile(r"^\| ([\d., ]+) \| ([\w ]+) \| (.+) \|$", re.MULTILINE)

# OWASP ASVS 5.0.0: how the requirements of the levels 1 and 2 are numbered. No section has a gap below its last one.
SECTIONS = """
1.1:2 1.2:9 1.3:11 1.4:3 1.5:2
2.1:3 2.2:3 2.3:4 2.4:1
3.2:2 3.3:4 3.4:6 3.5:5 3.7:2
4.1:3 4.2:1 4.3:2 4.4:4
5.1:1 5.2:3 5.3:2 5.4:3
6.1:3 6.2:12 6.3:4 6.4:4 6.5:5 6.6:3 6.8:4
7.1:3 7.2:4 7.3:2 7.4:5 7.5:2 7.6:2
8.1:2 8.2:3 8.3:1 8.4:1
9.1:3 9.2:4
10.1:2 10.2:2 10.3:4 10.4:11 10.5:5 10.6:2 10.7:3
11.1:2 11.2:3 11.3:3 11.4:4 11.5:1 11.6:1
12.1:3 12.2:2 12.3:4
13.1:1 13.2:5 13.3:2 13.4:5
14.1:2 14.2:4 14.3:3
15.1:3 15.2:3 15.3:7
16.1:1 16.2:5 16.3:4 16.4:3 16.5:3
17.1:1 17.2:4 17.3:2
"""


@pytest.mark.parametrize(("file", "name"), NAMED, ids=lambda part: part.removeprefix("tests/"))
def test_every_named_test_exists(file: str, name: str) -> None:
    path = ROOT / file
    assert path.is_file(), f"docs/security.md names {file}, which is not there"
    found = re.search(rf"^(async def|def|class) {name}\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert found, f"docs/security.md names {name}, which is not in {file}"


def test_every_requirement_has_one_state() -> None:
    sections = dict(part.split(":") for part in SECTIONS.split())
    wanted = {f"{section}.{number}" for section, last in sections.items() for number in range(1, int(last) + 1)}
    assert len(wanted) == 253
    rows = ROW.findall(PAGE)
    listed = Counter(requirement for ids, _, _ in rows for requirement in ids.split(", "))
    assert [requirement for requirement, times in listed.items() if times > 1] == []
    assert set(listed) == wanted
    assert {state for _, state, _ in rows} <= STATES


def test_each_promise_has_a_test_in_the_default_run() -> None:
    promises = PAGE.split("## Promises")[1].split("\n## ")[0].split("|---|---|\n")[1].strip().splitlines()
    assert promises
    for promise in promises:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", promise)
        assert not all(left_out(file, name) for file, name in named), promise


def test_what_is_not_met_says_why() -> None:
    assert [ids for ids, state, why in ROW.findall(PAGE) if state != "met" and len(why) < 8] == []
