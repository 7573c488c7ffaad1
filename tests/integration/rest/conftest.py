"""The real server over real sockets, in the test's own loop, on both kinds of storage, and HTTP clients."""

from collections.abc import AsyncIterator

import pytest

from server.app import Server
from tests.contract.records import until
from tests.support.serving import NewCluster, Serve, owner_of, serving
from tests.support.web import SECRET


@pytest.fixture
async def serve(new_cluster: NewCluster | None) -> AsyncIterator[Serve]:
    """Start servers: `await serve(GUESTS="off", **storage)`. No request may be left when they stop."""
    nodes: set[Server] = set()
    settings = {"RATE_LIMIT_MESSAGES": "0", "JWT_SECRET": SECRET, "CLOSE_SECONDS": "1"}
    async with serving(new_cluster, settings, stop_seconds=0.5) as serve:

        async def start(**environment: str) -> Server:
            server = await serve(**environment)
            nodes.update((server, owner_of(server)))
            return server

        yield start
        for node in nodes:
            await until(lambda node=node: not node.chat.parts.hub.sessions)  # type: ignore[misc]
    for node in nodes:
        assert not node.chat.parts.directory.people


@pytest.fixture
async def port(serve: Serve) -> int:
    """Return the port of a server with the defaults, with memory storage."""
    return (await serve()).port


@pytest.fixture
async def stored(storage: dict[str, str], serve: Serve) -> int:
    """Return the port of a server, once with each kind of storage."""
    return (await serve(**storage)).port
