"""Faults of a cluster in a random order, which a seed determines."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from tests.faults.nodes import Node
from tests.faults.stage import Stage, without
from tests.support.nats import NatsServer
from tests.support.postgres import PostgresCluster, StopMode

log = logging.getLogger(__name__)


class Fault(NamedTuple):
    """One fault: what happens to what, and for how long.

    Attributes:
        kind: a key of `KINDS`.
        owner: it happens to the node that has the rooms at that time, else to the node with the number ``target``.
        target: the number of a node; of a NATS server, modulo their number.
        seconds: how long it lasts.
        pause: seconds until the next one begins, when messages have been acked again.
        alone: the next one begins when this one is over, else with it.
    """

    kind: str
    owner: bool
    target: int
    seconds: float
    pause: float
    alone: bool

    def __str__(self) -> str:
        whom = "the owner" if self.owner else f"number {self.target}"
        return f"{self.kind} {whom} for {self.seconds:g} s{'' if self.alone else ', and at the same time'}"

    async def happen(self, stage: Stage) -> None:
        """Let it happen, and end it."""
        node = stage.nodes.all[self.target]
        if self.owner:
            node = await stage.nodes.any_owner() or node
        kind = KINDS[self.kind]
        await kind.run(stage, self, node)


async def _kill(stage: Stage, fault: Fault, node: Node) -> None:
    await stage.kill(node)
    await stage.load.lasts(fault.seconds)
    await stage.start(node)


async def _stop(stage: Stage, fault: Fault, node: Node) -> None:
    node.terminate()
    await asyncio.to_thread(node.wait)  # with 1 if something could not be stored, because of another fault
    await stage.load.lasts(fault.seconds)
    await stage.start(node)


async def _hang(stage: Stage, fault: Fault, node: Node) -> None:
    await stage.hang(node, fault.seconds)


async def _without_network(which: str, how: str, stage: Stage, fault: Fault, node: Node) -> None:
    with without(node.nats if which == "nats" else node.database, how):
        await stage.load.lasts(fault.seconds)


async def _kill_nats(stage: Stage, fault: Fault, _: Node) -> None:
    server = stage.nats[fault.target % len(stage.nats)]
    server.kill()
    await stage.load.lasts(fault.seconds)
    await asyncio.to_thread(server.start)


async def _kill_all_nats(stage: Stage, fault: Fault, _: Node) -> None:
    for server in stage.nats:
        server.kill()
    await stage.load.lasts(fault.seconds)
    for server in stage.nats:
        server.launch()
    for server in stage.nats:
        await asyncio.to_thread(server.wait)


async def _hang_nats(stage: Stage, fault: Fault, _: Node) -> None:
    await _hang_server(stage, fault, stage.nats[fault.target % len(stage.nats)])


async def _hang_postgres(stage: Stage, fault: Fault, _: Node) -> None:
    await _hang_server(stage, fault, stage.postgres)


async def _hang_server(stage: Stage, fault: Fault, server: NatsServer | PostgresCluster) -> None:
    server.freeze()
    try:
        await stage.load.lasts(fault.seconds)
    finally:
        server.thaw()


async def _stop_postgres(mode: StopMode | None, stage: Stage, fault: Fault, _: Node) -> None:
    end = stage.postgres.kill if mode is None else partial(stage.postgres.stop, mode)
    await asyncio.to_thread(end)
    await stage.load.lasts(fault.seconds)
    await asyncio.to_thread(stage.postgres.start)


async def _end_sessions(of_lease: bool, stage: Stage, fault: Fault, _: Node) -> None:
    await stage.end_sessions(of_lease=of_lease)


class Kind(NamedTuple):
    """A kind of fault.

    Attributes:
        run: lets it happen.
        weight: how often it is chosen.
        seconds: how long it may last.
        breaks: what must not be broken by two faults at the same time.
    """

    run: Callable[[Stage, Fault, Node], Awaitable[None]]
    weight: int
    seconds: Sequence[float]
    breaks: str


KINDS = {
    "kill": Kind(_kill, 6, (0, 0.3, 1, 3), "node"),
    "stop": Kind(_stop, 4, (0, 1), "node"),
    "hang": Kind(_hang, 4, (2, 8, 12), "node"),
    "cut off NATS": Kind(partial(_without_network, "nats", "cut"), 3, (0.3, 2, 8), "network"),
    "freeze NATS of": Kind(partial(_without_network, "nats", "frozen"), 3, (1.5, 4, 12), "network"),
    "cut off the database": Kind(partial(_without_network, "database", "cut"), 3, (0.3, 2, 9), "network"),
    "freeze the database of": Kind(partial(_without_network, "database", "frozen"), 3, (1.5, 4, 12), "network"),
    "kill NATS": Kind(_kill_nats, 2, (0.1, 1, 3), "nats"),
    "kill all NATS": Kind(_kill_all_nats, 2, (0.3, 2, 5), "nats"),
    "hang NATS": Kind(_hang_nats, 2, (1, 5), "nats"),
    "kill Postgres": Kind(partial(_stop_postgres, None), 2, (0.2, 2), "postgres"),
    "restart Postgres": Kind(partial(_stop_postgres, "fast"), 1, (0, 1), "postgres"),
    "hang Postgres": Kind(_hang_postgres, 1, (1, 5), "postgres"),
    "end the session of the lease": Kind(partial(_end_sessions, True), 2, (0,), "sessions"),
    "end all sessions": Kind(partial(_end_sessions, False), 1, (0,), "sessions"),
}


def plan(seed: int, count: int, kinds: Sequence[str] = tuple(KINDS), *, nodes: int = 3) -> Iterator[Fault]:
    """Return faults in the order of a seed. Two may happen at the same time, if they break different things."""
    chooser = random.Random(seed)
    before: Fault | None = None
    for _ in range(count):
        company = before is not None and not before.alone
        allowed = [kind for kind in kinds if not company or before is None or may_join(before.kind, kind)]
        name = chooser.choices(allowed, [KINDS[kind].weight for kind in allowed])[0]
        before = Fault(
            name,
            owner=chooser.random() < 0.5,
            target=chooser.randrange(nodes),
            seconds=chooser.choice(KINDS[name].seconds),
            pause=round(chooser.uniform(0.2, 2.0), 1),
            alone=chooser.random() < 0.75 or company or KINDS[name].breaks == "postgres",
        )
        yield before


def may_join(one: str, other: str) -> bool:
    """Whether two kinds of fault can happen at the same time: they break different things, and PostgreSQL answers."""
    return KINDS[one].breaks != KINDS[other].breaks and KINDS[other].breaks != "postgres"


async def happen(stage: Stage, faults: Sequence[Fault]) -> None:
    """Let them happen. After each, or two at the same time, the nodes must agree on an owner and messages be acked."""
    together: list[Fault] = []
    for number, fault in enumerate(faults, start=1):
        together.append(fault)
        if not fault.alone and number < len(faults):
            continue
        log.info("%d of %d: %s", number, len(faults), ", ".join(map(str, together)))
        await asyncio.gather(*(each.happen(stage) for each in together))
        together.clear()
        await stage.goes_on()
        await stage.load.lasts(fault.pause)
