"""The report that is printed at the end."""

import pytest

from tests.load.record import Percentiles, Run
from tests.load.tables import milliseconds, notes, number, report, table, times
from tests.unit.load.records import record, result, series


def test_a_table_is_markdown_with_figures_to_the_right() -> None:
    assert table([["what", "n"], ["a", "1,000"], ["long", ""]]) == (
        "| what |     n |\n| ---- | ----: |\n| a    | 1,000 |\n| long |       |"
    )


@pytest.mark.parametrize(("us", "text"), [(0, "0.00"), (312, "0.31"), (9_999, "10.00"), (12_345_678, "12,346")])
def test_milliseconds_are_formatted(us: float, text: str) -> None:
    assert milliseconds(us) == text


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (2.94, "2.9x"), (12.4, "12x"), (1234.0, "1,234x")])
def test_ratios_are_formatted(value: float | None, text: str) -> None:
    assert times(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.1234, "0.123"), (19.02, "19"), (14_102.4, "14,102")])
def test_numbers_have_three_significant_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_the_report_has_both_tables_the_curves_and_the_machine() -> None:
    words = report(
        record(
            series(Run("parley", result(600_000)), Run("baseline_aiohttp", result(200_000))),
            series(Run("parley", result(0)), name="W5", options="--clients 10 --idle"),
            series(Run("parley", result(msgs_per_s=250)), name="members=10", curve="members", x=10),
        )
    )
    lines = words.splitlines()
    assert any("W1: one busy room" in line and "Parley" in line and "600,000" in line for line in lines)
    assert any("aiohttp, send_str" in line and "200,000" in line and "3.0x" in line for line in lines)
    assert any("W5" in line and "2,000" in line for line in lines)
    assert any("10 members of the room" in line and "2,000" in line for line in lines)
    assert "A processor, 4 cores, 8 GiB; Linux 6, x86_64; Python 3.11.9, uvloop 0.23.0; messages in memory" in lines[-1]
    assert "ack p50" not in words


def test_ack_columns_are_there_when_acks_were_measured() -> None:
    run = Run("parley", result(ack_us=Percentiles(p50=4_200, p99=20_000)))
    words = report(record(series(run, Run("baseline_aiohttp", result()))))
    assert "ack p50 ms" in words
    assert "4.20" in words


def test_a_saturated_generator_is_reported_in_plain_words() -> None:
    run = Run("parley", result(generator_busy=0.97, server_busy=0.4))
    assert notes(record(series(run))) == [
        "W1, Parley: the load generator was the bottleneck (97% busy), not the server (40% busy): it can do more than "
        "this, and latency is the generator's."
    ]
    both = Run("parley", result(generator_busy=0.97, server_busy=0.98))
    assert "was full as well" in notes(record(series(both)))[0]


def test_faults_and_disturbances_are_reported() -> None:
    runs = [Run("baseline_aiohttp", result(lost=1200)), Run("baseline_aiohttp", result(), disturbed=True)]
    assert notes(record(series(*runs))) == [
        "W1, aiohttp, send_str: 1,200 deliveries lost.",
        "W1, aiohttp, send_str: other programs disturbed 1 of 2 runs (not counted).",
    ]


def test_a_good_measurement_needs_no_notes() -> None:
    assert notes(record(series(Run("parley", result())))) == []
