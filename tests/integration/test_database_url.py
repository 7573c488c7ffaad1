"""URLs against a real server: several hosts, and errors, which name hosts, ports and database and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import urlsplit

import pytest

from storage.postgres.connection.url import place_of, read_url
from storage.postgres.storage import PostgresStorage
from tests.contract.records import PACE, ready, room, until
from tests.support.process import PATIENCE, free_port

Opened = Callable[[str], Awaitable[PostgresStorage]]


@pytest.fixture
async def opened() -> AsyncIterator[Opened]:
    repositories: list[PostgresStorage] = []

    async def start(url: str) -> PostgresStorage:
        repositories.append(PostgresStorage(url, pace=PACE, connect_seconds=3.0, read_seconds=1.0, close_seconds=2.0))
        await repositories[-1].start()
        return repositories[-1]

    yield start
    for repository in repositories:
        await repository.close()


@pytest.mark.parametrize("away", ["127.0.0.1", "localhost", "[::1]"])
async def test_a_url_may_name_several_hosts_with_ports(opened: Opened, database_url: str, away: str) -> None:
    """libpq's way to name the servers of a failover: the writable one is used, in any position."""
    parts = urlsplit(database_url)
    login, _, server = parts.netloc.rpartition("@")
    url = f"postgresql://{login}@{away}:{free_port()},{server}{parts.path}?target_session_attrs=read-write"
    repository = await opened(url)
    await ready(repository)
    assert await repository.rooms.find_room(room().name) is None


@pytest.mark.parametrize(
    ("slip", "kind"),
    [
        (lambda login, server: f"app:s3cr3tw0rd@{server}/postgres", "authentication failed for user"),
        (lambda login, server: f"{login}@{server}/s3cr3tw0rd", "does not exist"),
        (lambda login, server: f"{login}@s3cr3tw0rd.invalid/postgres", "failed to resolve host"),
        (lambda login, server: f"{login}@{'s3cr3tw0rd' * 10}/postgres", "cannot connect"),
        (lambda login, server: f"{login}@127.0.0.1:1/postgres", "refused"),
        (lambda login, server: f"{login}@127.0.0.1:1,127.0.0.1:2,127.0.0.1:3/postgres", "refused"),
        (lambda login, server: f"{login}@/postgres?host=/tmp/s3cr3tw0rd", "No such file"),
        (lambda login, server: f"{login}@{server}/postgres?sslmode=s3cr3tw0rd", "sslmode"),
        (lambda login, server: f"{login}@{server}/postgres?sslmode=verify-full&sslrootcert=/s3cr3tw0rd", "SSL"),
    ],
    ids=["password", "database", "host", "long host", "port", "ports", "socket", "sslmode", "certificate"],
)
async def test_only_hosts_ports_and_database_of_the_url_are_logged(
    opened: Opened, database_url: str, slip: Callable[[str, str], str], kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    login, _, server = urlsplit(database_url).netloc.rpartition("@")
    url = f"postgresql://{slip(login, server)}"
    repository = await opened(url)
    await until(lambda: kind in str(repository.problem()))
    with pytest.raises(Exception) as raised:
        async with asyncio.timeout(PATIENCE):
            await repository.rooms.find_room("general")
    parts = read_url(url)
    for said in (str(repository.problem()), caplog.text, str(raised.value)):
        assert "s3cr3tw0rd" not in said.replace(place_of(parts), "")
        assert parts.get("password", "-") not in said
        assert f'"{parts["user"]}"' not in said
        assert 'at "127.0.0.1"' not in said
    assert place_of(parts) in str(repository.problem())
    assert len(str(repository.problem())) < 500
