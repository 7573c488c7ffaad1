"""Every adapter of the port, started."""

from collections.abc import AsyncIterator

import pytest

from storage.factory import open_storage
from storage.ports.storage import Storage, Writer
from tests.contract.records import open_postgres


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
