"""Turns: which caller is next, and which is refused."""

import asyncio

import pytest

from utils.fairness import FairQueue, Party, RankedTurns


class FullError(Exception):
    """The queue is full."""

    def __init__(self, *, own: bool) -> None:
        self.own = own


class Play:
    """Parties that take turns; each turn lasts until the test ends it."""

    def __init__(self, turns: FairQueue) -> None:
        self._turns = turns
        self.served: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(self, *names: str) -> None:
        """Request a turn for each name, `group/member number`, before this returns."""
        for name in names:
            self._ends[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._take(name))
            await asyncio.sleep(0)

    async def _take(self, name: str) -> None:
        group, _, member = name.split()[0].partition("/")
        async with self._turns.turn(Party(group, member)):
            self.served.append(name)
            await self._ends[name].wait()

    async def end(self, *names: str) -> None:
        for name in names:
            self._ends[name].set()
            await self.tasks[name]
        await settled()

    async def end_all(self) -> None:
        for end in self._ends.values():
            end.set()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_frequent_requests_of_one_caller_do_not_delay_others() -> None:
    turns = FairQueue(2, each=1, waiting=100, full=FullError)
    play = Play(turns)
    await play.ask(*(f"mallory {n}" for n in range(60)), "ann 0", "bob 0", "ann 1")
    assert play.served == ["mallory 0", "ann 0"]
    assert turns.waiting == 61
    await play.end("ann 0")
    assert play.served == ["mallory 0", "ann 0", "bob 0"]
    await play.end("mallory 0")  # it comes after ann, whose last turn was earlier
    assert play.served[3:] == ["ann 1"]
    await play.end("bob 0", "ann 1")
    assert play.served[4:] == ["mallory 1"]
    await play.end_all()
    assert turns.waiting == 0
    assert len(play.served) == 63


async def test_the_members_of_a_group_take_turns() -> None:
    """Guests of one address share its turns, and one of them does not use them up."""
    turns = FairQueue(4, each=1, waiting=100, full=FullError)
    play = Play(turns)
    await play.ask("home/ann 0", "home/ann 1", "home/ann 2", "home/bob 0", "office/cat 0")
    assert play.served == ["home/ann 0", "office/cat 0"]
    await play.end("home/ann 0")
    assert play.served[2:] == ["home/ann 1"]
    await play.end("home/ann 1")
    assert play.served[3:] == ["home/bob 0"]
    await play.end_all()


async def test_too_many_waiting_callers_are_refused() -> None:
    turns = FairQueue(1, each=1, waiting=2, full=FullError)
    play = Play(turns)
    await play.ask("a/x 0", "a/x 1", "a/x 2", "a/x 3")
    with pytest.raises(FullError) as full:
        await play.tasks["a/x 3"]
    assert full.value.own
    await play.ask(*(f"a/{member} 0" for member in range(7)))
    with pytest.raises(FullError) as full:  # eight of the group are already waiting
        await play.tasks["a/6 0"]
    assert full.value.own
    others = [f"g{n} {m}" for n in range(36) for m in range(2)]
    await play.ask(*others, "late 0")
    with pytest.raises(FullError) as full:
        await play.tasks["late 0"]
    assert not full.value.own
    assert turns.waiting == 80
    await play.end_all()
    await play.ask("late 1")
    assert play.served[-1] == "late 1"
    await play.end_all()
    assert turns.waiting == 0


async def test_a_full_queue_is_found_out_before_a_turn_is_requested() -> None:
    turns = FairQueue(1, each=1, waiting=2, full=FullError)
    play = Play(turns)
    await play.ask("ann 0", "ann 1")
    turns.check(Party("ann"))
    await play.ask("ann 2")
    with pytest.raises(FullError) as refused:
        turns.check(Party("ann"))
    assert refused.value.own
    turns.check(Party("bob"))
    await play.ask(*(f"user{n} {m}" for n in range(39) for m in range(2)))
    assert turns.waiting == 80
    with pytest.raises(FullError) as refused:
        turns.check(Party("bob"))
    assert not refused.value.own
    await play.end_all()


async def test_a_cancelled_caller_is_skipped() -> None:
    turns = FairQueue(1, each=1, waiting=5, full=FullError)
    play = Play(turns)
    await play.ask("a 0", "b 0", "b 1", "c 0")
    play.tasks["b 0"].cancel()
    await settled()
    assert turns.waiting == 2
    await play.end("a 0")
    assert play.served == ["a 0", "b 1"]
    play.tasks["c 0"].cancel()
    await settled()
    assert turns.waiting == 0
    await play.end("b 1")
    await play.ask("d 0")
    assert play.served[-1] == "d 0"
    await play.end_all()


async def test_a_granted_turn_that_was_never_started_is_passed_on() -> None:
    turns = FairQueue(1, each=1, waiting=5, full=FullError)
    play = Play(turns)
    await play.ask("a 0", "b 0", "c 0")
    play._ends["a 0"].set()
    await asyncio.sleep(0)  # a ends: b is granted the turn, and has not run yet
    play.tasks["b 0"].cancel()
    await settled()
    assert play.served == ["a 0", "c 0"]
    await play.end_all()
    assert turns.waiting == 0


async def test_a_caller_cancelled_as_its_turn_is_granted_passes_it_on() -> None:
    """Many time out together when a read is slow: a turn may be granted to a caller that is already cancelled."""
    turns = FairQueue(1, each=1, waiting=5, full=FullError)
    play = Play(turns)
    await play.ask("a 0", "b 0", "b 1", "c 0")
    play._ends["a 0"].set()
    play.tasks["b 0"].cancel()
    play.tasks["b 1"].cancel()
    await settled()
    assert play.served == ["a 0", "c 0"]
    assert turns.waiting == 0
    await play.end_all()
    assert all(task.cancelled() or task.exception() is None for task in play.tasks.values())
    await play.ask("d 0")
    assert play.served[-1] == "d 0"
    await play.end_all()


async def take_ranked(turns: RankedTurns, rank: int, served: list[int], end: asyncio.Event) -> None:
    async with turns.turn(rank):
        served.append(rank)
        await end.wait()


async def test_the_lowest_rank_is_next_and_a_cancelled_one_takes_no_turn() -> None:
    turns, served, ends = RankedTurns(1), list[int](), [asyncio.Event() for _ in range(6)]
    tasks = []
    for rank, end in zip((9, 5, 3, 4, 1, 2), ends, strict=True):
        tasks.append(asyncio.create_task(take_ranked(turns, rank, served, end)))
        await settled()
    assert served == [9]
    tasks[4].cancel()
    await settled()
    for end in ends:
        end.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert served == [9, 2, 3, 4, 5]


async def test_a_ranked_turn_that_is_granted_and_cancelled_at_once_is_passed_on() -> None:
    turns, served, end = RankedTurns(1), list[int](), asyncio.Event()
    tasks = [asyncio.create_task(take_ranked(turns, rank, served, end)) for rank in (1, 2, 3)]
    await settled()
    end.set()
    await asyncio.sleep(0)  # the first one ends, and the second one is granted its turn
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert served == [1, 3]
    async with asyncio.timeout(1), turns.turn(0):
        pass
