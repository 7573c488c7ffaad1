from hypothesis import given
from hypothesis import strategies as st

from server.deadlines import Deadlines


@given(st.lists(st.floats(0, 10), max_size=20).map(sorted), st.floats(0, 5), st.floats(0, 20))
def test_what_is_due_is_called_once_and_in_order(starts: list[float], delay: float, now: float) -> None:
    deadlines = Deadlines(delay)
    called: list[int] = []
    for number, start in enumerate(starts):
        deadlines.add(start, lambda number=number: called.append(number))  # type: ignore[misc]
    deadlines.run(now)
    assert called == [number for number, start in enumerate(starts) if start + delay <= now]
    deadlines.run(1000.0)
    assert called == list(range(len(starts)))
    deadlines.run(1000.0)
    assert len(called) == len(starts)


def test_a_callback_may_add_another_one() -> None:
    deadlines = Deadlines(1.0)
    called: list[str] = []

    def first() -> None:
        called.append("first")
        deadlines.add(5.0, lambda: called.append("second"))

    deadlines.add(0.0, first)
    deadlines.run(5.0)
    assert called == ["first"]
    deadlines.run(6.0)
    assert called == ["first", "second"]
