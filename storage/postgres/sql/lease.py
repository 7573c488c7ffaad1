"""The statements of sessions, of the lease and of the migrations."""

from typing import Any

from pypika import Table
from pypika.terms import Function

from storage.postgres.sql.tables import unless_null, when
from utils.query import Query, Recordset, cast_as, param, sql_text

_lease = Table("lease")

# --- sessions ------------------------------------------------------------------------------------------------------

MY_PID = sql_text(Query.select(Function("pg_backend_pid")))

_setting = Recordset(param("rows", "json"), "setting", {"name": "text", "value": "text"})
_given = Table("pg_settings").as_("given")
# Settings given in the URL are kept.
SET_SETTINGS = sql_text(
    Query.from_(_setting)
    .select(Function("set_config", _setting.name, _setting.value, False))
    .where(_setting.name.notin(Query.from_(_given).select(_given.name).where(_given.source == "client")))
)

# --- the lease: advisory locks of this database, one key each -------------------------------------------------------

# Postgres shows a bigint key as two halves, classid and objid. The first half is "parl" in ASCII.
_LOCK_CLASS = 0x7061726C
# Held exclusively by the server that may write.
WRITER_LOCK = _LOCK_CLASS << 32 | 1
# Held, shared, by each connection that writes: a new holder of the first lock waits until it gets this one exclusively.
FENCE_LOCK = _LOCK_CLASS << 32 | 2
# Held while migrations are applied.
MIGRATION_LOCK = _LOCK_CLASS << 32 | 3

TRY_LOCK = sql_text(Query.select(Function("pg_try_advisory_lock", param("key", "bigint"))))
TRY_LOCK_SHARED = sql_text(Query.select(Function("pg_try_advisory_lock_shared", param("key", "bigint"))))
UNLOCK = sql_text(Query.select(Function("pg_advisory_unlock", param("key", "bigint"))))

_locks = Table("pg_locks")
_sessions = Table("pg_stat_activity")
_database = Table("pg_database")


def _holders(*columns: Any) -> Any:
    here = Query.from_(_database).select(_database.oid).where(_database.datname == Function("current_database"))
    return (
        Query.from_(_locks)
        .join(_sessions)
        .on(_sessions.pid == _locks.pid)
        .select(*columns)
        .where((_locks.locktype == "advisory") & (_locks.database == here) & (_locks.classid == _LOCK_CLASS))
        .where((_locks.objid == param("number", "oid")) & (_locks.objsubid == 1) & _locks.granted)
    )


# The other sessions that hold one of the locks. Names are for people; a session without an address is local.
HOLDERS = sql_text(
    _holders(_sessions.pid, _sessions.application_name, Function("host", _sessions.client_addr)).where(
        _locks.pid != Function("pg_backend_pid")
    )
)
# A process id may be reused by another session, so the session's start is part of its identity.
MY_SESSION = sql_text(
    Query.from_(_sessions)
    .select(_sessions.pid, cast_as(_sessions.backend_start, "text"))
    .where(_sessions.pid == Function("pg_backend_pid"))
)
STILL_HOLDS = sql_text(
    _holders(_sessions.pid)
    .where(_sessions.pid == param("pid"))
    .where(_sessions.backend_start == param("started", "timestamptz"))
)

LAST_HOLDER = sql_text(Query.from_(_lease).select(_lease.holder))
_identity = Function("lease_identity")
_new_name = Function("gen_random_uuid")
# Clears the epoch that the previous server saved when it stopped, and renames a copy.
SIGN_LEASE = sql_text(
    Query.into(_lease)
    .columns("id", "holder", "since", "epoch", "mark", "token", "installation", "identity")
    .insert(1, param("holder"), Function("now"), None, None, param("step"), _new_name, _identity)
    .on_conflict(_lease.id)
    .do_update(_lease.holder)
    .do_update(_lease.since)
    .do_update(_lease.epoch)
    .do_update(_lease.mark)
    .do_update(_lease.token, _lease.token + param("step"))
    .do_update(_lease.installation, when(_lease.identity == _identity, _lease.installation, _new_name))
    .do_update(_lease.identity)
    .returning(_lease.token, _lease.installation)
)

# --- the secret of the servers -------------------------------------------------------------------------------------

_secret = Table("server_secret")
SERVER_SECRET = sql_text(Query.from_(_secret).select(_secret.secret, _secret.replaced_at))
# Returns the row as it is afterwards: a secret that it has is never replaced.
KEEP_SECRET = sql_text(
    Query.into(_secret)
    .columns("id", "secret", "replaced_at")
    .insert(1, param("secret", "bytea"), when(param("upgraded", "boolean"), Function("now"), None))
    .on_conflict(_secret.id)
    .do_update(_secret.secret, unless_null(_secret.secret, param("secret", "bytea")))
    .returning(_secret.secret, _secret.replaced_at)
)

# --- the epoch of a server that stopped after everything was stored ------------------------------------------------

IDENTITY = sql_text(Query.select(Function("lease_identity")))


def _mark(transaction: Any) -> Any:
    """Mark a row: one that was restored, copied or written since has another transaction id than the mark."""
    return Function("concat", Function("lease_identity"), " ", cast_as(transaction, "text"))


KEEP_EPOCH = sql_text(
    Query.update(_lease)
    .set(_lease.epoch, param("epoch"))
    .set(_lease.mark, _mark(cast_as(Function("pg_current_xact_id"), "xid")))
    .where((_lease.holder == param("holder")) & (Function("lease_identity") == param("identity")))
)
KEPT_EPOCH = sql_text(Query.from_(_lease).select(_lease.epoch).where(_lease.mark == _mark(_lease.xmin)))

# --- migrations ----------------------------------------------------------------------------------------------------

_migrations = Table("schema_migrations")
ENCODING = sql_text(Query.select(Function("current_setting", "server_encoding")))
CURRENT_SCHEMA = sql_text(Query.select(Function("current_schema")))
HAS_TABLE = sql_text(Query.select(Function("to_regclass", param("table", "text")).isnotnull()))
_columns = Table("pg_attribute")
COLUMNS = sql_text(
    Query.from_(_columns)
    .select(_columns.attname, Function("format_type", _columns.atttypid, None))
    .where(_columns.attrelid == Function("to_regclass", param("table", "text")))
    .where((_columns.attnum > 0) & (_columns.attisdropped == False))  # noqa: E712  # a term of SQL
)
APPLIED = sql_text(
    Query.from_(_migrations)
    .select(_migrations.version, _migrations.name, _migrations.checksum)
    .orderby(_migrations.version)
)
RECORD_MIGRATION = sql_text(
    Query.into(_migrations)
    .columns("version", "name", "checksum", "applied_at")
    .insert(param("version"), param("name"), param("checksum"), Function("now"))
)
