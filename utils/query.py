"""SQL that PyPika does not support by itself. Only this module and storage may import PyPika.

A query is built when its module is imported, and its text is kept: building takes PyPika 30 to 190 us. Values never
pass through PyPika, which would write a datetime, a list or bytes wrongly. Arguments become SQL text unchanged: names
and types are constants of the program, never input.
"""

import re
from collections.abc import Mapping
from typing import Any

from pypika import PostgreSQLQuery
from pypika.functions import Cast
from pypika.queries import Selectable
from pypika.terms import Criterion, Field, Function, NullCriterion, Parameter, Term

# PyPika's type annotations are incomplete and partly wrong (`limit` also accepts a parameter).
Query: Any = PostgreSQLQuery

_NAME = re.compile(r"[a-z_][a-z_0-9]*\Z")
_PLACEHOLDER = re.compile(r"%\(([a-z_0-9]+)\)s")


def cast_as(term: Term, sql_type: str) -> Term:
    """Return ``CAST(term AS sql_type)``."""
    return Cast(term, sql_type)  # type: ignore[no-untyped-call]


def param(name: str, sql_type: str | None = None) -> Term:
    """Return a placeholder ``%(name)s`` for a value that psycopg sends separately, cast if its type is ambiguous.

    Raises:
        ValueError: the name is not a plain identifier.
    """
    if not _NAME.match(name):
        raise ValueError(f"not a parameter name: {name!r}")
    parameter = Parameter(f"%({name})s")
    return parameter if sql_type is None else cast_as(parameter, sql_type)


class IsTrue(NullCriterion):
    """``(condition) IS TRUE``: the same meaning and estimate, but no index serves it."""

    def get_sql(self, with_alias: bool = False, **kwargs: Any) -> str:
        return f"({self.term.get_sql(**kwargs)}) IS TRUE"


def equals_any(field: Field, values: Term) -> Criterion:
    """Return ``field = ANY(values)``: one text for any list, even an empty one, for which ``isin`` writes ``IN ()``."""
    return field == Function("ANY", values)


class Recordset(Selectable):
    """``json_to_recordset(parameter) AS alias(column type, ...)``: the rows of a JSON array of objects, as a table.

    PyPika has no column definition list. One text serves any number of rows; Postgres checks each value against its
    type (class 22 errors), and the whole batch is one parameter, encoded in C.
    """

    def __init__(self, parameter: Term, alias: str, columns: Mapping[str, str]) -> None:
        super().__init__(alias)
        self._parameter = parameter
        self._columns = dict(columns)

    def get_sql(self, **kwargs: Any) -> str:
        kwargs.pop("subquery", None)
        kwargs.pop("with_alias", None)
        columns = ",".join(f'"{name}" {sql_type}' for name, sql_type in self._columns.items())
        return f'json_to_recordset({self._parameter.get_sql(**kwargs)}) AS "{self.alias}"({columns})'


class Lateral(Selectable):
    """``LATERAL (query) AS alias``: runs for each row of the preceding FROM items, whose columns it may use."""

    def __init__(self, query: Any, alias: str) -> None:
        super().__init__(alias)
        self._query = query

    def get_sql(self, **kwargs: Any) -> str:
        for mine in ("subquery", "with_alias", "with_namespace"):
            kwargs.pop(mine, None)
        return f'LATERAL ({self._query.get_sql(**kwargs)}) AS "{self.alias}"'


def value_of(query: Any) -> Term:
    """Return ``COALESCE(query)``: the single value of a query as a term; Postgres optimizes such a COALESCE away."""
    return Function("COALESCE", query)


def sql_text(query: Any) -> bytes:
    """Return the text of a PyPika query for psycopg (as bytes: its types accept only literals as str).

    Raises:
        ValueError: it contains a ``%`` that is not a placeholder, which psycopg would refuse at each call.
    """
    text = str(query.get_sql())
    if "%" in _PLACEHOLDER.sub("", text):
        raise ValueError(f"a literal % in {text}")
    return text.encode()
