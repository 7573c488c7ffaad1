"""The statements of servers that share a database and live at the same time."""

from typing import Any

from pypika import Field, Table
from pypika.functions import Count
from pypika.terms import Function, NullValue

from storage.postgres.sql.lease import FENCE_LOCK, HERE, LEASE, LOCK_CLASS, LOCKS, MIGRATION_LOCK, WRITER_LOCK, mark
from storage.postgres.sql.tables import when
from utils.query import Query, equals_any, param, sql_text, value_of

# The first halves of the keys of two more kinds of locks, "parn" and "parb" in ASCII; the second half is the node's.
NODE_CLASS = 0x7061726E  # held, shared, by the session of a node: the node lives
BUS_CLASS = 0x70617262  # held, shared, by the same session: the node reaches the bus

# The sequence of the beat.
BEAT = "lease_beat"

WRITER, FENCE, MIGRATION = ((LOCK_CLASS, key & 0xFFFFFFFF) for key in (WRITER_LOCK, FENCE_LOCK, MIGRATION_LOCK))


def node_lock(key: int) -> int:
    """Return the key of the lock of a node that lives, from its `storage.ports.servers.node_key`."""
    return NODE_CLASS << 32 | key


def bus_lock(key: int) -> int:
    """Return the key of the lock of a node that reaches the bus."""
    return BUS_CLASS << 32 | key


def _look(*, has_row: bool) -> bytes:
    """Select every lock of the servers, each with the row of the lease, and raise the beat of a holder.

    The beat is a sequence. A row that is updated several times a second has a new version each time, and all of them
    are read by each look for as long as any transaction is open that might see them, such as that of a backup: after
    some hours PostgreSQL would do little else. The beat need not be durable. Its commit must not wait for a slow disk
    or an absent standby, or the holder would seem to hang.
    """
    query: Any = Query.from_(LOCKS).select(Function("pg_backend_pid"), LOCKS.classid, LOCKS.objid, LOCKS.pid)
    if has_row:
        epoch = when(LEASE.mark == mark(LEASE.xmin), LEASE.epoch, None)
        named = when(LEASE.identity == Function("lease_identity"), LEASE.installation, None)
        query = query.left_join(LEASE).on(LEASE.id == 1)
        query = query.select(LEASE.holder, LEASE.token, _beat, epoch, named)
    else:
        query = query.select(*[NullValue()] * 5)
    return sql_text(query.where(_ours))


_quickly = Function("set_config", "synchronous_commit", "off", True) == "off"
_raised: Any = Query.select(Function("nextval", BEAT)).where(_quickly)
_read: Any = Query.from_(Table(BEAT)).select(Field("last_value"))
# Each of the two queries is carried out once if it is chosen, not once for each lock.
_beat = when(param("holds", "boolean"), value_of(_raised), value_of(_read))
_ours = (
    (LOCKS.locktype == "advisory")
    & (LOCKS.database == HERE)
    & LOCKS.classid.isin([LOCK_CLASS, NODE_CLASS, BUS_CLASS])
    & (LOCKS.objsubid == 1)
    & LOCKS.granted
)
LOOK = _look(has_row=True)
# Before the migrations that add those columns and the sequence.
LOOK_AT_LOCKS = _look(has_row=False)

# How many nodes live.
_count: Any = Count(LOCKS.objid)
LIVING = sql_text(Query.from_(LOCKS).select(_count.distinct()).where(_ours & (LOCKS.classid == NODE_CLASS)))

UNLOCK_SHARED = sql_text(Query.select(Function("pg_advisory_unlock_shared", param("key", "bigint"))))

_holding = Query.from_(LOCKS).select(LOCKS.pid).distinct().where(_ours).as_("holding")
# Of these sessions, those that still have one of the locks: a process id may be reused.
END_SESSIONS = sql_text(
    Query.from_(_holding)
    .select(Function("pg_terminate_backend", _holding.pid))
    .where(equals_any(_holding.pid, param("pids")) & (_holding.pid != Function("pg_backend_pid")))
)
