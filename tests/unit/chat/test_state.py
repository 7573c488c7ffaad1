"""Old state plus events equals a fresh fetch: all commands, by all kinds of users, while storage and servers fail.

tests/integration/chat/test_state.py checks the same with a real PostgreSQL.
"""

import pytest
from hypothesis import HealthCheck, example, given, settings

from tests.support.examples import examples
from tests.support.faulty import FaultyRepository
from tests.support.plays import Play, plays
from tests.support.virtual import run_virtually

TOO_SLOW = [HealthCheck.too_slow]
# A row that is removed while a command pins it, and stays cached for as long as other writes wait.
REMOVED_ROW = Play(
    steps=[
        *[("say", 0, 0, None)] * 11,
        ("desert", 0, 0, None),
        ("race", 0, 0, 0.0),
        ("invite", 0, 8774, None),
        ("visit", 1, 9716, None),
    ],
    room_tail=0,
    batch=1,
    grace=0.0,
    late=False,
    queue=12,
    slow_high=3000,
)

# A muted owner makes themselves read-only, and receives that change twice: the second time with the reason of the mute.
OWN_ROLE = Play(
    steps=[
        ("race", 5, 2652, None),
        ("race", 0, 6255, 0.01),
        ("race", 1, 4316, 6.0),
        ("set_role", 1, 6122, 0.3),
    ],
    room_tail=2,
    batch=1,
    grace=0.0,
    late=True,
    queue=20_000,
    slow_high=3000,
)


@pytest.fixture
def freed_rooms() -> None:
    """Keep freed rooms, as a server does."""


@settings(max_examples=examples(50), suppress_health_check=TOO_SLOW)
@given(play=plays())
@example(play=REMOVED_ROW)
@example(play=OWN_ROLE)
def test_snapshot_plus_events_equals_a_fresh_snapshot(play: Play) -> None:
    run_virtually(play.perform(FaultyRepository()))


@pytest.mark.slow
@pytest.mark.timeout(0)
@settings(max_examples=examples(400), suppress_health_check=TOO_SLOW)
@given(play=plays())
def test_snapshot_plus_events_equals_a_fresh_snapshot_in_more_scenarios(play: Play) -> None:
    run_virtually(play.perform(FaultyRepository()))
