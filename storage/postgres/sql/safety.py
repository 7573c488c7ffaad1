"""The statements about user blocks, and about reports of messages."""

from typing import Any

from pypika import Order, Table
from pypika.functions import Count
from pypika.terms import Star

from storage.postgres.sql.tables import insert_into, removing
from utils.query import Query, equals_any, param, sql_text

_BLOCKS = Table("user_blocks")
_REPORTS = Table("reports")

# --- user blocks ---------------------------------------------------------------------------------------------------

_by_user = _BLOCKS.user_id == param("user_id")
BLOCK_USER = sql_text(insert_into(_BLOCKS, ("user_id", "blocked_id", "at")).on_conflict().do_nothing())
COUNT_BLOCKS = sql_text(Query.from_(_BLOCKS).select(Count(Star())).where(_by_user))
UNBLOCK_USER = sql_text(Query.from_(_BLOCKS).delete().where(_by_user & (_BLOCKS.blocked_id == param("blocked_id"))))
BLOCKED_BY = sql_text(Query.from_(_BLOCKS).select(_BLOCKS.blocked_id).where(_by_user).orderby(_BLOCKS.blocked_id))
_users = param("users", "text[]")
BLOCKS = sql_text(
    Query.from_(_BLOCKS)
    .select(_BLOCKS.user_id, _BLOCKS.blocked_id)
    .where(equals_any(_BLOCKS.user_id, _users) & equals_any(_BLOCKS.blocked_id, _users))
)

# --- reports -------------------------------------------------------------------------------------------------------

# The fields of `Report`, with the two of a user side by side.
REPORT_COLUMNS = (
    *("report_id", "room_id", "room", "seq", "reporter_id", "reporter", "reason", "sender_id", "sender", "content"),
    *("posted_at", "created_at", "state", "handler_id", "note", "handled_at"),
)
_columns = [_REPORTS[name] for name in REPORT_COLUMNS]
INSERT_REPORT = sql_text(insert_into(_REPORTS, REPORT_COLUMNS).on_conflict().do_nothing())
_of_report = _REPORTS.report_id == param("report_id")
FIND_REPORT = sql_text(Query.from_(_REPORTS).select(*_columns).where(_of_report))


def _page(*conditions: Any) -> bytes:
    query = Query.from_(_REPORTS).select(*_columns)
    for condition in (*conditions, _REPORTS.created_at < param("before")):
        query = query.where(condition)
    query = query.orderby(_REPORTS.created_at, order=Order.desc).orderby(_REPORTS.report_id)
    return sql_text(query.limit(param("limit")))


_in_state = _REPORTS.state == param("state")
REPORTS = _page(_in_state)
REPORTS_OF_ROOM = _page(_REPORTS.room_id == param("room_id"), _in_state)
REPORTS_BY = _page(_REPORTS.reporter_id == param("reporter_id"))


def _handle() -> bytes:
    query = Query.update(_REPORTS)
    for column in ("state", "handler_id", "note", "handled_at"):
        query = query.set(_REPORTS[column], param(column))
    return sql_text(query.where(_of_report))


HANDLE_REPORT = _handle()
# The first condition is that of the index.
EXPIRE_REPORTS = removing(
    _REPORTS,
    Query.from_(_REPORTS)
    .select(_REPORTS.ctid)
    .where((_REPORTS.state != "open") & (_REPORTS.handled_at < param("until"))),
)
