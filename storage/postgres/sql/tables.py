"""The tables that several statements use, and how their values are written.

The text of each statement is built once, by PyPika; values always travel separately. The plan of each is shown in
docs/storage.md and checked by tests/integration/test_plans.py.
"""

from collections.abc import Iterable
from typing import Any

from pypika import Case, Table
from pypika.terms import Function

from utils.query import Query, Recordset, equals_any, param, sql_text

ROOMS = Table("rooms")
MEMBERS = Table("members")
MESSAGES = Table("messages")
NOT_DELETED = MESSAGES.deleted_at.isnull()


def rows_as(alias: str, columns: dict[str, str]) -> Recordset:
    """Return the rows of ``%(rows)s`` as a table with these columns."""
    return Recordset(param("rows", "json"), alias, columns)


def insert_into(table: Any, columns: Iterable[str]) -> Any:
    """Return the query that inserts one row, whose values are the parameters of the same names."""
    columns = tuple(columns)
    return Query.into(table).columns(*columns).insert(*map(param, columns))


def removing(table: Any, rows: Any) -> bytes:
    """Return the statement that removes up to ``%(limit)s`` rows, of which ``rows`` selects the ctid.

    By ctid, because finding each row again through an index would double the cost.
    """
    places = Function("ARRAY", rows.limit(param("limit")))  # runs once, before the enclosing statement
    return sql_text(Query.from_(table).delete().where(equals_any(table.ctid, places)))


def rfc3339(column: Any) -> Any:
    """Write a time as the records of model/ do: UTC, always six decimals, ``Z``."""
    return Function("to_char", Function("timezone", "UTC", column), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')


def unless_null(new: Any, old: Any) -> Any:
    """``COALESCE(new, old)``."""
    return Function("COALESCE", new, old)


def when(condition: Any, new: Any, old: Any) -> Any:
    """``CASE WHEN condition THEN new ELSE old END``."""
    return Case().when(condition, new).else_(old)
