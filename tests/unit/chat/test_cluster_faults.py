"""Nodes that die: nothing acked is lost, and all see the same."""

import asyncio
import itertools

import pytest

from tests.support.chatting import BY_PATH, Person
from tests.support.cluster import account, clustered
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.nodes import assert_all_the_same, assert_unnoticed, entered, one_at_each, people_in
from tests.unit.chat.people import RoomsPerson, ask, said

# --- an edge ---------------------------------------------------------------------------------------------------------


async def test_the_users_of_a_dead_edge_leave_after_a_while() -> None:
    async with clustered(3, presence_grace=2.0) as cluster:
        people = await one_at_each(cluster)
        await cluster.nodes[2].kill()
        await passes(1.0)
        assert people_in(people[0]) == {"of-n1", "of-n2", "of-n3"}
        await passes(5.0)
        assert people_in(people[0]) == {"of-n1", "of-n2"}
        assert cluster.nodes[0].node.owner.stubs == 1


async def test_a_client_of_a_dead_edge_resumes_at_another_node() -> None:
    async with clustered(3, presence_grace=5.0) as cluster:
        people = await one_at_each(cluster)
        seq = await said(people[0], "one")
        await cluster.nodes[2].kill()
        await said(people[0], "two")
        back = account(cluster.nodes[1], "of-n3")
        await entered(back, since=seq, epoch=people[0].last("joined")["epoch"])
        await passes(10.0)
        assert back.last("joined")["recovered"] is True
        assert back.heard() == ["two"]
        assert [name for frame in people[0].of("presence") for name in frame.get("left", ())] == []
        assert people_in(people[0]) == {"of-n1", "of-n2", "of-n3"}


# --- the owner -------------------------------------------------------------------------------------------------------


async def test_kill_of_the_owner() -> None:
    async with clustered(3) as cluster:
        people = await one_at_each(cluster)
        await said(people[1], "before")
        await cluster.nodes[0].kill()
        people[2].say("in the outage", "b1")
        await passes(0.1)
        cluster.nodes[0].own()
        await passes(3.0)
        assert people[2].acked().keys() == {"b1"}
        assert people[1].heard() == people[2].heard() == ["before", "in the outage"]
        assert [frame["recovered"] for frame in people[1].of("joined")] == [True, False]
        assert people[2].errors() == {}
        assert people_in(people[1]) == people_in(people[2]) == {"of-n2", "of-n3"}


async def test_what_a_dead_owner_showed_and_did_not_store_is_gone(repository: FaultyRepository) -> None:
    """Its author's edge sends it again; another user's message of the dead node itself is lost, and was not acked."""
    async with clustered(3, repository) as cluster:
        people = await one_at_each(cluster)
        repository.hold("write")
        for person in people[:2]:
            person.say(f"by {person.session.user.name}", "m")
        await passes(0.1)
        assert people[2].heard() == ["by of-n1", "by of-n2"]
        await cluster.nodes[0].kill()
        repository.go("write")
        cluster.nodes[1].own()
        await passes(1.0)
        assert people[0].acked() == {}
        assert people[1].acked().keys() == {"m"}
        assert await repository.stored() == ["by of-n2"]
        await ask(people[2], "history", room="general")
        assert [message["content"] for message in people[2].last("history")["messages"]] == ["by of-n2"]


async def test_a_resume_that_the_owner_did_not_finish(repository: FaultyRepository) -> None:
    """The client does not wait for its end for ever: it loads the room again, and receives live events."""
    async with clustered(3, repository, room_tail=2) as cluster:
        people = await one_at_each(cluster)
        head, epoch = people[2].last("joined")["head"], people[2].last("joined")["epoch"]
        people[2].disconnect()
        for number in range(20):
            await said(people[0], f"{number}")
        repository.hold("changed")
        back = account(cluster.nodes[2], "of-n3")
        await entered(back, since=head, epoch=epoch)
        assert back.of("synced") == []
        await cluster.nodes[0].kill()
        cluster.nodes[0].own()
        repository.go("changed")
        await passes(2.0)
        assert [frame["recovered"] for frame in back.of("joined")][-1] is False
        await said(people[1], "live")
        assert back.heard()[-1] == "live"


