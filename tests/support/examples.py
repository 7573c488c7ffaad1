"""How many examples tests of many examples try: as many as say enough in a few seconds, or by far more when asked."""

import os

TIMES = int(os.environ.get("TEST_EXAMPLES_TIMES", "1"))
"""So many times as many; `TEST_EXAMPLES_TIMES=100` makes minutes, or hours, of seconds."""


def examples(ordinarily: int) -> int:
    """The number of examples to try."""
    return ordinarily * TIMES
