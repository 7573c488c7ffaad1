"""Sentences for logs and errors."""

import pytest

from utils.wording import counted, seconds_left


def test_a_count_of_one_uses_the_singular() -> None:
    assert [counted(number, "write was", "writes were") for number in (0, 1, 2)] == [
        "0 writes were",
        "1 write was",
        "2 writes were",
    ]


@pytest.mark.parametrize(
    ("left", "text"),
    [
        (0.0004, "1 second"),
        (1.0, "1 second"),
        (1.5, "2 seconds"),
        (60.0000001, "60 seconds"),
        (86400.0, "86400 seconds"),
    ],
)
def test_time_left_is_rounded_up(left: float, text: str) -> None:
    assert seconds_left(left) == text
