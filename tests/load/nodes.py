"""One run of several nodes, or of one node to compare them with: who used the CPU, and what NATS carried."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.request import urlopen

from tests.load.generator import usage
from tests.load.record import Nodes, Result, Run
from tests.load.running import Generator, LoadError, Served, load, own_database, serve
from tests.load.subjects import Subject
from tests.load.workloads import Workload
from tests.support.nats import NatsServer
from tests.support.postgres import PostgresCluster
from tests.support.process import poll_until

DISTURBED = 0.2  # cores that others used on average: the run does not count
STOOD_STILL = 1.1  # times as long as planned: the machine was suspended, which nodes take for the death of others


@dataclass(frozen=True)
class Look:
    """What was used so far: CPU seconds of each node, of nats-server and of PostgreSQL, and messages sent to NATS."""

    nodes: list[float]
    nats: float
    database: float
    link_messages: int

    def since(self, before: "Look") -> Nodes:
        """Return what was used between two looks."""
        return Nodes(
            cpu_s=[now - then for now, then in zip(self.nodes, before.nodes, strict=True)],
            nats_cpu_s=self.nats - before.nats,
            database_cpu_s=self.database - before.database,
            link_messages=self.link_messages - before.link_messages,
        )


def run_nodes(subject: Subject, workload: Workload, generator: Generator, database: PostgresCluster) -> Run:
    """Start the nodes on an empty database, spread the load over them, kill them. Raises LoadError.

    The members of each room, and so its authors, are spread over the nodes. Nothing is pinned to a core.
    """
    with own_database(database) as settings, ExitStack() as stack:
        nats = stack.enter_context(NatsServer()) if subject.nodes > 1 else None
        if nats is not None:
            settings |= {"NATS_URL": nats.url}
        # The first one is ready, so it has the rooms, before the next one starts.
        nodes = [stack.enter_context(serve(subject, settings, generator.cores)) for _ in range(subject.nodes)]
        if nats is not None:
            poll_until(lambda: all(has_links(node, nodes) for node in nodes), what="all nodes are linked")
        looks: list[Look] = []
        result = load(
            subject,
            workload,
            generator,
            nodes,
            clients_of=nodes[1:] if subject.at_edges else nodes,
            acks=True,
            at_mark=lambda: looks.append(look(nodes, nats, database)),
        )
        if nats is not None and status_of(nodes[0])["role"] != "owner":
            raise LoadError(f"the rooms moved to another node during {workload.name}")
    used = looks[1].since(looks[0])
    stood_still = result.seconds > STOOD_STILL * workload.number("seconds")
    return Run(subject.key, result, stood_still or others_used(result, used) > DISTURBED, used)


def has_links(node: Served, nodes: Sequence[Served]) -> bool:
    """Return whether a node knows the owner and all others."""
    status = status_of(node)
    return bool(status["owner"]) and status["peers"] == len(nodes) - 1


def status_of(node: Served) -> dict[str, Any]:
    """Return what a node says of itself."""
    with urlopen(f"http://127.0.0.1:{node.port}/health", timeout=10) as answer:
        status: dict[str, Any] = json.load(answer)["cluster"]
        return status


def look(nodes: list[Served], nats: NatsServer | None, database: PostgresCluster) -> Look:
    """Read what was used so far."""
    return Look(
        nodes=[usage([node.pid]).cpu for node in nodes],
        nats=usage([nats.pid]).cpu if nats else 0,
        database=usage([database.pid]).cpu,
        link_messages=nats.ask("varz")["in_msgs"] if nats else 0,
    )


def others_used(result: Result, used: Nodes) -> float:
    """Return how many cores others than the nodes, their servers and the generator kept busy on average."""
    if not result.seconds:
        return 0
    ours = result.server_busy + result.generator_busy + (used.nats_cpu_s + used.database_cpu_s) / result.seconds
    return sum(result.cpu_busy) - ours
