"""How many examples hypothesis tries: enough for a few seconds, or many more on request."""

import os

TIMES = int(os.environ.get("TEST_EXAMPLES_TIMES", "1"))
"""The factor by which to multiply examples; `TEST_EXAMPLES_TIMES=100` turns seconds into minutes or hours."""


def examples(ordinarily: int) -> int:
    """The number of examples to try."""
    return ordinarily * TIMES
