"""The real server over real sockets, in the test's own loop, on both kinds of storage."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from chat.rooms.room import Session
from server.app import Server
from server.wire.websocket import WebSocketConnection
from tests.support.client import Client
from tests.support.postgres import PostgresCluster
from tests.support.serving import NewCluster, Serve, serving


@pytest.fixture
async def stopped_cluster() -> AsyncIterator[PostgresCluster]:
    """Return a stopped cluster that has run before."""
    with PostgresCluster() as made:
        await asyncio.to_thread(made.stop)
        yield made


@pytest.fixture
async def serve(new_cluster: NewCluster | None) -> AsyncIterator[Serve]:
    """Start servers: `await serve(HEARTBEAT="0.1", **storage)`. They stop with the test, with everything stored."""
    settings = {"RATE_LIMIT_MESSAGES": "0", "JWT_SECRET": "s" * 32, "CLOSE_SECONDS": "1", "PRESENCE_GRACE": "0"}
    async with serving(new_cluster, settings) as serve:
        yield serve


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
