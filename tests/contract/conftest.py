"""Every adapter of the port, started."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from server.bus.nats import NatsBus
from storage.factory import open_storage
from storage.ports.storage import Storage, Writer
from tests.contract.ears import PREFIXES, Ear, Listen
from tests.contract.records import open_postgres
from tests.support.nats import NatsServer


@pytest.fixture(params=["memory", "postgres"])
async def repository(request: pytest.FixtureRequest) -> AsyncIterator[Storage]:
    """Return a repository that can write. It may contain rooms of other tests: create your own."""
    opened: Storage
    if request.param == "memory":
        opened = open_storage(None)
        await opened.start()
    else:
        opened = await open_postgres(request.getfixturevalue("module_database_url"))
    yield opened
    await opened.close()


@pytest.fixture
async def writer(repository: Storage) -> AsyncIterator[Writer]:
    """Return a writer of that repository."""
    opened = repository.writer()
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
def nats_server() -> Iterator[NatsServer]:
    with NatsServer() as server:
        yield server


@pytest.fixture
async def listen() -> AsyncIterator[Listen]:
    ears: list[Ear] = []

    async def listen(
        urls: str,
        *names: str,
        prefix: str | None = None,
        hear: Callable[[bytes], object] | None = None,
        **options: Any,
    ) -> list[Ear]:
        prefix = prefix or next(PREFIXES)
        new = [Ear(name, NatsBus(urls.split(","), prefix, **options), hear) for name in names]
        ears.extend(new)
        for ear in new:
            await ear.start()
        return new

    yield listen
    for ear in ears:
        await ear.bus.close()
