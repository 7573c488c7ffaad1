"""Decide which of several servers that live at the same time writes, and know which of the others live.

The locks of `storage.postgres.connection.lease` ensure that one server at a time writes. Here a server is a node: it
also holds a lock that shows that it lives, and one while it reaches the bus, and looks at all locks and at the row of
the lease several times a second, in one round trip. From what it sees follows:

    free, with a saved epoch       the holder has resigned or stopped: the first node that looks takes the lock
    free, without one              the session of the holder has ended. If the holder lives, it takes the lock back at
                                   once and continues its tenure; the others leave the lock alone for `Pace.cut`
    held, and the beat stands      the holder hangs. Each node that has seen this for `Pace.hung` ends its sessions
    held by a server that is no    it has no beat: as for a server that writes alone, wait until the lock is free
    node

A node that does not reach the bus takes nothing while another one reaches it, unless that one leaves the lock free for
long: then it hangs. Durations are those of a node's own successful looks, so one that was paused, or cut off from
Postgres, can accuse no other. No clocks are compared.

Rejected: a lease in the bus (its servers need a majority, and writes go to Postgres, which decides anyway).
"""

import asyncio
import logging
from collections.abc import Collection
from typing import Any, NamedTuple

from storage.ports.servers import Servers, node_key
from storage.postgres.connection.errors import UnsuitableError
from storage.postgres.connection.lease import Holder, Lease, LeaseState
from storage.postgres.connection.look import Look, look_of
from storage.postgres.connection.migrate import MigrationError, pending
from storage.postgres.connection.session import POOLED, Connection, fetch_all, value
from storage.postgres.sql import lease as sql
from storage.postgres.sql import nodes
from utils.backoff import Backoff

log = logging.getLogger(__name__)

# How often a node that waits reads the secret of the servers, in seconds; at first with every look.
SECRET_SECONDS = 5.0

# How many times `Pace.hung` a lock is left to the nodes on the bus. After a restart of Postgres they wait almost once.
LEFT = 2

_RESIGNED = "this server has given up the right to write to the database"


# The application name of a node's sessions begins with it.
_PROGRAM = "parley"


def named(node: str) -> str:
    """Return the application name of the sessions of the node that operators call this; "" for a server alone."""
    return f"{_PROGRAM} {node}" if node else _PROGRAM


class _Request(NamedTuple):
    """A call of `NodeLease.resign`, for the task that holds the lease."""

    epoch: str | None
    done: asyncio.Future[bool]


