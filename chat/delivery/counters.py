"""Counts of events as plain numbers: the hot path pays for an addition, a scrape for the rest."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate


class Histogram:
    """Counts of observations up to each bound, as Prometheus expects them.

    Args:
        bounds: upper bounds in ascending order; ``+Inf`` is added.
    """

    __slots__ = ("_counts", "bounds", "sum")

    def __init__(self, *bounds: float) -> None:
        self.bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def buckets(self) -> list[tuple[str, float]]:
        """Return ``(le, cumulative count)`` for each bound and ``+Inf``."""
        names = [*(str(bound) for bound in self.bounds), "+Inf"]
        return [(name, float(count)) for name, count in zip(names, accumulate(self._counts), strict=True)]


_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(slots=True)
class Counters:
    """One server's counts since its start: plain attributes, increased where the events happen.

    Attributes:
        sent_bytes: WebSocket frames written for commands and rooms.
        expired: messages removed by retention.
        erased: deleted messages whose text was erased, or that were removed with their deleted room.
        expired_at: when retention last found nothing more to remove, by the monotonic clock; None before it begins.
    """

    connections_total: int = 0
    sockets: int = 0
    refused_connections: int = 0
    accept_pauses: int = 0
    messages_in: int = 0
    changes_in: int = 0
    deliveries: int = 0
    sent_bytes: int = 0
    acks: int = 0
    retractions: int = 0
    refused_rows: int = 0
    lost_rooms: int = 0
    slow_members: int = 0
    store_retries: int = 0
    words_left: int = 0
    expired: int = 0
    erased: int = 0
    expired_at: float | None = None
    # Refusals by code. An alert sees the first internal one only if there was a zero before.
    errors: Counter[str] = field(default_factory=lambda: Counter({"internal": 0}))
    resumes: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})
    broadcast_latency: Histogram = field(default_factory=lambda: Histogram(*_SECONDS))
    store_latency: Histogram = field(default_factory=lambda: Histogram(*_SECONDS))
    ack_lag: Histogram = field(default_factory=lambda: Histogram(*_SECONDS, 60.0, 600.0))
    batch_size: Histogram = field(default_factory=lambda: Histogram(1, 2, 5, 10, 25, 50, 100, 250, 500))
