"""An owner that falls silent, and is back: what was sent to it in between is given up, and not carried out later."""

import asyncio

import pytest

from chat.cluster import peers
from model.errors import TRY_AGAIN, ParleyError
from tests.support.chatting import BY_PATH, Person
from tests.support.cluster import Cluster, account, clustered
from tests.support.virtual import passes
from tests.unit.chat.nodes import entered
from tests.unit.chat.people import ask, said

UNHEARD = 0.2
"""Seconds in which an owner that is cut off is not taken for silent yet."""


async def user_of_the_edge(cluster: Cluster) -> Person:
    ann = account(cluster.nodes[1], "ann")
    await entered(ann)
    await passes(2.0)
    return ann


def cut_off(cluster: Cluster) -> None:
    cluster.bus.cut.add(cluster.nodes[1].storage.node)


def deafen(cluster: Cluster) -> None:
    """Let the edge hear nothing of the owner, which hears the edge."""
    deaf = cluster.nodes[1].storage.node
    cluster.bus.lose = lambda sender, receiver: receiver == deaf


@pytest.mark.parametrize("seconds", [1.0, 3.0, 9.0])
async def test_what_a_client_has_sent_in_vain_does_not_undo_what_it_sends_elsewhere(seconds: float) -> None:
    """Whether it disconnects before the owner counts as silent, after that, or once its command was given up."""
    async with clustered(2) as cluster:
        ann = await user_of_the_edge(cluster)
        seq = await said(ann, "one")
        cut_off(cluster)
        await passes(UNHEARD)
        ann.send("edit", id="e", room="general", seq=seq, content="old")
        await passes(seconds - UNHEARD)
        ann.disconnect()
        await passes(2.0)
        elsewhere = account(cluster.nodes[0], "ann")
        await entered(elsewhere)
        await ask(elsewhere, "edit", id="e2", room="general", seq=seq, content="new")
        assert elsewhere.acked().keys() == {"e2"}
        cluster.bus.mend()
        await passes(3.0)
        assert await cluster.repository.stored() == ["new"]
        assert cluster.nodes[0].node.owner.stubs == 0
        assert cluster.nodes[1].node.edge.owner is not None


async def test_what_other_clients_have_sent_arrives_if_the_owner_is_back_soon() -> None:
    async with clustered(2) as cluster:
        ann, bob = await user_of_the_edge(cluster), account(cluster.nodes[1], "bob")
        await entered(bob)
        cut_off(cluster)
        await passes(UNHEARD)
        for person in (ann, bob):
            for number in range(3):
                person.say(f"{number} {person.session.user.name}", f"{number}")
                await passes(0.05)
        await passes(3.0)
        ann.disconnect()
        cluster.bus.mend()
        await passes(3.0)
        assert bob.acked().keys() == {"0", "1", "2"}
        assert await cluster.repository.stored() == ["0 bob", "1 bob", "2 bob"]


async def test_a_client_that_sends_and_disconnects_at_once_is_served() -> None:
    """As long as the owner answers, even if its first packets are lost."""
    async with clustered(2) as cluster:
        ann = await user_of_the_edge(cluster)
        cluster.bus.lose = lambda sender, receiver: True
        ann.say("in passing", "m")
        ann.disconnect()
        await passes(0.5)
        cluster.bus.mend()
        await passes(2.0)
        assert await cluster.repository.stored() == ["in passing"]


async def test_what_a_silent_owner_has_not_answered_is_given_up_after_eight_seconds() -> None:
    """Then it is not carried out any more, and a client can send it again."""
    async with clustered(2) as cluster:
        ann = await user_of_the_edge(cluster)
        cut_off(cluster)
        await passes(UNHEARD)
        ann.say("one", "m")
        ann.send("create_room", id="c", room="den")
        ann.send("typing", room="general")
        ann.chat.receive(ann.session, "{")
        page = Person(cluster.nodes[1].chat, dialect=BY_PATH["/chat"], room="general", name="page")
        await passes(7.0)
        assert ann.errors() == {}
        await passes(1.5)
        assert [(frame.get("id"), frame["code"]) for frame in ann.of("error")] == [
            ("m", "unavailable"), ("c", "unavailable"), (None, "unavailable"), (None, "bad_json"),
        ]  # fmt: skip
        assert page.connection.closed == TRY_AGAIN
        page.disconnect()
        assert cluster.nodes[1].node.edge.unanswered == 0
        cluster.bus.mend()
        await passes(3.0)
        assert await cluster.repository.stored() == []
        assert "den" not in cluster.nodes[0].chat.parts.hub.rooms
        ann.say("one", "m", resend=True)
        await passes(0.1)
        assert ann.acked().keys() == {"m"}
        assert await cluster.repository.stored() == ["one"]
        assert cluster.nodes[0].node.owner.stubs == 1


async def test_what_a_silent_owner_has_received_is_acknowledged_afterwards() -> None:
    """Its client was told that this may be. A refusal says nothing new."""
    async with clustered(2) as cluster:
        ann = await user_of_the_edge(cluster)
        deafen(cluster)
        ann.say("one", "m")
        ann.send("edit", id="e", room="general", seq=1, content="of no message")
        await passes(9.0)
        assert ann.errors() == {"m": "unavailable", "e": "unavailable"}
        ann.forget()
        cluster.bus.mend()
        await passes(3.0)
        assert ann.heard() == ["one"]
        assert ann.acked().keys() == {"m"}
        assert ann.errors() == {}
        await ask(ann, "edit", id="e", room="general", seq=1, content="of no message")
        assert ann.errors() == {"e": "no_such_message"}


