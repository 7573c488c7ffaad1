"""The pictures: their contents, and that matplotlib can draw them."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.load.draw import draw, lines_of, plain, ratios_of, scale_of
from tests.load.record import Percentiles, Record, Run
from tests.load.workloads import CURVES
from tests.unit.load.records import record, result, series

pytestmark = pytest.mark.slow  # a tool's tests


@pytest.fixture
def measured() -> Record:
    return record(
        series(Run("parley", result(600)), Run("baseline_aiohttp", result(200))),
        series(
            Run("parley", result()),
            Run("baseline_aiohttp", result(bytes_per_conn=16_000)),
            name="W5",
            options="--clients 9 --idle",
        ),
        *(
            series(Run("parley", result(msgs_per_s=1e5 / x)), name=f"members={x}", curve="members", x=x)
            for x in (10, 100, 1000)
        ),
        series(Run("parley", result(ack_us=Percentiles(p50=4_000, p99=9_000))), name="acks=1", curve="acks", x=1),
    )


def test_lines_are_in_the_unit_of_their_axis(measured: Record) -> None:
    (line,) = lines_of(measured, CURVES["members"])
    assert (line.label, line.points) == ("Parley", [(10, 50), (100, 500), (1000, 5000)])
    assert [(line.label, line.points) for line in lines_of(measured, CURVES["acks"])] == [
        ("Parley, median", [(1, 4)]),
        ("Parley, 99 %", [(1, 9)]),
    ]
    assert lines_of(measured, CURVES["rooms"]) == []


def test_ratios_are_of_workloads_only(measured: Record) -> None:
    (talk, talk_bars), (idle, idle_bars) = ratios_of(measured)
    assert talk.startswith("W1: one busy room")
    assert talk_bars == [("baseline_aiohttp", 3)]
    assert "memory" in idle
    assert idle_bars == [("baseline_aiohttp", 8)]


@pytest.mark.parametrize(
    ("values", "scale"), [([1, 10, 100], "log"), ([3.0, 3.1], "linear"), ([0, 100], "linear"), ([], "linear")]
)
def test_values_that_span_decades_get_a_logarithmic_axis(values: list[float], scale: str) -> None:
    assert scale_of(values) == scale


@pytest.mark.parametrize(("value", "text"), [(10_000, "10,000"), (20, "20"), (5, "5"), (0.5, "0.5"), (0.02, "0.02")])
def test_ticks_are_plain_numbers(value: float, text: str) -> None:
    assert plain(value) == text


def test_the_pictures_are_reproducible_svg_on_a_white_card(measured: Record, tmp_path: Path) -> None:
    drawn = draw(measured, tmp_path)
    assert [path.name for path in drawn] == ["members.svg", "acks.svg", "ratios.svg"]
    first = {path: path.read_bytes() for path in drawn}
    for text in first.values():
        assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - our own file
        assert b"fill: #ffffff" in text
    assert {path: path.read_bytes() for path in draw(measured, tmp_path)} == first


def test_pictures_with_postgres_are_named_for_it(measured: Record, tmp_path: Path) -> None:
    measured.storage = "PostgreSQL 18"
    names = [path.name for path in draw(measured, tmp_path)]
    assert names == ["members-postgres.svg", "acks.svg", "ratios-postgres.svg"]
