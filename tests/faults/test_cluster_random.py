"""Faults at random, under a load that is spread over the nodes of a cluster.

PARLEY_FAULTS_SEED repeats a run, PARLEY_FAULTS sets how many faults there are.
"""

import logging
import os
import random
from collections.abc import Callable

import pytest

from tests.faults.conftest import Play, Settle
from tests.faults.random_faults import KINDS, happen, plan
from tests.faults.stage import cluster_under_load
from tests.support.counts import COUNTED
from tests.support.nats import NatsCluster
from tests.support.postgres import PostgresCluster

NETWORKS = ("cut off NATS", "freeze NATS of", "cut off the database", "freeze the database of")


@pytest.fixture
def seed(record_property: Callable[[str, object], None], caplog: pytest.LogCaptureFixture) -> int:
    """Choose the seed of this run, and have it printed at the end, however that is."""
    caplog.set_level(logging.INFO)
    chosen = int(os.environ.get("PARLEY_FAULTS_SEED") or random.SystemRandom().randrange(1_000_000))
    record_property(COUNTED, f"repeat it with PARLEY_FAULTS_SEED={chosen}")
    return chosen


def number_of_faults(usual: int) -> int:
    return int(os.environ.get("PARLEY_FAULTS", usual))


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_faults_at_random(stage: Play, seed: int) -> None:
    """Everything that can break, also two things at once."""
    async with stage(networks=True) as here:
        await happen(here, list(plan(seed, number_of_faults(20))))
        await here.settled(f"{dict(here.load.refusals)}, {here.reloads} reloads")


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_faults_at_random_with_three_nats_servers(
    url: str, cluster: PostgresCluster, settle: Settle, seed: int
) -> None:
    """The same without networks in between: each node chooses between the servers."""
    kinds = [kind for kind in KINDS if kind not in NETWORKS]
    with NatsCluster() as nats:
        async with cluster_under_load(url, nats.servers, cluster, settle) as here:
            await happen(here, list(plan(seed, number_of_faults(10), kinds)))
            await here.settled(f"{dict(here.load.refusals)}, {here.reloads} reloads")
