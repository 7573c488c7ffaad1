"""Counts of events as plain numbers: the hot path pays for an addition, a scrape for the rest."""

from bisect import bisect_left
from collections import Counter
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


class Counters:
    """One server's counts since its start: plain attributes, increased where the events happen."""

    __slots__ = (
        "accept_pauses",
        "ack_lag",
        "acks",
        "batch_size",
        "broadcast_latency",
        "changes_in",
        "connections_total",
        "deliveries",
        "errors",
        "lost_rooms",
        "messages_in",
        "refused_connections",
        "refused_rows",
        "resumes",
        "retractions",
        "slow_members",
        "sockets",
        "store_latency",
        "store_retries",
        "words_left",
    )

    def __init__(self) -> None:
        self.connections_total = 0
        self.sockets = 0
        self.refused_connections = 0
        self.accept_pauses = 0
        self.messages_in = 0
        self.changes_in = 0
        self.deliveries = 0
        self.acks = 0
        self.retractions = 0
        self.refused_rows = 0
        self.lost_rooms = 0
        self.slow_members = 0
        self.store_retries = 0
        self.words_left = 0
        self.errors: Counter[str] = Counter()  # refusals by code
        self.resumes = {True: 0, False: 0}
        self.broadcast_latency = Histogram(*_SECONDS)
        self.store_latency = Histogram(*_SECONDS)
        self.ack_lag = Histogram(*_SECONDS, 60.0, 600.0)
        self.batch_size = Histogram(1, 2, 5, 10, 25, 50, 100, 250, 500)
