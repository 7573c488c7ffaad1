"""Whose turn it is to write: one server for each database, even when the network or Postgres is restarted in between.

The lease is an advisory lock, held by a session of its own: when the server dies, Postgres frees the lock by itself.
What that alone does not rule out is an old server that has lost the lease, does not know it yet, and still commits on
another connection. So there are two locks:

    writer lock   held alone by the lease's session
    fence lock    held, shared, by every connection that writes

A connection takes the fence lock first, and only then checks that its own server's lease session holds the writer lock
(`Lease.admit`). A server that gets the writer lock then waits until it could take the fence lock alone: by then each
connection admitted under an earlier lease has ended, and none can be admitted any more. Then it gives the fence lock
back and is the holder.

Locks die with their session, so nothing here depends on clocks. What was rejected: a row with a time-out (a paused
process commits after its time is over, unless every statement checks), and a number checked by every insert (a row read
more for each batch, where this costs two queries for each connection).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple

import psycopg

from storage.ports.errors import StorageUnavailable
from storage.postgres.connection.errors import FAILURES, UnsuitableError, words_for
from storage.postgres.connection.migrate import (
    Migration,
    MigrationError,
    MigrationsBusyError,
    load_migrations,
    migrate,
    pending,
)
from storage.postgres.connection.session import POOLED, Connection, T, bounded, served_by, value
from storage.postgres.sql import lease as sql
from utils.backoff import Backoff
from utils.ids import new_token

log = logging.getLogger(__name__)

# Sessions of its own that a server knows again; Postgres may take minutes to see that one of them is cut off.
OWN = 1000


class Pace(NamedTuple):
    """How often and how patiently, in seconds. Tests turn these down; nothing is promised about them.

    Attributes:
        poll: between two looks of a standby at the lock; a holder that lost it looks ten times as often.
        check: between two looks of the holder at its own session. A failing writer asks for one at once.
        answer: how long Postgres may take to answer any of these.
        grace: how long a standby that lost its own connection leaves the lock alone after it is back. Both servers
            lose their sessions when Postgres restarts, and the one that was writing should go on; it tries at least
            once a second.
        cap: longest pause between attempts to connect.
    """

    poll: float = 1.5
    check: float = 2.0
    answer: float = 3.0
    grace: float = 5.0
    cap: float = 5.0


class Tenure(NamedTuple):
    """One holding of the lease: the session that holds it, by process id and start."""

    pid: int
    started: str


class Holder(NamedTuple):
    """A session that holds a lock, as Postgres shows it."""

    pid: int
    name: str
    host: str | None

    def __str__(self) -> str:
        """``parley at 10.0.0.5 (PostgreSQL process 4711)``: the process is one of the database's machine."""
        return f"{self.name or 'a program'} at {self.host or 'this host'} (PostgreSQL process {self.pid})"


