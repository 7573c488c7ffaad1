"""Where the servers of a test keep their messages, and whether its clients are those of an edge."""

from collections.abc import Iterator

import pytest

from tests.support.nats import NatsServer

SLOW_PLACES = [pytest.param(name, marks=pytest.mark.slow) for name in ("postgres", "edge")]
AT_AN_EDGE = SLOW_PLACES[1]


@pytest.fixture(scope="session")
def nats() -> Iterator[NatsServer]:
    with NatsServer() as server:
        yield server


def settings_of(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the settings for a parameter: ``memory``, ``postgres``, or ``edge``, which is a node over Postgres."""
    if request.param == "memory":
        return {}
    database = {"DATABASE_URL": request.getfixturevalue("database_url")}
    if request.param == "edge":
        nats: NatsServer = request.getfixturevalue("nats")
        return {**database, "NATS_URL": nats.url}
    return database
