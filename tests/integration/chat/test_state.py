"""Old state plus events equals a fresh fetch, as in tests/unit/chat/test_state.py, with PostgreSQL."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings

from storage.factory import open_storage
from tests.contract.records import open_postgres
from tests.support.elsewhere import Elsewhere
from tests.support.examples import examples
from tests.support.faulty import FaultyRepository
from tests.support.plays import Play, plays
from tests.support.virtual import run_virtually

pytestmark = pytest.mark.one_server("plays of several nodes are in tests/unit/chat")

_numbers = itertools.count(1)


@pytest.fixture
def postgres_elsewhere(database_url: str) -> Iterator[Elsewhere]:
    with Elsewhere(open_postgres(database_url)) as elsewhere:
        yield elsewhere


@pytest.mark.slow
# One database for all examples: each has its own users and rooms.
@settings(max_examples=examples(9), suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(play=plays())
def test_snapshot_plus_events_equals_a_fresh_snapshot(postgres_elsewhere: Elsewhere, play: Play) -> None:
    repository = FaultyRepository(postgres_elsewhere.repository, mirror=open_storage(None))
    try:
        run_virtually(play.perform(repository, next(_numbers)))
    finally:
        postgres_elsewhere.close_writers()  # a failure must not spoil the examples after it