async def test_a_command_that_was_held_here_and_answered_is_forgotten() -> None:
    """The node becomes the owner itself. At the next change it must not be answered again."""
    async with clustered(2) as cluster:
        ann = account(cluster.nodes[1], "ann")
        await entered(ann)
        await cluster.nodes[0].kill()
        for number in range(3):
            ann.say(f"{number}", f"m{number}")
        ann.send("history", id="h", room="general")
        third = await cluster.add("n3")
        await passes(0.5)
        cluster.nodes[0].own()
        await passes(1.0)
        third.own()
        await passes(1.0)
        assert ann.acked().keys() == {"m0", "m1", "m2"}
        assert [frame["id"] for frame in ann.of("history")] == ["h"]
        assert ann.errors() == {}
        assert len(cluster.nodes[0].node.edge._unanswered) == 0


async def test_a_trouble_of_one_tenure_does_not_last_into_the_next(repository: FaultyRepository) -> None:
    """Its writes are given up, so they never succeed."""
    async with clustered(2, repository) as cluster:
        first, second = cluster.nodes
        ann = account(first, "ann")
        await entered(ann)
        repository.away = "unplugged"
        ann.say("lost", "m")
        await passes(3.0)
        assert "unplugged" in (first.chat.problem() or "")
        second.own()
        await passes(0.5)
        repository.away = None
        first.own()
        await passes(1.0)
        assert first.chat.problem() is None
        await ask(ann, "create_room", id="c", room="cold")
        assert ann.acked().keys() == {"c"}


async def test_the_last_words_of_an_owner_come_first() -> None:
    """The next one says sooner that it has the rooms than the link delivers what the last one had sent."""
    async with clustered(3) as cluster:
        first, second, _ = cluster.nodes
        people = await one_at_each(cluster)
        late = itertools.cycle((0.3,))
        cluster.bus.delay = lambda: next(late)
        people[2].say("slowly", "m")
        await passes(0.35)
        people[0].say("last words", "w")
        await passes(0.01)
        moving = asyncio.ensure_future(cluster.move(first, second))
        await moving
        cluster.bus.delay = lambda: 0.0
        await passes(3.0)
        assert_unnoticed(people)
        await assert_all_the_same(cluster, people)
        assert people[2].acked().keys() == {"m"}


@pytest.mark.parametrize("clean", [True, False])
async def test_a_command_that_is_asked_anew_is_carried_out_once(clean: bool) -> None:
    """Of a client without ids, nothing but a number tells whether it was."""
    async with clustered(3) as cluster:
        first, second, third = cluster.nodes
        page = Person(third.chat, dialect=BY_PATH["/chat"], room="general", name="page")
        await passes(0.1)

        def post(text: str) -> None:
            page.chat.receive(page.session, text)

        post("before")
        await passes(0.1)
        if clean:
            moving = asyncio.ensure_future(cluster.move(first, second))
            for number in range(10):
                post(f"{number}")
                await passes(0.01)
            await moving
        else:
            post("in doubt")
            await first.kill()
            await passes(2.0)
            post("after")
            second.own()
        await passes(2.0)
        stored = await cluster.repository.stored()
        assert stored == (["before", *map(str, range(10))] if clean else ["before", "after"])


async def test_an_answer_of_an_owner_that_is_none_any_more(repository: FaultyRepository) -> None:
    """A command waits for storage there, and is done by the next one: it has one answer."""
    async with clustered(3, repository) as cluster:
        first, second, _ = cluster.nodes
        people = await one_at_each(cluster)
        repository.hold("find_posted")
        people[2].say("again", "m", resend=True)
        await passes(0.1)
        cluster.referee.give(second.storage, tell=False)
        await passes(1.0)
        repository.go("find_posted")
        await passes(3.0)
        assert first.node.token == 0
        assert people[2].acked().keys() == {"m"}
        assert people[2].errors() == {}
        assert await repository.stored() == ["again"]


