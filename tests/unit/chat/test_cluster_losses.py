"""The owner is lost, or is superseded without a good end: what its clients and those of other nodes notice."""

import pytest

from chat.chat import Chat
from storage.ports.messages import InsertMessage
from storage.ports.storage import Write
from tests.support.chatting import Person
from tests.support.cluster import account, clustered
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.people import mine


async def test_a_cursor_of_an_earlier_tenure_is_not_raised_in_a_later_one() -> None:
    async with clustered(2) as cluster:
        first, second = cluster.nodes
        ann = account(first, "ann")
        ann.send("create_room", room="den")
        ann.say("one", "1", "den")
        await passes(0.1)
        ann.send("read", room="den", seq=ann.acked()["1"])
        await passes(0.1)
        second.own()
        await passes(1.0)
        first.own()
        await passes(2.0)
        assert ann.of("read") == []
        assert "read" not in (await mine(ann))["den"]


async def test_a_command_that_has_just_begun_ends_with_the_tenure(repository: FaultyRepository) -> None:
    """It is refused as unavailable, not as an internal error; and it reads nothing at a node that has no rooms."""
    async with clustered(2, repository) as cluster:
        first, second = cluster.nodes
        ann = account(first, "ann")
        ann.send("join", room="general")
        await passes(0.1)
        commands = {
            "edit": {"seq": 1, "content": "x"},
            "history": {},
            "members": {},
            "message": {"content": "x", "reply_to": 1},
        }
        ann.say("one", "1")
        await passes(0.1)
        for kind, fields in commands.items():
            node, other = (first, second) if first.node.token else (second, first)
            person = account(node, f"for-{kind}")
            person.send("join", room="general")
            await passes(0.1)
            repository.calls.clear()
            person.send(kind, id=kind, room="general", **fields)
            other.own()
            reads = sum(repository.calls.values())
            await passes(0.0001)
            assert person.errors() in ({kind: "unavailable"}, {kind: "no_such_message"})
            assert reads == 0
            await passes(1.0)


async def test_an_abandoned_room_is_refused_once(repository: FaultyRepository) -> None:
    """Its creation takes several writes."""
    async with clustered(2, repository) as cluster:
        first, second = cluster.nodes
        ann = account(first, "ann")
        repository.hold("write")
        ann.send("create_room", id="c", room="den")
        ann.send("direct", id="d", user="u_bob")
        await passes(0.1)
        second.own()
        repository.go("write")
        await passes(0.1)
        (refused,) = (frame for frame in ann.of("error") if frame["code"] == "unavailable")
        assert (refused["id"], refused["message"]) == ("c", "another server has the rooms now")
        assert refused["retry_after"] > 0


@pytest.mark.parametrize("messages", [0, 1])
async def test_what_an_edge_missed_besides_messages(messages: int) -> None:
    """The owner is off the bus when it changes the room and gives it away in good order: nothing is lost, and told."""
    async with clustered(3) as cluster:
        first, second, _ = cluster.nodes
        ann, bob = account(first, "ann"), account(second, "bob")
        ann.send("create_room", room="den")
        await passes(0.1)
        bob.send("join", room="den")
        await passes(0.1)
        cluster.bus.cut.add(first.storage.node)
        ann.send("update_room", id="u", room="den", title="The den")
        if messages:
            ann.say("unheard", "m", "den")
        await passes(4.0)
        assert first.node.token == 0
        second.own()
        await passes(1.1)
        assert bob.last("joined")["info"]["title"] == "The den"
        assert bob.last("joined")["recovered"] is True
        assert bob.types()[-3 - messages :] == ["joined", *["message"] * messages, "synced", "presence"]


async def test_an_invitation_that_was_missed_can_be_asked_for() -> None:
    async with clustered(3) as cluster:
        first, second, third = cluster.nodes
        ann, bob = account(first, "ann"), account(third, "bob")
        ann.send("create_room", room="den", private=True)
        await passes(0.1)
        cluster.bus.cut.add(third.storage.node)
        ann.send("invite", room="den", user="u_bob")
        await passes(0.1)
        await first.kill()
        second.own()
        bob.forget()
        cluster.bus.mend()
        await passes(3.0)
        assert bob.types() == ["welcome"]
        assert "id" not in bob.last("welcome")
        assert bob.last("welcome")["epoch"] == second.chat.parts.hub.epoch
        bob.send("rooms", mine=True)
        await passes(0.1)
        assert [entry["room"] for entry in bob.last("rooms")["invitations"]] == ["den"]


async def test_each_write_of_a_superseded_owner_has_one_outcome(repository: FaultyRepository) -> None:
    """A batch with a bad row is stored in halves: the first is acknowledged, the second is not known to be stored."""
    tried: list[str] = []

    def is_bad(write: Write) -> bool:
        content = write.message.content if isinstance(write, InsertMessage) else ""
        tried.append(content)
        if tried.count("0") == 2:
            repository.hold("write")  # the other half
        return content == "poison"

    async with clustered(2, repository) as cluster:
        first, second = cluster.nodes
        ann = account(first, "ann")
        ann.send("join", room="general")
        ann.say("before", "b")
        await passes(0.1)
        repository.hold("write")
        ann.say("waits", "w")
        await passes(0.1)
        for number in range(3):
            ann.say(str(number), f"m{number}")
        ann.say("poison", "p")
        repository.refused = is_bad
        repository.go("write")
        await passes(0.1)
        assert ann.acked().keys() == {"b", "w", "m0", "m1"}
        second.own()
        repository.go("write")
        await passes(0.1)
        assert ann.errors() == {"m2": "unavailable", "p": "unavailable"}


async def test_an_outcome_that_comes_too_late_is_ignored(chat: Chat, repository: FaultyRepository) -> None:
    ann = Person(chat, "ann", "general")
    await passes()
    repository.hold("write")
    ann.say("one", "1")
    await passes()
    for job in chat.parts.pool.abandon():
        job.abandon()
    repository.go("write")
    await passes()
    assert ann.acked() == {}
    assert ann.errors() == {"1": "unavailable"}
