"""Clients return to their rooms at the next owner: with what they missed, once; nothing of earlier tenures is left."""

import asyncio

import pytest

from chat.cluster import operations as op
from chat.cluster.peers import Peer
from chat.link.envelope import Address
from chat.link.link import Packet
from model.events import AckItem
from storage.ports.messages import InsertMessage
from tests.support.chatting import BY_PATH, Person, limits
from tests.support.cluster import Cluster, ClusterNode, account, clustered
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.nodes import entered, one_at_each
from tests.unit.chat.people import ask, said


async def in_one_room(cluster: Cluster) -> tuple[Person, Person, int]:
    """Return a user of the second node, one of the third, and the seq of a message in the room of both."""
    _, second, third = cluster.nodes
    ann, bob = account(second, "ann"), account(third, "bob")
    await ask(ann, "create_room", room="den")
    await entered(bob, room="den")
    return ann, bob, await said(ann, "old", "den")


async def late_return(cluster: Cluster) -> tuple[Person, Person, int]:
    """Move a room in good order, while storage delays the return of one client into it.

    Returns its owner at the next owner, that client, and the seq of a message that both have.
    """
    first, second, _ = cluster.nodes
    ann, bob, seq = await in_one_room(cluster)
    assert await first.resign()
    bob.forget()
    cluster.repository.delay("find_members")
    second.own()
    await passes(1.0)
    return ann, bob, seq


async def test_a_client_that_missed_a_change_of_the_room_gets_a_snapshot() -> None:
    async with clustered(3) as cluster:
        ann, bob, _ = await late_return(cluster)
        await ask(ann, "update_room", room="den", title="The den")
        cluster.repository.go("find_members")
        await passes(0.1)
        assert bob.types()[:2] == ["joined", "synced"]
        assert bob.last("joined")["info"]["title"] == "The den"
        assert bob.last("joined")["recovered"] is True


async def test_a_client_that_missed_a_change_of_a_message_is_sent_it_as_in_a_resume() -> None:
    async with clustered(3) as cluster:
        ann, bob, seq = await late_return(cluster)
        await ask(ann, "edit", room="den", seq=seq, content="new")
        cluster.repository.go("find_members")
        await passes(0.1)
        assert bob.types()[:3] == ["joined", "message", "synced"]
        assert (bob.last("message")["seq"], bob.last("message")["content"]) == (seq, "new")


async def test_a_client_that_missed_new_messages_alone_notices_nothing() -> None:
    async with clustered(3) as cluster:
        ann, bob, _ = await late_return(cluster)
        await said(ann, "new", "den")
        cluster.repository.go("find_members")
        await passes(0.1)
        assert bob.types() == ["message"]


async def test_a_client_whose_node_missed_a_whole_tenure_gets_a_snapshot_and_a_welcome() -> None:
    """Both owners before and after it gave the rooms away in good order; what was not in the room's log is missing."""
    async with clustered(3) as cluster:
        first, second, third = cluster.nodes
        ann, bob, seq = await in_one_room(cluster)
        cluster.bus.lose = lambda sender, receiver: (
            {sender, receiver} == {node.storage.node for node in (second, third)}
        )
        await cluster.move(first, second)
        await passes(1.0)
        bob.forget()
        await ask(ann, "read", room="den", seq=seq)
        await passes(1.5)
        await cluster.move(second, first)
        await passes(1.0)
        assert bob.types() == ["welcome", "joined", "synced"]
        assert bob.last("joined")["recovered"] is True
        await ask(bob, "members", room="den")
        assert {user["id"]: user.get("read") for user in bob.last("members")["members"]}["u_ann"] == seq


async def test_clients_of_a_node_that_accepts_an_owner_late_are_welcomed_again() -> None:
    """The owner has the rooms again, and has invited one of them before it knew where they are."""
    async with clustered(3) as cluster:
        first, second, third = cluster.nodes
        ann, bob = account(second, "ann"), account(third, "bob")
        await ask(ann, "create_room", room="den", private=True)
        await passes(1.0)
        bob.forget()
        cluster.bus.cut.add(third.storage.node)
        await cluster.move(first, first)
        await passes(1.0)
        await ask(ann, "invite", room="den", user="u_bob")
        assert bob.frames == []
        cluster.bus.mend()
        await passes(3.0)
        assert bob.types() == ["welcome"]