async def test_a_command_that_is_sent_again_has_one_answer() -> None:
    """The first one was carried out, so the second one fails, which is nothing that its client should be told."""
    async with clustered(2) as cluster:
        edge = cluster.nodes[1]
        ann = await user_of_the_edge(cluster)
        deafen(cluster)
        ann.send("leave", id="l", room="general")
        await passes(9.0)
        assert ann.errors() == {"l": "unavailable"}
        ann.forget()
        # A sign of life comes before what the owner repeats.
        assert edge.node.edge.owner is not None
        edge.node.edge.owner.link.excuse()
        ann.send("leave", id="l", room="general")
        await passes(0.5)
        cluster.bus.mend()
        await passes(3.0)
        assert [frame["id"] for frame in ann.of("left")] == ["l"]
        assert ann.errors() == {}
        assert edge.node.edge.unanswered == 0


async def test_refusals_that_are_not_late_are_delivered() -> None:
    """Of commands that have no answer but an error, of frames that are none, and of ids that are used again."""
    async with clustered(2) as cluster:
        ann = await user_of_the_edge(cluster)

        def send_all() -> None:
            ann.forget()
            ann.send("typing", id="t", room="unknown")
            ann.send("nonsense", id="n")
            ann.send("delete", id="d", room="general", seq=1)

        deafen(cluster)
        send_all()
        await passes(9.0)
        assert ann.errors() == {"t": "unavailable", "n": "unknown_type", "d": "unavailable"}
        ann.forget()
        cluster.bus.mend()
        await passes(3.0)
        assert ann.errors() == {}
        send_all()
        await passes(0.1)
        assert ann.errors() == {"t": "not_joined", "n": "unknown_type", "d": "no_such_message"}
        ann.forget()
        bob = account(cluster.nodes[1], "bob")
        await entered(bob)
        for _ in range(2):
            bob.send("delete", id="d", room="general", seq=1)
        await passes(0.1)
        assert [frame["id"] for frame in bob.of("error")] == ["d", "d"]


async def test_a_question_to_a_silent_owner_is_given_up_after_eight_seconds() -> None:
    async with clustered(2) as cluster:
        owner, edge = cluster.nodes
        cut_off(cluster)
        asked = asyncio.ensure_future(edge.node.edge.ask(b"late?"))
        await passes(7.5)
        assert not asked.done()
        await passes(1.0)
        with pytest.raises(ParleyError, match="unavailable"):
            await asked
        cluster.bus.mend()
        await passes(3.0)
        assert owner.questions == []
        assert await edge.node.edge.ask(b"now?") == b"answer to now?"


async def test_a_question_that_does_not_reach_the_owner_in_time_is_not_answered_later() -> None:
    """Although the owner is heard."""
    async with clustered(2) as cluster:
        owner, edge = cluster.nodes
        cluster.bus.lose = lambda sender, receiver: sender == edge.storage.node
        asked = [asyncio.ensure_future(edge.node.edge.ask(question)) for question in (b"one", b"two")]
        await passes(peers.ANSWER_SECONDS + 0.1)
        for one in asked:
            with pytest.raises(ParleyError, match="unavailable"):
                await one
        cluster.bus.mend()
        await passes(3.0)
        assert owner.questions == []


async def test_commands_that_one_client_sends_after_another_one_left_are_carried_out() -> None:
    """What is withdrawn is named by its session, in packets that others share."""
    async with clustered(2) as cluster:
        people = [account(cluster.nodes[1], name) for name in ("ann", "bob", "eve")]
        await entered(*people)
        cut_off(cluster)
        await passes(UNHEARD)
        for person in people:  # in one packet
            person.say(person.session.user.name, "m")
        await passes(2.0)
        people[1].disconnect()
        await passes(0.2)
        cluster.bus.mend()
        await passes(3.0)
        assert await cluster.repository.stored() == ["ann", "eve"]
        assert cluster.nodes[0].node.owner.stubs == 2


@pytest.mark.parametrize("phase", [0.0, 0.1, 0.2, 0.3, 0.4])
async def test_no_command_is_refused_while_a_dead_owner_is_given_up(phase: float) -> None:
    """However long after its last sign of life it has died: commands wait for the next one."""
    async with clustered(3) as cluster:
        first, second, third = cluster.nodes
        ann = account(third, "ann")
        await entered(ann)
        await passes(2.0 + phase)
        await first.kill()
        for number in range(300):
            ann.say(f"{number}", f"{number}")
            await passes(0.01)
        second.own()
        await passes(2.0)
        assert ann.errors() == {}
        assert len(ann.acked()) == 300
        assert await cluster.repository.stored() == [f"{number}" for number in range(300)]


async def test_an_owner_that_does_not_hear_this_edge_counts_as_silent() -> None:
    """Its signs of life arrive, and acknowledge nothing."""
    async with clustered(3) as cluster:
        owner, edge, _ = cluster.nodes
        ann = await user_of_the_edge(cluster)
        heard_by_owner = (edge.storage.node, owner.storage.node)
        cluster.bus.lose = lambda sender, receiver: (sender, receiver) == heard_by_owner
        ann.say("in vain", "m1")
        await passes(6.0)
        ann.say("refused at once", "m2")
        await passes(0.01)
        assert ann.errors() == {"m2": "unavailable"}
        await passes(1.5)
        assert edge.chat.not_ready_reason() == "owner"
        await passes(5.0)
        assert ann.errors() == {"m1": "unavailable", "m2": "unavailable"}
        cluster.bus.mend()
        await passes(2.5)
        ann.say("heard", "m3")
        await passes(0.5)
        assert ann.acked().keys() == {"m3"}
        assert edge.chat.not_ready_reason() is None
