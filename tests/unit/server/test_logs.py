"""One cause writes at most 100 log lines a minute, whatever a client does."""

import io
import logging
from collections.abc import Callable, Iterator

import pytest

from server.logs.folding import CAUSES, LINE_CHARS, FoldRepeats
from server.logs.formats import set_up_logging


class Log:
    """A handler that receives the filtered records, and a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.fold = FoldRepeats(lambda: self.now)
        self._stream = io.StringIO()
        self.handler = logging.StreamHandler(self._stream)
        self.handler.addFilter(self.fold)

    def lines(self) -> list[str]:
        return self._stream.getvalue().splitlines()


@pytest.fixture
def log() -> Iterator[Log]:
    log, logger = Log(), logging.getLogger("aa")
    level = logger.level
    logger.setLevel(logging.WARNING)  # undo what an earlier test may have set for all loggers
    logger.addHandler(log.handler)
    yield log
    logger.removeHandler(log.handler)
    logger.setLevel(level)


def fail(deep: int) -> None:
    if deep:
        fail(deep - 1)
    raise OSError(36, "File name too long", "/static/" + "a" * 8000)


def test_one_cause_writes_less_than_a_hundred_lines_a_minute(log: Log) -> None:
    for number in range(10_000):
        logging.getLogger("aa.b").warning("session %s is closed", number)
    lines = log.lines()
    assert len(lines) <= 99
    assert lines[0] == "session 0 is closed"
    assert lines[-1] == "further lines like this are left out for a minute: session 90 is closed"


def test_tracebacks_count_by_their_lines(log: Log) -> None:
    for number in range(1000):
        try:
            fail(5)
        except OSError:
            logging.getLogger("aa").exception("request %d failed", number)
    lines = log.lines()
    assert len(lines) <= 99
    assert any(line.startswith("OSError") for line in lines)
    assert max(map(len, lines)) <= LINE_CHARS + 3


@pytest.mark.parametrize("depth", [100, 900])
def test_a_long_traceback_keeps_both_of_its_ends(log: Log, depth: int) -> None:
    try:
        fail(depth)
    except OSError:
        logging.getLogger("aa").exception("failed")
    lines = log.lines()
    assert len(lines) <= 99
    assert lines[0] == "failed"
    assert lines[-1].startswith("OSError")


def test_long_messages_are_cut_in_length_and_lines(log: Log) -> None:
    logging.getLogger("aa").error("%s failed\n%s", "x%d" * 9000, "line\n" * 900)
    lines = log.lines()
    assert len(lines) <= 99
    assert sum(map(len, lines)) <= 2 * (LINE_CHARS + len("..."))


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("a\nb", "a\\nb"),
        ("a\r\nb", "a\\r\\nb"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m\x85", "\\x9b31m\\x85"),
        ("\u2028\u202ecba", "\\u2028\\u202ecba"),
        ("tab\there", "tab\there"),
        ("Zoë", "Zoë"),
    ],
    ids=ascii,
)
def test_text_from_a_client_never_starts_a_log_line(log: Log, said: str, written: str) -> None:
    logger = logging.getLogger("aa")
    logger.error("%s and %d", said, 7)
    logger.error("%.100s", ValueError(said))
    logger.error("%(name)s", {"name": said})
    try:
        try:
            raise KeyError(said)
        except KeyError:
            raise ValueError(f"no {said}") from OSError(said)
    except ValueError:
        logger.exception("failed: %s", said)
    lines = log.lines()
    assert lines[:4] == [f"{written} and 7", written, written, f"failed: {written}"]
    assert lines[4:6] == [f"OSError: {written}", ""]
    assert lines[-1] == f"ValueError: no {written}"
    assert any(line.startswith('  File "') for line in lines)


def test_a_log_template_keeps_its_line_breaks(log: Log) -> None:
    logging.getLogger("aa").error("task failed\ntask: \x1b%s", "a\nb")
    assert log.lines() == ["task failed", "task: \\x1ba\\nb"]


def test_causes_are_distinguished(log: Log) -> None:
    def raise_here(kind: type[Exception]) -> None:
        raise kind("here")

    def raise_there(kind: type[Exception]) -> None:
        raise kind("there")

    raisers: list[Callable[[type[Exception]], None]] = [raise_here, raise_there]
    for _ in range(1000):
        for raiser in raisers:
            try:
                raiser(ValueError)
            except ValueError:
                logging.getLogger("aa").exception("the handler of %s failed", "Join")
        logging.getLogger("aa.b").error("the handler of %s failed", "Join")
    written = log.lines()
    assert {"ValueError: here", "ValueError: there"} <= set(written)
    assert len(written) <= 3 * 99


def test_after_a_minute_the_number_of_suppressed_lines_is_logged(log: Log) -> None:
    for _ in range(190):
        logging.getLogger("aa.b").warning("bad %s", "thing")
    before = len(log.lines())
    log.now = 60.0
    logging.getLogger("aa").info("something else")  # below the level: nothing happens
    logging.getLogger("aa").warning("something else")
    logging.getLogger("aa.b").warning("bad %s", "thing")
    assert log.lines()[before:] == [
        "100 more like this left out, the last one: bad thing",
        "something else",
        "bad thing",
    ]


def test_the_number_of_suppressed_lines_is_logged_at_the_end(log: Log) -> None:
    for _ in range(91):
        logging.getLogger("aa").warning("bad")
    log.fold.flush()
    log.fold.flush()
    assert log.lines()[-2:] == [
        "further lines like this are left out for a minute: bad",
        "1 more like this left out, the last one: bad",
    ]


def test_varying_templates_are_bounded_too(log: Log) -> None:
    for number in range(CAUSES + 1000):
        logging.getLogger("aa").warning(f"{number} failed")  # noqa: G004 as other people's loggers do
    assert len(log.lines()) <= CAUSES + 99


def test_objects_in_later_lines_do_not_make_another_cause(log: Log) -> None:
    """asyncio's exception handler writes such records."""
    for number in range(1000):
        logging.getLogger("aa").error(f"socket.accept() out of system resource\nsocket: <{number}>")  # noqa: G004
    assert len(log.lines()) <= 99


def test_every_logger_uses_the_limit(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level, library = root.handlers[:], root.level, logging.getLogger("websockets")
    library_level = library.level
    root.handlers.clear()
    try:
        fold = set_up_logging("INFO")
        for name in ("aiohttp.server", "asyncio", "websockets.server", "psycopg.pool", "server.web.errors"):
            for _ in range(200):
                logging.getLogger(name).error("trouble")
        fold.flush()
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        library.setLevel(library_level)
    assert 5 * 90 <= len(capsys.readouterr().err.splitlines()) <= 5 * 99
