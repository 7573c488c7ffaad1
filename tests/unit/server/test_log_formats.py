"""The two formats of log lines, and the fields in them."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextvars import copy_context

import pytest

from model.audit import AuditEntry
from model.room import User
from server.logs.access import log_access
from server.logs.folding import CLIENT_LINES, LINES, FoldRepeats
from server.logs.formats import FORMATS
from storage.ports.audit import log_entries
from utils.log_fields import CLIENTS, CONTEXT

Lines = Callable[[], list[str]]


@pytest.fixture(params=["text", "json"])
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def lines(form: str) -> Iterator[Lines]:
    """Return the lines written so far."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(FORMATS[form]())
    handler.addFilter(FoldRepeats(lambda: 0.0))
    loggers = [logging.getLogger(name) for name in ("aa", "parley")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
        logger.addHandler(handler)
    yield lambda: stream.getvalue().splitlines()
    for logger, level in zip(loggers, levels, strict=True):
        logger.removeHandler(handler)
        logger.setLevel(level)


def test_a_line_has_its_fields_in_order(form: str, lines: Lines) -> None:
    logging.getLogger("aa").info(
        "%s left", "Ann", extra={"room": 'a "b" [c]', "session": "s_1", "principal": "", "address": "192.0.2.1"}
    )
    (line,) = lines()
    if form == "text":
        assert line.endswith(' INFO    aa: Ann left [session=s_1 room="a \\"b\\" [c]" address=192.0.2.1]')
    else:
        told = json.loads(line)
        assert told.pop("time").endswith("Z")
        assert told == {
            "level": "info",
            "logger": "aa",
            "message": "Ann left",
            "session": "s_1",
            "room": 'a "b" [c]',
            "address": "192.0.2.1",
        }


def test_the_fields_of_a_task_are_in_every_line_that_it_writes(form: str, lines: Lines) -> None:
    def task() -> None:
        CONTEXT.set({"request": "r_1", "address": "192.0.2.1"})
        logging.getLogger("aa").info("one")
        logging.getLogger("aa").info("two", extra={"address": "192.0.2.2"})

    copy_context().run(task)
    logging.getLogger("aa").info("three")
    one, two, three = lines()
    assert ("r_1" in one, "192.0.2.1" in one) == (True, True)
    assert ("r_1" in two, "192.0.2.2" in two) == (True, True)
    assert "r_1" not in three


def test_text_of_a_client_in_a_field_starts_no_line(form: str, lines: Lines) -> None:
    logging.getLogger("aa").info("x", extra={"room": "a\nb\u2028c\x1b[31m" + "d" * 1000})
    (line,) = lines()
    assert "\x1b" not in line
    assert len(line) < 400


def test_a_traceback_is_part_of_its_line_of_json(form: str, lines: Lines) -> None:
    try:
        raise ValueError("no\nway")
    except ValueError:
        logging.getLogger("aa").exception("failed", extra={"session": "s_1"})
    told = lines()
    if form == "text":
        assert told[0].endswith("failed [session=s_1]")
        assert told[-1] == "ValueError: no\\nway"
    else:
        (line,) = told
        assert json.loads(line)["error"].splitlines()[-1] == "ValueError: no\\nway"


def test_an_audit_entry_is_an_object_in_json(form: str, lines: Lines) -> None:
    log_entries([AuditEntry(7, 1, "ban", "ok", User("u_ann", "A\nn"), User("g_1", "B"), room="plans")])
    (line,) = lines()
    if form == "json":
        assert json.loads(line)["audit"] == {
            "action": "ban",
            "result": "ok",
            "actor": "u_ann",
            "actor_name": "A\\nn",
            "target": "g_1",
            "target_name": "B",
            "room": "plans",
            "id": "7",
        }
    else:
        assert 'action=ban result="ok" actor="u_ann"' in line


def test_the_access_log_and_debug_lines_are_never_left_out(form: str, lines: Lines) -> None:
    for _ in range(3 * LINES):
        logging.getLogger("aa").debug("asked for")
        log_access("GET", "/a\nb", 200, size=9, seconds=0.5, agent='"x', address="192.0.2.1")
    told = lines()
    assert len(told) == 6 * LINES
    if form == "json":
        assert json.loads(told[1])["access"] == {
            "method": "GET",
            "path": "/a\\nb",
            "status": 200,
            "bytes": 9,
            "seconds": 0.5,
            "user_agent": '"x',
        }
    else:
        assert told[1].endswith('INFO    parley.access: GET /a\\nb 200 9 B 500.0 ms ""x" [address=192.0.2.1]')


def test_lines_about_clients_are_fewer(form: str, lines: Lines) -> None:
    """An attack may be refused in several ways: together they write no more than a hundred lines a minute."""
    for _ in range(1000):
        for way in ("slow", "refused", "flood"):
            logging.getLogger(CLIENTS).info(way)
    assert len(lines()) == 3 * (CLIENT_LINES + 1) < 100
