"""One client against all others: whatever one client or address does, the others are not disturbed.

There are two kinds of tests. Those of the default suite assert causes, on a real server process seen from outside: CPU
time for an input, bytes of memory, log lines, refused clients. `test_bars.py` asserts response times; it needs the
machine for itself and runs in `dev.py test --all` only.

A new attack is a function in `attacks/`, which `test_bars.py` runs, and a test of its cause here.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.abuse.victim import SECRET, Victim
from tests.support.postgres import DatabaseServer
from tests.support.process import poll_until


@pytest.fixture(scope="module", params=["memory", "postgres"])
def victim(request: pytest.FixtureRequest, postgres: DatabaseServer) -> Iterator[Victim]:
    """Start a server for the tests of one file, once with each storage."""
    url = postgres.create_database() if request.param == "postgres" else ""
    with Victim({"JWT_SECRET": SECRET, **({"DATABASE_URL": url} if url else {})}) as started:
        poll_until(lambda: started.get_status("/ready") == 200, what="GET /ready answers 200")
        yield started
    if url:
        postgres.drop_database(url)


@pytest.fixture(scope="module")
def memory_victim() -> Iterator[Victim]:
    """Start a server with memory storage for the tests of one file: for inputs that do not reach storage."""
    with Victim({"JWT_SECRET": SECRET}) as started:
        yield started
