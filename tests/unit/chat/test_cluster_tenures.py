"""What began before the rooms were lost does not go on when they are back, and does not disturb what begins then."""

import asyncio

from chat.rooms.storing import TENURE, ask
from model.commands import Ping
from storage.ports.messages import InsertMessage
from tests.support.chatting import BY_PATH
from tests.support.cluster import account, clustered
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.nodes import entered
from tests.unit.chat.people import said


async def test_a_command_reads_nothing_in_a_later_tenure() -> None:
    """Also if it did not wait for storage, but for a turn, or the hash of a password, when the rooms were lost."""
    async with clustered(2) as cluster:
        first, second = cluster.nodes
        ann = account(first, "ann")
        turn, read = asyncio.Event(), []

        async def wait_and_read() -> None:
            async def reads() -> None:
                read.append("something")

            await turn.wait()
            await ask(first.chat.parts, reads())

        first.chat.wait_for(ann.session, Ping(id="p"), wait_and_read())
        await passes(0.1)
        second.own()
        await passes(1.0)
        first.own()
        await passes(1.0)
        turn.set()
        await passes(0.1)
        assert ann.errors() == {"p": "unavailable"}
        assert read == []


async def test_clients_return_although_the_rooms_came_in_the_course_of_an_earlier_tenure() -> None:
    async with clustered(2) as cluster:
        first, second = cluster.nodes
        people = [account(node, f"of-{node.name}") for node in cluster.nodes]
        people[0].send("create_room", room="den")
        await passes(0.1)
        await entered(people[1], room="den")
        assert await first.resign()
        TENURE.set(second.chat.parts.hub.tenure)  # of this task, in which the rooms come
        second.own()
        await passes(1.0)
        await said(people[0], "on", "den")
        assert [person.heard() for person in people] == [["on"]] * 2


async def test_a_message_that_is_retracted_at_the_last_moment_prevents_recovery(repository: FaultyRepository) -> None:
    """While a client of another dialect, which is in the same room at the same node, is sent what it missed."""
    async with clustered(3, repository, room_tail=2) as cluster:
        first, second, third = cluster.nodes
        ann, bob = account(second, "ann"), account(third, "bob")
        page = account(third, "page", dialect=BY_PATH["/chat"], room="general")
        await entered(ann, bob)
        await said(ann, "old")
        cluster.bus.cut.add(third.storage.node)
        assert await first.resign()
        second.own()
        await passes(1.0)
        for number in range(10):
            await said(ann, f"missed {number}")
        repository.hold("changed")
        cluster.bus.mend()
        await passes(1.0)
        assert repository.calls["changed"] == 1
        assert not page.connection.closed
        repository.refused = lambda write: isinstance(write, InsertMessage) and write.message.content == "poison"
        ann.say("poison")
        await passes(0.1)
        assert ann.of("retracted")
        repository.go("changed")
        await passes(1.0)
        assert bob.last("joined")["recovered"] is False
