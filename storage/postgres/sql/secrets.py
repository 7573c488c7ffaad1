"""The statements about tickets, recovery codes, failed guesses and invite links."""

from typing import Any

from pypika import Table
from pypika.functions import Count
from pypika.terms import Star

from model.account import Guesses, InviteLink, Ticket
from storage.postgres.sql.tables import insert_into, removing, rows_as, when
from utils.query import Query, equals_any, param, sql_text

_hash = param("hash", "bytea")
_account_id = param("account_id", "text")

# --- tickets -------------------------------------------------------------------------------------------------------

_TICKETS = Table("tickets")
_COLUMNS = Ticket.__struct_fields__
_record = [_TICKETS[name] for name in _COLUMNS]
_valid = (_TICKETS.hash == _hash) & (_TICKETS.kind == param("kind")) & (_TICKETS.until > param("now"))
INSERT_TICKET = sql_text(insert_into(_TICKETS, _COLUMNS))
# The tickets of one kind of an account, or of none.
REMOVE_TICKETS = sql_text(
    Query.from_(_TICKETS)
    .delete()
    .where(_TICKETS.kind == param("kind"))
    .where((_TICKETS.account_id == _account_id) | (_TICKETS.account_id.isnull() & _account_id.isnull()))
)
# All those of an account.
REMOVE_TICKETS_OF = sql_text(Query.from_(_TICKETS).delete().where(_TICKETS.account_id == _account_id))
FIND_TICKET = sql_text(Query.from_(_TICKETS).select(*_record).where(_valid))
PENDING_EMAIL = sql_text(
    Query.from_(_TICKETS)
    .select(_TICKETS.email)
    .where((_TICKETS.account_id == _account_id) & (_TICKETS.kind == "email") & (_TICKETS.until > param("now")))
    .limit(1)
)
SPEND_TICKET = sql_text(Query.from_(_TICKETS).delete().where(_valid).returning(_TICKETS.account_id))
EXPIRE_TICKETS = removing(_TICKETS, Query.from_(_TICKETS).select(_TICKETS.ctid).where(_TICKETS.until <= param("now")))

# --- recovery codes ------------------------------------------------------------------------------------------------

_CODES = Table("recovery_codes")
_of_account = _CODES.account_id == _account_id
REMOVE_CODES = sql_text(Query.from_(_CODES).delete().where(_of_account))
INSERT_CODE = sql_text(insert_into(_CODES, ("account_id", "hash")).on_conflict().do_nothing())
SPEND_CODE = sql_text(Query.from_(_CODES).delete().where(_of_account & (_CODES.hash == _hash)))
COUNT_CODES = sql_text(Query.from_(_CODES).select(Count(Star())).where(_of_account))

# --- failed guesses ------------------------------------------------------------------------------------------------

_GUESSES = Table("guesses")
_key = param("key", "bytea")
FAILURES = sql_text(
    Query.from_(_GUESSES)
    .select(_GUESSES.network, *(_GUESSES[name] for name in Guesses.__struct_fields__))
    .where((_GUESSES.key == _key) & _GUESSES.network.isin([param("network"), ""]))
)
_failed = rows_as("failed", {"network": "text"})


def _fail() -> bytes:
    """Count in the row of all networks first, always, so that two transactions do not wait for each other."""
    now: Any = param("now", "bigint")
    query = (
        Query.into(_GUESSES)
        .columns("key", "network", "failures", "last_at")
        .from_(_failed)
        .select(_key, _failed.network, 1, now)
        .orderby(_failed.network)
        .on_conflict(_GUESSES.key, _GUESSES.network)
    )
    old = _GUESSES.last_at <= param("forgotten", "bigint")
    query = query.do_update(_GUESSES.failures, when(old, 1, _GUESSES.failures + 1))
    return sql_text(query.do_update(_GUESSES.last_at, now))


FAIL = _fail()
FORGET_FAILURES = sql_text(
    Query.from_(_GUESSES).delete().where((_GUESSES.key == _key) & (_GUESSES.network == param("network")))
)
FORGET_KEYS = sql_text(Query.from_(_GUESSES).delete().where(equals_any(_GUESSES.key, param("keys", "bytea[]"))))
EXPIRE_GUESSES = removing(
    _GUESSES, Query.from_(_GUESSES).select(_GUESSES.ctid).where(_GUESSES.last_at <= param("forgotten"))
)

# --- invite links --------------------------------------------------------------------------------------------------

_LINKS = Table("invite_links")
LINK_COLUMNS = InviteLink.__struct_fields__
_usable = (_LINKS.hash == _hash) & (_LINKS.until > param("now")) & (_LINKS.uses_left > 0)
USE_LINK_TO_REGISTER = sql_text(
    Query.update(_LINKS).set(_LINKS.uses_left, _LINKS.uses_left - 1).where(_usable & _LINKS.room_id.isnull())
)
EXPIRE_LINKS = removing(_LINKS, Query.from_(_LINKS).select(_LINKS.ctid).where(_LINKS.until <= param("now")))
