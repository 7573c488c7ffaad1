"""Several nodes: what clients of an edge notice of the owner, and of another owner."""

import re

from tests.support.chatting import Person
from tests.support.cluster import clustered
from tests.support.virtual import passes


async def test_clients_of_two_nodes_talk_in_one_room() -> None:
    async with clustered() as cluster:
        owner, edge = cluster.nodes
        ann, bob = Person(owner.chat, "ann"), Person(edge.chat, "bob")
        ann.send("join", id="j1", room="general")
        bob.send("join", id="j2", room="general")
        await passes(0.01)
        assert bob.last("joined")["id"] == "j2"
        ann.say("from the owner", "a1")
        bob.say("from the edge", "b1")
        await passes(0.01)
        assert ann.heard() == bob.heard() == ["from the owner", "from the edge"]
        assert ann.acked().keys() == {"a1"}
        assert bob.acked().keys() == {"b1"}


async def test_kill_of_the_owner() -> None:
    async with clustered(3) as cluster:
        owner, second, third = cluster.nodes
        ann, bob = Person(second.chat, "ann"), Person(third.chat, "bob")
        for person in (ann, bob):
            person.send("join", id="j", room="general")
        await passes(0.01)
        ann.say("before", "a1")
        await passes(0.01)
        await owner.kill()
        bob.say("in the outage", "b1")
        await passes(0.1)
        second.own()
        await passes(3.0)
        assert bob.acked().keys() == {"b1"}
        assert ann.heard() == bob.heard() == ["before", "in the outage"]
        assert ann.last("joined")["recovered"] is False
        assert bob.errors() == {}


async def test_a_node_with_other_settings_leaves_the_rooms_to_the_others() -> None:
    async with clustered(2) as cluster:
        other = await cluster.add("other", terms={"EDIT_WINDOW": "1"})
        await passes(3.0)
        assert [node.storage.on_bus for node in cluster.nodes] == [True, True, False]
        assert re.search("node n[12] has other settings: EDIT_WINDOW differs$", other.chat.problem() or "")
        for node in cluster.nodes[:2]:
            await node.kill()
        await passes(6.0)
        assert other.storage.on_bus
