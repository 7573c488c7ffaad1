"""Old state plus events equals a fresh fetch: all commands, by all kinds of people, while storage and servers fail."""

import itertools
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.workers import PoolLimits
from tests.support.chatting import FaultyRepository, VirtualClock
from tests.support.doings import ACTIONS, Doings
from tests.support.virtual import passes, run_virtually
from tests.support.world import READS, World

PAUSES = (None, None, 0.0, 0.01, 0.3, 6.0)
step = st.tuples(st.sampled_from(ACTIONS), st.integers(0, 6), st.integers(0, 99), st.sampled_from(PAUSES))


async def play(
    steps: list[tuple[str, int, int, float | None]], room_tail: int, batch: int, grace: float, late: bool
) -> None:
    repository = FaultyRepository()
    if late:
        repository.early |= set(READS)
    # Room ids choose the worker: not by chance, so that an example that fails fails again.
    with patch("chat.context.new_room_id", itertools.count(1).__next__):
        world = World(
            repository,
            VirtualClock(),
            passes,
            room_tail=room_tail,
            presence_grace=grace,
            pool=PoolLimits(workers=2, batch=batch),
        )
        doings = Doings(world)
        await world.start()
        await world.founded()
        for action, which, what, pause in steps:
            await doings.do(action, which, what)
            if pause is not None:  # else the next one is in the same turn of the loop
                await passes(pause)
                world.read()
        await world.check()
        await world.end()


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=st.lists(step, min_size=15, max_size=50),
    room_tail=st.sampled_from((0, 2, 500)),
    batch=st.sampled_from((1, 3, 500)),
    grace=st.sampled_from((0.0, 2.0)),
    late=st.booleans(),
)
def test_what_everybody_knows_is_what_a_newcomer_learns(
    steps: list[tuple[str, int, int, float | None]], room_tail: int, batch: int, grace: float, late: bool
) -> None:
    run_virtually(play(steps, room_tail, batch, grace, late))
