"""One connection to Postgres: how it is opened, and how it ends when the network does not answer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow
from psycopg.types.json import Json

from storage.postgres.connection.errors import UnsuitableError
from storage.postgres.connection.url import without_url
from storage.postgres.sql import lease as sql
from utils.encoding import to_json

T = TypeVar("T")
Connection = AsyncConnection[TupleRow]

# After its socket is shut down a pending call ends in the next turns of the loop; this is in case it does not.
_SETTLE_SECONDS = 1.0


# In words for an operator, as what Postgres itself says is.
POOLED = (
    "the connection to Postgres goes through a pooler in transaction or statement mode, and Parley needs sessions"
    " of its own: connect without the pooler, or set its pool_mode to session"
)
TOO_OLD = "this is PostgreSQL {}, Parley needs 15 or newer"
_OLDEST = 15_00_00
# How often two sessions are compared. A pooler that nobody else uses gives itself away in the first round.
_ROUNDS = 5


class ParleyConnection(AsyncConnection[TupleRow]):
    """A connection whose ``connect`` takes a bound for all addresses, the login and the settings together.

    libpq's ``connect_timeout`` counts whole seconds and counts them for each address again.
    """

    @classmethod
    async def connect(  # type: ignore[override]
        cls, conninfo: str = "", *, seconds: float, sessions: Sessions, settings: Mapping[str, str], **kwargs: Any
    ) -> AsyncConnection[TupleRow]:
        """Connect within ``seconds``.

        Raises:
            UnsuitableError: it is an old Postgres, or no session of one's own.
            psycopg.Error: refused, or the login failed; in words that repeat nothing of the URL.
            TimeoutError: no answer in time.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(deadline):
                connection = await super().connect(conninfo, **kwargs)
        except (psycopg.Error, UnicodeError) as error:  # the latter for what cannot be the name of a host
            raise psycopg.OperationalError(without_url(str(error), sessions.parts)) from None
        try:
            left = max(0.001, deadline - asyncio.get_running_loop().time())
            await bounded(connection, sessions.begin(connection, settings), left)
        except BaseException:
            await connection.close()
            raise
        return connection


class Sessions:
    """How each session with one database begins: with a look at what it is, then with settings.

    Advisory locks, and so the one writer, need sessions of one's own. A pooler in transaction mode gives them to others
    in between, and says nothing. What tells it is that its connections have another process id than they were told when
    they began, as any pooler's have, and that two of them are served by the same process, or one by two.

    Attributes:
        parts: those of the URL, which nobody is told.
    """

    def __init__(self, conninfo: str, parts: Mapping[str, str]) -> None:
        self.parts = parts
        self._conninfo = conninfo
        self._one_at_a_time = asyncio.Lock()
        self._proven = False

    async def begin(self, connection: Connection, settings: Mapping[str, str]) -> None:
        """Look at a new session, and give it these settings; not by the start-up packet, where poolers refuse them.

        Raises:
            UnsuitableError, psycopg.Error: see `ParleyConnection.connect`.
        """
        if connection.info.server_version < _OLDEST:
            major, minor = divmod(connection.info.server_version, 10_000)
            raise UnsuitableError(TOO_OLD.format(f"{major}.{minor}"))
        pid = await served_by(connection)
        if pid != connection.info.backend_pid:
            async with self._one_at_a_time:
                if not self._proven:
                    await self._compare(connection, pid)
                    self._proven = True
        rows = [{"name": name, "value": text} for name, text in settings.items()]
        await connection.execute(sql.SET_SETTINGS, {"rows": as_json(rows)})

    async def _compare(self, connection: Connection, pid: int) -> None:
        try:
            other = await AsyncConnection.connect(self._conninfo, autocommit=True)
        except psycopg.Error as error:
            raise psycopg.OperationalError(without_url(str(error), self.parts)) from None
        try:
            other_pid = await served_by(other)
            for _ in range(_ROUNDS):
                # One of them twice in a row: a pooler that deals its connections out in turn may by chance give each of
                # two that alternate the same one every time.
                mine = {await served_by(connection), await served_by(connection)}
                if mine != {pid} or other_pid == pid or await served_by(other) != other_pid:
                    raise UnsuitableError(POOLED)
        finally:
            await other.close()


