"""How much one principal, or one connection, may ask for."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import NamedTuple
from weakref import WeakValueDictionary

from model.errors import ParleyError

ALLOWANCES = 100_000


class Rate(NamedTuple):
    """How often something may be done: ``burst`` at once, ``rate`` a second in the long run.

    A rate of 0 is no limit.
    """

    rate: float
    burst: float


UNLIMITED = Rate(0.0, 0.0)


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

    def take(self, now: float, count: float = 1.0) -> float:
        """Take tokens. Returns 0.0 when there were enough, else the seconds until there will be (and takes none)."""
        tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if tokens >= count:
            self._tokens = tokens - count
            return 0.0
        self._tokens = tokens
        return (count - tokens) / self._rate

    def wait(self, now: float) -> float:
        """Seconds until there will be a token; 0.0 when there is one. Takes none."""
        return max(0.0, (1.0 - self._tokens) / self._rate - (now - self._at))

    def give(self) -> None:
        """Give a token back."""
        self._tokens = min(self._burst, self._tokens + 1.0)

    def is_full_since(self, now: float) -> bool:
        """Whether a new bucket would be the same; not at the moment when it was made, as somebody is about to take."""
        return now > self._at and self._tokens + (now - self._at) * self._rate >= self._burst


def rate_limited(wait: float, id: str | None = None) -> ParleyError:
    """Make the refusal of what may be asked again in ``wait`` seconds."""
    return ParleyError("rate_limited", retry_after=math.ceil(wait * 1000) / 1000, id=id)  # 0.0 would say "now"


class Allowances:
    """A bucket for each who asks for something: by principal, by address.

    A bucket is the same for everybody who asks for it, as long as any of them holds it (and says so with :meth:`keep`
    when they hold it no more), and until it is full again: a new connection is no new allowance. One that is full says
    nothing, and is forgotten. Bounded: beyond ``most`` those are let go that were asked for least recently.

    Args:
        rate, burst: see `TokenBucket`.
    """

    def __init__(self, rate: float, burst: float, *, most: int = ALLOWANCES) -> None:
        self._rate = rate
        self._burst = burst
        self._most = most
        self._lately: OrderedDict[str, TokenBucket] = OrderedDict()
        self._held: WeakValueDictionary[str, TokenBucket] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._lately)

    def of(self, key: str, now: float) -> TokenBucket:
        """The bucket of somebody who asks for something now."""
        lately = self._lately
        bucket = lately.get(key)
        if bucket is not None:
            lately.move_to_end(key)
            return bucket
        bucket = self._held.get(key)
        if bucket is None:
            bucket = self._held[key] = TokenBucket(self._rate, self._burst, now)
        for _ in range(min(2, len(lately))):  # more than are added, so that those that are full do not pile up
            oldest, old = lately.popitem(last=False)
            if not old.is_full_since(now) and len(lately) + 1 < self._most:
                lately[oldest] = old
        lately[key] = bucket
        return bucket

    def keep(self, key: str, bucket: TokenBucket) -> None:
        """Whoever held the bucket holds it no more: it is kept until it is full."""
        self._lately[key] = bucket
        self._lately.move_to_end(key)

    def take(self, key: str, now: float) -> float:
        """Take one token of somebody's bucket; see `TokenBucket.take`."""
        return self.of(key, now).take(now)


def allowances(limit: Rate) -> Allowances | None:
    """Make the allowances of a rate; None for no limit."""
    return Allowances(*limit) if limit.rate else None
