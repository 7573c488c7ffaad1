"""Rate limits of a principal, address or connection."""

import math
from collections import OrderedDict
from typing import NamedTuple
from weakref import WeakValueDictionary

from model.errors import ParleyError

# Recently used buckets that `Allowances` keeps.
ALLOWANCES = 100_000
# Seconds for which a bucket saves tokens above its burst, at most: no command is held longer.
SAVED_SECONDS = 15.0


class Rate(NamedTuple):
    """A rate limit: ``burst`` at once, ``rate`` per second in the long run. A rate of 0 is no limit."""

    rate: float
    burst: float


UNLIMITED = Rate(0.0, 0.0)


class TokenBucket:
    """A token bucket: ``burst`` at once, ``rate`` per second in the long run.

    Args:
        rate: tokens per second, above 0.
        burst: tokens that may be saved up, at least 1.
        now: seconds of a monotonic clock.
    """

    __slots__ = ("__weakref__", "_at", "_burst", "_rate", "_saved", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._saved = 0.0  # tokens above the burst
        self._at = now

    def take(self, now: float, count: float = 1.0) -> float:
        """Take tokens. Returns 0.0 when there were enough; else takes none and returns the seconds until there are."""
        tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if tokens >= count:
            self._tokens = tokens - count
            return 0.0
        if tokens + self._saved >= count:
            self._saved -= count - tokens
            self._tokens = 0.0
            return 0.0
        self._tokens = tokens
        return (count - tokens - self._saved) / self._rate

    def save(self, now: float, seconds: float) -> None:
        """Keep what was above the burst in the last ``seconds``, in which the server took nothing that was sent.

        In the long run that is no more than the rate, however often it is called.
        """
        tokens = self._tokens + (now - self._at) * self._rate
        above = min(tokens - self._burst, seconds * self._rate)
        if above > 0:
            self._saved = min(self._saved + above, SAVED_SECONDS * self._rate)
        self._tokens, self._at = min(self._burst, tokens), now

    def spend(self, now: float, count: float) -> None:
        """Take tokens, even more than there are: then there are none until the debt is paid."""
        self.take(now, 0.0)
        self._tokens -= count

    def wait(self, now: float) -> float:
        """Return the seconds until there is a token, 0.0 if there is one now. Takes none."""
        return max(0.0, (1.0 - self._tokens - self._saved) / self._rate - (now - self._at))

    def give(self) -> None:
        """Give a token back."""
        self._tokens = min(self._burst, self._tokens + 1.0)

    def is_full_since(self, now: float) -> bool:
        """Whether the bucket equals a new one; False right after its creation, because the caller is about to take."""
        return now > self._at and self._tokens + (now - self._at) * self._rate >= self._burst


def rate_limited(wait: float, id: str | None = None, *, message: str | None = None) -> ParleyError:
    """Make the refusal of a request that may be repeated in ``wait`` seconds."""
    return ParleyError("rate_limited", message, retry_after=math.ceil(wait * 1000) / 1000, id=id)  # 0.0 would say "now"


class Allowances:
    """A bucket for each key: a principal or an address.

    All callers with a key share its bucket while one of them holds it (and calls :meth:`keep` to release it), and
    until it is full again: a new connection gets no new allowance. A full bucket equals a new one, so it is dropped.
    Beyond `ALLOWANCES` buckets, the least recently used ones are dropped.

    Args:
        rate, burst: see `TokenBucket`.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._lately: OrderedDict[str, TokenBucket] = OrderedDict()
        self._held: WeakValueDictionary[str, TokenBucket] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._lately)

    def of(self, key: str, now: float) -> TokenBucket:
        """Return the bucket of a key, and mark it as used now."""
        lately = self._lately
        bucket = lately.get(key)
        if bucket is not None:
            lately.move_to_end(key)
            return bucket
        bucket = self._held.get(key)
        if bucket is None:
            bucket = self._held[key] = TokenBucket(self._rate, self._burst, now)
        for _ in range(min(2, len(lately))):  # more than are added, so that full ones do not pile up
            oldest, old = lately.popitem(last=False)
            if not old.is_full_since(now) and len(lately) + 1 < ALLOWANCES:
                lately[oldest] = old
        lately[key] = bucket
        return bucket

    def keep(self, key: str, bucket: TokenBucket) -> None:
        """Release a bucket; it is kept until it is full."""
        self._lately[key] = bucket
        self._lately.move_to_end(key)

    def take(self, key: str, now: float) -> float:
        """Take one token from the bucket of a key; see `TokenBucket.take`."""
        return self.of(key, now).take(now)


def allowances(limit: Rate) -> Allowances | None:
    """Make the allowances of a rate; None for no limit."""
    return Allowances(*limit) if limit.rate else None
