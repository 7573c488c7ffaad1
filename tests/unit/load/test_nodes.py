"""Several nodes compared with one: the arithmetic, the bars, and what counts."""

import re

import pytest

from tests.load.nodes import Look, others_used
from tests.load.nodes_figures import compare
from tests.load.record import Nodes, Result, Run, Series
from tests.load.tables import bar, report
from tests.unit.load.records import record, result, series

pytestmark = pytest.mark.slow  # a tool's tests


def single(cpu_s: float, *, disturbed: bool = False) -> Run:
    """Return a run of 1,000 messages on one node."""
    return Run("parley", result(msgs_per_s=500, seconds=2, server_cpu_s=cpu_s), disturbed, Nodes([cpu_s]))


def three(*cpu_s: float, key: str = "nodes", disturbed: bool = False) -> Run:
    """Return a run of 1,000 messages on three nodes."""
    used = Nodes(list(cpu_s), nats_cpu_s=0.1, link_messages=1500)
    return Run(key, result(msgs_per_s=500, seconds=2, server_cpu_s=sum(cpu_s)), disturbed, used)


def test_all_nodes_and_the_owner_are_compared_with_one_node() -> None:
    figure = compare(series(single(0.2), three(0.1, 0.15, 0.15)), "nodes")
    assert figure is not None
    assert (figure.single_us, figure.nodes_us, figure.owner_us) == pytest.approx((200, 400, 100))
    assert (figure.cpu, figure.owner) == pytest.approx((2.0, 0.5))
    assert (figure.nats_us, figure.link_messages) == pytest.approx((100, 1.5))


def test_the_generators_figure_counts_and_the_looks_only_divide_it() -> None:
    """The looks at the processes are some milliseconds late."""
    late = Run("nodes", result(msgs_per_s=500, seconds=2, server_cpu_s=0.4), False, Nodes([0.11, 0.165, 0.165]))
    figure = compare(series(single(0.2), late), "nodes")
    assert figure is not None
    assert (figure.cpu, figure.owner) == pytest.approx((2.0, 0.5))


def test_a_ratio_is_that_of_runs_that_followed_each_other() -> None:
    """The machine became twice as slow in between: the ratio of the medians would be another one."""
    runs = [single(0.1), three(0.1, 0.05, 0.05), single(0.1), three(0.1, 0.05, 0.05)]
    slow = [single(0.2), three(0.2, 0.1, 0.1), single(0.2), three(0.2, 0.1, 0.1), single(0.2), three(0.2, 0.1, 0.1)]
    figure = compare(series(*runs, *slow), "nodes")
    assert figure is not None
    assert (figure.cpu, figure.owner) == pytest.approx((2.0, 1.0))


def test_a_pair_with_a_disturbed_run_does_not_count_if_there_is_another() -> None:
    bad = [single(0.1, disturbed=True), three(0.4, 0.4, 0.4)]
    figure = compare(series(*bad, single(0.2), three(0.1, 0.1, 0.1)), "nodes")
    assert figure is not None
    assert figure.cpu == pytest.approx(1.5)
    figure = compare(series(*bad), "nodes")
    assert figure is not None
    assert figure.cpu == pytest.approx(12)


@pytest.mark.parametrize(
    "runs",
    [
        [],
        [single(0.2)],
        [three(0.1, 0.1, 0.1)],
        [single(0.2), Run("nodes", result(msgs_per_s=0), False, Nodes([1, 1, 1]))],
        [single(0.2), Run("nodes", result())],
    ],
)
def test_without_both_there_is_no_comparison(runs: list[Run]) -> None:
    assert compare(series(*runs), "nodes") is None


def test_what_was_used_is_the_difference_of_two_looks() -> None:
    before, after = Look([1.0, 2.0], 0.5, 3.0, 100), Look([1.5, 2.25], 0.75, 4.0, 160)
    assert after.since(before) == Nodes([0.5, 0.25], nats_cpu_s=0.25, database_cpu_s=1.0, link_messages=60)


def test_others_are_whatever_is_busy_and_not_ours() -> None:
    one = result(seconds=2, server_busy=1.0, generator_busy=0.25, cpu_busy=[1.0, 0.75])
    assert others_used(one, Nodes([2.0], nats_cpu_s=0.25, database_cpu_s=0.5)) == pytest.approx(0.125)
    assert others_used(Result(1, 1), Nodes([0])) == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.726, "1.73x (at most 2.00x: holds)"), (2.0, "2.00x (at most 2.00x: holds)"), (2.01, "DOES NOT HOLD")],
)
def test_a_bar_holds_or_does_not(value: float, text: str) -> None:
    assert text in bar(value, 2.0)


def test_the_report_says_which_bar_holds() -> None:
    runs = [single(0.2), three(0.15, 0.1, 0.1), three(0.1, 0.1, 0.1, key="edges")]
    ours = record(Series("N10", "rooms of 10", "--clients 10", runs))
    ours.subjects = {
        "parley": "Parley",
        "nodes": "Parley, 3 nodes",
        "edges": "Parley, 3 nodes, no clients at the owner",
    }
    words = report(ours)
    assert (
        "N10, Parley, 3 nodes: all together use 1.75x (at most 2.00x: holds) the CPU of one node per message, their "
        "owner alone 0.75x (at most 0.60x: DOES NOT HOLD)."
    ) in words
    assert "N10, Parley, 3 nodes, no clients at the owner: all together use 1.50x" in words
    row = r"^\| N10: rooms of 10 +\| Parley, 3 nodes +\| +200 \| +350 \| +150 \| +100 \| +1\.5 \|$"
    assert re.search(row, words, re.MULTILINE)


def test_a_report_without_nodes_does_not_mention_them() -> None:
    assert "nats" not in report(record(series(single(0.2))))
