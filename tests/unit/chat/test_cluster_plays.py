"""Several nodes that die, resign, are superseded and cut off, while all kinds of users do everything.

At rest, every client has what is stored and what a new client receives, whatever node it is connected to.
"""

import pytest
from hypothesis import HealthCheck, given, settings

from tests.support.cluster_plays import ClusterPlay, cluster_plays
from tests.support.examples import examples
from tests.support.faulty import FaultyRepository
from tests.support.virtual import run_virtually

TOO_SLOW = [HealthCheck.too_slow]


@pytest.fixture
def freed_rooms() -> None:
    """Keep freed rooms, as a server does."""


@settings(max_examples=examples(30), suppress_health_check=TOO_SLOW)
@given(play=cluster_plays())
def test_clients_of_all_nodes_have_what_is_stored(play: ClusterPlay) -> None:
    run_virtually(play.perform(FaultyRepository()))


@pytest.mark.slow
@pytest.mark.timeout(0)
@settings(max_examples=examples(200), suppress_health_check=TOO_SLOW)
@given(play=cluster_plays(steps=60))
def test_clients_of_all_nodes_have_what_is_stored_in_more_scenarios(play: ClusterPlay) -> None:
    run_virtually(play.perform(FaultyRepository()))