class NodeLease(Lease):
    """The lease of a node. See the top of this file.

    Attributes:
        servers: what the last look has shown; None if it failed.
    """

    def __init__(self, *args: Any, node: str, **options: Any) -> None:
        super().__init__(*args, node=node, **options)
        self.servers: Servers | None = None
        self._key = node_key(node)
        self._on_bus = False
        self._request: _Request | None = None
        self._said = ""  # the last line of the log about sessions that were ended
        self._rests_until = self._waits_until = self._secret_due = 0.0
        # Of the current session.
        self._holds = False  # the writer lock
        self._named: int | None = None  # the session of the writing server that `problem` names
        self._owner_name = ""  # of that server
        self._shows_bus = False
        self._has_row = False
        self._seen: tuple[object, ...] = ()
        self._seen_for = self._looked_at = 0.0  # how long that has not changed; the time of the last look

    # --- what the server says ---

    def say_on_bus(self, up: bool) -> None:
        """See `storage.ports.storage.Storage`."""
        if up != self._on_bus:  # it is said many times a second
            self._on_bus = up
            self.check_now()

    async def resign(self, epoch: str | None) -> bool:
        """See `storage.ports.storage.Storage`."""
        if self.state is not LeaseState.HOLDER:
            return False
        if self.tenure is None:  # its session has just been lost, and it would take the lock back
            self._end_tenure()
            return False
        if self._request is None:
            self._request = _Request(epoch, asyncio.get_running_loop().create_future())
        self.check_now()
        return await asyncio.shield(self._request.done)

    # --- what it does ---

    async def _serve(self, connection: Connection, pause: Backoff) -> None:
        self._holds = self._shows_bus = self._has_row = False
        self._named = None
        self._seen = ()
        await self._ask(connection, value(connection, sql.TRY_LOCK_SHARED, key=nodes.node_lock(self._key)))
        try:
            while True:
                self._check.clear()
                await self._show_bus(connection)
                look = await self._look(connection)
                pause.reset()
                if self.tenure is None:
                    await self._stand_by(connection, look)
                elif self._request is not None:
                    await self._give_up(connection, self._request)
                try:
                    async with asyncio.timeout(self.pace.look):
                        await self._check.wait()
                except TimeoutError:
                    continue
        finally:
            self.servers = None
            if self._request is not None:
                self._end_tenure()
                self._answer(self._request, done=False)

    def _longest_pause(self) -> float:
        return self.pace.look

    async def _let_others_first(self) -> None:
        self._waits_until = asyncio.get_running_loop().time() + self.pace.grace

    async def _show_bus(self, connection: Connection) -> None:
        if self._on_bus != self._shows_bus:
            statement = nodes.UNLOCK_SHARED if self._shows_bus else sql.TRY_LOCK_SHARED
            await self._ask(connection, value(connection, statement, key=nodes.bus_lock(self._key)))
            self._shows_bus = not self._shows_bus

    async def _look(self, connection: Connection) -> Look:
        if not self._has_row:
            self._has_row = await self._ask(connection, value(connection, sql.HAS_TABLE, table=nodes.BEAT))
        statement = nodes.LOOK if self._has_row else nodes.LOOK_AT_LOCKS
        look = look_of(await self._ask(connection, fetch_all(connection, statement, {"holds": self._holds})))
        if look.me not in look.sessions(self._key) or (self._holds and look.me != look.writer):
            raise UnsuitableError(POOLED)
        self._note(look)
        return look

    def _note(self, look: Look) -> None:
        now = asyncio.get_running_loop().time()
        row = look.row
        seen = (look.writer, row.token, row.beat)
        if seen == self._seen:
            self._seen_for += min(now - self._looked_at, 2 * self.pace.look)
        else:
            self._seen, self._seen_for = seen, 0.0
        self._looked_at = now
        node = look.node_of(look.writer)
        self.servers = Servers(
            token=row.token,
            owner=row.holder or "",
            owner_lives=look.writer is not None
            and (node is None or (node == node_key(row.holder or "") and self._seen_for < self.pace.hung)),
            alive=look.alive,
            on_bus=look.on_bus,
            owner_name=self._owner_name if look.writer == self._named else "",
        )
        if row.installation is not None:
            self._learn_installation(row.installation)

    async def _stand_by(self, connection: Connection, look: Look) -> None:
        earlier = look.sessions(self._key) - {look.me}
        if earlier:  # cut off, which Postgres has not noticed yet
            await self._end(connection, earlier, "an earlier session of this server")
        if look.writer in earlier:
            self._set_problem("an earlier connection of this server is still open")
        elif look.writer is not None:
            await self._watch(connection, look)
        else:
            if look.row.holder != self._holder and self.state is LeaseState.HOLDER:
                self._see_another(sql.WRITER_LOCK)  # it is gone again
            if self._may_take(look):
                await self._take_over(connection, look)

    async def _watch(self, connection: Connection, look: Look) -> None:
        """Wait for the end of the tenure of another server, and end it if that is a node that hangs."""
        now = asyncio.get_running_loop().time()
        if self._kept is None or self._secret_due <= now:
            self._secret_due = now + SECRET_SECONDS
            await self._ask(connection, self._read_secret(connection))
        self._see_another(sql.WRITER_LOCK)
        node = look.node_of(look.writer)
        if look.writer != self._named:
            rows = await self._ask(connection, fetch_all(connection, sql.HOLDERS, {"number": nodes.WRITER[1]}))
            for row in rows:
                holder = Holder(*row)
                self._named, self._owner_name = holder.pid, holder.name.removeprefix(f"{_PROGRAM} ")
                # That another node writes is no news for a node: it says so itself once it has found that one.
                level = logging.INFO if node is None else logging.DEBUG
                self._set_problem(f"another server is writing to this database: {holder}", level)
        # Migrations may take long, and raise no beat. Nor does a node of a version that has another beat.
        hangs = self._has_row and self._seen_for >= self.pace.hung
        if node is not None and hangs and look.writer not in look.holders(nodes.MIGRATION):
            sessions = look.sessions(node) | look.holders(nodes.FENCE)
            await self._end(connection, sessions, "the writing server, which hangs")

    def _may_take(self, look: Look) -> bool:
        now = asyncio.get_running_loop().time()
        if now < self._rests_until:
            return False
        left = self._seen_for >= LEFT * self.pace.hung
        if not self._on_bus and look.on_bus - {self._key} and not left:
            return False
        row = look.row
        if row.holder is None or row.epoch is not None or (row.holder == self._holder and not self._ended):
            return True
        return now >= self._waits_until and self._seen_for >= self.pace.cut

    async def _take_over(self, connection: Connection, look: Look) -> None:
        migrations = self._migrations()
        others = look.alive - {self._key}
        try:
            todo = await self._ask(connection, pending(connection, migrations))
        except MigrationError as refused:
            # It may still live as a node that does not write.
            self._set_problem(str(refused))
            self.reached.set()
            return
        alone = next((migration for migration in todo if migration.alone), None)
        if alone is not None and others:
            self._set_problem(f"migration {alone.file} waits until no other server runs; {len(others)} do")
            self.reached.set()
            return
        if await self._ask(connection, value(connection, sql.TRY_LOCK, key=sql.WRITER_LOCK)):
            self._holds = True
            await self._end_writers(connection, self.pace.hung)
            await self._begin(connection, migrations)
            self.check_now()

    async def _end_writers(self, connection: Connection, patience: float) -> None:
        """Wait for the end of every connection admitted under another tenure, and end those left after ``patience``."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not await self._ask(connection, value(connection, sql.TRY_LOCK, key=sql.FENCE_LOCK)):
            look = await self._look(connection)  # raises the beat
            waited = loop.time() - began
            left = look.holders(nodes.FENCE)
            if waited < patience:
                left = left.intersection(self._own) if waited >= self.pace.look else set()
            if left:
                await self._end(connection, left, "connections that wrote to this database")
            elif self.state is LeaseState.CONNECTING:
                self.state = LeaseState.WAITING
            await asyncio.sleep(self.pace.look / 5)
        await self._ask(connection, value(connection, sql.UNLOCK, key=sql.FENCE_LOCK))

    async def _end(self, connection: Connection, sessions: Collection[int], words: str) -> None:
        line = f"ending {words} (PostgreSQL process {', '.join(map(str, sorted(sessions)))})"
        if line != self._said:  # a session that does not end at once is ended again
            self._said = line
            log.warning("%s", line)
        await self._ask(connection, fetch_all(connection, nodes.END_SESSIONS, {"pids": list(sessions)}))

    # --- the end of a tenure ---

    async def _give_up(self, connection: Connection, request: _Request) -> None:
        self._end_tenure()
        async with asyncio.timeout(self.pace.answer):
            await self._end_writers(connection, self.pace.look)
            saved = request.epoch is None or await self._save(connection, request.epoch)
            await self._ask(connection, value(connection, sql.UNLOCK, key=sql.WRITER_LOCK))
        self._holds = False
        self._answer(request, done=saved)
        log.info("%s", _RESIGNED)

    def _end_tenure(self) -> None:
        """End the tenure as far as this server is concerned, whatever becomes of the lock."""
        self._lose(_RESIGNED)
        self._ended = True
        self.state = LeaseState.STANDBY
        self._rests_until = asyncio.get_running_loop().time() + self.pace.rest

    def _answer(self, request: _Request, *, done: bool) -> None:
        self._request = None
        if not request.done.done():
            request.done.set_result(done)