async def test_a_client_that_waits_to_return_for_a_whole_tenure_gets_a_snapshot() -> None:
    async with clustered(3) as cluster:
        first, second, third = cluster.nodes
        ann, bob, seq = await in_one_room(cluster)
        assert await first.resign()
        bob.forget()
        cluster.bus.lose = lambda sender, receiver: (sender, receiver) == (third.storage.node, second.storage.node)
        second.own()
        await passes(0.6)
        await ask(ann, "read", room="den", seq=seq)
        await passes(1.5)
        assert bob.frames == []
        await cluster.move(second, first)
        await passes(1.0)
        assert bob.of("joined")[0]["recovered"] is True


async def test_a_client_that_has_gone_leaves_no_row_behind() -> None:
    async with clustered(3) as cluster:
        _, bob, _ = await late_return(cluster)
        bob.disconnect()
        await passes(0.1)
        cluster.repository.go("find_members")
        await passes(0.1)
        assert cluster.nodes[1].chat.parts.hub.rooms["den"].members.keys() == {"u_ann"}


async def test_a_client_that_missed_too_much_loads_the_room_again() -> None:
    async with clustered(2, limits=limits(resume_limit=5)) as cluster:
        owner, edge = cluster.nodes
        ann, bob = account(owner, "ann"), account(edge, "bob")
        await entered(ann, bob)
        for node in cluster.nodes:
            node.storage.reachable = False
            cluster.bus.cut.add(node.storage.node)
        for number in range(20):
            await said(ann, f"{number}")
        await passes(35.0)
        cluster.bus.mend()
        await passes(5.0)
        assert [frame["recovered"] for frame in bob.of("joined")] == [True, False]
        assert bob.heard() == []


async def test_clients_return_as_soon_as_storage_is_there(repository: FaultyRepository) -> None:
    async with clustered(3, repository) as cluster:
        people = await one_at_each(cluster)
        await said(people[1])
        repository.away = "unplugged"
        await cluster.nodes[0].kill()
        cluster.nodes[0].own()
        await passes(3.0)
        people[2].say("waits", "m")
        await passes(1.0)
        assert people[2].errors() == {}
        repository.away = None
        await passes(1.5)
        assert people[2].acked().keys() == {"m"}
        await said(people[2], "live")
        assert people[1].heard()[-1] == "live"


async def test_after_a_good_move_commands_wait_no_longer_than_needed() -> None:
    async with clustered(3) as cluster:
        people = await one_at_each(cluster)
        await cluster.move(*cluster.nodes[:2])
        people[2].say("soon", "m")
        await passes(0.05)
        assert people[2].acked().keys() == {"m"}


async def test_a_change_that_needs_storage_is_finished_before_the_move(repository: FaultyRepository) -> None:
    async with clustered(2, repository) as cluster:
        people = await one_at_each(cluster)
        repository.hold("find_room")
        for number, person in enumerate(people):
            person.send("create_room", id="c", room=f"room {number}")
        await passes(0.1)
        moving = asyncio.ensure_future(cluster.move(*cluster.nodes))
        await passes(1.0)
        assert not moving.done()
        repository.go("find_room")
        await passes(1.0)
        assert moving.done()
        for person in people:
            assert [frame["id"] for frame in person.of("room")] == ["c"]
            assert person.errors() == {}


async def test_a_client_that_connects_during_a_move_is_served_after_it(repository: FaultyRepository) -> None:
    async with clustered(2, repository) as cluster:
        first, second = cluster.nodes
        people = await one_at_each(cluster)
        repository.hold("write")
        people[0].say("delays the move", "m")
        await passes()
        moving = asyncio.ensure_future(cluster.move(first, second))
        await passes(0.1)
        late = [Person(node.chat, room="general") for node in cluster.nodes]
        for person in late:
            person.say("late", "l")
        await passes(0.1)
        assert all(person.of("joined", "message") == [] for person in late)
        repository.go("write")
        await moving
        await passes(1.0)
        for person in late:
            assert person.acked().keys() == {"l"}
            assert person.errors() == {}


