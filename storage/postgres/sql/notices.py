"""The statements about notices and API keys."""

from typing import Any

from pypika import Order, Table
from pypika.functions import Count, Max
from pypika.terms import Function, Star, ValueWrapper

from model.account import ApiKey
from storage.postgres.sql.tables import insert_into, removing, rows_as
from utils.query import Query, cast_as, equals_any, param, sql_text

_NOTICES = Table("notices")
_KEYS = Table("api_keys")

# --- notices -------------------------------------------------------------------------------------------------------

# The last statements of a transaction: others wait for the lock until it ends.
LOCK_NOTICES = sql_text(Query.select(Function("pg_advisory_xact_lock", param("key", "bigint"))))
_STATE = {"at": "bigint", "until": "bigint", "version": "bigint", "deny_until": "bigint", "reason": "text"}
_NEW = {"kind": "text", "subject": "text", **_STATE}
_new = rows_as("new", _NEW)
_EXCLUDED = Table("excluded")


def _note(*, state: bool) -> bytes:
    """Store notices in place of the earlier ones of their subjects. Without ``state``, a suspension stays as it is."""
    query: Any = (
        Query.into(_NOTICES)
        .columns(*_NEW, "number")
        .from_(_new)
        .select(*(_new[column] for column in _NEW), Function("nextval", "notice_numbers"))
        .on_conflict(_NOTICES.kind, _NOTICES.subject)
        .do_update("number")
        .do_update("at")
        .do_update(_NOTICES.version, Function("GREATEST", _NOTICES.version, _EXCLUDED.version))
    )
    if state:
        query = query.do_update("until").do_update("deny_until").do_update("reason")
    else:
        query = query.do_update(_NOTICES.until, Function("GREATEST", _NOTICES.until, _EXCLUDED.until))
    return sql_text(query)


NOTE = _note(state=True)
NOTE_VERSION = _note(state=False)

_columns = [_NOTICES[name] for name in ("kind", "subject", "number", *_STATE)]
_of_key = (_NOTICES.kind == "key") & (_KEYS.key_id == _NOTICES.subject)
_key = [_KEYS[name] for name in ApiKey.__struct_fields__]
NOTICES_ABOVE = sql_text(
    Query.from_(_NOTICES)
    .left_join(_KEYS)
    .on(_of_key)
    .select(*_columns, *_key)
    .where(_NOTICES.number > param("after"))
    .orderby(_NOTICES.number)
    .limit(param("limit"))
)
# When PostgreSQL was started, and the database and the file that have the table. A promoted standby or a volume
# that is put back has another start; a renamed copy is another database; a restored table is another file.
_DATABASES = Table("pg_database")
INCARNATION = sql_text(
    Query.from_(_DATABASES)
    .select(
        Function("pg_postmaster_start_time"),
        _DATABASES.oid,
        Function("pg_relation_filenode", cast_as(ValueWrapper("notices"), "regclass")),
    )
    .where(_DATABASES.datname == Function("current_database"))
)


IS_DENIED = sql_text(
    Query.from_(_NOTICES)
    .select(1)
    .where((_NOTICES.kind == param("kind")) & (_NOTICES.subject == param("subject")))
    .where(_NOTICES.deny_until > param("now"))
)


def _denied(kind: str) -> bytes:
    return sql_text(
        Query.from_(_NOTICES)
        .select(*_columns)
        .where((_NOTICES.kind == kind) & (_NOTICES.deny_until > param("now")) & (_NOTICES.deny_until > 0))
        .orderby(_NOTICES.at, order=Order.desc)
        .orderby(_NOTICES.number, order=Order.desc)
    )


SUSPENSIONS = _denied("account")
BLOCKS = _denied("network")
_newest = Query.from_(_NOTICES).select(Max(_NOTICES.number))
EXPIRE_NOTICES = removing(
    _NOTICES,
    Query.from_(_NOTICES).select(_NOTICES.ctid).where(_NOTICES.until <= param("now")).where(_NOTICES.number < _newest),
)

# --- keys ----------------------------------------------------------------------------------------------------------

INSERT_KEY = sql_text(insert_into(_KEYS, ApiKey.__struct_fields__))
KEYS = sql_text(
    Query.from_(_KEYS).select(*_key).where(_KEYS.until > param("now")).orderby(_KEYS.created_at).orderby(_KEYS.key_id)
)
COUNT_KEYS = sql_text(Query.from_(_KEYS).select(Count(Star())).where(_KEYS.until > param("now")))
REVOKE_KEY = sql_text(Query.from_(_KEYS).delete().where(_KEYS.key_id == param("key_id")))
REVOKE_KEYS_OF = sql_text(
    Query.from_(_KEYS).delete().where(equals_any(_KEYS.maker_id, param("ids", "text[]"))).returning(_KEYS.key_id)
)
_used = rows_as("used", {"key_id": "text", "used_at": "bigint"})
USE_KEYS = sql_text(
    Query.update(_KEYS)
    .set(_KEYS.used_at, Function("GREATEST", _KEYS.used_at, _used.used_at))
    .from_(_used)
    .where(_KEYS.key_id == _used.key_id)
)
EXPIRE_KEYS = removing(_KEYS, Query.from_(_KEYS).select(_KEYS.ctid).where(_KEYS.until <= param("now")))