class Lease:
    """Keeps trying to hold the lease for as long as :meth:`run` runs, and applies migrations when it has it.

    A standby never changes the schema under the server that writes: it only looks whether the files fit.

    Args:
        connect: opens a connection (raises `FAILURES`).
        on_lost: called when the lease is no longer held, before anything else happens: end all connections that write.
        on_connected: called after a connection that had failed is back.
        on_takeover: called when another server held the lease between this one's last look at the database and now,
            before the first write is admitted.
        on_superseded: called when this server held the lease, and finds that another one does now.
        on_clean_start: called with the epoch that the server before left with :meth:`keep_epoch`, before the first
            write is admitted.
        migrations: what the schema must be; the files of this package by default.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        *,
        on_lost: Callable[[], None],
        on_connected: Callable[[], Awaitable[None]],
        on_takeover: Callable[[], None],
        on_superseded: Callable[[], None],
        on_clean_start: Callable[[str], None],
        pace: Pace | None = None,
        migrations: Callable[[], list[Migration]] = load_migrations,
    ) -> None:
        self._connect = connect
        self._on_lost = on_lost
        self._on_connected = on_connected
        self._on_takeover = on_takeover
        self._on_superseded = on_superseded
        self._on_clean_start = on_clean_start
        self._pace = pace or Pace()
        self._migrations = migrations
        self._holder = new_token("s_")
        self._tenure: Tenure | None = None
        self._session: Connection | None = None  # which holds the lease
        self._kept: str | None = None  # the epoch of the server before
        self._identity = ""  # of the database, when it was signed for the first time
        self._incumbent = False  # held it last, as far as is known
        self._waited = False  # saw another server in its place
        self._signed = False  # held it at least once
        self._standby = False  # another server holds it
        self._own: deque[int] = deque(maxlen=OWN)
        self._missed = False  # another server held it in between, and nobody was told yet
        self._trouble: str | None = "connecting to Postgres"
        self._look = asyncio.Event()
        self.reached = asyncio.Event()
        """It was held, another server held it, or the database is none for this version: for the first time."""

    @property
    def tenure(self) -> Tenure | None:
        """The present holding, None while another server may write."""
        return self._tenure

    @property
    def trouble(self) -> str | None:
        """Why the lease is not held, in words for an operator; None while it is."""
        return self._trouble

    @property
    def was_held(self) -> bool:
        """It was held at least once."""
        return self._signed

    @property
    def standby(self) -> bool:
        """Another server holds the lease, as far as is known."""
        return self._standby

    def look_now(self) -> None:
        """Look at once whether the lease is still held: something failed that may have the same cause."""
        self._look.set()

    async def admit(self, connection: Connection, tenure: Tenure) -> None:
        """Let ``connection`` write under ``tenure``, for as long as its session lives.

        Raises:
            StorageUnavailable: the lease was lost.
            psycopg.Error: as it comes.
        """
        self._own.append(await served_by(connection))
        # In this order: see the top of this file.
        fenced = await value(connection, sql.TRY_LOCK_SHARED, key=sql.FENCE_LOCK)
        if fenced:
            held = await value(
                connection, sql.STILL_HOLDS, number=sql.WRITER_LOCK & 0xFFFFFFFF, pid=tenure.pid, started=tenure.started
            )
            if held is not None and tenure == self._tenure:
                return
        self.look_now()
        raise StorageUnavailable(self._trouble or "this server has just lost the right to write to the database")

    async def run(self) -> None:
        """Until cancelled: connect, check the schema, wait for the turn, migrate, hold. Logs each change once."""
        pause = Backoff(0.1, self._pace.cap)
        failed = False
        while True:
            try:
                connection = await self._connect()
                try:
                    self._own.append(await self._ask(connection, served_by(connection)))
                    if failed:
                        await self._on_connected()
                        if self._waited and not self._incumbent:
                            await asyncio.sleep(self._pace.grace)
                    failed = False
                    await self._serve(connection, pause)
                finally:
                    self._lose()
                    await connection.close()
            except MigrationError as refused:
                self._set_trouble(str(refused))
                self.reached.set()
            except MigrationsBusyError:
                self._set_trouble("another server is applying migrations")
            except FAILURES as error:
                failed = True
                notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
                self._set_trouble(words_for(error) + notes)
            # The one that was writing must be quicker than any standby's grace.
            await asyncio.sleep(min(pause.next(), 1.0) if self._incumbent else pause.next())

    async def _serve(self, connection: Connection, pause: Backoff) -> None:
        migrations = self._migrations()
        await self._ask(connection, pending(connection, migrations))
        await self._take(connection)
        applied = await bounded(connection, migrate(connection, migrations), None)
        for file in applied:
            log.info("applied migration %s", file)
        tenure = await self._ask(connection, self._sign(connection))
        if self._missed:
            self._missed = False
            log.warning("another server wrote to this database in between")
            self._on_takeover()
        elif self._kept is not None:
            self._on_clean_start(self._kept)
        self._kept = None
        pause.reset()
        self._incumbent = True
        self._waited = self._standby = False
        self._tenure, self._session = tenure, connection
        self._set_trouble(None)
        self.reached.set()
        while True:
            self._look.clear()
            if await self._ask(connection, served_by(connection)) != tenure.pid:
                raise UnsuitableError(POOLED)
            try:
                async with asyncio.timeout(self._pace.check):
                    await self._look.wait()
            except TimeoutError:
                continue

    async def _take(self, connection: Connection) -> None:
        """Wait for the writer lock, then for the end of every connection admitted under another lease."""
        for key, words in (
            (sql.WRITER_LOCK, "another server is writing to this database"),
            (sql.FENCE_LOCK, "a connection that was writing to this database is still open"),
        ):
            while not await self._ask(connection, value(connection, sql.TRY_LOCK, key=key)):
                holders = await self._ask(connection, self._holders(connection, key))
                if any(holder.pid not in self._own for holder in holders):
                    self._see_another(key)
                elif holders:  # a session that was cut off, and that Postgres has not noticed yet
                    words = "an earlier connection of this server is still open"
                if holders:
                    self._set_trouble(f"{words}: {', '.join(map(str, holders))}")
                await asyncio.sleep(self._pace.poll / 10 if self._incumbent else self._pace.poll)
        await self._ask(connection, value(connection, sql.UNLOCK, key=sql.FENCE_LOCK))

    def _see_another(self, key: int) -> None:
        self._waited = True
        if key == sql.WRITER_LOCK:
            self._incumbent = False
            if self._signed and not self._standby:
                self._on_superseded()
            self._standby = True
            self.reached.set()

    async def _holders(self, connection: Connection, key: int) -> list[Holder]:
        """Who holds the lock, but for this very session."""
        rows = await (await connection.execute(sql.HOLDERS, {"number": key & 0xFFFFFFFF})).fetchall()
        return [Holder(*row) for row in rows]

    async def keep_epoch(self, epoch: str) -> None:
        """Leave ``epoch`` to the next server, as the last write of this one. Nothing happens without the lease, nor in
        another database than at the start: one that was restored, or the standby of it.

        Raises:
            Exception: one of `FAILURES`; then it is not left.
        """
        if self._tenure is not None and self._session is not None:
            # In the session that holds the lease: whoever lost it cannot write this.
            values = {"epoch": epoch, "holder": self._holder, "identity": self._identity}
            await self._ask(self._session, self._session.execute(sql.KEEP_EPOCH, values))

    async def _sign(self, connection: Connection) -> Tenure:
        """Write down who writes from now on, and tell whether that was another one before."""
        async with connection.transaction():
            # The epoch of the server before is not valid any more, for good, when something is broadcast.
            await connection.execute(b"SET LOCAL synchronous_commit TO on")
            before = await value(connection, sql.LAST_HOLDER)
            # Remembered before the commit: if the connection fails after it, the next look finds our own name.
            if before != self._holder and not self._signed:
                self._kept = await value(connection, sql.KEPT_EPOCH)
                self._identity = str(await value(connection, sql.IDENTITY))
            missed = before not in (None, self._holder) and self._kept is None and (self._signed or self._waited)
            self._missed = self._missed or missed
            await connection.execute(sql.SIGN_LEASE, {"holder": self._holder})
        self._signed = True
        row = await (await connection.execute(sql.MY_SESSION)).fetchone()
        if row is None:
            raise psycopg.OperationalError("pg_stat_activity does not show this session")
        return Tenure(row[0], row[1])

    async def _ask(self, connection: Connection, work: Coroutine[Any, Any, T]) -> T:
        return await bounded(connection, work, self._pace.answer)

    def _lose(self) -> None:
        if self._tenure is not None:
            self._tenure = self._session = None
            self._trouble = "the connection to Postgres was lost"
            self._on_lost()

    def _set_trouble(self, trouble: str | None) -> None:
        if trouble != self._trouble:
            if trouble is None:
                log.info("this server is now the writer of the database")
            else:
                log.warning("cannot write: %s", trouble)
        self._trouble = trouble