async def test_a_cursor_that_was_just_raised_survives_a_move() -> None:
    async with clustered(2) as cluster:
        people = await one_at_each(cluster)
        seq = await said(people[0])
        people[1].send("read", room="general", seq=seq)
        await passes(0.01)
        await cluster.move(*cluster.nodes)
        await passes(1.0)
        await ask(people[1], "rooms", mine=True)
        assert people[1].last("rooms")["rooms"][0]["read"] == seq


async def test_a_retraction_makes_the_next_owner_begin_an_epoch(repository: FaultyRepository) -> None:
    """A client that missed the retraction has a message that is not stored."""
    repository.refused = lambda write: isinstance(write, InsertMessage) and write.message.content == "poison"
    async with clustered(2, repository) as cluster:
        people = await one_at_each(cluster)
        people[0].say("poison", "p")
        await passes(0.1)
        await said(people[0], "good")
        await cluster.move(*cluster.nodes)
        await passes(1.0)
        assert [person.last("joined")["recovered"] for person in people] == [False, False]


# --- nothing of an earlier tenure is left ----------------------------------------------------------------------------


async def away_and_back(node: ClusterNode, other: ClusterNode) -> None:
    """Let another node have the rooms for a while."""
    other.own()
    await passes(1.0)
    node.own()
    await passes(1.0)


async def test_an_owner_that_was_one_before_knows_only_its_own_clients() -> None:
    async with clustered(2) as cluster:
        first, second = cluster.nodes
        await one_at_each(cluster)
        second.own()
        await passes(1.0)
        assert first.chat.parts.directory.people.keys() == {"u_of-n1"}
        assert first.node.owner.stubs == 0


