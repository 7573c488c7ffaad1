"""Several nodes against one: the figures, and the bars that they must keep. Pure functions."""

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from statistics import median

from tests.load.figures import cpu_us_per_message
from tests.load.record import Run, Series

MOST_CPU = 2.0
"""CPU per message of all nodes together, relative to a single node."""
MOST_OWNER = 0.6
"""CPU per message of the owner alone, relative to a single node."""


@dataclass(frozen=True)
class NodesFigure:
    """CPU in microseconds per message, all of its deliveries included; `cpu` and `owner` relative to a single node."""

    single_us: float
    nodes_us: float
    owner_us: float
    cpu: float
    owner: float
    nats_us: float
    link_messages: float


def compare(series: Series, several: str) -> NodesFigure | None:
    """Return the medians of a workload; None if it was not measured on one node and on the subject ``several``.

    A ratio is that of two runs that followed each other. Pairs of undisturbed runs count; all pairs if there are none.
    """
    pairs = list(pairs_of(series, several))
    calm = [figure for figure, disturbed in pairs if not disturbed]
    figures = calm or [figure for figure, _ in pairs]
    return NodesFigure(*map(median, zip(*map(astuple, figures), strict=True))) if figures else None


def pairs_of(series: Series, several: str) -> Iterator[tuple[NodesFigure, bool]]:
    """Yield the figures of each run of one node and the run of several after it, and whether one was disturbed."""
    singles = [run for run in series.runs if run.subject == "parley"]
    others = [run for run in series.runs if run.subject == several]
    for one, other in zip(singles, others, strict=False):
        if (figure := figure_of(one, other)) is not None:
            yield figure, one.disturbed or other.disturbed


def figure_of(single: Run, several: Run) -> NodesFigure | None:
    """Compare two runs; None if nothing was sent in one of them."""
    used, result = several.nodes, several.result
    single_us, nodes_us = cpu_us_per_message(single.result), cpu_us_per_message(result)
    if used is None or not single_us or not nodes_us:
        return None
    messages = result.msgs_per_s * result.seconds
    # The generator says exactly what all nodes used while it measured; of that, the owner's part.
    owner_us = nodes_us * used.cpu_s[0] / sum(used.cpu_s)
    return NodesFigure(
        single_us=single_us,
        nodes_us=nodes_us,
        owner_us=owner_us,
        cpu=nodes_us / single_us,
        owner=owner_us / single_us,
        nats_us=used.nats_cpu_s * 1e6 / messages,
        link_messages=used.link_messages / messages,
    )
