"""The real server over real sockets, in the test's own loop, on both kinds of storage, and HTTP clients."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest

from server.app import Server
from server.settings.values import Settings
from tests.contract.records import until
from tests.integration.conftest import AT_AN_EDGE, SLOW_PLACES, settings_of
from tests.support.web import SECRET

Serve = Callable[..., Awaitable[Server]]
ON_BOTH = pytest.mark.parametrize("storage", ["memory", "postgres"], indirect=True)
EVERYWHERE = pytest.mark.parametrize("place", ["memory", "postgres", AT_AN_EDGE], indirect=True)


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.slow)])
def storage(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the settings that choose the storage. A test that uses them runs with both storages, with Postgres only in
    `dev.py test --all`: tests/contract shows that both return the same results. `ON_BOTH` runs it with both by default.
    """
    return settings_of(request)


@pytest.fixture(params=["memory", *SLOW_PLACES])
def place(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the settings that choose the storage, as `storage`; or a server that asks another one about rooms."""
    return settings_of(request)


async def started(**environment: str) -> Server:
    """Start a server, and wait until it is ready."""
    settings = {"PORT": "0", "RATE_LIMIT_MESSAGES": "0", "JWT_SECRET": SECRET, "CLOSE_SECONDS": "1", **environment}
    server = Server(Settings(settings), stop_seconds=0.5)
    await server.start()
    await until(lambda: server.chat.problem() is None)
    return server


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start servers: `await serve(GUESTS="off", **storage)`. No request may be left when they stop."""
    servers: list[Server] = []

    async def start(**environment: str) -> Server:
        if "NATS_URL" in environment and not servers:
            servers.append(await started(**environment))  # the owner; clients of tests are those of an edge
        servers.append(await started(**environment))
        return servers[-1]

    yield start
    for server in reversed(servers):  # edges first
        await until(partial(_is_left, server))
        assert await server.stop() == 0
        assert not server.chat.parts.directory.people


def _is_left(server: Server) -> bool:
    return not server.chat.parts.hub.sessions


@pytest.fixture
async def port(serve: Serve) -> int:
    """Return the port of a server with the defaults, with memory storage."""
    return (await serve()).port


@pytest.fixture
async def stored(place: dict[str, str], serve: Serve) -> int:
    """Return the port of a server, once at each `place`."""
    return (await serve(**place)).port
