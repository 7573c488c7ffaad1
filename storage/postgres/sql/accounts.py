"""The statements about accounts, their aliases, and the work in rooms that they cause."""

from typing import Any

from pypika import Table
from pypika.functions import Count
from pypika.terms import Function, NullValue, Star

from model.account import Account, RoomWork
from storage.postgres.sql.tables import insert_into, unless_null, when
from utils.query import Query, equals_any, param, sql_text

ACCOUNTS = Table("accounts")
ALIASES = Table("aliases")
_WORK = Table("room_work")

# The columns of every read of accounts: those of the record.
_COLUMNS = Account.__struct_fields__
RECORD = [ACCOUNTS[name] for name in _COLUMNS]
OF_ACCOUNT = ACCOUNTS.account_id == param("account_id")

# --- accounts ------------------------------------------------------------------------------------------------------

INSERT_ACCOUNT = sql_text(insert_into(ACCOUNTS, (*_COLUMNS, "folded_email")).on_conflict().do_nothing())


def _find(condition: Any) -> bytes:
    return sql_text(Query.from_(ACCOUNTS).select(*RECORD).where(condition))


FIND_ACCOUNT = _find(OF_ACCOUNT)
FIND_BY_USERNAME = _find(ACCOUNTS.username == param("username"))
FIND_BY_EMAIL = _find(ACCOUNTS.folded_email == param("folded_email"))
NAMED_LIKE = sql_text(Query.from_(ACCOUNTS).select(ACCOUNTS.account_id).where(ACCOUNTS.look == param("look")))
HAS_ADMIN = sql_text(Query.from_(ACCOUNTS).select(ACCOUNTS.account_id).where(ACCOUNTS.role == "admin").limit(1))
ACCOUNTS_PAGE = sql_text(
    Query.from_(ACCOUNTS)
    .select(*RECORD)
    .where(ACCOUNTS.username > param("after"))
    .where(Function("strpos", ACCOUNTS.username, param("part")) > 0)
    .orderby(ACCOUNTS.username)
    .limit(param("limit"))
)
LOOKS = sql_text(
    Query.from_(ACCOUNTS)
    .select(ACCOUNTS.look)
    .where(ACCOUNTS.look > param("after"))
    .orderby(ACCOUNTS.look)
    .limit(param("limit"))
)


def _change() -> bytes:
    """Set what is not NULL; "" and an empty nonce become NULL."""
    email, nonce = param("email", "text"), param("totp_nonce", "bytea")
    password = param("password", "text")
    query = Query.update(ACCOUNTS)
    for column, sql_type in (("name", "text"), ("role", "text"), ("password", "text"), ("totp_on", "boolean")):
        query = query.set(ACCOUNTS[column], unless_null(param(column, sql_type), ACCOUNTS[column]))
    for column, given in (("email", email), ("folded_email", param("folded_email", "text")), ("totp_nonce", nonce)):
        empty = Function("length", given) == 0
        query = query.set(ACCOUNTS[column], when(empty, NullValue(), unless_null(given, ACCOUNTS[column])))
    query = query.set(ACCOUNTS.password_at, when(password.notnull(), param("at", "bigint"), ACCOUNTS.password_at))
    query = query.set(ACCOUNTS.version, ACCOUNTS.version + param("raised", "integer"))
    return sql_text(query.where(OF_ACCOUNT).returning(*RECORD))


CHANGE_ACCOUNT = _change()
# Until the transaction ends, no other one changes these accounts. The order is the same for all, against deadlocks.
LOCK_ACCOUNTS = sql_text(
    Query.from_(ACCOUNTS)
    .select(*RECORD)
    .where(equals_any(ACCOUNTS.account_id, param("ids", "text[]")))
    .orderby(ACCOUNTS.account_id)
    .for_update()
)
REHASH = sql_text(
    Query.update(ACCOUNTS)
    .set(ACCOUNTS.password, param("after"))
    .where(OF_ACCOUNT & (ACCOUNTS.password == param("before")))
)
RAISE_VERSION = sql_text(
    Query.update(ACCOUNTS).set(ACCOUNTS.version, ACCOUNTS.version + 1).where(OF_ACCOUNT).returning(ACCOUNTS.version)
)
REMOVE_ACCOUNT = sql_text(Query.from_(ACCOUNTS).delete().where(OF_ACCOUNT).returning(*RECORD))
# A time step of the second factor, once, and never an earlier one.
SPEND_STEP = sql_text(
    Query.update(ACCOUNTS)
    .set(ACCOUNTS.totp_step, param("step"))
    .where(OF_ACCOUNT & (ACCOUNTS.totp_step < param("step")))
)

