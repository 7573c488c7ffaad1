"""Old state plus events equals a fresh fetch: all commands, by all kinds of users, while storage and servers fail.

tests/integration/chat/test_state.py checks the same with a real PostgreSQL.
"""

import pytest
from hypothesis import HealthCheck, given, settings

from tests.support.examples import examples
from tests.support.faulty import FaultyRepository
from tests.support.plays import Play, plays
from tests.support.virtual import run_virtually

TOO_SLOW = [HealthCheck.too_slow]


@pytest.fixture
def idle_rooms() -> None:
    """Keep them, as a server does."""


@settings(max_examples=examples(100), suppress_health_check=TOO_SLOW)
@given(play=plays())
def test_what_everybody_knows_is_what_a_newcomer_learns(play: Play) -> None:
    run_virtually(play.perform(FaultyRepository()))


@pytest.mark.slow
@pytest.mark.timeout(0)
@settings(max_examples=examples(1000), suppress_health_check=TOO_SLOW)
@given(play=plays())
def test_so_it_is_in_many_more_plays(play: Play) -> None:
    run_virtually(play.perform(FaultyRepository()))
