"""From figures to the tables and notes that people read. Pure functions."""

from collections.abc import Sequence

from tests.load.figures import CURVE_FIGURES, FAULTS, curve_points, figures_of, is_idle, ratio
from tests.load.nodes_figures import MOST_CPU, MOST_OWNER, NodesFigure, compare
from tests.load.record import Machine, Record
from tests.load.subjects import SEVERAL
from tests.load.workloads import CURVES

GENERATOR_IS_FULL = 0.9
UNITS = {"cpu_us_per_message": "CPU us per message", "bytes_per_conn": "bytes per connection", "ack_ms": "ms"}


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table that reads as well in a terminal; the first row is the head. Figures go to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    numeric = [
        all(row[column][:1].isdigit() or row[column] in ("", "-") for row in rows[1:]) for column in range(len(widths))
    ]

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        return f"| {' | '.join(cells)} |"

    rule = [("-" * (width - 1) + ":") if right else "-" * width for width, right in zip(widths, numeric, strict=True)]
    return "\n".join([line(rows[0]), f"| {' | '.join(rule)} |", *map(line, rows[1:])])


def milliseconds(us: float) -> str:
    """Return a time in ms, as precise as it is worth."""
    return f"{us / 1e3:.2f}" if us < 10_000 else f"{us / 1e3:,.0f}"


