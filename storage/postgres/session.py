"""One connection to Postgres: how it is opened, and how it ends when the network does not answer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

T = TypeVar("T")
Connection = AsyncConnection[TupleRow]

# After its socket is shut down a pending call ends in the next turns of the loop; this is in case it does not.
_SETTLE_SECONDS = 1.0


class ParleyConnection(AsyncConnection[TupleRow]):
    """A connection whose ``connect`` takes a bound for all addresses and the login together.

    libpq's ``connect_timeout`` counts whole seconds and counts them for each address again.
    """

    @classmethod
    async def connect(  # type: ignore[override]
        cls, conninfo: str = "", *, seconds: float, **kwargs: Any
    ) -> AsyncConnection[TupleRow]:
        """Connect within ``seconds``.

        Raises:
            psycopg.Error: refused, or the login failed.
            TimeoutError: no answer in time.
        """
        async with asyncio.timeout(seconds):
            return await super().connect(conninfo, **kwargs)


def conninfo(url: str, *, connect_seconds: float, statement_seconds: float) -> str:
    """``url`` with the bounds that every connection of Parley has. What the URL itself says wins.

    Dead peers are noticed on both sides within about 25 s: ours by libpq's keepalives and ``tcp_user_timeout``, and the
    server's by the same settings for its end, so that a machine that vanished does not keep its locks (the default
    would be two hours). A statement that nobody waits for any more ends on the server too.

    Raises:
        ValueError: ``url`` cannot be parsed; the text does not repeat it, it may hold a password.
    """
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise ValueError("is not a valid postgresql:// URL") from None
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
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    defaults: dict[str, Any] = {
        "application_name": "parley",
        "connect_timeout": max(2, round(connect_seconds)),
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
    }
    merged = defaults | {key: value for key, value in given.items() if value is not None}
    merged["options"] = f"{options} {merged.get('options') or ''}".strip()
    merged["client_encoding"] = "UTF8"
    return make_conninfo("", **merged)


async def value(connection: Connection, text: bytes, **values: object) -> Any:
    """The first column of the first row, None when there is no row."""
    row = await (await connection.execute(text, values)).fetchone()
    return None if row is None else row[0]


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
