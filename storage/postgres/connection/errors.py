"""Translate the exceptions of psycopg, its pool, the network and timeouts into the two errors of the port.

By class first: psycopg itself refuses a text with NUL, with a `DataError` without SQLSTATE.
"""

import psycopg
from psycopg import errors
from psycopg_pool import PoolClosed, PoolTimeout

from storage.ports.errors import BatchRefused, StorageError, StorageUnavailable


class UnsuitableError(Exception):
    """Postgres answers, but Parley cannot work with it. The text is a sentence for an operator."""


class ConnectError(psycopg.OperationalError):
    """No connection could be opened. The text is a sentence for an operator."""


# A row can never be stored. ProgramLimitExceeded (54000) is an OperationalError to psycopg, but here it means one value
# too long for an index; UnicodeEncodeError is a lone surrogate, which has no UTF-8.
REFUSALS = (psycopg.DataError, psycopg.IntegrityError, errors.ProgramLimitExceeded, UnicodeEncodeError)

# Everything else that a call may raise. Not Exception: a bug in our own code must look like one.
FAILURES = (UnsuitableError, psycopg.Error, PoolClosed, PoolTimeout, OSError, TimeoutError)

# By SQLSTATE, else by its class (the first two characters). PostgreSQL's manual, appendix A.
_WORDS = {
    "08": "the connection to Postgres failed",
    "23": "Postgres refused a row",
    "25006": "the database is read-only",
    "28": "Postgres rejected this user or password",
    "3D000": "the database does not exist",
    "40": "Postgres rolled the transaction back",
    "42501": "the database user lacks a privilege",
    "42P01": "a table is missing: the database was changed outside of Parley",
    "42703": "a column is missing: the database was changed outside of Parley",
    "53100": "the database server's disk is full",
    "53200": "the database server is out of memory",
    "53300": "Postgres has no free connection slots",
    "55P03": "timed out waiting for a lock",
    "57014": "Postgres cancelled a statement",
    "57P01": "Postgres is shutting down, or ended this connection",
    "57P02": "Postgres crashed and is recovering",
    "57P03": "Postgres is starting up",
    "58": "the database server cannot use its own files",
}
# For errors that did not come from Postgres.
_WORDS_OF_KIND: dict[type[Exception], str] = {
    PoolTimeout: "timed out waiting for a free connection to Postgres",
    PoolClosed: "the storage is closed",
    TimeoutError: "Postgres did not answer in time",
}


def words_for(error: BaseException) -> str:
    """Return one line for an operator: the problem in plain words, then the message of Postgres."""
    said = _said(error)
    if isinstance(error, UnsuitableError | ConnectError):
        return said
    for kind, words_of_kind in _WORDS_OF_KIND.items():
        if isinstance(error, kind):
            return words_of_kind
    if isinstance(error, psycopg.Error):
        state = error.sqlstate or ""
        words = _WORDS.get(state) or _WORDS.get(state[:2])
        if words is None:
            words = "the connection to Postgres failed" if isinstance(error, psycopg.OperationalError) else "Postgres"
        return f"{words}: {said}"
    return f"the connection to Postgres failed: {said}"


def unavailable(error: BaseException) -> StorageUnavailable:
    """Translate a failure of a read, or of anything except a row: retry later."""
    return StorageUnavailable(words_for(error))


def translated(error: BaseException) -> StorageError:
    """Translate a failure of a write: `BatchRefused` if a row can never be stored, otherwise `StorageUnavailable`."""
    return BatchRefused(_said(error)) if isinstance(error, REFUSALS) else unavailable(error)


def _said(error: BaseException) -> str:
    """Return one line. Of an error of Postgres, only its first line: the others quote the row and must not be
    logged."""
    said = (error.diag.message_primary if isinstance(error, psycopg.Error) else None) or str(error)
    return " ".join(said.split()) or type(error).__name__
