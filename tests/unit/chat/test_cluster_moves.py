"""The rooms move to another node: in good order, which no client notices, or because the owner is lost."""

import asyncio

import pytest

from chat.delivery.ratelimit import Rate
from model.errors import TRY_AGAIN, ParleyError
from server.auth.tokens import sign_account
from tests.support.chatting import BY_PATH, Person, limits
from tests.support.cluster import account, clustered
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.nodes import assert_unnoticed, entered, people_of
from tests.unit.chat.people import RoomsPerson


async def test_a_clean_move_is_not_noticed() -> None:
    async with clustered(3) as cluster:
        first, second, _ = cluster.nodes
        people = people_of(cluster)
        await entered(*people)
        moving = asyncio.ensure_future(cluster.move(first, second))
        for number in range(40):
            for person in people:
                person.say(f"{number} {person.session.id}", f"{person.session.id}-{number}")
            await passes(0.02)
        await moving
        await passes(1.0)
        assert_unnoticed(people)
        assert len({tuple(person.heard()) for person in people}) == 1
        assert len(people[0].heard()) == len(set(people[0].heard())) == 120
        assert [len(person.acked()) for person in people] == [40, 40, 40]
        assert second.node.token == 2


async def test_a_clean_move_keeps_the_epoch_and_an_unclean_one_does_not() -> None:
    async with clustered(2) as cluster:
        first, second = cluster.nodes
        people = people_of(cluster)
        await entered(*people)
        epoch = first.chat.parts.hub.epoch
        await cluster.move(first, second)
        await passes(1.0)
        assert second.chat.parts.hub.epoch == first.chat.parts.hub.epoch == epoch
        first.own()
        await passes(1.0)
        assert second.chat.parts.hub.epoch == first.chat.parts.hub.epoch != epoch
        assert [person.last("joined")["recovered"] for person in people] == [False, False]


async def test_an_owner_of_a_restored_database_is_followed() -> None:
    """It counts its tenure from the one of the backup."""
    async with clustered(3) as cluster:
        first, second, third = cluster.nodes
        for _ in range(2):
            await cluster.move(first, second)
            await cluster.move(second, first)
        await passes(1.0)
        people = people_of(cluster)
        await entered(*people)
        assert first.node.token == 5
        cluster.referee.token = 1
        second.own()
        assert second.node.token == 2
        await passes(3.0)
        assert [node.node.status().owner for node in cluster.nodes] == ["n2"] * 3
        people[2].say("after the restore", "r", people[2].of("joined")[0]["room"])
        await passes(1.0)
        assert "r" in people[2].acked()
        assert third.node.status().token == 2


async def test_an_owner_that_gives_the_rooms_away_does_not_wait_for_the_dead() -> None:
    async with clustered(3) as cluster:
        first, second, third = cluster.nodes
        await third.kill()
        began = asyncio.get_running_loop().time()
        assert await first.resign()
        assert asyncio.get_running_loop().time() - began < 0.5
        second.own()
        ann = account(second, "ann")
        await entered(ann)


async def test_a_clean_move_after_a_room_was_deleted_is_not_noticed() -> None:
    """Only those in a new room with its name load that one again; they stay in it, although nothing of it is stored."""
    async with clustered(3) as cluster:
        first, second, third = cluster.nodes
        people = people_of(cluster)
        await entered(*people)
        ann, eve = account(second, "ann"), account(third, "eve")
        ann.send("create_room", room="den")
        await passes(0.1)
        ann.send("delete_room", room="den")
        await passes(0.5)
        await entered(eve, room="den")
        for before, after in ((first, second), (second, third)):
            await cluster.move(before, after)
            await passes(1.0)
            assert_unnoticed(people)
            assert eve.of("left") == []
            assert eve.session.rooms.keys() == {"den"}
            assert eve.last("joined")["recovered"] is False


