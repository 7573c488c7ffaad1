"""Ensure that one server at a time writes to a database, even if the network fails or Postgres restarts.

The lease is an advisory lock, held by a session of its own: when the server dies, Postgres frees the lock by itself.
That alone does not stop an old server that has lost the lease, has not noticed it yet, and still commits on another
connection. So there are two locks:

    writer lock   held exclusively by the session of the lease
    fence lock    held, shared, by every connection that writes

A connection takes the fence lock first, and only then checks that its own server's session holds the writer lock
(`Lease.admit`). A server that gets the writer lock then waits until it gets the fence lock exclusively: at that point
each connection admitted under an earlier lease has ended, and no more can be admitted. It releases the fence lock and
holds the lease.

Locks die with their session, so nothing here depends on clocks. Rejected: a row with an expiry time (a paused process
can commit after it has expired, unless every statement checks), and a fencing number checked by every insert (one more
row to read per batch; the locks cost two queries per connection).
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from enum import Enum, auto
from secrets import token_bytes
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow

from storage.ports.errors import StorageUnavailable
from storage.ports.servers import Gained
from storage.ports.storage import SECRET_BYTES, LeaseEvents
from storage.postgres.connection.errors import FAILURES, UnsuitableError, words_for
from storage.postgres.connection.migrate import (
    Migration,
    MigrationError,
    MigrationsBusyError,
    load_migrations,
    migrate,
    pending,
)
from storage.postgres.connection.session import (
    POOLED,
    AnyConnection,
    Connection,
    T,
    bounded,
    fetch_all,
    served_by,
    value,
)
from storage.postgres.sql import lease as sql
from storage.postgres.sql import nodes
from utils.backoff import Backoff
from utils.ids import new_token

log = logging.getLogger(__name__)

# How many of its own earlier sessions a server recognizes; Postgres may take minutes to notice that one is cut off.
OWN = 1000


class Pace(NamedTuple):
    """Intervals and time limits of the checks of the lease, in seconds. Tests lower them; no promise depends on them.

    Attributes:
        poll: between two attempts of a standby to take the lock; a holder that lost it tries ten times as often.
        check: between two checks of the holder's own session. A failing writer asks for one at once.
        answer: how long Postgres may take to answer any of these.
        grace: after a standby lost its own connection and has reconnected, how long it does not try to take the lock.
            Both servers lose their sessions when Postgres restarts, and the one that was writing should continue; it
            tries at least once a second.
        cap: the longest pause between attempts to connect.
        look: between two looks of a node at the lease, and the longest pause between its attempts to connect.
        cut: how long nodes leave a lock alone that became free without a saved epoch. If only the session of the holder
            was cut, the holder is back in that time.
        hung: how long a node must see the holder do nothing, in looks of its own, before it ends the holder's sessions.
        rest: how long a node that has resigned does not try to take the lock.
    """

    poll: float = 1.5
    check: float = 2.0
    answer: float = 3.0
    grace: float = 5.0
    cap: float = 5.0
    look: float = 0.25
    cut: float = 0.75
    hung: float = 6.0
    rest: float = 3.0


class Tenure(NamedTuple):
    """One term of the lease: the session that holds it, by process id and start, and its number."""

    pid: int
    started: str
    token: int


class _News(NamedTuple):
    """What to announce once the lease is held, see `storage.ports.servers.Gained`."""

    epoch: str | None
    after_another: bool


class Holder(NamedTuple):
    """A session that holds a lock, as Postgres shows it."""

    pid: int
    name: str
    host: str | None

    def __str__(self) -> str:
        """``parley at 10.0.0.5 (PostgreSQL process 4711)``, a process on the database's machine."""
        return f"{self.name or 'a program'} at {self.host or 'this host'} (PostgreSQL process {self.pid})"


class LeaseState(Enum):
    """The state of the lease, as this server knows it.

    Attributes:
        CONNECTING: it has seen no other server.
        WAITING: connections of another server have not ended yet.
        STANDBY: another server holds the lease.
        HOLDER: it holds the lease, or lost its session and no other server is known to hold it.
    """

    CONNECTING = auto()
    WAITING = auto()
    STANDBY = auto()
    HOLDER = auto()


