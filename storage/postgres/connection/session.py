"""Open connections to Postgres, and end them even when the network does not answer."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow
from psycopg.types.json import Json

from storage.postgres.connection.errors import ConnectError, UnsuitableError
from storage.postgres.connection.url import place_of, without_url
from storage.postgres.connection.waiting import WaitingConnection
from storage.postgres.sql import lease as sql
from utils.encoding import to_json

T = TypeVar("T")
Connection = WaitingConnection
AnyConnection = AsyncConnection[TupleRow]
"""What carries out statements; only a `Connection` can be aborted."""

POOLED = (
    "the connection to Postgres goes through a pooler in transaction or statement mode, and Parley needs sessions"
    " of its own: connect without the pooler, or set its pool_mode to session"
)
TOO_OLD = "this is PostgreSQL {}, Parley needs 15 or newer"
_OLDEST = 15_00_00
# How often two sessions are compared. A pooler without other users reveals itself in the first round.
_ROUNDS = 5


class ParleyConnection(WaitingConnection):
    """A connection whose ``connect`` has one time limit for all addresses, the login and the settings together.

    libpq's ``connect_timeout`` has whole seconds only, and starts again for each address.
    """

    @classmethod
    async def connect(  # type: ignore[override]
        cls, conninfo: str = "", *, seconds: float, connector: Connector, settings: Mapping[str, str], **kwargs: Any
    ) -> WaitingConnection:
        """Connect within ``seconds``.

        Raises:
            UnsuitableError: Postgres is too old, or the session is shared through a pooler.
            ConnectError: refused, or the login failed; the text contains neither the user nor the password.
            psycopg.Error: the checks of the new session failed.
            TimeoutError: no answer in time.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(deadline):
                connection = await super().connect(conninfo, **kwargs)
        except (psycopg.Error, UnicodeError) as error:  # the latter for an impossible host name
            raise connector.failed(error) from None
        try:
            async with asyncio.timeout_at(deadline):
                await connector.begin(connection, settings)
        except BaseException:
            await connection.close()
            raise
        return connection


class Connector:
    """Opens sessions with one database: checks what each session is connected to, then applies settings.

    Advisory locks, and so the single writer, need unshared sessions. A pooler in transaction mode silently lends a
    session to other clients between transactions. Two things reveal it: its connections have another process id than
    the one announced at login, as with any pooler; and two connections share a server process, or one changes it.

    Args:
        parts: the parameters of the URL (`storage.postgres.connection.url.read_url`). They win over ours.
        connect_seconds: how long an attempt to connect may take.
        name: the application name of the sessions, if the URL has none.

    Attributes:
        place: the database, for an operator: ``127.0.0.1:5432/chat``.
        conninfo: for libpq. Its keepalives and ``tcp_user_timeout`` notice a dead peer within about 25 s.
    """

    def __init__(self, parts: Mapping[str, str], connect_seconds: float, name: str = "parley") -> None:
        self.place = place_of(parts)
        self._parts = parts
        defaults: dict[str, Any] = {
            "application_name": name,
            "connect_timeout": max(2, round(connect_seconds)),
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 15_000,
        }
        self.conninfo = make_conninfo("", **{**defaults, **parts, "client_encoding": "UTF8"})
        self._one_at_a_time = asyncio.Lock()
        self._proven = False

    def options(self, seconds: float, settings: Mapping[str, str]) -> dict[str, Any]:
        """Return the keyword arguments of `ParleyConnection.connect`, after the conninfo."""
        return {"seconds": seconds, "connector": self, "settings": settings, "autocommit": True}

    def failed(self, error: Exception) -> ConnectError:
        """Return the error for a failed attempt to connect, of which nothing remains."""
        # psycopg raises a time-out from a frame that refers to it, and that has the attempt: its socket, and its place
        # among the connections of Postgres, would remain until a full garbage collection.
        traceback.clear_frames(error.__traceback__)
        return ConnectError(f"cannot connect to Postgres at {self.place}: {without_url(str(error), self._parts)}")

    async def begin(self, connection: Connection, settings: Mapping[str, str]) -> None:
        """Check a new session and apply the settings; not in the start-up packet, where poolers refuse them.

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
            other = await WaitingConnection.connect(self.conninfo, autocommit=True)
        except psycopg.Error as error:
            raise self.failed(error) from None
        try:
            other_pid = await served_by(other)
            for _ in range(_ROUNDS):
                # Asking one session twice in a row: a pooler that assigns its connections in turn could otherwise
                # give each of two alternating sessions the same process every time.
                mine = {await served_by(connection), await served_by(connection)}
                if mine != {pid} or other_pid == pid or await served_by(other) != other_pid:
                    raise UnsuitableError(POOLED)
        finally:
            await other.close()


def session_settings(statement_seconds: float) -> dict[str, str]:
    """Return the settings of a session, by name.

    Postgres notices a dead peer within about 25 s (the default is two hours), so that a vanished machine does not keep
    its locks. A statement whose client has given up ends in Postgres too.
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
        # No single plan fits all parameters (a rare word, a common one), and planning takes only 0.1 ms.
        "plan_cache_mode": "force_custom_plan",
        # Compiling a statement takes 0.3 s, too much for any statement here: those that look costly to the planner
        # stop at a page.
        "jit": "off",
    }
    return {name: str(setting) for name, setting in settings.items()}


async def served_by(connection: AnyConnection) -> int:
    """Return the process id of this session in Postgres, which may differ from the one that a pooler announced.

    Not as a prepared statement: if both sessions are one, the name of the second statement would exist already.
    """
    return int(await value(connection, sql.MY_PID, prepare=False))


async def fetch_all(connection: AnyConnection, text: bytes, values: Mapping[str, Any]) -> list[TupleRow]:
    """Return all rows of a statement."""
    return await (await connection.execute(text, values)).fetchall()


async def value(connection: AnyConnection, text: bytes, *, prepare: bool | None = None, **values: object) -> Any:
    """Return the first column of the first row, None when there is no row; ``prepare`` as in `Connection.execute`."""
    row = await (await connection.execute(text, values, prepare=prepare)).fetchone()
    return None if row is None else row[0]


def as_json(of: object) -> Json:
    """Encode one parameter, in C."""
    return Json(of, dumps=to_json)


async def bounded(connection: Connection, work: Coroutine[Any, Any, T], seconds: float | None) -> T:
    """Return the result of ``work``, which waits for nothing but ``connection``, within ``seconds``.

    Even on a frozen network, which `asyncio.timeout` alone does not bound. After a time-out or a cancellation the
    connection is aborted and must be discarded: whether the server did the work is unknown.

    Raises:
        TimeoutError: not done in time.
        Exception: what ``work`` raises.
    """
    if seconds is None:
        return await work
    expired = False

    def expire() -> None:
        nonlocal expired
        expired = True
        connection.abort()

    timer = asyncio.get_running_loop().call_later(max(0.0, seconds), expire)
    try:
        return await work
    except Exception as error:
        if expired:
            raise TimeoutError(f"no answer within {seconds:g} s") from error
        raise
    finally:
        timer.cancel()
