"""Pauses that grow with each failure up to a cap, with jitter, so that clients do not retry in step."""

import random


class Backoff:
    """Exponential backoff with equal jitter (AWS Architecture Blog, "Exponential Backoff And Jitter").

    Args:
        first: upper bound of the first pause, in seconds.
        cap: upper bound of any pause, in seconds.
    """

    def __init__(self, first: float = 0.1, cap: float = 5.0) -> None:
        self._first = first
        self._cap = cap
        self._next = first

    def next(self) -> float:
        """Return the seconds to wait: between half the bound and the bound, which then doubles up to the cap.

        At least half, so that a retry loop never spins by chance.
        """
        bound = self._next
        self._next = min(bound * 2, self._cap)
        return random.uniform(bound / 2, bound)

    def reset(self) -> None:
        """Start again with the first pause; call it after a success."""
        self._next = self._first
