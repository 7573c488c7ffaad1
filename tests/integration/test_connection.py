"""The connections to Postgres: how they wait, how a call ends early, and the statement without a cursor."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest
import uvloop

from storage.postgres.connection.prepared import Prepared
from storage.postgres.connection.waiting import WaitingConnection
from tests.contract.records import until
from tests.support.process import PATIENCE

Play = Callable[[str, "Watches"], Awaitable[None]]


class Watches:
    """Counts how often an event loop begins to watch a socket."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.begun = 0
        self._add = loop.add_reader
        loop.add_reader = self._count  # type: ignore[method-assign, assignment]

    def _count(self, *args: Any) -> None:
        self.begun += 1
        self._add(*args)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def play(request: pytest.FixtureRequest, database_url: str) -> Callable[[Play], None]:
    """Return what runs a coroutine on an event loop of its own, with the URL of a database."""

    def run(of: Play) -> None:
        async def begin() -> None:
            async with asyncio.timeout(PATIENCE):
                await of(database_url, Watches(asyncio.get_running_loop()))

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(begin())

    return run


async def connect(url: str) -> WaitingConnection:
    return await WaitingConnection.connect(url, autocommit=True)


async def numbers(connection: WaitingConnection, most: int) -> int:
    cursor = await connection.execute(b"SELECT repeat('x', 1000) FROM generate_series(1, %s)", [most])
    return len(await cursor.fetchall())


def test_the_socket_is_watched_once_for_many_calls(play: Callable[[Play], None]) -> None:
    async def calls(url: str, watches: Watches) -> None:
        connection = await connect(url)
        before = watches.begun
        for _ in range(50):
            assert await numbers(connection, 1) == 1
        assert await numbers(connection, 20_000) == 20_000  # its answer arrives in many pieces
        assert watches.begun == before + 1
        await connection.close()

    play(calls)


def test_a_call_may_be_larger_than_what_a_socket_takes_at_once(play: Callable[[Play], None]) -> None:
    async def calls(url: str, watches: Watches) -> None:
        connection = await connect(url)
        for _ in range(2):
            cursor = await connection.execute(b"SELECT length(%s)", ["x" * 30_000_000])
            assert await cursor.fetchone() == (30_000_000,)
        await connection.close()

    play(calls)


def test_a_session_that_ends_between_two_calls(play: Callable[[Play], None]) -> None:
    """The event loop does not look at the dead socket again and again, and the next call fails."""

    async def calls(url: str, watches: Watches) -> None:
        connection, other = await connect(url), await connect(url)
        await numbers(connection, 1)
        await other.execute(b"SELECT pg_terminate_backend(%s, 5000)", [connection.info.backend_pid])
        await until(lambda: not connection.is_watched)
        with pytest.raises(psycopg.OperationalError):
            await numbers(connection, 1)
        assert connection.closed
        await connection.close()
        await other.close()

    play(calls)


@pytest.mark.parametrize("transaction", [False, True], ids=["alone", "in a transaction"])
def test_a_cancelled_call_ends_at_once_and_its_connection_with_it(
    play: Callable[[Play], None], transaction: bool
) -> None:
    async def calls(url: str, watches: Watches) -> None:
        connection, other = await connect(url), await connect(url)

        async def sleep() -> None:
            if transaction:
                async with connection.transaction():
                    await connection.execute(b"SELECT pg_sleep(60)")
            else:
                await connection.execute(b"SELECT pg_sleep(60)")

        task = asyncio.ensure_future(sleep())
        while not await sleeping(other, connection):  # noqa: ASYNC110  # Postgres has no event to wait for
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait({task}, timeout=PATIENCE / 2)
        assert task.cancelled()
        assert connection.closed
        third = await connect(url)  # gets the descriptor of the one that has ended
        assert await numbers(third, 3) == 3
        for each in (connection, other, third):
            await each.close()

    play(calls)


async def sleeping(observer: WaitingConnection, other: WaitingConnection) -> bool:
    statement = b"SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = %s"
    cursor = await observer.execute(statement, [other.info.backend_pid])
    return await cursor.fetchone() == (True,)


def test_a_prepared_statement(play: Callable[[Play], None]) -> None:
    async def calls(url: str, watches: Watches) -> None:
        connection = await connect(url)
        await connection.execute(b"CREATE TEMPORARY TABLE kept (id int PRIMARY KEY)")
        insert = Prepared(
            connection,
            b"INSERT INTO kept SELECT id FROM json_to_recordset(%(rows)s) AS row(id int) ON CONFLICT DO NOTHING",
        )
        assert await insert.execute(b'[{"id": 1}, {"id": 2}]') == 2
        assert await insert.execute(b'[{"id": 2}, {"id": 3}]') == 1
        with pytest.raises(psycopg.DataError):
            await insert.execute(b'[{"id": "four"}]')
        assert await insert.execute(b"[]") == 0
        # After a rollback psycopg does this, too.
        await connection.execute(b"DEALLOCATE ALL")
        assert await insert.execute(b'[{"id": 5}]') == 1
        assert await (await connection.execute(b"SELECT array_agg(id) FROM kept")).fetchone() == ([1, 2, 3, 5],)
        await connection.close()
        with pytest.raises(psycopg.OperationalError):
            await insert.execute(b"[]")

    play(calls)
