from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from utils.clock import SystemClock, rfc3339

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST = (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


@given(st.lists(st.integers(0, LAST), min_size=1, max_size=5))
@example([0, LAST, 0, 1, 999_999, 1_000_000, 999_999])
@example([951_782_399_999_999, 951_782_400_000_000])
def test_rfc3339_agrees_with_datetime(times: list[int]) -> None:
    """In any order: the text of the last second is kept between calls."""
    for us in times:
        expected = (EPOCH + timedelta(microseconds=us)).isoformat(timespec="microseconds")
        assert rfc3339(us) == expected.replace("+00:00", "Z")


@given(st.integers(0, LAST), st.integers(0, LAST))
def test_texts_sort_in_the_order_of_their_times(one: int, other: int) -> None:
    assert (rfc3339(one) < rfc3339(other)) == (one < other)


def test_the_system_clock_is_the_machines_clock() -> None:
    clock = SystemClock()
    before = datetime.now(UTC)
    now = EPOCH + timedelta(microseconds=clock.now_us())
    assert before - timedelta(microseconds=1) <= now <= datetime.now(UTC)
    assert clock.monotonic() <= clock.monotonic()
