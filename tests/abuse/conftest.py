"""One client against all others: whatever one client or address does, the others do not notice.

Two kinds of tests. Those of the default suite assert causes, on a real server process seen from outside: seconds of CPU
time for an input, bytes of memory, lines of log, who was let in. `test_bars.py` asserts seconds of waiting; it needs
the machine for itself and runs in `dev.py test --all` only.

A new attack is a function in `attacks/`, which `test_bars.py` then runs, and a test of its cause here.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.abuse.victim import SECRET, Victim
from tests.support.postgres import DatabaseServer
from tests.support.process import poll_until


@pytest.fixture(scope="module", params=["memory", "postgres"])
def victim(request: pytest.FixtureRequest, postgres: DatabaseServer) -> Iterator[Victim]:
    """A server for the tests of one file, once with each storage."""
    url = postgres.create_database() if request.param == "postgres" else ""
    with Victim({"JWT_SECRET": SECRET, **({"DATABASE_URL": url} if url else {})}) as started:
        poll_until(lambda: started.get_status("/ready") == 200, timeout=20, what="GET /ready answers 200")
        yield started
    if url:
        postgres.drop_database(url)


@pytest.fixture(scope="module")
def memory_victim() -> Iterator[Victim]:
    """A server in memory for the tests of one file: for what does not reach storage."""
    with Victim({"JWT_SECRET": SECRET}) as started:
        yield started
