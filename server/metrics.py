"""``/metrics``: the chat's counters in Prometheus' text format, read when scraped."""

from collections.abc import Iterable, Iterator
from heapq import nlargest

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from chat.chat import Chat

# Rooms with a line each. A label for every room would be unbounded (Prometheus, "Metric naming").
LARGEST_ROOMS = 10
# Kinds of rooms that every user may list. The names of others, and that they exist, are private to their members.
LISTED = frozenset({"public", "ephemeral"})


class Metrics(Collector):
    """A registry of our own, so that several servers may run in one process.

    Args:
        full: include the names of rooms that not every user may see, and versions: for an operator.
    """

    def __init__(self, chat: Chat, *, full: bool = False) -> None:
        self._chat = chat
        self._full = full
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        if full:
            PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def render(self) -> tuple[bytes, str]:
        """Return the text, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of the chat; the registry calls this for each scrape."""
        parts, counters = self._chat.parts, self._chat.parts.counters
        for name, text, value in (
            ("connections", "WebSocket connections", len(parts.hub.sessions)),
            ("rooms", "rooms in use: with users, pending writes or a running command", len(parts.hub.rooms)),
            ("sockets", "open connections of any kind", counters.sockets),
            ("messages_to_reindex", "stored messages still to be re-indexed for search", counters.words_left),
            ("reads_waiting", "reads queued for storage", parts.storage.waiting_reads()),
            ("ready", "1 when messages are accepted and stored", float(self._chat.problem() is None)),
        ):
            yield GaugeMetricFamily(f"parley_{name}", text, value=value)
        for name, text, value in (
            ("connections_opened", "WebSocket connections since the start", counters.connections_total),
            (
                "connections_refused",
                "connections closed or refused by a limit on connections",
                counters.refused_connections,
            ),
            ("accept_pauses", "pauses of the listener for lack of file descriptors", counters.accept_pauses),
            ("messages_in", "messages accepted", counters.messages_in),
            ("changes_in", "changes to messages accepted", counters.changes_in),
            ("deliveries", "frames written to members of rooms", counters.deliveries),
            ("acks", "messages and changes acknowledged", counters.acks),
            ("retractions", "messages retracted", counters.retractions),
            ("slow_members", "clients disconnected because they read too slowly", counters.slow_members),
            ("refused_rows", "writes that storage refused", counters.refused_rows),
            ("store_retries", "batches retried", counters.store_retries),
        ):
            yield CounterMetricFamily(f"parley_{name}", text, value=value)
        for name, text, histogram in (
            (
                "broadcast_latency_seconds",
                "from the first queued frame to the last write of a broadcast",
                counters.broadcast_latency,
            ),
            ("batch_size", "writes in a batch", counters.batch_size),
            ("store_latency_seconds", "duration of one transaction", counters.store_latency),
            (
                "ack_lag_seconds",
                "from accepting a message to its ack, for the oldest of each batch",
                counters.ack_lag,
            ),
        ):
            yield HistogramMetricFamily(f"parley_{name}", text, buckets=histogram.buckets(), sum_value=histogram.sum)
        for sample in self._chat.node.samples() if self._chat.node is not None else ():
            family = CounterMetricFamily if sample.counts else GaugeMetricFamily
            yield family(f"parley_{sample.name}", sample.text, value=sample.value)
        named = [room for room in parts.hub.rooms.values() if self._full or room.record.kind in LISTED]
        largest = nlargest(LARGEST_ROOMS, named, key=lambda room: len(room.presence.sessions))
        yield _labelled(
            GaugeMetricFamily("parley_room_connections", "connections of the largest rooms", labels=["room"]),
            ((room.name, len(room.presence.sessions)) for room in largest),
        )
        yield _labelled(
            CounterMetricFamily("parley_errors", "refusals by code", labels=["code"]), counters.errors.items()
        )
        yield _labelled(
            CounterMetricFamily("parley_resumes", "resumes", labels=["recovered"]),
            ((str(recovered).lower(), count) for recovered, count in counters.resumes.items()),
        )
        yield _labelled(
            GaugeMetricFamily("parley_queue_depth", "writes pending at a worker", labels=["worker"]),
            ((worker.name, len(worker)) for worker in parts.pool.workers),
        )


def _labelled(
    family: CounterMetricFamily | GaugeMetricFamily, values: Iterable[tuple[str, float]]
) -> CounterMetricFamily | GaugeMetricFamily:
    for label, value in values:
        family.add_metric([label], value)
    return family
