"""Tables for people, JSON for programs."""

import json

import pytest

from server.commands.output import Output, Row

ROWS: list[Row] = [
    {"name": "ann", "at": "2026-11-21T08:31:11.000007Z", "admin": True, "more": 1},
    {"name": "b\x1b[2J\nob", "at": None, "admin": False, "more": 2},
]


def test_a_table_is_aligned_and_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    Output(json=False).rows(("name", "at", "admin"), ROWS)
    assert capsys.readouterr().out.splitlines() == [
        "NAME          AT                    ADMIN",
        "ann           2026-11-21T08:31:11Z  yes",
        r"b\x1b[2J\nob  -                     no",
    ]


def test_json_has_everything_in_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    Output(json=True).rows(("name",), ROWS)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == ROWS


def test_an_empty_table_has_its_head(capsys: pytest.CaptureFixture[str]) -> None:
    Output(json=False).rows(("used_at", "name"), [])
    assert capsys.readouterr().out == "USED AT  NAME\n"
    Output(json=True).rows(("name",), [])
    assert capsys.readouterr().out == ""
