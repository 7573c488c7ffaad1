"""From runs to figures: medians, ratios, curves. Pure functions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from tests.load.record import Percentiles, Record, Result, Run, Series

FAULTS = {
    "refused": "messages refused",
    "lost": "deliveries lost",
    "unacked": "messages not acked at the end",
    "order_violations": "messages out of order",
    "divergent_rooms": "rooms whose members saw different orders",
    "misrouted": "messages in a foreign room",
    "disconnects": "connections lost",
    "protocol_errors": "protocol errors",
    "stalls": "messages that held their author up for 2 s",
}


@dataclass(frozen=True)
class Figure:
    """What one server did in one workload: the medians of its runs, and the sum of everything that went wrong."""

    subject: str
    deliveries_per_cpu_s: float
    deliveries_per_s: float
    p50_us: float
    p99_us: float
    server_busy: float
    generator_busy: float
    bytes_per_conn: float
    connects_per_s: float
    connect_cpu_us: float
    ack: Percentiles | None
    faults: dict[str, int]
    runs: int
    disturbed: int


def counted(runs: Sequence[Run]) -> list[Run]:
    """Return the runs that nobody disturbed; all of them when there is no such run."""
    return [run for run in runs if not run.disturbed] or list(runs)


def summarize(series: Series, subject: str) -> Figure | None:
    """Return the figures of one server in a series; None when it was not measured."""
    runs = [run for run in series.runs if run.subject == subject]
    if not runs:
        return None
    results = [run.result for run in counted(runs)]

    def middle(get: Callable[[Result], float]) -> float:
        return float(median(get(result) for result in results))

    acks = [result.ack_us for result in results if result.ack_us]
    faults = {name: sum(int(getattr(run.result, name)) for run in runs) for name in FAULTS}
    return Figure(
        subject=subject,
        deliveries_per_cpu_s=middle(lambda result: result.deliveries_per_cpu_s),
        deliveries_per_s=middle(lambda result: result.deliveries_per_s),
        p50_us=middle(lambda result: result.latency_us.p50),
        p99_us=middle(lambda result: result.latency_us.p99),
        server_busy=middle(lambda result: result.server_busy),
        generator_busy=middle(lambda result: result.generator_busy),
        bytes_per_conn=middle(lambda result: result.bytes_per_conn),
        connects_per_s=middle(lambda result: result.connects_per_s),
        connect_cpu_us=middle(lambda result: result.connect_cpu_us),
        ack=Percentiles(p50=median(a.p50 for a in acks), p99=median(a.p99 for a in acks)) if acks else None,
        faults={name: count for name, count in faults.items() if count},
        runs=len(runs),
        disturbed=sum(run.disturbed for run in runs),
    )


def is_idle(series: Series) -> bool:
    """Whether nobody talks in it."""
    return "--idle" in series.options.split()


def score(figure: Figure, *, idle: bool) -> float:
    """Return what servers are compared by: more is better. Deliveries per CPU second, or connections per MB."""
    if idle:
        return 1e6 / figure.bytes_per_conn if figure.bytes_per_conn > 0 else 0
    return figure.deliveries_per_cpu_s


def ratio(series: Series, subject: str, to: str = "parley") -> float | None:
    """Return how many times better `to` did than `subject`; None where one was not measured, or did nothing."""
    mine, theirs = summarize(series, to), summarize(series, subject)
    if mine is None or theirs is None:
        return None
    below = score(theirs, idle=is_idle(series))
    return score(mine, idle=is_idle(series)) / below if below else None


# --- curves ----------------------------------------------------------------------------------------------------------


def cpu_us_per_message(result: Result) -> float:
    """Microseconds of the server's CPU time per message that was sent, all of its deliveries included."""
    messages = result.msgs_per_s * result.seconds
    return result.server_cpu_s * 1e6 / messages if messages else 0


CURVE_FIGURES: dict[str, dict[str, Callable[[Result], float]]] = {
    "cpu_us_per_message": {"": cpu_us_per_message},
    "bytes_per_conn": {"": lambda result: result.bytes_per_conn},
    "ack_ms": {
        "median": lambda result: result.ack_us.p50 / 1e3 if result.ack_us else 0,
        "99 %": lambda result: result.ack_us.p99 / 1e3 if result.ack_us else 0,
    },
}


def curve_points(
    record: Record, curve: str, subject: str, figure: Callable[[Result], float]
) -> list[tuple[int, float]]:
    """Return one line of a curve as (x, median) in the order of x; points without a figure above 0 are left out."""
    points = {}
    for series in record.series:
        runs = [run for run in series.runs if run.subject == subject]
        if series.curve == curve and runs:
            points[series.x] = float(median(figure(run.result) for run in counted(runs)))
    return [(x, y) for x, y in sorted(points.items()) if y > 0]


def figures_of(record: Record, series: Series) -> list[tuple[Figure, str]]:
    """Return the figures of every server that a series has, with its name, in the record's order."""
    found = [(summarize(series, subject), name) for subject, name in record.subjects.items()]
    return [(figure, name) for figure, name in found if figure is not None]
