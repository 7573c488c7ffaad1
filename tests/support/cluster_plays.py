"""Whole scenarios of a `ClusterWorld`: what a `Play` has, and nodes that die, resign, are superseded or cut off."""

import itertools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from hypothesis import strategies as st

from chat.writes.workers import PoolLimits
from tests.support.chatting import VirtualClock
from tests.support.cluster import ClusterNode
from tests.support.cluster_world import ClusterWorld
from tests.support.devices import Device
from tests.support.faulty import FaultyRepository
from tests.support.plays import PAUSES, Play, below
from tests.support.races import ACTIONS, Races
from tests.support.virtual import passes
from tests.support.world import READS

WEIGHTS = {
    "resign": 8, "supersede": 5, "supersede_secretly": 5, "restart": 6, "kill_an_edge": 4,
    "cut": 5, "cut_briefly": 4, "part": 4, "lose": 4, "shuffle": 3, "mend": 6, "blind": 2,
    "speak_and_change": 10, "change_during_a_resume": 6, "speak_into_silence": 6,
}  # fmt: skip
ORDINARY = [action for action in ACTIONS if action not in ("takeover", "restart")]
CHANGES = [name for name, weight in WEIGHTS.items() for _ in range(weight)]


class ClusterRaces(Races):
    """The actions of `Races`, and those of nodes and their bus."""

    world: ClusterWorld

    def _node(self, what: int) -> ClusterNode:
        nodes = self.world.cluster.nodes
        return nodes[what % len(nodes)]

    def _another(self, what: int) -> ClusterNode | None:
        others = [node for node in self.world.cluster.nodes if node is not self.world.owner]
        return others[what % len(others)] if others else None

    def do_resign(self, device: Device, what: int) -> None:
        if (owner := self.world.owner) is not None:
            self.world.resign(owner)

    def do_supersede(self, device: Device, what: int) -> None:
        if (other := self._another(what)) is not None:
            self.world.read()
            self.world.cluster.referee.give(other.storage)

    def do_supersede_secretly(self, device: Device, what: int) -> None:
        """The owner learns of it from the bus alone."""
        if (other := self._another(what)) is not None:
            self.world.read()
            self.world.cluster.referee.give(other.storage, tell=False)

    async def do_restart(self, device: Device, what: int) -> None:
        """The owner is killed, and its clients go to other nodes."""
        await self.world.die()
        if what % 3:
            await self.world.add()
            await self.world.pause((0.0, 0.5, 2.0)[what // 3 % 3])
        await self.world.start()

    async def do_kill_an_edge(self, device: Device, what: int) -> None:
        if (other := self._another(what)) is not None:
            await self.world.kill(other)
            await self.world.add()
            await self.world.start()

    # The bus.

    def do_cut(self, device: Device, what: int) -> None:
        self.world.cluster.bus.cut.add(self._node(what).storage.node)

    async def do_cut_briefly(self, device: Device, what: int) -> None:
        self.do_cut(device, what)
        await self.world.pause((0.3, 1.0, 3.0)[what // 3 % 3])
        self.world.cluster.bus.mend()

    def do_part(self, device: Device, what: int) -> None:
        """Two nodes do not reach each other."""
        pair = {self._node(what).storage.node, self._node(what + 1).storage.node}
        self.world.cluster.bus.lose = lambda sender, receiver: {sender, receiver} == pair

    def do_lose(self, device: Device, what: int) -> None:
        """One message in ten is lost."""
        numbers = itertools.count(what)
        self.world.cluster.bus.lose = lambda sender, receiver: _scattered(next(numbers)) % 10 == 0

    def do_shuffle(self, device: Device, what: int) -> None:
        """Some messages are late, and are overtaken."""
        bus, numbers = self.world.cluster.bus, itertools.count(what)
        bus.delay = lambda: (_scattered(next(numbers)) % 4 // 3) * 0.02
        bus.shuffles = bool(what % 2)

    def do_mend(self, device: Device, what: int) -> None:
        self.world.cluster.bus.mend()

    def do_blind(self, device: Device, what: int) -> None:
        """A node does not know which others live."""
        storage = self._node(what).storage
        storage.reachable = not storage.reachable

    # Both.

    async def do_speak_and_change(self, device: Device, what: int) -> None:
        """Everyone does something, and the owner changes while it is under way."""
        self.world.repository.delay("write") if what % 3 else None
        for number, other in enumerate(self.world.devices):
            other.say(self._room(other, what + number), self._content(what + number))
        await self.world.pause((0.0, 0.0001, 0.0003, 0.001)[what % 4])
        for number, other in enumerate(self.world.devices):
            await self._meanwhile(other, what + 7 * number)
        change = (self.do_resign, self.do_supersede, self.do_supersede_secretly, self.do_restart)[what // 4 % 4]
        if (waits := change(device, what)) is not None:
            await waits
        for number, other in enumerate(self.world.devices):
            await self.world.pause((0.0, 0.0002, 0.05)[what // 7 % 3])
            await self._meanwhile(other, what + 5 * number)
        self.world.repository.go("write")

    async def do_speak_into_silence(self, device: Device, what: int) -> None:
        """A node hears no other, or is not heard either. Everyone does something, and some go to another node."""
        bus, node = self.world.cluster.bus, self._node(what).storage.node
        if what % 2:
            bus.cut.add(node)
        else:
            bus.lose = lambda sender, receiver: receiver == node
        for number, other in enumerate(self.world.devices):
            other.say(self._room(other, what + number), self._content(what + number))
            await self._meanwhile(other, what + 7 * number)
        for number in range(3):
            await self.world.pause((0.1, 1.0, 2.0, 9.0)[(what // 2 + number) % 4])
            other = self._other(device, what + number)
            self.world.read()
            other.disconnect()
            other.connect(self.world.chat)
            await self._meanwhile(other, what + 5 * number)
        bus.mend()

    async def do_change_during_a_resume(self, device: Device, what: int) -> None:
        """The owner changes while it replays what a client has missed."""
        self.world.read()
        rooms = device.rooms()
        device.disconnect()
        for number in range(3):
            self._other(device, what).say((rooms or self.world.rooms)[0], self._content(what + number))
        self.world.repository.hold("changed")
        device.connect(self.world.chat)
        await self.world.pause(0.01)
        change = (self.do_resign, self.do_supersede, self.do_supersede_secretly)[what % 3]
        change(device, what)
        await self.world.pause((0.0, 0.01, 1.0)[what // 3 % 3])
        self.world.repository.go("changed")


def _scattered(number: int) -> int:
    return number * 2_654_435_761 % 2**32 >> 12


class _Failures(logging.Handler):
    """Collects what is logged as a failure of the program itself."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info is not None and record.name.startswith(("chat.cluster", "chat.chat", "utils.tasks")):
            self.found.append(f"{record.getMessage()}: {record.exc_info[1]!r}")


@contextmanager
def _without_failures() -> Iterator[None]:
    failures = _Failures()
    logging.getLogger().addHandler(failures)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(failures)
    assert not failures.found, failures.found


class ClusterPlay(Play):
    """A scenario of several nodes."""

    async def perform(self, repository: FaultyRepository, number: int = 0) -> None:
        """Run the play in virtual time."""
        if self.late:
            repository.early |= set(READS)
        with patch("chat.rooms.loading.new_room_id", itertools.count(1).__next__), _without_failures():
            world = ClusterWorld(
                repository,
                VirtualClock(),
                passes,
                room_tail=self.room_tail,
                presence_grace=self.grace,
                pool=PoolLimits(workers=2, batch=self.batch, queue_messages=self.queue),
                slow_high=self.slow_high,
            )
            races = ClusterRaces(world)
            await world.start()
            await world.founded()
            for action, which, what, pause in self.steps:
                await races.do(action, which, what)
                if pause is not None:
                    await passes(pause)
                    world.read()
            await world.check()
            await world.end()


def cluster_plays(*, steps: int = 25) -> st.SearchStrategy[ClusterPlay]:
    """Choose any of these with equal probability; a third of the steps are about nodes."""
    actions = [*ORDINARY, *CHANGES * (len(ORDINARY) // 2 // len(CHANGES))]
    step = st.tuples(
        below(len(actions)).map(actions.__getitem__), st.integers(0, 6), below(10_000), st.sampled_from(PAUSES)
    )
    return st.builds(
        ClusterPlay,
        steps=st.lists(step, min_size=steps // 3, max_size=steps),
        room_tail=st.sampled_from((0, 2, 500)),
        batch=st.sampled_from((1, 3, 500)),
        grace=st.sampled_from((0.0, 2.0)),
        late=st.booleans(),
        queue=st.sampled_from((12, 20_000)),
        slow_high=st.sampled_from((3000, 1 << 20)),
    )
