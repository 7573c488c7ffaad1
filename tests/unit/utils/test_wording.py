"""Sentences for logs."""

from utils.wording import counted


def test_a_count_of_one_uses_the_singular() -> None:
    assert [counted(number, "write was", "writes were") for number in (0, 1, 2)] == [
        "0 writes were",
        "1 write was",
        "2 writes were",
    ]
