from hypothesis import given
from hypothesis import strategies as st

from utils.backoff import Backoff


@given(st.floats(0.001, 10), st.floats(1, 100), st.integers(1, 20))
def test_pauses_double_up_to_the_cap_and_are_spread(first: float, factor: float, tries: int) -> None:
    """Each between half its bound and the bound, so that no retry spins and no two clients keep in step."""
    cap = first * factor
    backoff = Backoff(first, cap)
    for number in range(tries):
        bound = min(first * 2**number, cap)
        assert bound / 2 <= backoff.next() <= bound * 1.000001


def test_a_success_resets_the_backoff() -> None:
    backoff = Backoff(1.0, 64.0)
    for _ in range(8):
        backoff.next()
    backoff.reset()
    assert backoff.next() <= 1.0


def test_two_clients_do_not_wait_the_same_time() -> None:
    assert len({Backoff(1.0, 2.0).next() for _ in range(20)}) > 1
