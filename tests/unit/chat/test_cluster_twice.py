"""An edge that hears nothing of the owner refuses what the owner carries out. A client that asks again has two answers.

The client is the one of the fault suite: what arrives must add up for it.
"""

import asyncio

import pytest

from tests.support.chatting import Person as Connected
from tests.support.cluster import ClusterNode, clustered
from tests.support.person import Notes, Person
from tests.support.virtual import passes
from tests.unit.chat.nodes import entered

ROOMS = ("a", "b")


class Client(Person):
    """A client of the fault suite that a test connects, and that reads when the test says so."""

    def __init__(self, notes: Notes) -> None:
        super().__init__(notes, "ann", ROOMS)
        self.near: Connected
        self._read = 0

    def connect(self, node: ClusterNode) -> None:
        near = self.near = Connected(node.chat, self.name)
        self._read = 0
        self.connected(lambda frame: near.send(**frame))

    def disconnect(self) -> None:
        self.near.disconnect()
        self.disconnected()

    def read(self) -> None:
        """Read what has arrived."""
        frames = self.near.frames
        for frame in frames[self._read :]:
            self.take(frame)
        self._read = len(frames)

    async def reads(self, seconds: float) -> None:
        """Read for some time."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while loop.time() < until:
            self.read()
            await passes(0.01)


@pytest.mark.parametrize("refused", ["hello", "join"])
async def test_a_resume_that_was_refused_and_carried_out(refused: str) -> None:
    """The second answer replays what was missed once more, as the client has asked; nothing is lost or in disorder."""
    async with clustered(2) as cluster:
        owner, edge = cluster.nodes
        notes = Notes()
        ann, bob = Client(notes), Connected(owner.chat, "bob")
        for room in ROOMS:
            await entered(bob, room=room)
        ann.connect(edge)
        await ann.reads(1.0)
        assert ann.settled
        ann.disconnect()
        missed = [f"missed {number}" for number in range(20)]
        for content in missed:
            for room in ROOMS:
                bob.say(content, room=room)
        await passes(1.0)

        ann.connect(edge)
        if refused == "join":
            ann.read()
            while len(ann.near.of("welcome")) < 2:
                await passes(0.001)
        deaf = edge.storage.node
        cluster.bus.lose = lambda sender, receiver: receiver == deaf
        await ann.reads(9.0)
        assert notes.refusals["unavailable"] > 0
        assert edge.node.edge.owner is not None
        edge.node.edge.owner.link.excuse()  # as if the edge had just heard it
        await ann.reads(0.5)
        cluster.bus.mend()
        await ann.reads(3.0)
        for room in ROOMS:
            bob.say("live", room=room)
        await ann.reads(1.0)

        assert ann.settled
        assert ann.faults == []
        answers = [frame for frame in ann.near.of("welcome", "joined") if "id" in frame]
        assert [frame["type"] for frame in answers].count("welcome" if refused == "hello" else "joined") == (
            2 if refused == "hello" else 2 * len(ROOMS)
        )
        for room in ROOMS:
            states = ann.copies[room].states.values()
            assert [state["content"] for state in states] == [*missed, "live"]
            assert ann.copies[room].disorder == 0
