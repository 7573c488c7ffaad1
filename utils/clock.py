"""Time as Parley uses it: whole microseconds since the Unix epoch, written as RFC 3339."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

DAY_SECONDS = 86_400
# A day in microseconds, the unit of seqs and times.
DAY_US = DAY_SECONDS * 1_000_000


class Clock(Protocol):
    """A source of time, which tests can replace."""

    def now_us(self) -> int:
        """Return wall-clock microseconds since the Unix epoch. May step back (NTP, a new host)."""

    def monotonic(self) -> float:
        """Return seconds that never step back; only differences are meaningful."""


class SystemClock:
    """The machine's own clocks."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()


_EPOCH = datetime.fromtimestamp(0, UTC)


def microseconds(text: str) -> int:
    """Parse the output of :func:`rfc3339` into microseconds since the epoch.

    >>> microseconds("2023-11-14T22:13:20.000007Z")
    1700000000000007
    """
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1)


# Formatting the date costs 1 us, and a busy server formats thousands of times a second: the text of the last second is
# cached, and only the microseconds are formatted.
_second_us = -1_000_000
_prefix = ""


def rfc3339(us: int) -> str:
    """Format ``us`` microseconds since the epoch as RFC 3339 in UTC, always with six decimals and ``Z``.

    >>> rfc3339(1_700_000_000_000_007)
    '2023-11-14T22:13:20.000007Z'
    """
    global _second_us, _prefix
    micro = us - _second_us
    if not 0 <= micro < 1_000_000:
        second, micro = divmod(us, 1_000_000)
        _prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        _second_us = us - micro
    return f"{_prefix}{micro:06d}Z"
