"""Nodes that did not run for a while: they have not listened, so no other node was silent."""

import pytest

from chat.cluster.links import Links
from tests.support.cluster import clustered
from tests.support.virtual import passes
from tests.unit.chat.nodes import assert_all_the_same, assert_unnoticed, one_at_each, talk


@pytest.mark.parametrize("seconds", [2.0, 20.0, 300.0])
async def test_nodes_that_were_paused_together_go_on_as_if_nothing_had_been(seconds: float) -> None:
    """As virtual machines of one host are. Sessions with storage ended meanwhile, and are opened again."""
    async with clustered(3) as cluster:
        people = await one_at_each(cluster)
        sent = await talk(people, 1.0, "before")
        alive, cluster.referee.nodes = cluster.referee.nodes, {}
        for node in cluster.nodes:
            node.clock.paused += seconds
        await passes(0.3)
        cluster.referee.nodes = alive
        sent += await talk(people, 3.0, "after")
        await passes(1.0)
        assert_unnoticed(people)
        assert [len(person.acked()) for person in people] == [sent] * 3
        assert not any(node.node.statistics.peers_given_up for node in cluster.nodes)
        await assert_all_the_same(cluster, people)


async def test_a_node_that_hardly_runs_gives_a_dead_one_up_nevertheless() -> None:
    async with clustered(2) as cluster:
        edge = cluster.nodes[1]
        await cluster.nodes[0].kill()
        for _ in range(10):
            edge.clock.paused += 5.0
            await passes(0.1)
        assert not edge.node.peers


async def test_a_node_goes_on_after_a_fault_in_a_tick(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without ticks the others would give it up, and it would keep the rooms."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a fault that was not foreseen")

    async with clustered(2) as cluster:
        people = await one_at_each(cluster)
        with monkeypatch.context() as broken:
            broken.setattr(Links, "tick", fail)
            await passes(0.3)
        assert "a fault that was not foreseen" in caplog.text
        await passes(40.0)
        sent = await talk(people, 0.5, "after")
        assert_unnoticed(people)
        assert [len(person.acked()) for person in people] == [sent] * 2