async def test_the_next_owner_waits_for_the_clients_of_all_nodes() -> None:
    """A guest who is known to no storage can be invited by a command that was held during the move."""
    async with clustered(3) as cluster:
        first, second, third = cluster.nodes
        ann, bob = account(second, "ann"), Person(third.chat, "bob")
        ann.send("create_room", id="c", room="den", private=True)
        await passes(0.05)
        moving = asyncio.ensure_future(cluster.move(first, second))
        await passes()
        ann.send("invite", id="i", room="den", user=bob.session.user.id)
        await moving
        await passes(0.6)
        assert ann.errors() == {}
        assert bob.last("invitation")["open"] is True


async def test_a_node_that_does_not_answer_delays_the_next_owner_a_little() -> None:
    async with clustered(3) as cluster:
        first, second, third = cluster.nodes
        ann = account(second, "ann")
        await entered(ann)
        assert await first.resign()
        cluster.bus.cut.add(third.storage.node)
        second.own()
        ann.say("soon", "m")
        await passes(0.45)
        assert ann.acked() == {}
        await passes(0.1)
        assert ann.acked().keys() == {"m"}


async def test_a_command_that_waits_for_an_owner_counts_once() -> None:
    """What a client may send at once, it may send while there is no owner."""
    async with clustered(2, limits=limits(messages_per_second=1.0, messages_burst=10)) as cluster:
        first, second = cluster.nodes
        ann = account(second, "ann")
        await entered(ann)
        await first.kill()
        for number in range(10):
            ann.say(str(number), str(number))
        await passes(0.1)
        second.own()
        await passes(1.0)
        assert ann.errors() == {}
        assert len(ann.acked()) == 10


async def test_a_local_session_goes_on_after_its_return_was_interrupted(repository: FaultyRepository) -> None:
    """The node loses the rooms while storage delays the return of its own clients into them."""
    async with clustered(2, repository) as cluster:
        first, second = cluster.nodes
        people = people_of(cluster)
        await entered(*people)
        people[0].say("stored", "s")
        await passes(0.1)
        repository.hold("find_room")
        second.own()
        await passes(0.5)
        people[1].say("early", "e")
        await passes(0.5)
        first.own()
        await passes(0.01)
        assert people[1].session.busy == 0
        await passes(0.5)
        repository.go("find_room")
        await passes(8.0)
        people[1].say("late", "l")
        await passes(1.0)
        assert people[1].acked().keys() >= {"e", "l"}
        assert people[0].heard()[-1] == people[1].heard()[-1] == "late"


async def test_the_frames_of_the_next_owner_wait_for_the_return() -> None:
    """A client that joins at the next owner must not bring its messages to those who have not returned yet."""
    async with clustered(3) as cluster:
        first, second, third = cluster.nodes
        ann, bob = account(third, "ann"), account(third, "bob")
        await entered(ann)
        ann.say("one", "1")
        await passes(0.1)
        assert await first.resign()
        second.own()
        cluster.repository.delay("find_room")  # the return waits, and so does a join
        await passes(0.1)
        bob.send("join", id="j", room="general")
        bob.say("two", "2")
        await passes(0.1)
        cluster.repository.go("find_room")
        await passes(1.0)
        assert ann.heard() == ["one", "two"]
        assert_unnoticed([ann])


async def test_what_an_earlier_tenure_of_the_same_node_sent_is_ignored() -> None:
    """The link delivers late what the node said as the owner before; it is the owner again."""
    async with clustered(3) as cluster:
        first, second, third = cluster.nodes
        people = people_of(cluster)
        await entered(*people)
        pair = {first.storage.node, third.storage.node}
        cluster.bus.lose = lambda sender, receiver: {sender, receiver} == pair
        people[2].say("lost on the way", "m")
        people[0].say("not seen by the third", "n")
        await passes(0.1)
        second.own()
        await passes(3.5)
        assert second.node.token == 2
        first.own()
        await passes(0.2)
        cluster.bus.lose = lambda sender, receiver: False
        await passes(5.0)
        people[0].say("at last", "z")
        await passes(0.5)
        for person in people:
            assert person.errors() == {}
            assert person.heard()[-1] == "at last"
        assert people[2].acked().keys() == {"m"}
        stored = await cluster.repository.stored()
        assert sorted(stored) == sorted(set(stored))


