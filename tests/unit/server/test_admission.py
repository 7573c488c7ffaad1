"""One turn of the event loop starts a bounded number of jobs, alternating between networks."""

import asyncio
from functools import partial

from server.wire.admission import A_TURN, Admission


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)  # one turn of the loop


async def test_a_bounded_number_starts_in_each_turn() -> None:
    admission, begun = Admission(), list[int]()
    at_once = [number for number in range(200) if admission.admit("a", partial(begun.append, number))]
    assert at_once == [*range(A_TURN)]
    seen = []
    while len(begun) < 200 - A_TURN:
        before = len(begun)
        await turns(1)
        seen.append(len(begun) - before)
    assert max(seen) == A_TURN
    assert begun == [*range(A_TURN, 200)], "in the order in which they came"
    await turns(3)
    assert admission.admit("a", lambda: None), "all is as it was"


async def test_a_network_is_not_delayed_by_the_queue_of_another() -> None:
    admission, begun = Admission(), list[str]()
    for _ in range(A_TURN + 10_000):
        admission.admit("crowd", lambda: begun.append("crowd"))
    admission.admit("one", lambda: begun.append("one"))
    await turns(2)
    assert "one" in begun
    assert len(begun) <= 2 * A_TURN


async def test_cancelled_work_keeps_no_place_in_the_queue() -> None:
    admission = Admission()
    for _ in range(A_TURN):
        assert admission.admit("a", lambda: None)
    waiting = [asyncio.create_task(admission.enter("a")) for _ in range(3)]
    await turns(0)
    waiting[1].cancel()
    assert await asyncio.gather(*waiting, return_exceptions=True) is not None
    assert [task.cancelled() for task in waiting] == [False, True, False]


async def test_heavy_work_takes_the_place_of_as_much_light_work() -> None:
    """Also work that has waited, and however many networks wait for it at the same time."""
    admission, begun = Admission(), list[int]()

    async def work(number: int) -> None:
        await admission.enter(f"network {number}", 4)
        begun.append(number)

    tasks = [asyncio.create_task(work(number)) for number in range(200)]
    seen = []
    while len(begun) < 200:
        before = len(begun)
        await turns(1)
        seen.append(len(begun) - before)
    assert max(seen) <= 2 * A_TURN // 4, "the first turn may use twice as many"
    assert sorted(seen)[-2] == A_TURN // 4
    await asyncio.gather(*tasks)