async def test_superseded_while_giving_the_rooms_away(repository: FaultyRepository) -> None:
    async with clustered(2, repository) as cluster:
        first, second = cluster.nodes
        people = await one_at_each(cluster)
        repository.hold("write")
        people[1].say("slow", "m")
        await passes(0.1)
        moving = asyncio.ensure_future(first.resign())
        await passes(0.1)
        for person in people:
            person.say("held", "h")
        second.own()
        repository.go("write")
        assert await moving
        await passes(2.0)
        assert [person.acked().keys() for person in people] == [{"h"}, {"m", "h"}]
        assert sorted(await repository.stored()) == ["held", "held", "slow"]
        assert first.chat.elsewhere is not None


async def test_an_owner_that_does_not_know_that_it_is_superseded() -> None:
    """It broadcasts what its clients say, but acknowledges nothing; later they receive what is stored."""
    async with clustered(2) as cluster:
        first, second = cluster.nodes
        people = await one_at_each(cluster)
        cluster.bus.cut.add(first.storage.node)
        cluster.referee.give(second.storage, tell=False)
        first.storage.reachable = False
        people[0].say("shown", "m")
        people[1].say("stored", "m")
        await passes(1.0)
        assert people[0].heard() == ["shown"]
        assert people[1].acked().keys() == {"m"}
        cluster.bus.mend()
        await passes(4.0)
        assert people[0].acked() == {}
        assert people[0].errors() == {"m": "unavailable"}
        assert people[0].last("joined")["recovered"] is False
        assert await cluster.repository.stored() == ["stored"]
        await said(people[0], "both")
        assert people[0].heard()[-1] == people[1].heard()[-1] == "both"


@pytest.mark.parametrize("clean", [True, False])
async def test_an_ephemeral_room_without_messages_survives(clean: bool) -> None:
    async with clustered(3) as cluster:
        first, second, _ = cluster.nodes
        people = await one_at_each(cluster)
        if clean:
            await cluster.move(first, second)
        else:
            await first.kill()
            second.own()
        await passes(2.0)
        assert people[1].last("joined")["info"]["kind"] == "ephemeral"
        await said(people[1], "still here")
        assert people[2].heard() == ["still here"]
        here = {"of-n1", "of-n2", "of-n3"} if clean else {"of-n2", "of-n3"}
        assert people_in(people[1]) == people_in(people[2]) == here


async def test_a_direct_room_that_was_not_stored_does_not_become_a_room_for_everyone(
    repository: FaultyRepository,
) -> None:
    async with clustered(2, repository) as cluster:
        first, second = cluster.nodes
        ann, eve = account(second, "ann"), account(second, "eve")
        await passes(0.1)
        repository.hold("write")
        ann.send("direct", id="d", user="u_eve")
        await passes(0.1)
        room = ann.last("room")["room"]
        await first.kill()
        repository.go("write")
        second.own()
        await passes(1.0)
        assert ann.last("left")["room"] == room
        await ask(eve, "join", id="j", room=room)
        assert eve.errors() == {"j": "no_such_room"}


async def test_a_user_who_was_banned_meanwhile_does_not_return() -> None:
    """The news of the ban was lost with the owner."""
    async with clustered(3) as cluster:
        first, second, third = cluster.nodes
        ann, bob = account(second, "ann"), account(third, "bob")
        await ask(ann, "create_room", room="den")
        await entered(bob, room="den")
        page = account(third, "bob", dialect=BY_PATH["/chat"], room="den")
        await passes(0.1)
        cluster.bus.lose = lambda sender, receiver: receiver == third.storage.node
        await ask(ann, "ban", room="den", user="u_bob")
        await first.kill()
        cluster.bus.mend()
        second.own()
        await passes(2.0)
        assert bob.last("left") == {"type": "left", "room": "den", "reason": "banned"}
        assert page.connection.closed is not None
        ann.say("alone", "m", "den")
        await passes(0.1)
        assert bob.heard() == []