async def test_the_end_of_an_earlier_tenure_of_the_same_node_is_ignored() -> None:
    """Its greetings arrive in time, but not what it says over the link: that it has the rooms no longer, and again."""
    async with clustered(3) as cluster:
        first, second, third = cluster.nodes
        people = people_of(cluster)
        await entered(*people)
        people[0].say("one", "1")
        await passes(0.1)
        cluster.bus.torn.append({first.storage.node, third.storage.node})
        second.own()
        await passes(4.0)
        assert third.node.edge.owner is third.node.peers[second.node.id]
        first.own()
        await passes(1.5)
        assert third.node.edge.owner is third.node.peers[first.node.id]
        changes = third.node.statistics.owner_changes
        people[2].send("react", id="r", room="general", seq=people[0].acked()["1"], emoji="+1")
        await passes(0.1)
        cluster.bus.mend()
        await passes(3.0)
        assert third.node.statistics.owner_changes == changes
        assert people[2].errors() == {}
        assert people[2].acked().keys() == {"r"}


async def test_what_was_missed_is_sent_once_over_two_changes() -> None:
    async with clustered(3) as cluster:
        first, second, third = cluster.nodes
        people = people_of(cluster)
        await entered(*people)
        cluster.bus.cut.add(third.storage.node)
        people[0].say("missed", "m")
        await passes(0.1)
        await cluster.move(first, second)
        await first.kill()
        cluster.bus.mend()
        another = await cluster.add("another")
        while people[2].heard() == []:
            await passes(0.01)
        await cluster.move(second, another)
        await passes(1.0)
        assert people[2].heard() == ["missed"]
        assert len(people[2].of("joined")) == 2


async def test_without_an_owner_commands_wait_for_eight_seconds() -> None:
    """Then a client is refused; one that has but one room, and cannot join again, is disconnected."""
    async with clustered(2) as cluster:
        first, second = cluster.nodes
        ann = account(second, "ann")
        await entered(ann)
        await first.kill()
        await passes(2.0)
        ann.say("too early", "m")
        ann.send("typing", room="general")
        ann.chat.receive(ann.session, "{")
        page = account(second, "ann", dialect=BY_PATH["/chat"], room="general")
        await passes(5.0)
        assert ann.errors() == {}
        await passes(4.0)
        assert [(frame.get("id"), frame["code"]) for frame in ann.of("error")] == [
            ("m", "unavailable"), (None, "unavailable"), (None, "bad_json"),
        ]  # fmt: skip
        assert page.connection.closed == TRY_AGAIN
        ann.say("at once", "n")
        assert ann.errors()["n"] == "unavailable"
        second.own()
        await passes(1.0)
        ann.say("at last", "o")
        await passes(0.1)
        assert ann.acked().keys() == {"o"}
        assert len(second.node.edge._unanswered) == 0


async def test_a_client_that_the_owner_does_not_read_is_read_after_its_end(repository: FaultyRepository) -> None:
    async with clustered(3, repository) as cluster:
        first, second, third = cluster.nodes
        ann = account(third, "ann")
        await entered(ann)
        ann.say("one", "1")
        await passes(0.1)
        first.chat.parts.hub.rooms["general"].tail.forget(1 << 62, 0)
        repository.hold("find_message")
        for number in range(40):
            ann.send("react", id=f"r{number}", room="general", seq=ann.acked()["1"], emoji="+1", on=number % 2 == 0)
        await passes(0.1)
        assert not ann.is_read()
        await first.kill()
        repository.go("find_message")
        second.own()
        await passes(3.0)
        assert ann.is_read()
        assert set(ann.errors().values()) == {"unavailable"}
        assert len(ann.errors()) == 40


async def test_hello_and_join_in_one_go_where_guests_are_disabled() -> None:
    async with clustered(2, guests=False) as cluster:
        ann = Person(cluster.nodes[1].chat)
        ann.send("join", id="early", room="general")
        token = sign_account("secret", userid="1", username="ann", role="user", expires=4_000_000_000)
        ann.send("hello", id="h", token=token)
        ann.send("join", id="j", room="general")
        await passes(0.1)
        assert ann.types() == ["error", "welcome", "joined", "presence"]
        assert ann.errors() == {"early": "unauthorized"}


