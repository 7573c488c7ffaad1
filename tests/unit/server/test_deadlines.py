from operator import methodcaller

from hypothesis import given
from hypothesis import strategies as st

from server.wire.deadlines import Deadlines, Expiries


@given(st.lists(st.floats(0, 10), max_size=20).map(sorted), st.floats(0, 5), st.floats(0, 20))
def test_due_callbacks_are_called_once_and_in_order(starts: list[float], delay: float, now: float) -> None:
    called: list[int] = []
    deadlines = Deadlines(delay, called.append)
    for number, start in enumerate(starts):
        deadlines.add(start, number)
    deadlines.run(now)
    assert called == [number for number, start in enumerate(starts) if start + delay <= now]
    deadlines.run(1000.0)
    assert called == list(range(len(starts)))
    deadlines.run(1000.0)
    assert len(called) == len(starts)


def test_a_callback_may_add_another_deadline() -> None:
    called: list[str] = []

    def due(what: str) -> None:
        called.append(what)
        if what == "first":
            deadlines.add(5.0, "second")

    deadlines = Deadlines(1.0, due)
    deadlines.add(0.0, "first")
    deadlines.run(5.0)
    assert called == ["first"]
    deadlines.run(6.0)
    assert called == ["first", "second"]


def test_a_discarded_callback_is_neither_called_nor_kept() -> None:
    called: list[str] = []

    def due(what: str) -> None:
        called.append(what)
        deadlines.discard("third")

    deadlines = Deadlines(1.0, due)
    for what in ("first", "second", "third"):
        deadlines.add(0.0, what)
    deadlines.discard("first")
    assert list(deadlines) == ["second", "third"]
    deadlines.discard("unknown")
    deadlines.run(1.0)
    assert called == ["second"]
    assert not len(deadlines)


class End:
    """An entry that records its expiry."""

    def __init__(self, name: int, ended: list[int]) -> None:
        self.name = name
        self.ended = ended

    def expire(self) -> None:
        self.ended.append(self.name)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20)), max_size=200), st.integers(0, 25))
def test_an_entry_expires_once_at_its_latest_time(changes: list[tuple[int, int]], now: int) -> None:
    ended: list[int] = []
    things = [End(name, ended) for name in range(6)]
    expiries = Expiries[End](methodcaller("expire"))
    last: dict[int, int] = {}
    for name, when in changes:
        expiries.set(things[name], when)
        last[name] = when
    expiries.run(now)
    assert sorted(ended) == sorted(name for name, when in last.items() if when and when <= now)
    assert [last[name] for name in ended] == sorted(last[name] for name in ended)
    expiries.run(100)
    assert sorted(ended) == sorted(name for name, when in last.items() if when)
    expiries.run(100)
    assert len(ended) == len(set(ended))


def test_moved_and_removed_entries_are_soon_freed() -> None:
    """For a client that renews its token constantly, and for clients that connect and disconnect."""
    expiries = Expiries[End](methodcaller("expire"))
    ended: list[int] = []
    staying = End(0, ended)
    for number in range(10_000):
        expiries.set(staying, 10**9 + number)
        passing = End(number, ended)
        expiries.set(passing, 10**9)
        expiries.set(passing, 0)
    assert len(expiries._heap) < 100
    expiries.run(2 * 10**9)
    assert ended == [0]


def test_an_expiry_may_set_another_one() -> None:
    expiries = Expiries[End](methodcaller("expire"))
    ended: list[int] = []

    class Renewed(End):
        def expire(self) -> None:
            super().expire()
            if len(self.ended) == 1:
                expiries.set(self, 20)

    expiries.set(Renewed(1, ended), 10)
    expiries.run(15)
    assert ended == [1]
    expiries.run(20)
    assert ended == [1, 1]
