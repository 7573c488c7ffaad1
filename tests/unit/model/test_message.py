from hypothesis import given
from hypothesis import strategies as st

from model.message import body_hash


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_fingerprints_distinguish_bodies_and_fit_a_bigint(one: str, other: str) -> None:
    assert (body_hash(one) == body_hash(other)) == (one == other)
    assert -(2**63) <= body_hash(one) < 2**63


def test_the_fingerprint_function_never_changes() -> None:
    """Fingerprints are stored: another function would make every retry of an old message a conflict."""
    assert body_hash("") == -1970711489451281740
