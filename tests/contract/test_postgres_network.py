"""A network that freezes: every call ends within its time limit, or when cancelled; later everything works again."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest

from storage.ports.errors import StorageUnavailable
from storage.ports.storage import STORED
from storage.postgres.connection.errors import ConnectError
from storage.postgres.connection.session import Connector, ParleyConnection
from storage.postgres.connection.url import read_url
from storage.postgres.storage import PostgresStorage
from tests.contract.records import PACE, filled, inserts, inserts_more, message, ready, room, until
from tests.support.leaks import open_sockets
from tests.support.proxy import Network

# psycopg by itself takes 5 to 11 s to give up a frozen connection.
PROMPT = 3.0


@pytest.fixture
async def network(database_url: str) -> AsyncIterator[Network]:
    async with Network(database_url) as opened:
        yield opened


@pytest.fixture
async def repository(network: Network) -> AsyncIterator[PostgresStorage]:
    """Return a repository with a short time limit for reads, and one for writes that is longer than the test's."""
    pace = PACE._replace(check=0.2, answer=0.5)
    opened = PostgresStorage(
        network.url, pace=pace, connect_seconds=0.5, read_seconds=0.5, write_seconds=60.0, close_seconds=2.0
    )
    await opened.start()
    await ready(opened)
    yield opened
    await opened.close()


async def hangs(network: Network, call: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Start the call, and return once it waits for a response that the network withholds."""
    held = network.held
    task = asyncio.ensure_future(call)
    await until(lambda: network.held > held or task.done())
    return task


async def test_a_read_times_out_on_a_frozen_network(network: Network, repository: PostgresStorage) -> None:
    where = room()
    await filled(repository, where, message(where, 1))
    await repository.messages.history(where, limit=1)
    network.freeze()
    async with asyncio.timeout(PROMPT):
        for _ in range(2):  # the second call finds no connection and cannot open one
            with pytest.raises(StorageUnavailable):
                await repository.messages.history(where, limit=1)
    network.thaw()
    await ready(repository)
    await until_read(repository, where)


async def until_read(repository: PostgresStorage, where: Any) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                assert await repository.messages.history(where, limit=1) == [message(where, 1)]
            except StorageUnavailable:
                continue
            return


async def test_a_cancelled_read_ends_at_once(network: Network, repository: PostgresStorage) -> None:
    where = room()
    await filled(repository, where, message(where, 1))
    await repository.messages.history(where, limit=1)
    network.freeze()
    task = await hangs(network, repository.messages.history(where, limit=1))
    task.cancel()
    async with asyncio.timeout(PROMPT):
        await asyncio.wait({task})
    assert task.cancelled()
    network.thaw()
    await until_read(repository, where)


async def test_a_write_ends_when_the_lease_is_lost(network: Network, repository: PostgresStorage) -> None:
    """Long before its own time limit: the session of the lease is checked, and found frozen."""
    where = room()
    writer = await filled(repository, where)
    network.freeze()
    async with asyncio.timeout(PROMPT):
        with pytest.raises(StorageUnavailable):
            await writer.write(inserts_more(where, message(where, 1)))
        await until(lambda: repository.lease.tenure is None)
        with pytest.raises(StorageUnavailable, match="in time"):
            await writer.write(inserts_more(where, message(where, 1)))
    network.thaw()
    await ready(repository)
    # Whether or not the first attempt was stored, there is one message now.
    assert await writer.write(inserts_more(where, message(where, 1))) == [STORED]
    await until_read(repository, where)


async def test_a_cancelled_write_ends_at_once(network: Network, repository: PostgresStorage) -> None:
    where = room()
    writer = await filled(repository, where)
    network.freeze()
    task = await hangs(network, writer.write(inserts_more(where, message(where, 1))))
    task.cancel()
    async with asyncio.timeout(PROMPT):
        await asyncio.wait({task})
    assert task.cancelled()
    network.thaw()
    await until(lambda: repository.lease.tenure is not None)
    assert await writer.write(inserts_more(where, message(where, 1))) == [STORED]


async def test_closing_does_not_wait_for_the_network(network: Network) -> None:
    """Calls that have a minute left end as `StorageUnavailable`."""
    pace = PACE._replace(check=60.0, answer=60.0)
    repository = PostgresStorage(network.url, pace=pace, read_seconds=60.0, write_seconds=60.0, close_seconds=2.0)
    await repository.start()
    await ready(repository)
    where = room()
    writer = await filled(repository, where, message(where, 1))
    await repository.messages.history(where, limit=1)
    network.freeze()
    reading = await hangs(network, repository.messages.history(where, limit=1))
    writing = await hangs(network, writer.write(inserts_more(where, message(where, 2))))
    async with asyncio.timeout(PROMPT):
        await writer.close()
        await repository.close()
        for task in (reading, writing):
            with pytest.raises(StorageUnavailable):
                await task
    network.thaw()


async def test_connecting_to_a_frozen_postgres_times_out(network: Network) -> None:
    """The problem is reported, a write is refused at once, and closing does not wait."""
    network.freeze()
    repository = PostgresStorage(network.url, pace=PACE, connect_seconds=0.3, read_seconds=0.3, close_seconds=2.0)
    async with asyncio.timeout(PROMPT):
        await repository.start()
        with pytest.raises(StorageUnavailable):
            await repository.writer().write(inserts(room()))
        await until(lambda: "did not answer in time" in str(repository.problem()))
        with pytest.raises(StorageUnavailable):
            await repository.rooms.find_room("general")
        await repository.close()


@pytest.mark.slow
async def test_a_time_out_of_libpq_leaves_no_socket() -> None:
    """Also without garbage collection. The time limit of a URL may end before ours."""
    with socket.create_server(("127.0.0.1", 0)) as hole:
        url = f"postgresql://parley@127.0.0.1:{hole.getsockname()[1]}/chat?connect_timeout=2"
        connector = Connector(read_url(url), connect_seconds=60.0)
        before = open_sockets()
        gc.disable()
        try:
            with pytest.raises(ConnectError, match="connection timeout expired"):
                await ParleyConnection.connect(connector.conninfo, **connector.options(60.0, {}))
            assert open_sockets() == before
        finally:
            gc.enable()
