"""Searches everything that servers log in any test for secrets and for what users have written.

What clients of tests/support receive is noted (`tests.support.contract` passes it on): texts of messages, tokens. What
servers in this process log is heard at level INFO, the logs of other processes are read when they are removed. At the
end of each test, tests/conftest.py has one searched for the other. `tests/integration/chat/test_every_command.py` does
the same at level DEBUG.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from typing import Any

from server.logs.formats import TextFormat

_OURS = frozenset({"chat", "parley", "server", "storage", "utils"})
# Of the root logger: below INFO, and what no test sets.
_HEARD = logging.INFO - 1
# Shorter texts are in lines by chance, such as "hello".
CHARS = 12
# The last texts of a file of tests, at most; a load has many.
TEXTS = 2000
# Fields of frames and answers that users or operators must keep to themselves.
_SECRETS = frozenset({"token", "access_token", "refresh_token", "csrf", "secret", "password"})
# What is secret whoever made it: signed tokens, API keys, hashes of passwords, URLs with a password, credentials.
_FORBIDDEN = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]{8,}|\bpk_[\w-]{20,}|\$argon2|\$2[aby]\$\d\d\$|://[^/\s:@\"'*]*:(?!\*+@)[^/\s:@\"']+@[\w.\[]"
    r"|\b(?:Bearer|Basic) [\w+/=.-]{12,}"
)
# Fields of what lines do name: a test may use the same text for a room and for what is written there.
_NAMES = frozenset({"room", "name", "id"})
_texts: dict[str, None] = {}
_names: set[str] = set()
_lines: list[str] = []


class _Ear(logging.Handler):
    """Notes each line of ours, as an operator reads it."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.partition(".")[0] in _OURS:
            _lines.append(self.format(record))


def listen(others: Iterable[logging.Handler]) -> None:
    """Hear every line of level INFO from now on, once and for all.

    Args:
        others: pytest's handlers, which receive warnings only, as before, unless a test sets a lower level.
    """
    ear = _Ear(logging.INFO)
    ear.setFormatter(TextFormat())
    root = logging.getLogger()
    root.addHandler(ear)
    root.setLevel(_HEARD)
    for handler in others:
        handler.addFilter(_is_asked_for)


def _is_asked_for(record: logging.LogRecord) -> bool:
    """Whether a test would get this record if the level of the root logger were still WARNING."""
    logger: logging.Logger | None = logging.getLogger(record.name)
    while logger is not None:
        if logger.level not in (logging.NOTSET, _HEARD):
            return record.levelno >= logger.level
        logger = logger.parent
    return record.levelno >= logging.WARNING


def note(received: Any) -> None:
    """Note what a client has received: a frame, or the body of an answer."""
    if isinstance(received, dict):
        for name, value in received.items():
            if isinstance(value, str):
                if name in _NAMES:
                    _names.add(value)
                elif len(value) >= CHARS and (name in _SECRETS or name == "content"):
                    _texts[value] = None
            elif isinstance(value, list | dict):
                note(value)
        while len(_texts) > TEXTS:
            del _texts[next(iter(_texts))]
    elif isinstance(received, list):
        for one in received:
            note(one)


def note_log(text: str) -> None:
    """Note the log of another process."""
    _lines.append(text)


def forget_texts() -> None:
    """Another file of tests begins: servers of the last one have ended."""
    _texts.clear()
    _names.clear()


def found() -> list[str]:
    """Return what was logged and must not be, and forget the lines."""
    if not _lines:
        return []
    log = "\n".join(_lines)
    _lines.clear()
    return list(_leaks(log))


def _leaks(log: str) -> Iterator[str]:
    for match in _FORBIDDEN.finditer(log):
        yield f"a secret, in {_line(log, match.start())!r}"
    for text in _texts:
        if text not in _names and (at := log.find(text)) >= 0:
            yield f"{text!r}, in {_line(log, at)!r}"


def _line(log: str, at: int) -> str:
    return log[log.rfind("\n", 0, at) + 1 : log.find("\n", at) if "\n" in log[at:] else None]