async def test_clients_of_all_dialects_have_what_they_missed() -> None:
    """Those that cannot resume are sent the messages themselves."""
    async with clustered(3) as cluster:
        first, second, third = cluster.nodes
        ann = account(first, "ann")
        await entered(ann)
        pages = [account(third, path, dialect=dialect, room="general") for path, dialect in BY_PATH.items()]
        await passes(2.0)
        cluster.bus.lose = lambda sender, receiver: receiver == third.storage.node
        for number in range(3):
            await said(ann, f"number {number}")
        await first.kill()
        cluster.bus.mend()
        second.own()
        await passes(2.0)
        for page in pages:
            if page.session.dialect.bound_to_address:
                told = [frame.get("content", "") for frame in page.frames]
                assert [text for text in told if text.startswith("number")] == ["number 0", "number 1", "number 2"]
                assert page.connection.closed is None


async def test_nodes_whose_clocks_differ_by_an_hour() -> None:
    async with clustered(3) as cluster:
        first, second, _ = cluster.nodes
        second.clock.offset_us = -3_600_000_000
        people = await one_at_each(cluster)
        await said(people[2], "one")
        await cluster.move(first, second)
        await passes(1.0)
        await said(people[0], "two")
        await first.node.resign()
        first.own()
        await passes(1.0)
        await said(people[1], "three")
        assert [person.heard() for person in people] == [["one", "two", "three"]] * 3
        seqs = [frame["seq"] for frame in people[0].of("message")]
        assert seqs == sorted(seqs)


async def test_a_message_whose_ack_was_lost_with_the_owner_is_shown_once() -> None:
    async with clustered(3) as cluster:
        first, second, third = cluster.nodes
        people = await one_at_each(cluster)
        cluster.bus.lose = lambda sender, receiver: receiver == third.storage.node
        people[2].say("stored", "m")
        await passes(0.1)
        assert people[1].heard() == ["stored"]
        await first.kill()
        cluster.bus.mend()
        second.own()
        await passes(2.0)
        assert people[2].acked().keys() == {"m"}
        assert people[1].heard() == ["stored"]
        assert people[1].of("retracted") == []


async def test_a_claim_that_was_lost_with_the_owner_is_made_again() -> None:
    async with clustered(3) as cluster:
        first, second, third = cluster.nodes
        ann = account(second, "ann")
        await ask(ann, "create_room", room="den")
        wendy = RoomsPerson(third.chat)
        await passes(0.1)
        cluster.bus.lose = lambda sender, receiver: receiver == first.storage.node
        wendy.join("wendy", "Wendy", "den")
        await first.kill()
        cluster.bus.mend()
        second.own()
        await passes(2.0)
        assert wendy.codes() == []
        assert wendy.payloads("joined")[0]["room_id"] == "den"


async def test_a_resume_that_was_cut_off_with_the_link(repository: FaultyRepository) -> None:
    """The owner and its epoch are the same afterwards, but the client does not have what came before."""
    async with clustered(2, repository, room_tail=2) as cluster:
        owner, edge = cluster.nodes
        ann, bob = account(owner, "ann"), account(edge, "bob")
        await entered(ann, bob)
        head, epoch = bob.last("joined")["head"], bob.last("joined")["epoch"]
        bob.disconnect()
        for number in range(20):
            await said(ann, f"{number}")
        repository.hold("changed")
        bob = account(edge, "bob")
        await entered(bob, since=head, epoch=epoch)
        await said(ann, "withheld")
        for node in cluster.nodes:
            node.storage.reachable = False
            cluster.bus.cut.add(node.storage.node)
        await passes(35.0)
        repository.go("changed")
        cluster.bus.mend()
        await passes(5.0)
        assert bob.heard() == []
        assert [frame["recovered"] for frame in bob.of("joined")] == [True, False]
        assert bob.session._withheld_bytes == 0
        await said(ann, "live")
        assert bob.heard() == ["live"]