async def test_a_created_room_whose_storage_is_unknown() -> None:
    """The owner answers, and dies before it can acknowledge."""
    repository = FaultyRepository()
    async with clustered(2, repository) as cluster:
        first, second = cluster.nodes
        ann = account(second, "ann")
        repository.hold("write")
        ann.send("create_room", id="c", room="den")
        await passes(0.1)
        assert ann.last("room")["id"] == "c"
        await first.kill()
        repository.go("write")
        second.own()
        await passes(1.0)
        assert ann.errors() == {"c": "unavailable"}


async def test_questions_are_asked_again_only_if_they_were_not_carried_out(repository: FaultyRepository) -> None:
    async with clustered(3, repository) as cluster:
        first, second, third = cluster.nodes
        (ann, *_) = people_of(cluster)
        await entered(ann)
        repository.hold("write")
        ann.say("delays the move", "m")
        await passes()
        moving = asyncio.ensure_future(cluster.move(first, second))
        await passes()
        asked = asyncio.ensure_future(third.node.edge.ask(b"during the move"))
        here = asyncio.ensure_future(second.node.edge.ask(b"here soon"))
        await passes(0.1)
        repository.go("write")
        await moving
        assert (await asked, await here) == (b"answer to during the move", b"answer to here soon")
        assert sorted(second.questions) == [b"during the move", b"here soon"]
        gate = asyncio.Event()

        async def never(question: bytes) -> bytes:
            await gate.wait()
            return b""

        second.node.owner._serve = never
        asked = asyncio.ensure_future(third.node.edge.ask(b"carried out?"))
        await passes(0.1)
        first.own()
        with pytest.raises(ParleyError, match="unavailable"):
            await asked
        gate.set()


async def test_a_guest_who_claims_an_id_counts_as_a_new_guest_at_an_edge_too() -> None:
    async with clustered(2, new_guests=Rate(0.01, 2)) as cluster:
        for node in cluster.nodes:
            for number in range(2):
                RoomsPerson(node.chat, network="10.0.0.1").join(f"c{number}", "ann")
            await passes(0.1)
            assert RoomsPerson(node.chat, network="10.0.0.1").session.identity is None


@pytest.mark.parametrize("how", ["kick", "quit", "delete_room"])
async def test_a_user_who_is_removed_before_their_client_returns(how: str) -> None:
    async with clustered(3) as cluster:
        first, second, third = cluster.nodes
        ann, bob = account(second, "ann"), account(third, "bob")
        ann.send("create_room", room="den")
        await passes(0.1)
        await entered(bob, room="den")
        assert await first.resign()
        cluster.repository.delay("find_members")  # the client of the third node does not return yet
        second.own()
        await passes(1.0)
        if how == "quit":
            other = account(second, "bob")
            await entered(other, room="den")
            other.send("leave", room="den", quit=True)
        else:
            ann.send(how, id="k", room="den", **({"user": "u_bob"} if how == "kick" else {}))
        await passes(0.5)
        assert bob.of("left") == []
        cluster.repository.go("find_members")
        await passes(1.0)
        assert bob.last("left")["room"] == "den"
        assert bob.session.rooms == {}
        assert ann.errors() == {}


async def test_rooms_that_a_node_gets_while_it_gives_them_away_stay() -> None:
    """Its storage has ended the tenure by itself, and begun another, while the other nodes were to confirm the move."""
    async with clustered(3) as cluster:
        first, _, third = cluster.nodes
        people = people_of(cluster)
        await entered(*people)
        cluster.bus.cut.add(third.storage.node)
        people[0].say("not confirmed", "m")
        moving = asyncio.ensure_future(first.resign())
        await passes(0.5)
        first.own()
        assert not await moving
        await passes(1.0)
        assert cluster.referee.owner is first.storage
        assert first.node.token == 2
        people[1].say("again", "a")
        await passes(1.0)
        assert people[0].heard()[-1] == "again"
