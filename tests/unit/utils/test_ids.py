import re

from utils.ids import new_room_id, new_token


def test_room_ids_are_positive_and_fit_a_signed_bigint() -> None:
    ids = {new_room_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(0 < one < 2**63 for one in ids)


def test_tokens_have_their_prefix_and_fit_a_url() -> None:
    tokens = {new_token("g_", 9) for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(re.fullmatch(r"g_[\w-]{12}", token) for token in tokens)
