"""Old state plus events equals a fresh fetch: all commands, by all kinds of people, while storage and servers fail.

tests/integration/chat/test_state.py says the same of a real PostgreSQL.
"""

from hypothesis import HealthCheck, given, settings

from tests.support.examples import examples
from tests.support.faulty import FaultyRepository
from tests.support.plays import Play, plays
from tests.support.virtual import run_virtually


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])
@given(play=plays())
def test_what_everybody_knows_is_what_a_newcomer_learns(play: Play) -> None:
    run_virtually(play.perform(FaultyRepository()))
