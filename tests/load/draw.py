"""Pictures of records: an SVG for each curve, and one of the ratios, beside the JSON.

They stand on a white card, so that they read the same on a light and on a dark page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from tests.load.figures import CURVE_FIGURES, curve_points, is_idle, ratio
from tests.load.record import Record
from tests.load.workloads import CURVES, Curve

COLORS = {
    "parley": "#0b5fd0",
    "nodes": "#1b8a9a",
    "edges": "#6f42a0",
    "against": "#8250df",
    "baseline_aiohttp": "#b35900",
    "baseline_websockets": "#2c7a4b",
    "limit": "#57606a",
}
MARKERS = {
    "parley": "o",
    "nodes": "v",
    "edges": "<",
    "against": "D",
    "baseline_aiohttp": "s",
    "baseline_websockets": "^",
    "limit": "x",
}
DASHES = ("-", "--", ":")
INK, FAINT = "#1f2328", "#d0d7de"

# figure: (label of the axis, what its values are divided by)
AXES = {
    "cpu_us_per_message": ("CPU time of the server per message, µs", 1),
    "bytes_per_conn": ("memory per connection, kB", 1000),
    "ack_ms": ("from sent to acked, ms", 1),
}


@dataclass(frozen=True)
class Line:
    """One line of a chart."""

    subject: str
    label: str
    style: str
    points: list[tuple[int, float]]


def lines_of(record: Record, curve: Curve) -> list[Line]:
    """Return what there is to draw of a curve, in the unit of its axis; empty where it was not measured."""
    found = []
    _, unit = AXES[curve.figure]
    for subject, title in record.subjects.items():
        for style, (kind, figure) in zip(DASHES, CURVE_FIGURES[curve.figure].items(), strict=False):
            points = [(x, y / unit) for x, y in curve_points(record, curve.name, subject, figure)]
            if points:
                found.append(Line(subject, f"{title}, {kind}" if kind else title, style, points))
    return found


def ratios_of(record: Record) -> list[tuple[str, list[tuple[str, float]]]]:
    """Return [(workload's label, [(subject, how many times better Parley did)])], best known first."""
    rows = []
    for series in record.series:
        if series.curve:
            continue
        found = [(subject, ratio(series, subject)) for subject in record.subjects if subject != "parley"]
        bars = [(subject, value) for subject, value in found if value is not None]
        if bars:
            what = "connections in the same memory" if is_idle(series) else "deliveries per CPU second"
            rows.append((f"{series.name}: {series.title}\n({what})", bars))
    return rows


def scale_of(values: Sequence[float]) -> str:
    """Return "log" for positive values that span about a decade, else "linear"."""
    return "log" if values and min(values) > 0 and max(values) / min(values) > 8 else "linear"


def plain(value: float) -> str:
    """Return the number of a tick: 10,000 and 0.5, never 1e4."""
    return f"{value:,.0f}" if value >= 10 else f"{value:g}"


def draw(record: Record, folder: Path) -> list[Path]:
    """Write the pictures of a record into `folder`; return their paths.

    Those of a record with PostgreSQL are named for it, but for the curve that there is only there.
    """
    suffix = "-postgres" if record.storage.startswith("PostgreSQL") else ""
    drawn = []
    for curve in CURVES.values():
        if lines := lines_of(record, curve):
            path = folder / f"{curve.name}{'' if curve.needs_postgres else suffix}.svg"
            _draw_curve(curve, lines, record, path)
            drawn.append(path)
    if rows := ratios_of(record):
        path = folder / f"ratios{suffix}.svg"
        _draw_ratios(rows, record, path)
        drawn.append(path)
    return drawn


# --- with matplotlib -------------------------------------------------------------------------------------------------


def _chart(title: str, height: float) -> tuple[Any, Any]:
    # Text as shapes: the same widths whatever fonts a reader has. The salt: the same picture from the same figures.
    mpl.rcParams.update({"svg.fonttype": "path", "svg.hashsalt": "parley", "font.size": 10})
    margins = ConstrainedLayoutEngine(w_pad=0.14, h_pad=0.12)  # inches, to the card's edge
    figure = Figure(figsize=(7.6, height), facecolor="white", layout=margins)
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontweight="bold", color=INK, pad=12)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(INK)
    axes.tick_params(colors=INK)
    axes.set_axisbelow(True)
    return figure, axes


def _save(figure: Any, record: Record, path: Path) -> None:
    machine = record.machine
    words = f"{machine.cpu}, Python {machine.python}, {machine.event_loop}; {record.made[:10]}"
    figure.supxlabel(words, fontsize=7, color="#57606a", x=0.99, ha="right")
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def _set_scale(axes: Any, which: str, values: Sequence[float]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis = getattr(axes, f"{which}axis")
    limit = getattr(axes, f"set_{which}lim")
    if scale_of(values) == "log":
        getattr(axes, f"set_{which}scale")("log")
        few = max(values) / min(values) < 200
        axis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5) if few else (1,)))
        axis.set_minor_formatter(NullFormatter())
        limit(min(values) / 1.3, max(values) * 1.3)
    else:
        limit(0, max(values) * 1.15)
    axis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))


def _draw_curve(curve: Curve, lines: Sequence[Line], record: Record, path: Path) -> None:
    figure, axes = _chart(curve.title, 4.4)
    for line in lines:
        xs, ys = zip(*line.points, strict=True)
        axes.plot(
            xs,
            ys,
            line.style,
            label=line.label,
            color=COLORS.get(line.subject, INK),
            marker=MARKERS.get(line.subject, "o"),
            markersize=5,
            linewidth=2.4 if line.subject == "parley" else 1.5,
        )
    _set_scale(axes, "x", [x for line in lines for x, _ in line.points])
    _set_scale(axes, "y", [y for line in lines for _, y in line.points])
    axes.set_xlabel(curve.x_label, color=INK)
    axes.set_ylabel(AXES[curve.figure][0], color=INK)
    axes.grid(color=FAINT, linewidth=0.7)
    axes.legend(frameon=False, labelcolor=INK)
    _save(figure, record, path)


def _draw_ratios(rows: Sequence[tuple[str, list[tuple[str, float]]]], record: Record, path: Path) -> None:
    thick = 0.8 / max(len(bars) for _, bars in rows)
    figure, axes = _chart("How many times better Parley does than …", 1.6 + 0.85 * len(rows))
    labelled: set[str] = set()
    for row, (_, bars) in enumerate(rows):
        for place, (subject, value) in enumerate(bars):
            at = row + (place - (len(bars) - 1) / 2) * thick
            label = None if subject in labelled else record.subjects[subject]
            labelled.add(subject)
            axes.barh(at, value, thick * 0.9, color=COLORS.get(subject, INK), label=label)
            axes.annotate(
                f"{value:.1f}",
                (value, at),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                color=INK,
                fontsize=9,
            )
    axes.axvline(1, color=INK, linewidth=1)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, max(value for _, bars in rows for _, value in bars) * 1.12)
    axes.set_xlabel("ratio; at 1 both do the same", color=INK)
    axes.grid(axis="x", color=FAINT, linewidth=0.7)
    figure.legend(frameon=False, labelcolor=INK, loc="outside upper right", ncols=4, fontsize=9)
    _save(figure, record, path)