class Lease:
    """Tries to hold the lease while :meth:`run` runs, and applies migrations once it holds it.

    A standby never changes the schema that another server uses: it only checks whether the migrations fit.

    Args:
        connect: opens a connection (raises `FAILURES`).
        events: callbacks before the first write is admitted, and after another server got the lease.
        on_lost: called when the lease is lost, before anything else happens, to end all connections that write.
        on_connected: called after a failed connection has been replaced.
        makes_secret: whether to make a secret for the servers if the database has none.
        node: what this server signs the lease with; a random token by default.
        migrations: the migrations that the schema must have; by default the files of this package.

    Attributes:
        tenure: the current term, None while another server may write.
        problem: why the lease is not held, for an operator; None while it is.
        was_held: the lease was held at least once.
        reached: set as soon as this server holds the lease, sees another one hold it, or finds that the database does
            not fit.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        events: LeaseEvents,
        *,
        on_lost: Callable[[], None],
        on_connected: Callable[[], Awaitable[None]],
        makes_secret: bool = True,
        node: str = "",
        pace: Pace | None = None,
        migrations: Callable[[], list[Migration]] = load_migrations,
    ) -> None:
        self.pace = pace or Pace()
        self.state = LeaseState.CONNECTING
        self.tenure: Tenure | None = None
        self.problem: str | None = "connecting to Postgres"
        self.was_held = False
        self.reached = asyncio.Event()
        self._connect = connect
        self._events = events
        self._on_lost = on_lost
        self._on_connected = on_connected
        self._migrations = migrations
        self._holder = node or new_token("s_")
        self._session: Connection | None = None  # the one that holds the lease
        self._identity = ""  # of the database, when the first of this server's successive tenures began
        self._installation: bytes | None = None
        self._ended = False  # the last tenure, although no other server may have signed since
        self._news: _News | None = None
        # Stored if the database has none: a new one, or the known one if another database has replaced the former.
        self._secret = token_bytes(SECRET_BYTES) if makes_secret else None
        self._kept: tuple[bytes | None, int | None] | None = None  # what `on_secret` was last called with
        self._own: deque[int] = deque(maxlen=OWN)
        self._nodes = 0  # of a cluster that use the same database; read by a server that is no node
        self._check = asyncio.Event()

    def check_now(self) -> None:
        """Check at once whether the lease is still held: a failure elsewhere may have the same cause."""
        self._check.set()

    def end(self) -> None:
        """Give up the lease: the storage is closed."""
        self._lose()
        self.problem = "the storage is closed"

    async def admit(self, connection: AnyConnection, tenure: Tenure) -> None:
        """Allow ``connection`` to write under ``tenure``, for as long as its session lives.

        Raises:
            StorageUnavailable: the lease was lost.
            psycopg.Error: from the driver, unchanged.
        """
        self._own.append(await served_by(connection))
        # In this order: see the top of this file.
        fenced = await value(connection, sql.TRY_LOCK_SHARED, key=sql.FENCE_LOCK)
        if fenced:
            held = await value(
                connection, sql.STILL_HOLDS, number=sql.WRITER_LOCK & 0xFFFFFFFF, pid=tenure.pid, started=tenure.started
            )
            if held is not None and tenure == self.tenure:
                return
        self.check_now()
        raise StorageUnavailable(self.problem or "this server has just lost the right to write to the database")

    async def run(self) -> None:
        """Connect, check the schema, wait for the lease, migrate, hold it, until cancelled. Logs each change once."""
        pause = Backoff(0.1, self.pace.cap)
        failed = False
        while True:
            try:
                connection = await self._connect()
                try:
                    self._own.append(await self._ask(connection, served_by(connection)))
                    if failed:
                        await self._on_connected()
                        if self.state in (LeaseState.WAITING, LeaseState.STANDBY):
                            await self._let_others_first()
                    failed = False
                    await self._serve(connection, pause)
                finally:
                    self._lose()
                    await connection.close()
            except MigrationError as refused:
                self._set_problem(str(refused))
                self.reached.set()
            except MigrationsBusyError:
                self._set_problem("another server is applying migrations")
            except FAILURES as error:
                failed = True
                notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
                self._set_problem(words_for(error) + notes)
            except Exception as fault:  # of this program: it must not end here, and leave the server without a lease
                failed = True
                log.exception("the lease was given up")
                self._set_problem(f"a fault of this server: {fault!r}")
            await asyncio.sleep(min(pause.next(), self._longest_pause()))

    def _longest_pause(self) -> float:
        # A server that was writing must reconnect within any standby's grace.
        return 1.0 if self.state is LeaseState.HOLDER else self.pace.cap

    async def _let_others_first(self) -> None:
        await asyncio.sleep(self.pace.grace)

    async def _serve(self, connection: Connection, pause: Backoff) -> None:
        migrations = self._migrations()
        await self._ask(connection, pending(connection, migrations))
        await self._take(connection)
        tenure = await self._begin(connection, migrations)
        pause.reset()
        while True:
            self._check.clear()
            if await self._ask(connection, served_by(connection)) != tenure.pid:
                raise UnsuitableError(POOLED)
            try:
                async with asyncio.timeout(self.pace.check):
                    await self._check.wait()
            except TimeoutError:
                continue

    async def _begin(self, connection: Connection, migrations: list[Migration]) -> Tenure:
        """Begin a tenure with the locks that ``connection`` has: migrate, sign, and announce it."""
        applied = await bounded(connection, migrate(connection, migrations), None)
        for file in applied:
            log.info("applied migration %s", file)
        secret = await self._ask(connection, self._keep_secret(connection))
        tenure, installation = await self._ask(connection, self._sign(connection))
        self._learn(*secret)
        self._learn_installation(installation)
        self._ended = False
        if self._news is not None:
            self._events.on_gained(Gained(tenure.token, *self._news))
            self._news = None  # not before: it is said again if that failed
        self.was_held = True
        self.state = LeaseState.HOLDER
        self.tenure, self._session = tenure, connection
        self._set_problem(None)
        self.reached.set()
        return tenure

    async def _take(self, connection: Connection) -> None:
        """Wait for the writer lock, then for the end of every connection admitted under another lease."""
        for key, words in (
            (sql.WRITER_LOCK, "another server is writing to this database"),
            (sql.FENCE_LOCK, "a connection that was writing to this database is still open"),
        ):
            while not await self._try_lock(connection, key):
                rows = await self._ask(connection, fetch_all(connection, sql.HOLDERS, {"number": key & 0xFFFFFFFF}))
                holders = [Holder(*row) for row in rows]
                if any(holder.pid not in self._own for holder in holders):
                    await self._ask(connection, self._read_secret(connection))
                    self._see_another(key)
                elif holders:  # a session that was cut off, which Postgres has not noticed yet
                    words = "an earlier connection of this server is still open"
                if self._nodes:
                    self._set_problem(
                        f"this server has no NATS_URL, and others that use the database have: {self._nodes} live"
                    )
                elif holders:
                    self._set_problem(f"{words}: {', '.join(map(str, holders))}")
                await asyncio.sleep(self.pace.poll / 10 if self.state is LeaseState.HOLDER else self.pace.poll)
        await self._ask(connection, value(connection, sql.UNLOCK, key=sql.FENCE_LOCK))

    async def _try_lock(self, connection: Connection, key: int) -> bool:
        """Get a lock unless another session has it; the writer lock only if no node of a cluster lives, either.

        One of the nodes takes it soon, and none of them could use this server. One that had the lock takes it back.
        """
        self._nodes = 0
        if key == sql.WRITER_LOCK and self.state is not LeaseState.HOLDER:
            self._nodes = await self._ask(connection, value(connection, nodes.LIVING))
            if self._nodes:
                self.state = LeaseState.STANDBY
                self.reached.set()
        return not self._nodes and bool(await self._ask(connection, value(connection, sql.TRY_LOCK, key=key)))

    def _see_another(self, key: int) -> None:
        if key == sql.WRITER_LOCK:
            if self.was_held and self.state is not LeaseState.STANDBY:
                self._ended = True
                self._events.on_superseded()
            self.state = LeaseState.STANDBY
            self.reached.set()
        elif self.state is LeaseState.CONNECTING:
            self.state = LeaseState.WAITING

    async def keep_epoch(self, epoch: str) -> None:
        """Save ``epoch`` for the next server, as the last write of this one.

        Does nothing without the lease, or if the database is not the one of the start but a restored copy or a standby.

        Raises:
            Exception: one of `FAILURES`; the epoch is then not saved.
        """
        if self.tenure is not None and self._session is not None:
            await self._save(self._session, epoch)

    async def _save(self, session: Connection, epoch: str) -> bool:
        """Save ``epoch`` in the session that holds the lease: a server that lost it cannot write this."""
        values = {"epoch": epoch, "holder": self._holder, "identity": self._identity}
        return (await self._ask(session, session.execute(sql.KEEP_EPOCH, values))).rowcount == 1

    async def _sign(self, connection: Connection) -> tuple[Tenure, UUID]:
        """Record that this server writes from now on, and find out whether another one wrote before it."""
        async with connection.transaction():
            # The epoch of the previous server must be invalid, durably, before anything is broadcast.
            await connection.execute(b"SET LOCAL synchronous_commit TO on")
            before = await value(connection, sql.LAST_HOLDER)
            # A backup of this tenure has our own name, and lacks what was written since.
            replaced = self.was_held and await self._is_another_database(connection)
            new = before != self._holder or self._ended or replaced
            # Kept until it is announced: if the connection fails after the commit, the next attempt finds our own name.
            if new and (before != self._holder or replaced or self._news is None):
                self._news = await self._news_of(connection, before, replaced=replaced)
            ((token, installation),) = await fetch_all(
                connection, sql.SIGN_LEASE, {"holder": self._holder, "step": int(new)}
            )
        row = await (await connection.execute(sql.MY_SESSION)).fetchone()
        if row is None:
            raise psycopg.OperationalError("pg_stat_activity does not show this session")
        return Tenure(row[0], row[1], token), installation

    async def _keep_secret(self, connection: Connection) -> TupleRow:
        """Store the secret of the servers if there is none, and return what is stored. The next commit, of `_sign`,
        makes it durable."""
        upgraded = await value(connection, sql.LAST_HOLDER) is not None
        (row,) = await fetch_all(connection, sql.KEEP_SECRET, {"secret": self._secret, "upgraded": upgraded})
        return row

    async def _read_secret(self, connection: Connection) -> None:
        """Read the secret that the writing server stores, which may be of a version that has none yet."""
        if await value(connection, sql.HAS_TABLE, table="server_secret"):
            for row in await fetch_all(connection, sql.SERVER_SECRET, {}):
                self._learn(*row)

    def _learn(self, secret: bytes | None, replaced_at: datetime | None) -> None:
        if self._secret is not None:
            if secret is None:
                return  # the writing server has SERVER_SECRET: this one stores a secret when it takes over
            self._secret = secret
        kept = secret, None if replaced_at is None else int(replaced_at.timestamp()) * 1_000_000
        if kept != self._kept:
            self._kept = kept
            self._events.on_secret(*kept)

    def _learn_installation(self, installation: UUID) -> None:
        if installation.bytes != self._installation:
            self._installation = installation.bytes
            self._events.on_installation(self._installation)

    async def _is_another_database(self, connection: Connection) -> bool:
        """Whether it is a copy or a restored dump of that in which this server had the lease.

        Not whether a standby was promoted, which has what was committed: its timeline alone is new.
        """
        cluster, _, *objects = str(await value(connection, sql.IDENTITY)).split()
        known, _, *known_objects = self._identity.split()
        return (cluster, objects) != (known, known_objects)

    async def _news_of(self, connection: Connection, before: str | None, *, replaced: bool) -> _News:
        self._identity = str(await value(connection, sql.IDENTITY))
        epoch = await value(connection, sql.KEPT_EPOCH)
        outdated = self.was_held or (epoch is None and self.state is not LeaseState.CONNECTING)
        return _News(epoch, outdated and before is not None and (replaced or before != self._holder))

    async def _ask(self, connection: Connection, work: Coroutine[Any, Any, T]) -> T:
        return await bounded(connection, work, self.pace.answer)

    def _lose(self, problem: str = "the connection to Postgres was lost") -> None:
        if self.tenure is not None:
            self.tenure = self._session = None
            self.problem = problem
            self._on_lost()

    def _set_problem(self, problem: str | None, level: int = logging.WARNING) -> None:
        if problem != self.problem:
            if problem is None:
                log.info("this server is now the writer of the database")
            else:
                log.log(level, "cannot write: %s", problem)
        self.problem = problem
