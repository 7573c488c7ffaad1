from hypothesis import given
from hypothesis import strategies as st

from model.commands import PostMessage
from model.message import body_hash


def hash_of(content: str) -> int:
    return body_hash(PostMessage("general", content))


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_fingerprints_distinguish_bodies_and_fit_a_bigint(one: str, other: str) -> None:
    assert (hash_of(one) == hash_of(other)) == (one == other)
    assert -(2**63) <= hash_of(one) < 2**63


def test_the_fingerprint_function_never_changes() -> None:
    """Fingerprints are stored: another function would make every retry of an old message a conflict."""
    assert hash_of("") == -1970711489451281740
