"""The two formats of log lines, for people and as JSON, and the set-up of logging."""

import logging
import sys
from collections.abc import Iterator

from server.logs.folding import FoldRepeats, escape, shorten
from utils.clock import rfc3339
from utils.encoding import to_json
from utils.log_fields import CONTEXT, FIELDS

# Libraries that log what clients send, or a line for each connection, at levels below a warning.
QUIET = ("websockets", "aiohttp", "aiosmtplib", "asyncio", "nats", "psycopg", "psycopg.pool")
# Characters of a field.
FIELD_CHARS = 200


class TextFormat(logging.Formatter):
    """Lines for people, in local time: the words, then the fields in brackets, then a traceback on lines of its own."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - its name in logging
        line = super().formatMessage(record)
        fields = " ".join(f"{name}={_quoted(value)}" for name, value in fields_of(record))
        return f"{line} [{fields}]" if fields else line


class JsonFormat(logging.Formatter):
    """One JSON object a line: ``time`` in UTC, ``level``, ``logger``, ``message``, the fields, ``audit`` of an entry of
    the audit log, ``access`` of a line of the access log, and ``error`` for a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": rfc3339(int(record.created * 1_000_000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **dict(fields_of(record)),
        }
        for name in ("audit", "access"):
            if (more := getattr(record, name, None)) is not None:
                line[name] = {key: escape(value) if isinstance(value, str) else value for key, value in more.items()}
        if record.exc_info and not record.exc_text:
            record.exc_text = shorten(self.formatException(record.exc_info))
        if record.exc_text:
            line["error"] = record.exc_text
        return to_json(line).decode()


FORMATS = {"text": TextFormat, "json": JsonFormat}


def fields_of(record: logging.LogRecord) -> Iterator[tuple[str, str]]:
    """Yield the fields that a record has: its own ones, else those of the task that wrote it."""
    own, context = vars(record), CONTEXT.get()
    for name in FIELDS:
        if value := own.get(name) or context.get(name):
            yield name, escape(str(value))[:FIELD_CHARS]


def set_up_logging(level: str, form: str = "text") -> FoldRepeats:
    """Write the records of all loggers from ``level`` to standard error. Return the filter; flush it at the end.

    Args:
        form: a key of `FORMATS`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FORMATS[form]())
    fold = FoldRepeats()
    handler.addFilter(fold)
    logging.basicConfig(level=level, handlers=[handler])
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    return fold


def _quoted(value: str) -> str:
    return value if value.isprintable() and not set(value) & set(' "[]=\\') else to_json(value).decode()
