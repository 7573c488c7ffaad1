"""The statements about the audit log."""

from typing import Any

from pypika import Order, Table

from storage.postgres.sql.tables import removing, rows_as
from utils.query import Query, param, sql_text

_AUDIT = Table("audit")
_COLUMNS = {
    "entry_id": "bigint",
    "at": "bigint",
    "action": "text",
    "result": "text",
    "actor": "text",
    "actor_name": "text",
    "target": "text",
    "target_name": "text",
    "address": "text",
    "room": "text",
    "detail": "text",
}
_new = rows_as("new", {"place": "integer", **_COLUMNS})
APPEND = sql_text(
    Query.into(_AUDIT)
    .columns(*_COLUMNS)
    .from_(_new)
    .select(*(_new[column] for column in _COLUMNS))
    .orderby(_new.place)
    .on_conflict(_AUDIT.entry_id)
    .do_nothing()
)


def _unless(name: str, sql_type: str, condition: Any) -> Any:
    """Return a condition that counts unless the parameter is NULL. Postgres plans each statement with its values."""
    return param(name, sql_type).isnull() | condition


def _page() -> bytes:
    query = Query.from_(_AUDIT).select(_AUDIT.number, *(_AUDIT[column] for column in _COLUMNS))
    query = query.where(_AUDIT.number < param("before"))
    for name in ("actor", "target", "action", "room"):
        query = query.where(_unless(name, "text", _AUDIT[name] == param(name)))
    query = query.where(_unless("since", "bigint", _AUDIT.at >= param("since")))
    query = query.where(_unless("until", "bigint", _AUDIT.at < param("until")))
    return sql_text(query.orderby(_AUDIT.number, order=Order.desc).limit(param("limit")))


PAGE = _page()
EXPIRE_AUDIT = removing(_AUDIT, Query.from_(_AUDIT).select(_AUDIT.ctid).where(_AUDIT.at < param("until")))
