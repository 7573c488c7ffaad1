"""A sequence that is part of many frames."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.encoding import EncodedOnce, to_json

PARTS = st.lists(st.lists(st.text(max_size=3), max_size=4), max_size=6)


@given(PARTS)
def test_it_encodes_like_a_list_and_each_item_once(parts: list[list[str]]) -> None:
    encoded: list[str] = []

    def noted(item: str) -> bytes:
        encoded.append(item)
        return msgspec.json.encode(item)

    sequence, plain = EncodedOnce[str](), list[str]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("utils.encoding.to_json", noted)
        for part in parts:
            sequence, before = sequence.followed_by(part), sequence
            plain += part
            for _ in range(2):
                assert bytes(sequence.as_json()) == msgspec.json.encode(plain)
            assert list(sequence) == plain
            assert list(before) == plain[: len(plain) - len(part)]
    assert encoded == plain


@given(PARTS)
def test_each_item_is_converted_once(parts: list[list[str]]) -> None:
    made: list[str] = []

    def double(item: str) -> str:
        made.append(item)
        return item * 2

    sequence, plain = EncodedOnce[str](), list[str]()
    for part in parts:
        sequence = sequence.followed_by(part)
        plain += part
        for _ in range(2):
            assert list(sequence.mapped(double)) == [item * 2 for item in plain]
            assert list(sequence.mapped(str.upper)) == [item.upper() for item in plain]
        assert to_json(sequence.mapped(double)) == to_json([item * 2 for item in plain])
    assert made == plain


def test_records_may_contain_one() -> None:
    assert to_json({"users": EncodedOnce([1, 2]), "none": EncodedOnce(), "count": 2}) == (
        b'{"users":[1,2],"none":[],"count":2}'
    )
    with pytest.raises(NotImplementedError):
        to_json(object())
