"""``/metrics``: the table of metrics in Prometheus' text format, read when scraped."""

from collections.abc import Iterator
from typing import cast

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from chat.chat import Chat
from chat.delivery.counters import Histogram
from server.metrics.counts import ServerCounts
from server.metrics.table import ROWS, Row, Source, Values


class Metrics(Collector):
    """A registry of our own, so that several servers may run in one process.

    Args:
        full: include the names of rooms that not every user may see, and versions: for an operator.
    """

    def __init__(self, chat: Chat, counts: ServerCounts, *, full: bool = False) -> None:
        self._source = Source(chat, counts, full)
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
        """Yield the metrics of the table, and those of a node; the registry calls this for each scrape."""
        for row in ROWS:
            if self._source.full or not row.full:
                yield _family(row, self._source)
        node = self._source.chat.node
        for sample in node.samples() if node is not None else ():
            family = CounterMetricFamily if sample.counts else GaugeMetricFamily
            yield family(f"parley_{sample.name}", sample.text, value=sample.value)


def _family(row: Row, source: Source) -> Metric:
    name = f"parley_{row.name}"
    if row.kind == "histogram":
        histograms = HistogramMetricFamily(name, row.help, labels=row.labels)
        for labels, histogram in row.read(source):
            assert isinstance(histogram, Histogram)
            histograms.add_metric(labels, histogram.buckets(), histogram.sum)
        return histograms
    family = (CounterMetricFamily if row.kind == "counter" else GaugeMetricFamily)(name, row.help, labels=row.labels)
    for labels, value in cast(Values, row.read(source)):
        family.add_metric(labels, value)
    return family
