"""The real server over real sockets, in the test's own loop, on both kinds of storage."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from chat.rooms.room import Session
from server.app import Server
from server.settings.values import Settings
from server.wire.websocket import WebSocketConnection
from tests.contract.records import until
from tests.integration.conftest import AT_AN_EDGE, SLOW_PLACES, settings_of
from tests.support.client import Client
from tests.support.postgres import PostgresCluster

Serve = Callable[..., Awaitable[Server]]
ON_BOTH = pytest.mark.parametrize("storage", ["memory", "postgres", AT_AN_EDGE], indirect=True)


@pytest.fixture(params=["memory", *SLOW_PLACES])
def storage(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the settings that choose the storage. A test that uses them runs with both storages, and at an edge over
    Postgres: with memory by default, with the others in `dev.py test --all`. tests/contract shows that both return the
    same results. `ON_BOTH` runs it with both by default.
    """
    return settings_of(request)


@pytest.fixture
async def stopped_cluster() -> AsyncIterator[PostgresCluster]:
    """Return a stopped cluster that has run before."""
    with PostgresCluster() as made:
        await asyncio.to_thread(made.stop)
        yield made


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start servers: `await serve(HEARTBEAT="0.1", **storage)`. They stop with the test, with everything stored."""
    servers: list[Server] = []

    async def start(**environment: str) -> Server:
        if "NATS_URL" in environment and not servers:
            await start_one(**environment)  # the owner; clients of tests are those of an edge
        return await start_one(**environment)

    async def start_one(**environment: str) -> Server:
        server = Server(
            Settings(
                {
                    "PORT": "0",
                    "RATE_LIMIT_MESSAGES": "0",
                    "JWT_SECRET": "s" * 32,
                    "CLOSE_SECONDS": "1",
                    "PRESENCE_GRACE": "0",
                    **environment,
                }
            )
        )
        servers.append(server)
        await server.start()
        await until(lambda: server.chat.problem() is None)
        return server

    yield start
    for server in reversed(servers):  # edges first
        assert await server.stop() == 0
    await asyncio.sleep(0)


def url(server: Server) -> str:
    """Return the base URL of its WebSockets."""
    return f"ws://127.0.0.1:{server.port}"


def session_of(server: Server, client: Client) -> Session:
    """Return the server's session of a connection."""
    wanted = client.of("welcome")[0]["session"]
    return next(session for session in server.chat.parts.hub.sessions if session.id == wanted)


def send_little(session: Session) -> None:
    """Limit the kernel's send buffer on the server's side to a few kilobytes; by default it would take megabytes."""
    connection = session.connection
    assert isinstance(connection, WebSocketConnection)
    connection._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
