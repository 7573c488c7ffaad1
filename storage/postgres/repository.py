"""The repository in Postgres: reads through a pool, writers with connections of their own, one lease for them all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from psycopg_pool import AsyncConnectionPool

from model.message import Message, body_hash
from model.room import RoomRecord
from storage.postgres import sql
from storage.postgres.errors import FAILURES, REFUSALS, unavailable
from storage.postgres.lease import Lease, Pace, Tenure
from storage.postgres.session import Connection, ParleyConnection, abort, bounded, conninfo
from storage.postgres.writer import PostgresWriter
from storage.repository import Posted, StorageUnavailable
from utils.tasks import TaskRegistry

log = logging.getLogger(__name__)

T = TypeVar("T")

_ENDLESS = 2**63 - 1

# The pool gives an attempt to connect up after this long, and the next read starts a new one at once: its own pauses
# double without a cap, up to five minutes by default.
_RECONNECT_SECONDS = 2.0
_MAX_WAITING = 200


class PostgresRepository:
    """Rooms and their messages in PostgreSQL 15 or newer. See `storage.repository.Repository`.

    Args:
        url: a libpq URL; what it says about time-outs and the application's name wins over ours.
        read_connections: the largest number of connections for reads.
        connect_seconds: how long an attempt to connect may take.
        read_seconds: how long a read may take, waiting for a connection included.
        write_seconds: how long a batch may take, on the server too.
        close_seconds: how long :meth:`close` may take.
        pace: how often the lease is looked at.

    Raises:
        ValueError: the URL cannot be parsed.
    """

    def __init__(
        self,
        url: str,
        *,
        read_connections: int = 4,
        connect_seconds: float = 5.0,
        read_seconds: float = 5.0,
        write_seconds: float = 30.0,
        close_seconds: float = 5.0,
        pace: Pace | None = None,
    ) -> None:
        self.on_takeover: Callable[[], None] | None = None
        self.on_superseded: Callable[[], None] | None = None
        self._connect_seconds = connect_seconds
        self._read_seconds = read_seconds
        self._write_seconds = write_seconds
        self._close_seconds = close_seconds
        self._conninfo = conninfo(url, connect_seconds=connect_seconds, statement_seconds=write_seconds)
        self._pool = AsyncConnectionPool(
            conninfo(url, connect_seconds=connect_seconds, statement_seconds=read_seconds),
            connection_class=ParleyConnection,
            # A pool that is closed waits for an attempt to connect: let that end first.
            kwargs={"seconds": min(connect_seconds, close_seconds / 2), "autocommit": True},
            min_size=1,
            max_size=read_connections,
            open=False,
            check=self._check,
            name="parley-reads",
            timeout=read_seconds,
            max_waiting=_MAX_WAITING,
            reconnect_timeout=_RECONNECT_SECONDS,
        )
        self._lease = Lease(
            self.connect,
            on_lost=self._drop_writers,
            on_connected=self._pool.drain,  # those connections failed too; finding that out one by one takes seconds
            on_takeover=self._taken_over,
            on_superseded=self._superseded,
            pace=pace,
        )
        self._writers: set[PostgresWriter] = set()
        self._write_troubles: dict[PostgresWriter, str] = {}
        self._reading: set[Connection] = set()
        self._queueing: set[asyncio.Timeout] = set()
        self._tasks = TaskRegistry()
        self._closed = False

    # --- life ------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """See `storage.repository.Repository.start`."""
        self._check_open()
        # It reports each failed attempt; trouble() and the lease's log say the same once.
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
        await self._pool.open()
        self._tasks.spawn(self._lease.run(), name="parley-postgres-lease")

    async def close(self) -> None:
        """See `storage.repository.Repository.close`."""
        if self._closed:
            return
        self._closed = True
        deadline = asyncio.get_running_loop().time() + self._close_seconds
        self._drop_writers()
        # Reads under way end now: those that have a connection, and those that wait for one or for its check.
        for connection in self._reading:
            abort(connection)
        for bound in self._queueing:
            if not bound.expired():
                bound.reschedule(0.0)
        for name in await self._tasks.close(self._close_seconds / 2):
            log.error("task %s did not stop", name)
        await self._pool.close(timeout=max(0.1, deadline - asyncio.get_running_loop().time()))

    def trouble(self) -> str | None:
        """See `storage.repository.Repository.trouble`."""
        if self._closed:
            return "the storage is closed"
        return self._lease.trouble or next(iter(self._write_troubles.values()), None)

    def another_writes(self) -> bool:
        """See `storage.repository.Repository.another_writes`."""
        return self._lease.standby

    # --- writes: see storage.postgres.writer.Owner -----------------------------------------------------------------

    def writer(self) -> PostgresWriter:
        """See `storage.repository.Repository.writer`."""
        writer = PostgresWriter(self, self._write_seconds)
        self._writers.add(writer)
        return writer

    @property
    def tenure(self) -> Tenure | None:
        """The lease as it is now; None when closed."""
        return None if self._closed else self._lease.tenure

    async def connect(self) -> Connection:
        """A connection for the lease or a writer. Raises `storage.postgres.errors.FAILURES`."""
        return await ParleyConnection.connect(self._conninfo, seconds=self._connect_seconds, autocommit=True)

    async def admit(self, connection: Connection, tenure: Tenure) -> None:
        """See `Lease.admit`."""
        await self._lease.admit(connection, tenure)

    def wrote(self, writer: PostgresWriter, trouble: str | None) -> None:
        """Keep what `trouble` says about this writer; a failure is a reason to look at the lease."""
        if trouble is None:
            if self._write_troubles.pop(writer, None) is not None:
                log.info("a writer stores again")
            return
        if self._lease.tenure is not None:
            if writer not in self._write_troubles:
                log.warning("a writer cannot store: %s", trouble)
            self._write_troubles[writer] = trouble
            self._lease.look_now()

    def closed(self, writer: PostgresWriter) -> None:
        """The writer is gone."""
        self._writers.discard(writer)
        self._write_troubles.pop(writer, None)

    def _drop_writers(self) -> None:
        for writer in self._writers:
            writer.drop()

    def _taken_over(self) -> None:
        if self.on_takeover is not None:
            self.on_takeover()

    def _superseded(self) -> None:
        if self.on_superseded is not None:
            self.on_superseded()

    # --- reads -----------------------------------------------------------------------------------------------------

    async def find_room(self, name: str) -> RoomRecord | None:
        """See `storage.repository.Repository.find_room`."""
        rows = await self._read(sql.FIND_ROOM, {"name": name})
        return RoomRecord(*rows[0]) if rows else None

    async def head(self, room_id: int) -> int:
        """See `storage.repository.Repository.head`."""
        rows = await self._read(sql.HEAD, {"room_id": room_id})
        return int(rows[0][0]) if rows else 0

    async def find_posted(self, room_id: int, sender_id: str, id: str) -> Posted | None:
        """See `storage.repository.Repository.find_posted`."""
        rows = await self._read(sql.FIND_POSTED, {"room_id": room_id, "sender_id": sender_id, "id": id})
        if not rows:
            return None
        seq, content, kept = rows[0]
        return Posted(seq, body_hash(content) if kept is None else kept)

    async def find_message(self, room: RoomRecord, seq: int) -> Message | None:
        """See `storage.repository.Repository.find_message`."""
        rows = await self._read(sql.FIND_MESSAGE, {"room_id": room.room_id, "seq": seq})
        return _message(room.name, rows[0]) if rows else None

    async def history(
        self,
        room: RoomRecord,
        *,
        limit: int,
        before: int | None = None,
        after: int | None = None,
        sender: str | None = None,
        words: Sequence[str] = (),
    ) -> list[Message]:
        """See `storage.repository.Repository.history`."""
        kind = sql.HistoryKind(oldest_first=after is not None, sender=sender is not None, words=bool(words))
        values: dict[str, Any] = {
            "room_id": room.room_id,
            "after": -1 if after is None else after,
            "before": _ENDLESS if before is None else before,
            "limit": max(limit, 0),
        }
        if sender is not None:
            values["sender"] = sender
        if words:
            values["words"] = list(words)
        page = list(map(partial(_message, room.name), await self._read(sql.HISTORY[kind], values)))
        if not kind.oldest_first:
            page.reverse()
        return page

    async def changed(self, room: RoomRecord, *, after: int, until: int, limit: int) -> list[Message]:
        """See `storage.repository.Repository.changed`."""
        values = {"room_id": room.room_id, "after": after, "until": until, "limit": max(limit, 0)}
        return list(map(partial(_message, room.name), await self._read(sql.CHANGED, values)))

    async def count_changed(self, room_id: int, *, after: int, until: int, limit: int) -> int:
        """See `storage.repository.Repository.count_changed`."""
        values = {"room_id": room_id, "after": after, "until": until, "limit": max(limit, 0)}
        rows = await self._read(sql.COUNT_CHANGED, values)
        return int(rows[0][0]) if rows else 0

    async def _read(self, text: bytes, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        """The rows; none when a value is one that Postgres cannot hold (NUL in a text): then it holds no such row."""
        self._check_open()
        deadline = asyncio.get_running_loop().time() + self._read_seconds
        try:
            async with asyncio.timeout_at(deadline) as bound:
                self._queueing.add(bound)
                try:
                    connection = await self._pool.getconn(timeout=self._read_seconds)
                finally:
                    self._queueing.discard(bound)
            self._reading.add(connection)
            try:
                left = max(0.001, deadline - asyncio.get_running_loop().time())
                return await bounded(connection, _fetch(connection, text, values), left)
            finally:
                self._reading.discard(connection)
                await self._pool.putconn(connection)
        except REFUSALS:
            return []
        except FAILURES as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: BaseException) -> StorageUnavailable:
        if self._closed:
            return StorageUnavailable("the storage is closed")
        if isinstance(error, TimeoutError) and self._lease.trouble:
            return StorageUnavailable(self._lease.trouble)
        return unavailable(error)

    async def _check(self, connection: Connection) -> None:
        """The pool's check of a connection, which by itself has no bound. Its caller has one: that is our deadline."""
        await bounded(connection, AsyncConnectionPool.check_connection(connection), self._read_seconds)

    def _check_open(self) -> None:
        if self._closed:
            raise StorageUnavailable("the storage is closed")


def _message(room: str, row: tuple[Any, ...]) -> Message:
    return Message(room, *row)


async def _fetch(connection: Connection, text: bytes, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    return await (await connection.execute(text, values)).fetchall()