def conninfo(parts: Mapping[str, str], *, connect_seconds: float) -> str:
    """Build the connection string: what `read_url` made of a URL, with the bounds that every connection has.

    What the URL itself says wins. Dead peers are noticed on our side within about 25 s, by libpq's keepalives and
    ``tcp_user_timeout``.
    """
    defaults: dict[str, Any] = {
        "application_name": "parley",
        "connect_timeout": max(2, round(connect_seconds)),
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
    }
    return make_conninfo("", **{**defaults, **parts, "client_encoding": "UTF8"})


def session_settings(statement_seconds: float) -> dict[str, str]:
    """The settings of a session, by name.

    Dead peers are noticed on the server's side within about 25 s, so that a machine that vanished does not keep its
    locks (the default would be two hours). A statement that nobody waits for any more ends on the server too.
    """
    milliseconds = max(1, round(statement_seconds * 1000))
    settings = {
        "timezone": "UTC",
        "statement_timeout": milliseconds,
        "idle_in_transaction_session_timeout": milliseconds,
        "client_connection_check_interval": 2000,
        "tcp_keepalives_idle": 10,
        "tcp_keepalives_interval": 5,
        "tcp_keepalives_count": 3,
        "tcp_user_timeout": 25_000,
        # Parameters differ too much (a rare word, a common one) for one plan to serve them all; planning takes 0.1 ms.
        "plan_cache_mode": "force_custom_plan",
        # Compiling a statement takes 0.3 s, which no statement here has to lose: what is costly by the planner's
        # estimate stops at a page.
        "jit": "off",
    }
    return {name: str(setting) for name, setting in settings.items()}


async def served_by(connection: Connection) -> int:
    """The process id that Postgres has for this session, which is not what a pooler says it is.

    Never as a prepared statement: where two sessions are one, the name of the second would be taken.
    """
    row = await (await connection.execute(sql.MY_PID, prepare=False)).fetchone()
    assert row is not None
    return int(row[0])


async def value(connection: Connection, text: bytes, **values: object) -> Any:
    """The first column of the first row, None when there is no row."""
    row = await (await connection.execute(text, values)).fetchone()
    return None if row is None else row[0]


def as_json(of: object) -> Json:
    """One parameter, encoded in C."""
    return Json(of, dumps=to_json)


def abort(connection: Connection) -> None:
    """Shut the connection's socket down, so that whoever waits on it is told at once that it is lost.

    psycopg would ask the server to cancel, over a new connection, and wait for the answer: 5 to 11 s when the network
    is frozen. Closing the descriptor under a waiting coroutine is not safe, shutting the socket down is.
    """
    try:
        descriptor = connection.fileno()
    except psycopg.OperationalError:
        return  # closed already
    wire = socket.socket(fileno=descriptor)
    try:
        wire.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the peer was faster
    finally:
        wire.detach()  # the descriptor belongs to libpq


async def bounded(connection: Connection, work: Coroutine[Any, Any, T], seconds: float | None) -> T:
    """The result of ``work``, which uses ``connection``; it ends within ``seconds``, frozen network or not.

    When the time is over or the caller is cancelled, the connection is aborted and must be thrown away: whether the
    server did the work is not known then.

    Raises:
        TimeoutError: not done in time.
        Exception: whatever ``work`` raises.
    """
    task = asyncio.get_running_loop().create_task(work, name="parley-postgres-call")
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        await _end(connection, task)
        raise
    if not done:
        await _end(connection, task)
        raise TimeoutError(f"no answer within {seconds:g} s")
    return task.result()


async def _end(connection: Connection, task: asyncio.Task[Any]) -> None:
    # Whenever it ends, that the connection is lost is what we asked for, and no news.
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    abort(connection)
    await asyncio.wait({task}, timeout=_SETTLE_SECONDS)
    if not task.done():
        task.cancel()
