"""Wording of messages in logs and errors."""

import math
from collections.abc import Sequence


def counted(number: int, one: str, many: str) -> str:
    """Return a number with its noun: ``1 write was``, ``2 writes were``."""
    return f"{number} {one if number == 1 else many}"


def either(words: Sequence[str]) -> str:
    """Return alternatives in words: ``a``, ``a or b``, ``a, b or c``."""
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else "".join(words)


def seconds_left(left: float) -> str:
    """Return a time in words, rounded up but for the noise of floats: ``1 second``, ``60 seconds``."""
    return counted(max(1, math.ceil(left - 0.001)), "second", "seconds")