# --- aliases -------------------------------------------------------------------------------------------------------

INSERT_ALIAS = sql_text(insert_into(ALIASES, ("guest_id", "account_id", "at")).on_conflict().do_nothing())
_aliases = Query.from_(ALIASES).where(ALIASES.account_id == param("account_id"))
ALIASES_OF = sql_text(_aliases.select(ALIASES.guest_id).orderby(ALIASES.at).orderby(ALIASES.guest_id))
COUNT_ALIASES = sql_text(_aliases.select(Count(Star())))

# --- work in rooms -------------------------------------------------------------------------------------------------

WORK_COLUMNS = RoomWork.__struct_fields__
INSERT_WORK = sql_text(insert_into(_WORK, [name for name in WORK_COLUMNS if name != "number"]))
ROOM_WORK = sql_text(Query.from_(_WORK).select(*(_WORK[name] for name in WORK_COLUMNS)).orderby(_WORK.number))
_of_number = _WORK.number == param("number")
ADVANCE_WORK = sql_text(Query.update(_WORK).set(_WORK.room_id, param("room_id")).where(_of_number))
REMOVE_WORK = sql_text(Query.from_(_WORK).delete().where(_of_number))
# Work that erasing supersedes.
REMOVE_RENAME = sql_text(
    Query.from_(_WORK).delete().where((_WORK.account_id == param("account_id")) & (_WORK.kind == "rename"))
)
REMOVE_WORK_OF = sql_text(Query.from_(_WORK).delete().where(_WORK.account_id == param("account_id")))

# --- what refers to a deleted account without belonging to it --------------------------------------------------------

_AUDIT = Table("audit")
_BLOCKS = Table("user_blocks")
_REPORTS = Table("reports")
_LINKS = Table("invite_links")
_ids = param("ids", "text[]")


def _some(table: Any, condition: Any) -> Any:
    """Return the condition for up to ``%(limit)s`` rows: any number may name an account, and strangers add to it."""
    rows = Query.from_(table).select(table.ctid).where(condition).limit(param("limit"))
    return equals_any(table.ctid, Function("ARRAY", rows))


ERASE_ACTOR = sql_text(
    Query.update(_AUDIT)
    .set(_AUDIT.actor, param("tombstone"))
    .set(_AUDIT.actor_name, "")
    .set(_AUDIT.address, "")
    .where(_some(_AUDIT, equals_any(_AUDIT.actor, _ids)))
)
# Those without an actor, such as failed logins, may have been its own.
ERASE_TARGET = sql_text(
    Query.update(_AUDIT)
    .set(_AUDIT.target, param("tombstone"))
    .set(_AUDIT.target_name, "")
    .set(_AUDIT.address, when(_AUDIT.actor == "", "", _AUDIT.address))
    .where(_some(_AUDIT, equals_any(_AUDIT.target, _ids)))
)
# The id of the report, since a message has one report of each reporter.
ERASE_REPORTER = sql_text(
    Query.update(_REPORTS)
    .set(_REPORTS.reporter_id, _REPORTS.report_id)
    .set(_REPORTS.reporter, param("name"))
    .where(_some(_REPORTS, equals_any(_REPORTS.reporter_id, _ids)))
)
ERASE_REPORTED = sql_text(
    Query.update(_REPORTS)
    .set(_REPORTS.sender_id, param("tombstone"))
    .set(_REPORTS.sender, param("name"))
    .set(_REPORTS.content, when(param("messages", "boolean"), "", _REPORTS.content))
    .where(_some(_REPORTS, equals_any(_REPORTS.sender_id, _ids)))
)
ERASE_HANDLER = sql_text(
    Query.update(_REPORTS)
    .set(_REPORTS.handler_id, param("tombstone"))
    .where(_some(_REPORTS, equals_any(_REPORTS.handler_id, _ids)))
)
# Users who block a guest block its account, too.
BLOCK_ACCOUNT = sql_text(
    Query.into(_BLOCKS)
    .columns("user_id", "blocked_id", "at")
    .from_(_BLOCKS)
    .select(_BLOCKS.user_id, param("account_id"), _BLOCKS.at)
    .where((_BLOCKS.blocked_id == param("guest_id")) & (_BLOCKS.user_id != param("account_id")))
    .on_conflict()
    .do_nothing()
)
REMOVE_BLOCKS = sql_text(
    Query.from_(_BLOCKS)
    .delete()
    .where(_some(_BLOCKS, equals_any(_BLOCKS.user_id, _ids) | equals_any(_BLOCKS.blocked_id, _ids)))
)
REMOVE_LINKS = sql_text(Query.from_(_LINKS).delete().where(equals_any(_LINKS.maker_id, _ids)))