async def test_what_an_owner_remembers_of_rooms_is_not_used_in_a_later_tenure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one has changed them, although the epoch is the same."""
    monkeypatch.setattr("chat.rooms.freed.ROOMS", 1000)
    async with clustered(2) as cluster:
        first, second = cluster.nodes
        ann, bob = account(first, "ann"), account(first, "bob")
        await ask(ann, "create_room", room="den")
        await ask(ann, "leave", room="den")
        await cluster.move(first, second)
        await passes(1.0)
        await entered(ann, room="den")
        await ask(ann, "update_room", room="den", private=True)
        await ask(ann, "leave", room="den")
        await cluster.move(second, first)
        await passes(1.0)
        await ask(bob, "join", id="j", room="den")
        assert bob.errors() == {"j": "no_such_room"}


async def test_an_invitation_that_was_never_stored_is_forgotten(repository: FaultyRepository) -> None:
    async with clustered(2, repository) as cluster:
        ann, bob = account(cluster.nodes[0], "ann"), account(cluster.nodes[1], "bob")
        await ask(ann, "create_room", room="den", private=True)
        repository.hold("write")
        await ask(ann, "invite", room="den", user="u_bob")
        assert bob.of("invitation")
        cluster.nodes[1].own()
        repository.go("write")
        await passes(1.0)
        cluster.nodes[0].own()
        await passes(1.0)
        await ask(bob, "rooms", mine=True)
        assert "invitations" not in bob.last("rooms")


async def test_rooms_of_earlier_tenures_do_not_count() -> None:
    async with clustered(2, address_rooms=3) as cluster:
        for _ in range(3):
            guest = Person(cluster.nodes[0].chat, network="10.0.0.1")
            for number in range(3):
                await entered(guest, room=f"room {number}")
            assert guest.errors() == {}
            await away_and_back(*cluster.nodes)
            guest.disconnect()
            await passes(0.1)


async def test_the_epoch_of_a_later_tenure_is_not_that_of_what_was_received_before(
    repository: FaultyRepository,
) -> None:
    """A greeting of the same node arrives before the link says that the earlier tenure is over."""
    async with clustered(3, repository) as cluster:
        first, second, third = cluster.nodes
        people = await one_at_each(cluster)
        repository.hold("write")
        people[0].say("ghost", "m")
        await passes(0.1)
        assert people[2].heard() == ["ghost"]
        cluster.bus.torn.append({first.storage.node, third.storage.node})
        second.own()
        repository.go("write")
        await passes(0.5)
        first.own()
        await passes(2.0)
        await said(people[0], "real", "general")
        cluster.bus.mend()
        await passes(5.0)
        assert people[2].last("joined")["recovered"] is False
        assert await repository.stored() == ["real"]


async def test_the_last_words_of_a_superseded_owner_are_waited_for() -> None:
    """It has carried out a command, and the answer is under way when another node says that it has the rooms."""
    async with clustered(3) as cluster:
        first, second, third = cluster.nodes
        people = await one_at_each(cluster)
        seq = await said(people[0])
        await passes(0.1)
        cluster.bus.lose = lambda sender, receiver: sender == first.storage.node and receiver == third.storage.node
        people[2].send("react", id="r", room="general", seq=seq, emoji="+1")
        await passes(0.1)
        second.own()
        await passes(1.0)
        cluster.bus.mend()
        await passes(4.0)
        assert people[2].errors() == {}
        assert people[2].acked().keys() == {"r"}


async def test_an_answer_that_arrives_in_a_later_tenure_is_not_a_second_one() -> None:
    async with clustered(3) as cluster:
        first, second, third = cluster.nodes
        people = await one_at_each(cluster)
        cluster.bus.deaf.append((first.storage.node, third.storage.node))
        people[2].send("ping", id="p")
        await passes(0.1)
        second.own()
        await passes(4.0)
        assert len(people[2].of("pong")) == 1
        first.own()
        await passes(1.5)
        assert third.node.edge.owner is third.node.peers[first.node.id]
        cluster.bus.mend()
        await passes(3.0)
        assert len(people[2].of("pong")) == 1
        await said(people[2], "on")
        assert people[0].heard()[-1] == "on"


@pytest.mark.parametrize("accepted", [True, False])
async def test_a_command_that_arrives_in_a_later_tenure_is_not_carried_out(accepted: bool) -> None:
    """Its client was told that it is unknown what became of it, and without an id nothing tells it from another.

    So does one of an edge that had not even ``accepted`` the earlier tenure, as far as the owner knew.
    """
    async with clustered(2) as cluster:
        first, second = cluster.nodes
        tear = {first.storage.node, (3).to_bytes(8).hex()}
        if not accepted:
            cluster.bus.torn.append(tear)
        third = await cluster.add("n3")
        while third.node.edge.owner is None:
            await passes(0.01)
        assert tear == {first.storage.node, third.storage.node}
        page = account(third, "page", dialect=BY_PATH["/chat"], room="general")
        await passes(0.1)
        if accepted:
            cluster.bus.torn.append(tear)
        page.chat.receive(page.session, "stale")
        await passes(0.1)
        second.own()
        await passes(4.0)
        first.own()
        await passes(2.0)
        cluster.bus.mend()
        await passes(5.0)
        assert await cluster.repository.stored() == []
        page.chat.receive(page.session, "fresh")
        await passes(0.1)
        assert await cluster.repository.stored() == ["fresh"]


def test_an_ack_never_precedes_the_frames_of_its_iteration() -> None:
    sent: list[Packet] = []
    peer = Peer(
        Address(b"12345678", 1),
        "n2",
        send=sent.append,
        receive=lambda *_: None,
        flush_last=lambda _: None,
        failed=lambda _: None,
        now=lambda: 0.0,
        space=lambda: 1000,
    )
    peer.ack("s_1", AckItem("m", "general", 1))
    peer.put(op.Tell("s_1", b"the message", None))
    peer.flush()
    assert [type(operation) for operation in op.decode(sent[0].body)] == [op.Tell, op.Acks]


async def test_the_rows_of_all_who_return_are_read_together() -> None:
    """One after the other, a large room would take as many round trips to storage as it has users."""
    async with clustered(3) as cluster:
        first, second, third = cluster.nodes
        ann = account(second, "ann")
        await ask(ann, "create_room", room="den")
        people = [account((second, third)[number % 2], f"user {number}") for number in range(40)]
        await entered(*people, room="den")
        assert await first.resign()
        cluster.repository.calls.clear()
        second.own()
        await passes(2.0)
        assert cluster.repository.calls["find_members"] == 2  # at each node those in the room return together
        assert cluster.repository.calls["find_member"] == 0
        assert all(person.session.rooms.keys() == {"den"} for person in people)
        await said(people[0], "on", "den")
        assert [person.heard() for person in people] == [["on"]] * 40
