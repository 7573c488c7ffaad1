"""Whole lives of a `World`, chosen by hypothesis: what people, storage and the server do, and what it must come to."""

import itertools
from typing import NamedTuple
from unittest.mock import patch

from hypothesis import strategies as st

from chat.writes.workers import PoolLimits
from tests.support.chatting import VirtualClock
from tests.support.faulty import FaultyRepository
from tests.support.races import ACTIONS, Races
from tests.support.virtual import passes
from tests.support.world import READS, World

PAUSES = (None, None, 0.0, 0.01, 0.3, 6.0)
ROOM_IDS = 1000
"""Rooms that one play may make, at most; their ids begin at a multiple of it."""


class Play(NamedTuple):
    """What happens, and to what kind of server.

    Attributes:
        steps: an action, the device, everything else about it, and how long it is until the next one; None for not
            even a turn of the loop.
        late: what storage answers is old whenever the answer is late.
        queue: how many writes may wait for each worker.
        slow_high: bytes that may wait for a client before it is disconnected.
    """

    steps: list[tuple[str, int, int, float | None]]
    room_tail: int
    batch: int
    grace: float
    late: bool
    queue: int
    slow_high: int

    async def perform(self, repository: FaultyRepository, number: int = 0) -> None:
        """Play it, in virtual time. Plays in the same storage have numbers, so that they have nothing in common."""
        if self.late:
            repository.early |= set(READS)
        # Room ids choose the worker: not by chance, so that an example that fails fails again.
        with patch("chat.rooms.loading.new_room_id", itertools.count(ROOM_IDS * number + 1).__next__):
            world = World(
                repository,
                VirtualClock(),
                passes,
                suffix=f" {number}" if number else "",
                room_tail=self.room_tail,
                presence_grace=self.grace,
                pool=PoolLimits(workers=2, batch=self.batch, queue_messages=self.queue),
                slow_high=self.slow_high,
            )
            races = Races(world)
            await world.start()
            await world.founded()
            for action, which, what, pause in self.steps:
                await races.do(action, which, what)
                if pause is not None:  # else the next one is in the same turn of the loop
                    await passes(pause)
                    world.read()
            await world.check()
            await world.end()


def _below(bound: int) -> st.SearchStrategy[int]:
    """Any number, each as often as any other: hypothesis likes some far better, and with them what they stand for."""
    return st.integers(0, 2**32 - 1).map(lambda number: (number * 2_654_435_761 % 2**32 >> 12) % bound)


def plays() -> st.SearchStrategy[Play]:
    """Any of them."""
    actions = _below(len(ACTIONS)).map(ACTIONS.__getitem__)
    step = st.tuples(actions, st.integers(0, 6), _below(10_000), st.sampled_from(PAUSES))
    return st.builds(
        Play,
        steps=st.lists(step, min_size=15, max_size=50),
        room_tail=st.sampled_from((0, 2, 500)),
        batch=st.sampled_from((1, 3, 500)),
        grace=st.sampled_from((0.0, 2.0)),
        late=st.booleans(),
        queue=st.sampled_from((12, 20_000)),
        slow_high=st.sampled_from((3000, 1 << 20)),
    )