def number(value: float) -> str:
    """Return a figure with three digits that count, or all of its whole part."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def times(value: float | None) -> str:
    """Return a ratio as `2.9x`."""
    return "-" if value is None else f"{value:.1f}x" if value < 10 else f"{value:,.0f}x"


def talk_table(record: Record) -> str:
    """Return the table of the workloads in which people talk; empty without any."""
    series = [one for one in record.series if not one.curve and not is_idle(one) and one.runs]
    with_acks = any(run.result.ack_us for one in series for run in one.runs)
    head = ["workload", "server", "deliveries per CPU s", "Parley does", "p50 ms", "p99 ms", "CPU busy"]
    rows = [head + (["ack p50 ms", "ack p99 ms"] if with_acks else [])]
    for one in series:
        label = f"{one.name}: {one.title}"
        for figure, name in figures_of(record, one):
            row = [
                label,
                name,
                f"{figure.deliveries_per_cpu_s:,.0f}",
                "" if figure.subject == "parley" else times(ratio(one, figure.subject)),
                milliseconds(figure.p50_us),
                milliseconds(figure.p99_us),
                f"{figure.server_busy:.0%}",
            ]
            if with_acks:
                row += [milliseconds(figure.ack.p50), milliseconds(figure.ack.p99)] if figure.ack else ["", ""]
            rows.append(row)
            label = ""
    return table(rows) if len(rows) > 1 else ""


def idle_table(record: Record) -> str:
    """Return the table of idle connections; empty without any."""
    rows = [["workload", "server", "bytes per connection", "Parley holds", "connects/s", "CPU us per connect"]]
    for one in record.series:
        if one.curve or not is_idle(one):
            continue
        label = f"{one.name}: {one.title}"
        for figure, name in figures_of(record, one):
            rows.append(
                [
                    label,
                    name,
                    f"{figure.bytes_per_conn:,.0f}",
                    "" if figure.subject == "parley" else times(ratio(one, figure.subject)),
                    f"{figure.connects_per_s:,.0f}",
                    f"{figure.connect_cpu_us:,.0f}",
                ]
            )
            label = ""
    return table(rows) if len(rows) > 1 else ""


def curve_table(record: Record, curve: str) -> str:
    """Return one curve as a table: a row per point, a column per line. Empty where it was not measured."""
    series = sorted((one for one in record.series if one.curve == curve and one.runs), key=lambda one: one.x)
    if not series:
        return ""
    shape = CURVES[curve]
    lines = {
        f"{title} {kind}".strip(): dict(curve_points(record, curve, subject, figure))
        for subject, title in record.subjects.items()
        for kind, figure in CURVE_FIGURES[shape.figure].items()
    }
    lines = {name: points for name, points in lines.items() if points}
    rows = [[f"{shape.title} ({UNITS[shape.figure]})", *lines]]
    rows += [
        [f"{one.x:,} {shape.x_label}", *(number(p[one.x]) if one.x in p else "-" for p in lines.values())]
        for one in series
    ]
    return table(rows)


def nodes_table(record: Record) -> str:
    """Return what several nodes cost, and below it whether each bar holds. Empty if they were not measured."""
    found = [
        (series, record.subjects[key], figure)
        for series in record.series
        for key in SEVERAL
        if (figure := compare(series, key)) is not None
    ]
    if not found:
        return ""
    head = ["CPU us per message", "with", "one node", "all nodes", "their owner", "nats-server", "link messages each"]
    rows = [
        [
            f"{one.name}: {one.title}",
            title,
            *map(number, (it.single_us, it.nodes_us, it.owner_us, it.nats_us, it.link_messages)),
        ]
        for one, title, it in found
    ]
    return "\n".join([table([head, *rows]), "", *(verdict(one.name, title, it) for one, title, it in found)])


def verdict(name: str, title: str, figure: NodesFigure) -> str:
    """Return in one line whether the bars hold."""
    return (
        f"{name}, {title}: all together use {bar(figure.cpu, MOST_CPU)} the CPU of one node per message, their owner "
        f"alone {bar(figure.owner, MOST_OWNER)}."
    )


def bar(value: float, most: float) -> str:
    """Return `1.72x (at most 2.00x: holds)`."""
    return f"{value:.2f}x (at most {most:.2f}x: {'holds' if value <= most else 'DOES NOT HOLD'})"


def notes(record: Record) -> list[str]:
    """Return what one must know beside the figures, one line each: full generators, faults, disturbed runs."""
    lines = []
    for one in record.series:
        # CPU time and memory are the server's own, however full the generator is; times to wait are not.
        cares = not one.curve or CURVES[one.curve].figure == "ack_ms"
        for figure, name in figures_of(record, one):
            where = f"{one.name}, {name}"
            full = cares and figure.generator_busy > GENERATOR_IS_FULL
            if full and figure.server_busy < GENERATOR_IS_FULL:
                lines.append(
                    f"{where}: the load generator was the bottleneck ({figure.generator_busy:.0%} busy), not the "
                    f"server ({figure.server_busy:.0%} busy): it can do more than this, and latency is the generator's."
                )
            elif full:
                lines.append(
                    f"{where}: the load generator was full as well ({figure.generator_busy:.0%} busy): latency is "
                    "partly its own."
                )
            if figure.faults:
                told = ", ".join(f"{count:,} {FAULTS[kind]}" for kind, count in figure.faults.items())
                lines.append(f"{where}: {told}.")
            if figure.disturbed:
                used = "not counted" if figure.disturbed < figure.runs else "counted, for want of better ones"
                lines.append(f"{where}: other programs disturbed {figure.disturbed} of {figure.runs} runs ({used}).")
    return lines


def machine_line(machine: Machine, generator: str, storage: str) -> str:
    """Return where and how it was measured, in one line."""
    return (
        f"{machine.cpu}, {machine.cores} cores, {machine.memory_bytes / 2**30:.0f} GiB; {machine.system}; "
        f"Python {machine.python}, {machine.event_loop}; messages in {storage}; load by {generator}; "
        f"{machine.placement}."
    )


def report(record: Record) -> str:
    """Return everything that a person wants to read at the end."""
    parts = [talk_table(record), idle_table(record), nodes_table(record)]
    curves = dict.fromkeys(one.curve for one in record.series if one.curve)
    parts += [curve_table(record, curve) for curve in curves]
    parts += ["\n".join(notes(record)), machine_line(record.machine, record.generator, record.storage)]
    return "\n\n".join(part for part in parts if part)
