"""Long work in slices: other tasks run in between, and all workers share one slice per turn."""

import asyncio
from time import perf_counter

import pytest

from utils.turns import SHARED_SECONDS, SharedTurns


def work() -> None:
    """Work for as long as a slice."""
    until = perf_counter() + SHARED_SECONDS
    while perf_counter() < until:
        pass


class Workers:
    """Records the turn of the loop of each worker's steps."""

    def __init__(self) -> None:
        self.turns = SharedTurns()
        self.steps: list[str] = []
        self.in_turn: list[int] = []
        self._now = 0

    async def run(self, name: str, steps: int) -> None:
        async with self.turns.work() as slices:
            for _ in range(steps):
                if slices.over():
                    await slices.pause()
                self._step(name)

    def _step(self, name: str) -> None:
        work()
        self.steps.append(name)
        self.in_turn.append(self._now)

    async def count_turns(self) -> None:
        while True:
            await asyncio.sleep(0)
            self._now += 1


async def test_all_callers_share_one_slice_per_turn_and_alternate() -> None:
    workers = Workers()
    counting = asyncio.create_task(workers.count_turns())
    await asyncio.gather(workers.run("a", 4), workers.run("b", 4), workers.run("c", 1))
    counting.cancel()
    assert len(set(workers.in_turn)) == len(workers.in_turn)  # at most one step per turn
    # "b" and "c" started after "a" had paused.
    assert "".join(workers.steps) == "aabcababb"


async def test_a_later_caller_does_not_overtake_waiting_ones() -> None:
    workers = Workers()
    first = [asyncio.create_task(workers.run(name, 2)) for name in "ab"]
    await asyncio.sleep(0)
    late = [asyncio.create_task(workers.run("late", 1)) for _ in range(3)]
    await asyncio.gather(*first, *late)
    assert workers.steps.index("b") < workers.steps.index("late")


async def test_short_work_starts_at_once() -> None:
    turns = SharedTurns()
    done: list[int] = []

    async def short(number: int) -> None:
        async with turns.work():
            done.append(number)

    tasks = [asyncio.create_task(short(number)) for number in range(5)]
    await asyncio.sleep(0)
    assert done == [0, 1, 2, 3, 4]
    await asyncio.gather(*tasks)


async def test_work_counted_in_advance_delays_the_next() -> None:
    turns = SharedTurns()
    entered: list[SharedTurns] = []

    async def enter() -> None:
        async with turns.work() as slices:
            entered.append(slices)

    task = asyncio.create_task(enter())
    asyncio.get_running_loop().call_soon(turns.spend, 1.0)
    second = asyncio.create_task(enter())
    await asyncio.sleep(0)
    assert len(entered) == 1
    await asyncio.gather(task, second)
    assert len(entered) == 2


async def test_a_cancelled_caller_leaves_nothing_behind() -> None:
    workers = Workers()
    first = asyncio.create_task(workers.run("a", 1))
    gone = asyncio.create_task(workers.run("gone", 1))
    await asyncio.sleep(0)
    await first
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    await workers.run("b", 1)
    assert workers.steps == ["a", "b"]


async def test_a_share_may_have_another_unit() -> None:
    turns = SharedTurns(100)
    assert turns.is_free()
    turns.spend(100)
    assert not turns.is_free()
    await turns.next_share()
    assert turns.is_free()
