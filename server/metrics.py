"""``/metrics``: the chat's counters in Prometheus' text format, read when scraped."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import nlargest

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from chat.chat import Chat
from chat.delivery.counters import Histogram

# Rooms with a line of their own. All of them would be a label per room: unbounded (Prometheus, "Metric naming").
LARGEST_ROOMS = 10
# Rooms that anybody may list; the name of another one is its members' business, as is that it is there.
LISTED = frozenset({"public", "ephemeral"})


class _ChatCollector(Collector):
    def __init__(self, chat: Chat, *, full: bool) -> None:
        self._chat = chat
        self._full = full

    def collect(self) -> Iterator[Metric]:
        parts, counters = self._chat.parts, self._chat.parts.counters
        yield _gauge("connections", "WebSocket connections", len(parts.hub.sessions))
        yield _gauge("rooms", "rooms that have users or pending writes", len(parts.hub.rooms))
        largest = GaugeMetricFamily("parley_room_connections", "connections of the largest rooms", labels=["room"])
        named = [room for room in parts.hub.rooms.values() if self._full or room.record.kind in LISTED]
        for room in nlargest(LARGEST_ROOMS, named, key=lambda room: len(room.presence.sessions)):
            largest.add_metric([room.name], len(room.presence.sessions))
        yield largest
        yield _counter("connections_opened", "WebSocket connections since the start", counters.connections_total)
        yield _gauge("sockets", "open connections of any kind", counters.sockets)
        yield _counter(
            "connections_refused",
            "connections closed or refused by a limit on connections",
            counters.refused_connections,
        )
        yield _counter("accept_pauses", "pauses of the listener for lack of file descriptors", counters.accept_pauses)
        yield _counter("messages_in", "messages accepted", counters.messages_in)
        yield _counter("changes_in", "changes to messages accepted", counters.changes_in)
        yield _counter("deliveries", "frames written to members of rooms", counters.deliveries)
        yield _counter("acks", "messages and changes acked", counters.acks)
        yield _counter("retractions", "messages retracted", counters.retractions)
        yield _counter("slow_members", "clients disconnected because they read too slowly", counters.slow_members)
        yield _counter("refused_rows", "writes that storage refused", counters.refused_rows)
        yield _counter("store_retries", "batches retried", counters.store_retries)
        errors = CounterMetricFamily("parley_errors", "refusals by code", labels=["code"])
        for code, count in counters.errors.items():
            errors.add_metric([code], count)
        yield errors
        resumes = CounterMetricFamily("parley_resumes", "resumes", labels=["recovered"])
        for recovered, count in counters.resumes.items():
            resumes.add_metric([str(recovered).lower()], count)
        yield resumes
        depth = GaugeMetricFamily("parley_queue_depth", "writes pending at a worker", labels=["worker"])
        for worker in parts.pool.workers:
            depth.add_metric([worker.name], len(worker))
        yield depth
        yield _gauge("messages_to_reindex", "stored messages still to be re-indexed for search", counters.words_left)
        yield _gauge("reads_waiting", "reads queued for storage", parts.storage.waiting_reads())
        yield _histogram(
            "broadcast_latency_seconds",
            "from the first queued frame to the last write of a broadcast",
            counters.broadcast_latency,
        )
        yield _histogram("batch_size", "writes in a batch", counters.batch_size)
        yield _histogram("store_latency_seconds", "duration of one transaction", counters.store_latency)
        yield _histogram(
            "ack_lag_seconds", "from accepting a message to its ack, for the oldest of each batch", counters.ack_lag
        )
        yield _gauge("ready", "1 when messages are accepted and stored", float(self._chat.problem() is None))


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"parley_{name}", text, value=value)


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"parley_{name}", text, value=value)


def _histogram(name: str, text: str, histogram: Histogram) -> HistogramMetricFamily:
    return HistogramMetricFamily(f"parley_{name}", text, buckets=histogram.buckets(), sum_value=histogram.sum)


class Metrics:
    """A registry of our own, so that several servers may live in one process.

    Args:
        full: also the names of rooms that not everybody may know, and versions: for an operator's eyes.
    """

    def __init__(self, chat: Chat, *, full: bool = False) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_ChatCollector(chat, full=full))
        ProcessCollector(registry=self._registry)
        if full:
            PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def render(self) -> tuple[bytes, str]:
        """The text, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST
