"""The statements of sessions, of the lease and of the migrations."""

from typing import Any

from pypika import Table
from pypika.terms import Function

from storage.postgres.sql.tables import unless_null, when
from utils.query import Query, Recordset, cast_as, param, sql_text

LEASE = Table("lease")

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
LOCK_CLASS = 0x7061726C
# The second half is a kind of lock, and above its four bits the number of a part of the rooms: the one part, 0, is all.
# Held exclusively by the server that may write.
WRITER_LOCK = LOCK_CLASS << 32 | 1
# Held, shared, by each connection that writes: a new holder of the first lock waits until it gets this one exclusively.
FENCE_LOCK = LOCK_CLASS << 32 | 2
# Held while migrations are applied.
MIGRATION_LOCK = LOCK_CLASS << 32 | 3
# Held by a transaction that writes notices until it ends, so that their numbers grow in the order of commits.
NOTICE_LOCK = LOCK_CLASS << 32 | 4

TRY_LOCK = sql_text(Query.select(Function("pg_try_advisory_lock", param("key", "bigint"))))
TRY_LOCK_SHARED = sql_text(Query.select(Function("pg_try_advisory_lock_shared", param("key", "bigint"))))
UNLOCK = sql_text(Query.select(Function("pg_advisory_unlock", param("key", "bigint"))))

LOCKS = Table("pg_locks")
_sessions = Table("pg_stat_activity")
_database = Table("pg_database")


HERE = Query.from_(_database).select(_database.oid).where(_database.datname == Function("current_database"))


def _holders(*columns: Any) -> Any:
    return (
        Query.from_(LOCKS)
        .join(_sessions)
        .on(_sessions.pid == LOCKS.pid)
        .select(*columns)
        .where((LOCKS.locktype == "advisory") & (LOCKS.database == HERE) & (LOCKS.classid == LOCK_CLASS))
        .where((LOCKS.objid == param("number", "oid")) & (LOCKS.objsubid == 1) & LOCKS.granted)
    )


# The other sessions that hold one of the locks. Names are for people; a session without an address is local.
HOLDERS = sql_text(
    _holders(_sessions.pid, _sessions.application_name, Function("host", _sessions.client_addr)).where(
        LOCKS.pid != Function("pg_backend_pid")
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

LAST_HOLDER = sql_text(Query.from_(LEASE).select(LEASE.holder))
_identity = Function("lease_identity")
_new_name = Function("gen_random_uuid")
# Clears the epoch that the previous server saved when it stopped, and renames a copy.
SIGN_LEASE = sql_text(
    Query.into(LEASE)
    .columns("id", "holder", "since", "epoch", "mark", "token", "installation", "identity")
    .insert(1, param("holder"), Function("now"), None, None, param("step"), _new_name, _identity)
    .on_conflict(LEASE.id)
    .do_update(LEASE.holder)
    .do_update(LEASE.since)
    .do_update(LEASE.epoch)
    .do_update(LEASE.mark)
    .do_update(LEASE.token, LEASE.token + param("step"))
    .do_update(LEASE.installation, when(LEASE.identity == _identity, LEASE.installation, _new_name))
    .do_update(LEASE.identity)
    .returning(LEASE.token, LEASE.installation)
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


def mark(transaction: Any) -> Any:
    """Mark a row: one that was restored, copied or written since has another transaction id than the mark."""
    return Function("concat", Function("lease_identity"), " ", cast_as(transaction, "text"))


KEEP_EPOCH = sql_text(
    Query.update(LEASE)
    .set(LEASE.epoch, param("epoch"))
    .set(LEASE.mark, mark(cast_as(Function("pg_current_xact_id"), "xid")))
    .where((LEASE.holder == param("holder")) & (Function("lease_identity") == param("identity")))
)
KEPT_EPOCH = sql_text(Query.from_(LEASE).select(LEASE.epoch).where(LEASE.mark == mark(LEASE.xmin)))

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
ADDITIVE = sql_text(Query.from_(_migrations).select(_migrations.version).where(_migrations.additive))
RECORD_MIGRATION = sql_text(
    Query.into(_migrations)
    .columns("version", "name", "checksum", "applied_at", "additive")
    .insert(param("version"), param("name"), param("checksum"), Function("now"), param("additive"))
)
