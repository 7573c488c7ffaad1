"""The statements of an inspection of the database. They read its catalogues alone."""

from typing import Any

from pypika import Table
from pypika.functions import Count
from pypika.terms import Criterion, Function, Not, Star

from storage.postgres.sql.tables import rows_as, when
from utils.query import Query, equals_any, param, sql_text, value_of

_settings = Table("pg_settings")
SETTINGS = sql_text(
    Query.from_(_settings).select(_settings.name, _settings.setting).where(equals_any(_settings.name, param("names")))
)

# The connections of clients: all of them, those of a user, and those to this database. Other processes of PostgreSQL
# have no user or no database. Whoever asks sees these columns of everybody.
_sessions: Any = Table("pg_stat_activity")
_here = Function("current_database")


def _number_of(condition: Any) -> Any:
    return Count(when(condition, 1, None))


CONNECTIONS = sql_text(
    Query.from_(_sessions)
    .select(
        Count(Star()), _number_of(_sessions.usename == param("user", "text")), _number_of(_sessions.datname == _here)
    )
    .where(_sessions.usesysid.notnull() & _sessions.datid.notnull())
)
_roles, _databases = Table("pg_roles"), Table("pg_database")
# How many connections a user and this database may have; -1 for no limit.
LIMITS = sql_text(
    Query.select(
        value_of(Query.from_(_roles).select(_roles.rolconnlimit).where(_roles.rolname == param("user", "text"))),
        value_of(Query.from_(_databases).select(_databases.datconnlimit).where(_databases.datname == _here)),
    )
)

CLOCK = sql_text(Query.select(Function("clock_timestamp")))

MAY_CREATE = sql_text(Query.select(Function("has_schema_privilege", Function("current_schema"), "CREATE")))
# Of the tables, or sequences, in `rows` that exist: those on which this user lacks a privilege; those of other users.
_named: Any = rows_as("named", {"name": "text"})
_table = Function("to_regclass", _named.name)


def _lacking(kind: str, *privileges: str) -> bytes:
    has: Any = [Function(f"has_{kind}_privilege", _table, privilege) == True for privilege in privileges]  # noqa: E712 - SQL
    return sql_text(Query.from_(_named).select(_named.name).where(_table.notnull() & Not(Criterion.all(has))))


LACKING = _lacking("table", "SELECT", "INSERT", "UPDATE", "DELETE")
LACKING_SEQUENCES = _lacking("sequence", "SELECT", "USAGE")
_classes: Any = Table("pg_class")
_owned = Function("pg_has_role", _classes.relowner, "USAGE")
OF_OTHERS = sql_text(
    Query.from_(_named).join(_classes).on(_classes.oid == _table).select(_named.name).where(Not(_owned))
)
