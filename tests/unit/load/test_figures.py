"""From runs to figures."""

import pytest

from tests.load.figures import CURVE_FIGURES, cpu_us_per_message, curve_points, ratio, summarize
from tests.load.record import Percentiles, Run
from tests.load.running import is_disturbed, parse_result
from tests.unit.load.records import record, result, series


def test_a_figure_is_the_median_of_the_undisturbed_runs() -> None:
    one = series(
        Run("parley", result(100)),
        Run("parley", result(900), disturbed=True),
        Run("parley", result(300)),
        Run("parley", result(200)),
        Run("baseline_aiohttp", result(7)),
    )
    figure = summarize(one, "parley")
    assert figure is not None
    assert (figure.deliveries_per_cpu_s, figure.runs, figure.disturbed) == (200, 4, 1)


def test_if_every_run_was_disturbed_all_of_them_count() -> None:
    figure = summarize(series(Run("parley", result(100), disturbed=True)), "parley")
    assert figure is not None
    assert figure.deliveries_per_cpu_s == 100


def test_faults_of_every_run_are_added_up_including_disturbed_ones() -> None:
    runs = [Run("parley", result(lost=2)), Run("parley", result(lost=3, stalls=1), disturbed=True)]
    figure = summarize(series(*runs), "parley")
    assert figure is not None
    assert figure.faults == {"lost": 5, "stalls": 1}


def test_a_server_that_was_not_measured_has_no_figure_and_no_ratio() -> None:
    one = series(Run("parley", result()))
    assert summarize(one, "baseline_aiohttp") is None
    assert ratio(one, "baseline_aiohttp") is None


def test_a_ratio_compares_deliveries_per_cpu_second_or_memory_for_idle_clients() -> None:
    talk = series(Run("parley", result(600)), Run("baseline_aiohttp", result(200)))
    assert ratio(talk, "baseline_aiohttp") == 3
    runs = [Run("parley", result(0)), Run("baseline_aiohttp", result(0, bytes_per_conn=16_000))]
    assert ratio(series(*runs, options="--clients 10 --idle"), "baseline_aiohttp") == pytest.approx(8)


def test_a_server_that_did_nothing_has_no_ratio() -> None:
    assert ratio(series(Run("parley", result(600)), Run("baseline_aiohttp", result(0))), "baseline_aiohttp") is None


def test_cpu_per_message_counts_messages_not_deliveries() -> None:
    assert cpu_us_per_message(result(msgs_per_s=500, seconds=2, server_cpu_s=1)) == 1000
    assert cpu_us_per_message(result(msgs_per_s=0)) == 0


def test_a_curve_is_ordered_by_x_and_omits_missing_figures() -> None:
    points = [
        series(Run("parley", result(msgs_per_s=rate)), name=f"members={x}", curve="members", x=x)
        for x, rate in ((1000, 250), (10, 500), (100, 0))
    ]
    points.append(series(Run("parley", result())))  # a workload is not a point of a curve
    assert curve_points(record(*points), "members", "parley", cpu_us_per_message) == [(10, 1000), (1000, 2000)]


def test_ack_lag_has_a_median_and_a_99th_percentile_in_ms() -> None:
    one = result(ack_us=Percentiles(p50=1500, p99=9000))
    assert {name: get(one) for name, get in CURVE_FIGURES["ack_ms"].items()} == {"median": 1.5, "99 %": 9}


@pytest.mark.parametrize(
    ("busy", "core", "disturbed"),
    [([0.96, 1.0], 0, False), ([1.0, 0.5], 0, False), ([1.0, 0.5], None, False), ([1.0], 3, False), ([0.9], 0, True)],
)
def test_a_run_is_disturbed_when_others_used_the_servers_core(
    busy: list[float], core: int | None, disturbed: bool
) -> None:
    server_busy = 0.7 if disturbed else 0.95
    assert is_disturbed(result(cpu_busy=busy, server_busy=server_busy), core) is disturbed


def test_the_result_is_the_json_line_of_what_a_generator_prints() -> None:
    said = 'wsload: a warning\n{"clients":3,"rooms":1,"lost":0,"latency_us":{"p50":7},"a_new_key":1}\n'
    assert (parse_result(said).clients, parse_result(said).latency_us.p50) == (3, 7)


@pytest.mark.parametrize("said", ["", "refused", '{"rooms":1}', '{"clients":'])
def test_a_generator_that_prints_no_result_is_an_error(said: str) -> None:
    with pytest.raises(ValueError):
        parse_result(said)
