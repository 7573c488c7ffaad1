"""How much one principal, or one connection, may ask for."""

from __future__ import annotations


class TokenBucket:
    """A token bucket: ``burst`` at once, ``rate`` a second in the long run.

    Args:
        rate: tokens a second, above 0.
        burst: tokens that may be saved up, at least 1.
        now: seconds of a monotonic clock.
    """

    __slots__ = ("__weakref__", "_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = now

    def take(self, now: float) -> float:
        """Take one token. Returns 0.0 when there was one, else the seconds until there will be (and takes none)."""
        tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if tokens >= 1.0:
            self._tokens = tokens - 1.0
            return 0.0
        self._tokens = tokens
        return (1.0 - tokens) / self._rate
