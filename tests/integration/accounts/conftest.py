"""The real server over real sockets, in the test's own loop, on each kind of storage, and a mail server."""

from collections.abc import AsyncIterator, Iterator

import pytest

from server.app import Server
from tests.support.mail import MailServer
from tests.support.serving import NewCluster, Serve, serving
from tests.support.web import SECRET


@pytest.fixture
async def serve(new_cluster: NewCluster | None) -> AsyncIterator[Serve]:
    """Start servers: `await serve(REGISTRATION="closed", **storage)`. Requests may say from which address they come."""
    settings = {"JWT_SECRET": SECRET, "REGISTRATION": "open", "TRUSTED_PROXIES": "127.0.0.1", "CLOSE_SECONDS": "1"}
    async with serving(new_cluster, settings, stop_seconds=0.5) as serve:
        yield serve


@pytest.fixture
async def server(storage: dict[str, str], serve: Serve) -> Server:
    """Return a server, on each kind of storage."""
    return await serve(**storage)


@pytest.fixture
def mail() -> Iterator[MailServer]:
    """A mail server."""
    with MailServer() as server:
        yield server
