"""Limit the log lines per cause, and keep clients from forging log lines.

A client chooses paths, names, header values and much of the text of exceptions. So control characters in the arguments
of a message, and in the texts of exceptions, are escaped here, for every logger.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from traceback import walk_tb

from utils.log_fields import CLIENTS

# Maximum lines of one cause per minute; with the two that report omitted records, fewer than 100.
WINDOW_SECONDS = 60.0
LINES = 90
# The same for `CLIENTS`: an attack may be refused in several ways, and all lines of it together should be that few.
CLIENT_LINES = 20
# Maximum characters of a line: a client may have chosen a path or a name in it.
LINE_CHARS = 500
# Lines of a traceback that are kept: the first show where it began, the last what went wrong.
FIRST_LINES, LAST_LINES = 8, 36
# The logger of the access log.
ACCESS = "parley.access"
# Maximum number of causes at a time; beyond it, all further causes of one logger count as one.
CAUSES = 500

# Control characters except tab; line separators; direction overrides and isolates.
_CONTROLS = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_Cause = tuple[str, ...]
_FORMATTER = logging.Formatter()


class _Window:
    """The lines of a cause until a time, the number of its omitted records, and the first line of the last record."""

    __slots__ = ("last", "left_out", "level", "lines", "logger", "until")

    def __init__(self, record: logging.LogRecord, until: float) -> None:
        self.logger, self.level = record.name, record.levelno
        self.until = until
        self.last = ""
        self.lines = 0
        self.left_out = 0


class FoldRepeats(logging.Filter):
    """Pass at most `LINES` lines of each cause within `WINDOW_SECONDS`; of those about clients `CLIENT_LINES`.

    A cause is a logger, the template of the message (its first line: asyncio puts objects into the others), and the
    place where the exception was raised. A line reports the first omitted record; after the window, a line before the
    next record of any cause reports how many were omitted. It is a filter of a handler, so that it sees the records of
    every logger, including those of aiohttp, asyncio and websockets.

    Lines that an operator has asked for are all written: those of level DEBUG, and the access log.

    Args:
        clock: seconds of a monotonic clock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[_Cause, _Window] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Escape what a client chose, cut the record to size, and return whether to write it."""
        if getattr(record, "folded", False):
            return True
        template = escape(str(record.msg).partition("\n")[0])[:LINE_CHARS]
        lines = _cut(record)
        if record.levelno <= logging.DEBUG or record.name == ACCESS:
            return True
        with self._lock:
            ended = self._end_windows()
            window = self._window_of(record, template)
            window.lines += lines
            window.last = str(record.msg).partition("\n")[0]  # with its arguments
            passes = window.lines <= (CLIENT_LINES if record.name == CLIENTS else LINES)
            window.left_out += not passes
            first_out = window.left_out == 1
        self._tell(ended)
        if first_out:
            _say(window, f"further lines like this are left out for a minute: {window.last}")
        return passes

    def flush(self) -> None:
        """Report at once how many records were omitted, for example when the server stops."""
        with self._lock:
            ended = self._end_windows(all_of_them=True)
        self._tell(ended)

    @staticmethod
    def _tell(ended: list[_Window]) -> None:
        for window in ended:
            _say(window, f"{window.left_out} more like this left out, the last one: {window.last}")

    def _end_windows(self, *, all_of_them: bool = False) -> list[_Window]:
        now, ended = self._clock(), []
        for cause, window in tuple(self._windows.items()):  # they end in the order in which they began
            if window.until > now and not all_of_them:
                break
            del self._windows[cause]
            if window.left_out:
                ended.append(window)
        return ended

    def _window_of(self, record: logging.LogRecord, template: str) -> _Window:
        cause: _Cause = (record.name, template, *_raised_at(record))
        if cause not in self._windows and len(self._windows) >= CAUSES:
            cause = (record.name,)
        window = self._windows.get(cause)
        if window is None:
            window = self._windows[cause] = _Window(record, self._clock() + WINDOW_SECONDS)
        return window


def _say(window: _Window, text: str) -> None:
    logging.getLogger(window.logger).log(window.level, "%s", text, extra={"folded": True})


class _OneLine:
    """An argument of a message, as text without control characters."""

    def __init__(self, argument: object) -> None:
        self._argument = argument

    def __str__(self) -> str:
        return escape(str(self._argument))

    def __repr__(self) -> str:
        return escape(repr(self._argument))


def escape(text: str) -> str:
    """Return a text with its control characters, and those that change the direction, as escape sequences."""
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def _in_one_line(argument: object) -> object:
    return argument if isinstance(argument, int | float) else _OneLine(argument)


def _cut(record: logging.LogRecord) -> int:
    """Escape the arguments, limit the lines in length and number, and return their number.

    The template keeps its lines, because asyncio's have several, and so does a traceback.
    """
    if isinstance(record.args, Mapping):
        record.args = {name: _in_one_line(argument) for name, argument in record.args.items()}
    elif record.args:
        record.args = tuple(map(_in_one_line, record.args))
    text = _shortened(record.getMessage().split("\n"))
    record.msg, record.args = text, ()
    if record.exc_info and record.exc_info[0] is not None:
        # Formatters take `exc_text` where it is set.
        record.exc_text = _shortened(_traceback(record).split("\n"))
        text = f"{text}\n{record.exc_text}"
    return text.count("\n") + 1


def _traceback(record: logging.LogRecord) -> str:
    assert record.exc_info
    text = record.exc_text or _FORMATTER.formatException(record.exc_info)
    for error in _chain(record.exc_info[1]):
        message = str(error)
        if "\n" in message:
            text = text.replace(message, escape(message))
    return text


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the exception, and those that a traceback shows before it."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        error = waiting.pop()
        if error is not None and id(error) not in seen:
            seen.add(id(error))
            yield error
            waiting += (error.__cause__, error.__context__)


def _shortened(lines: list[str]) -> str:
    if len(lines) > FIRST_LINES + LAST_LINES:
        lines = [*lines[:FIRST_LINES], f"... {len(lines) - FIRST_LINES - LAST_LINES} lines ...", *lines[-LAST_LINES:]]
    lines = [escape(line) for line in lines]
    return "\n".join(line if len(line) <= LINE_CHARS else f"{line[:LINE_CHARS]}..." for line in lines)


def shorten(text: str) -> str:
    """Return a text with a limited number of lines, of limited length."""
    return _shortened(text.split("\n"))


def _raised_at(record: logging.LogRecord) -> _Cause:
    if not record.exc_info or record.exc_info[0] is None:
        return ()
    kind, _, traceback = record.exc_info
    places = [f"{frame.f_code.co_filename}:{line}" for frame, line in walk_tb(traceback)]
    return (kind.__name__, *places[-1:])
