"""What the servers of a test run on: memory, PostgreSQL, or two nodes, of which the test's clients use the edge.

By default it is memory. `dev.py test --all` repeats each test at an edge, where a client must not notice a difference.
A test or a file that is about one server alone has the mark `one_server`, with the reason.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher

from chat.cluster import edge
from server.accounts import hashing
from tests.support.nats import NatsServer
from tests.support.postgres import DatabaseServer
from tests.support.process import PATIENCE
from tests.support.serving import NewCluster
from tests.support.storage_nodes import Nodes

POSTGRES, EDGE = (pytest.param(name, marks=pytest.mark.slow) for name in ("postgres", "edge"))
MEMORY = pytest.param("memory", id=pytest.HIDDEN_PARAM)
ON_BOTH = pytest.mark.parametrize("place", ["memory", "postgres", EDGE], indirect=True)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Choose what the servers of a test run on, unless it does so itself, such as with `ON_BOTH`."""
    chosen = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "place" not in metafunc.fixturenames or "place" in chosen:
        return
    edge = [] if one_server(metafunc.definition) else [EDGE]
    if "storage" in metafunc.fixturenames:
        metafunc.parametrize("place", ["memory", POSTGRES, *edge], indirect=True)
    elif edge:
        metafunc.parametrize("place", [MEMORY, *edge], indirect=True)


def one_server(item: pytest.Item) -> bool:
    """Return whether a test is about one server alone."""
    mark = item.get_closest_marker("one_server")
    assert mark is None or (len(mark.args) == 1 and mark.args[0]), f"{item.nodeid}: say why in the mark one_server"
    return mark is not None


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords of accounts with the least memory and time that argon2 allows: tests of servers in this process
    make hundreds of accounts. Tests of hashing (tests/unit, tests/abuse) and server processes have the real costs.
    """
    monkeypatch.setattr(hashing, "_ARGON2", cheap := Argon2Hasher(1, 8, 1))
    monkeypatch.setattr(hashing, "_HASHES", PasswordHash((cheap, BcryptHasher())))


@pytest.fixture(scope="session")
def nats() -> Iterator[NatsServer]:
    """A NATS server for all clusters of the session: each has a database of its own, and so its own subjects."""
    with NatsServer() as server:
        yield server


@pytest.fixture
async def nodes(database_url: str) -> AsyncIterator[Nodes]:
    """Starts the storage of several nodes on a new database."""
    started = Nodes(database_url)
    yield started
    await started.close()


@pytest.fixture
def node_settings(database_url: str, nats: NatsServer) -> dict[str, str]:
    """Return the settings of the nodes of a cluster, for a test that starts them itself."""
    return {"DATABASE_URL": database_url, "NATS_URL": nats.url}


@pytest.fixture
def place(request: pytest.FixtureRequest) -> str:
    """Return what the servers run on: "memory", "postgres" or "edge"."""
    return str(getattr(request, "param", "memory"))


@pytest.fixture
def storage(place: str, request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the settings that choose the storage. A test that uses them runs with both storages: with memory by
    default, with PostgreSQL in `dev.py test --all`, as tests/contract shows that both return the same results.
    `ON_BOTH` runs it with both by default.
    """
    return settings_of(place, request) if place == "postgres" else {}


def settings_of(place: str, request: pytest.FixtureRequest, database: str = "database_url") -> dict[str, str]:
    """Return the settings of processes at a place: those of an edge and its owner are the same, see `running`."""
    settings: dict[str, str] = {}
    if place != "memory":
        settings["DATABASE_URL"] = request.getfixturevalue(database)
    if place == "edge":
        settings["NATS_URL"] = request.getfixturevalue("nats").url
    return settings


@pytest.fixture
def new_cluster(place: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> NewCluster | None:
    """Return what makes the settings of one more cluster if the test's clients use an edge; see `serving`.

    Here no node is lost: an edge that does not hear the owner for a while, because the NATS server next to it gets no
    time of the processor, must not refuse commands.
    """
    if place != "edge":
        return None
    for limit in ("SILENT_SECONDS", "READY_SECONDS", "CUT_OFF_SECONDS"):
        monkeypatch.setattr(edge, limit, PATIENCE)
    nats: NatsServer = request.getfixturevalue("nats")
    postgres: DatabaseServer = request.getfixturevalue("postgres")
    template: str = request.getfixturevalue("template")

    def new(stack: ExitStack) -> dict[str, str]:
        url = postgres.create_database(template=template)
        stack.callback(postgres.drop_database, url)
        return {"DATABASE_URL": url, "NATS_URL": nats.url}

    return new
