"""Several nodes: what users at different ones notice of each other."""

import json
import re

import pytest

from chat.cluster.edge import PAUSE_BYTES
from chat.delivery.ratelimit import Rate
from chat.ports import Identity
from chat.rooms.presence import CROWD
from model.errors import FLOOD, REFUSED, SUSPENDED, CloseCode
from model.room import FOREVER, User
from server.auth.tokens import JwtTokens, sign_account
from storage.ports.access import suspended
from storage.ports.messages import InsertMessage
from tests.support.chatting import BY_PATH, START_US, Person, limits
from tests.support.cluster import FaultyBus, account, clustered
from tests.support.faulty import FaultyRepository
from tests.support.virtual import passes
from tests.unit.chat.nodes import assert_empty, entered, people_in
from tests.unit.chat.people import RoomsPerson, ask, mine, said


async def test_clients_of_two_nodes_talk_in_one_room() -> None:
    async with clustered() as cluster:
        owner, edge = cluster.nodes
        ann, bob = Person(owner.chat, "ann"), Person(edge.chat, "bob")
        await entered(ann, bob)
        ann.say("from the owner", "a1")
        bob.say("from the edge", "b1")
        await passes(0.05)
        assert ann.heard() == bob.heard() == ["from the owner", "from the edge"]
        assert ann.acked().keys() == {"a1"}
        assert bob.acked().keys() == {"b1"}


async def test_presence() -> None:
    async with clustered(3) as cluster:
        people = [Person(node.chat, f"of-{node.name}") for node in cluster.nodes]
        await entered(*people)
        await passes(2.0)
        assert [people_in(person) for person in people] == [{"of-n1", "of-n2", "of-n3"}] * 3
        people[2].disconnect()
        await passes(2.0)
        assert [people_in(person) for person in people[:2]] == [{"of-n1", "of-n2"}] * 2


async def test_one_user_at_several_nodes() -> None:
    """They arrive once, leave with their last connection, and every device gets what is for the user."""
    async with clustered(3) as cluster:
        eve = Person(cluster.nodes[0].chat, "eve")
        devices = [account(node, "ann") for node in cluster.nodes]
        await entered(eve, *devices)
        await passes(2.0)
        assert [user["name"] for frame in eve.of("presence") for user in frame.get("joined", ())].count("ann") == 1
        seq = await said(eve)
        devices[1].send("read", room="general", seq=seq)
        await passes(2.0)
        assert [[frame["seq"] for frame in device.of("read")][-1] for device in devices] == [seq] * 3
        devices[0].disconnect()
        devices[1].disconnect()
        await passes(2.0)
        assert people_in(eve) == {"eve", "ann"}
        devices[2].disconnect()
        await passes(2.0)
        assert people_in(eve) == {"eve"}


async def test_a_direct_room() -> None:
    async with clustered(3) as cluster:
        ann, bob = account(cluster.nodes[1], "ann"), account(cluster.nodes[2], "bob")
        await passes(0.1)
        ann.send("direct", id="d", user="u_bob")
        await passes(0.1)
        room = ann.last("room")["room"]
        assert bob.last("room") == {
            "type": "room", "room": room, "action": "direct", "info": {"kind": "direct"}, "role": "member",
            "peer": {"id": "u_ann", "name": "ann"},
        }  # fmt: skip
        await entered(bob, room=room)
        ann.say("psst", "m", room)
        await passes(0.1)
        assert bob.heard() == ["psst"]


async def test_invitations() -> None:
    async with clustered(3) as cluster:
        ann, bob = account(cluster.nodes[1], "ann"), account(cluster.nodes[2], "bob")
        await passes(0.1)
        await ask(ann, "create_room", room="den", private=True)
        await ask(ann, "invite", room="den", user="u_bob")
        assert bob.last("invitation")["open"] is True
        await ask(bob, "decline", id="no", room="den")
        assert ann.last("member")["action"] == "decline"
        assert bob.acked().keys() == {"no"}
        await ask(ann, "invite", room="den", user="u_bob")
        await entered(bob, room="den")
        assert bob.last("joined")["info"]["kind"] == "private"


async def test_a_user_of_another_node_is_muted_kicked_and_banned() -> None:
    async with clustered(3) as cluster:
        ann, bob = account(cluster.nodes[1], "ann"), account(cluster.nodes[2], "bob")
        await passes(0.1)
        await ask(ann, "create_room", room="den")
        page = account(cluster.nodes[2], "bob", dialect=BY_PATH["/chat"], room="den")
        await entered(bob, room="den")
        await ask(ann, "mute", room="den", user="u_bob", seconds=5, reason="loud")
        await ask(bob, "message", id="m", room="den", content="hi")
        assert bob.errors() == {"m": "muted"}
        assert bob.last("member")["member"]["reason"] == "loud"
        await ask(ann, "kick", room="den", user="u_bob", reason="enough")
        assert (bob.last("left")["reason"], bob.last("left")["text"]) == ("kicked", "enough")
        assert isinstance(page.connection.closed, CloseCode)
        await entered(bob, room="den")
        await ask(ann, "ban", room="den", user="u_bob")
        assert bob.last("left")["reason"] == "banned"
        before = len(bob.heard())
        ann.say("alone", "a", "den")
        await ask(bob, "join", id="again", room="den")
        assert bob.errors()["again"] == "banned"
        assert len(bob.heard()) == before
        assert cluster.nodes[2].node.edge._clients.mirrors == {}


async def test_an_announcement_reaches_every_client_once() -> None:
    async with clustered(3) as cluster:
        people = [Person(node.chat, dialect=dialect) for node in cluster.nodes for dialect in BY_PATH.values()]
        people += [account(node, f"of-{node.name}") for node in cluster.nodes]
        for node in cluster.nodes:
            admin = account(node, "admin", "admin")
            await passes(0.1)
            for person in people:
                person.forget()
            admin.send("announce", id="a", content="closing soon")
            await passes(0.1)
            assert [frame.get("id") for frame in admin.of("announcement")] == ["a"]
            told = [sum("closing soon" in json.dumps(frame) for frame in person.frames) for person in people]
            assert told == [int(person.session.identity is not None) for person in people]


async def test_unread_counts_and_cursors() -> None:
    async with clustered(3) as cluster:
        ann, bob = account(cluster.nodes[1], "ann"), account(cluster.nodes[2], "bob")
        await passes(0.1)
        await ask(ann, "create_room", room="den")
        await entered(bob, room="den")
        seqs = [await said(ann, f"@bob {number}", "den") for number in range(3)]
        assert (await mine(bob))["den"]["unread"] == 3
        bob.send("read", room="den", seq=seqs[1])
        await passes(2.0)
        assert (bob.last("read")["unread"], bob.last("read")["mentions"]) == (1, 1)
        assert ann.last("read")["seq"] == seqs[1]
        assert (await mine(bob))["den"]["unread"] == 1


async def test_a_client_resumes_at_another_node() -> None:
    async with clustered(3) as cluster:
        ann, bob = account(cluster.nodes[0], "ann"), account(cluster.nodes[1], "bob")
        await entered(ann, bob)
        seq = await said(ann, "one")
        bob.disconnect()
        await said(ann, "two")
        bob = account(cluster.nodes[2], "bob")
        await entered(bob, since=seq, epoch=ann.last("joined")["epoch"])
        assert bob.last("joined")["recovered"] is True
        assert bob.heard() == ["two"]
        assert bob.last("synced")["head"] == bob.last("joined")["head"]


async def test_a_retraction_is_seen_at_all_nodes(repository: FaultyRepository) -> None:
    repository.refused = lambda write: isinstance(write, InsertMessage) and write.message.content == "poison"
    async with clustered(3, repository) as cluster:
        people = [account(node, f"of-{node.name}") for node in cluster.nodes]
        await entered(*people)
        people[2].say("poison", "p")
        await passes(0.1)
        seq = people[0].last("message")["seq"]
        assert [person.last("retracted")["seq"] for person in people] == [seq] * 3
        assert people[2].errors() == {"p": "not_stored"}


async def test_a_crowd_over_nodes() -> None:
    """In a room of more than 200 users, notices have only their number."""
    async with clustered(3) as cluster:
        people = [Person(cluster.nodes[number % 3].chat) for number in range(CROWD + 4)]
        await entered(*people)
        people.append(Person(cluster.nodes[2].chat))
        await entered(people[-1])
        await passes(6.0)
        for person in people[-3:]:
            assert person.last("presence") == {"type": "presence", "room": "general", "count": CROWD + 5}
        assert (len(people[-1].last("joined")["members"]), people[-1].last("joined")["count"]) == (CROWD, CROWD + 5)
        people[0].say("to all", "m")
        await passes(0.1)
        assert all(person.heard() == ["to all"] for person in people)
        frames = {person.connection.writes[-1] for person in people[1:]}
        assert len(frames) == 1, "encoded once"


async def test_one_message_reaches_a_node_once() -> None:
    async with clustered(2) as cluster:
        owner, edge = cluster.nodes
        people = [account(edge, f"user-{number}") for number in range(50)]
        ann = account(owner, "ann")
        await entered(ann, *people)
        await passes(2.0)
        peer = next(iter(owner.node.peers.values()))
        before = peer.link._next
        ann.say("to all", "m")
        await passes(0.01)
        assert all(person.heard() == ["to all"] for person in people)
        assert peer.link._next == before + 1


async def test_commands_of_a_session_are_carried_out_in_order(repository: FaultyRepository) -> None:
    """Also over two rooms, and when an earlier one needs storage."""
    async with clustered(2, repository) as cluster:
        ann = account(cluster.nodes[1], "ann")
        for room in ("red", "blue"):
            await entered(ann, room=room)
        seq = await said(ann, "old", "red")
        cluster.nodes[0].chat.parts.hub.rooms["red"].tail.forget(seq + 1, 0)
        repository.delay("find_message")
        ann.send("react", id="1", room="red", seq=seq, emoji="+1")
        ann.say("second", "2", "blue")
        ann.chat.receive(ann.session, "{")
        ann.send("typing", room="blue")
        ann.send("history", id="3", room="red")
        ann.say("fourth", "4", "red")
        await passes(0.1)
        ann.forget()
        repository.go("find_message")
        await passes(0.2)
        order = [kind for kind in ann.types() if kind not in ("ack", "presence")]
        assert order == ["reaction", "message", "error", "typing", "history", "message"]
        assert ann.acked().keys() == {"1", "2", "4"}


# --- who a client is -------------------------------------------------------------------------------------------------


def token_of(name: str, expires: float = 4e9) -> str:
    return sign_account("secret", userid=name, username=name, role="user", expires=expires)


async def test_hello_at_an_edge() -> None:
    """The identity changes at the edge, too, and in its rooms; a token is renewed; no session changes its user."""
    async with clustered(2) as cluster:
        edge = cluster.nodes[1]
        watcher, ann = account(cluster.nodes[0], "watcher"), Person(edge.chat, "guest")
        await ask(watcher, "create_room", room="general")
        await entered(ann)
        await ask(ann, "hello", id="h", token=token_of("ann"))
        assert ann.last("welcome")["user"] == {"id": "u_ann", "name": "ann"}
        assert ann.last("left")["reason"] == "identity"
        assert ann.session.user.id == "u_ann"
        assert edge.chat.parts.directory.people.keys() == {"u_ann"}
        await entered(ann, room="elsewhere")
        assert edge.node.edge._clients.mirrors.keys() == {"elsewhere"}
        await passes(2.0)
        assert people_in(watcher) == {"watcher"}
        expires = START_US / 1e6 + 60
        await ask(ann, "hello", id="renewed", token=token_of("ann", expires))
        assert ann.connection.ends == expires * 1e6
        await ask(ann, "hello", id="other", token=token_of("bob"))
        await ask(ann, "hello", id="bad", token="nonsense")
        assert ann.errors() == {"other": "principal_fixed", "bad": "unauthorized"}


async def test_a_suspension_during_a_hello_at_an_edge_closes_the_connection() -> None:
    """When it became known, the session did not act for the account yet."""
    async with clustered(2) as cluster:
        edge = cluster.nodes[1]
        ann, bob = Person(edge.chat, "ann"), Person(edge.chat, "bob")
        for person, name in ((ann, "ann"), (bob, "bob")):
            person.send("hello", id="h", token=token_of(name))
        tokens = edge.chat.parts.tokens
        assert isinstance(tokens, JwtTokens)
        tokens._access.take([suspended("u_ann", 0, FOREVER, "spam", START_US)])
        assert ann.session.provisional
        await passes(1.0)
        assert ann.connection.closed == SUSPENDED
        assert ann.last("error")["message"] == "this account is suspended: spam"
        assert bob.connection.closed is None
        assert bob.session.user.id == "u_bob"


async def test_tokens_stay_off_the_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other programs may listen there, and a guest's token is valid for 30 days."""
    carried: list[bytes] = []
    carry = FaultyBus.carry

    def keep(bus: FaultyBus, sender: str, receiver: str, data: bytes) -> None:
        carried.append(data)
        carry(bus, sender, receiver, data)

    monkeypatch.setattr(FaultyBus, "carry", keep)
    async with clustered(2) as cluster:
        edge = cluster.nodes[1]
        guest, later = Person(edge.chat, "guest"), Person(edge.chat, "later")
        await entered(guest, later)
        token = guest.last("welcome")["token"]
        await ask(later, "hello", id="h", token=token)
        assert later.last("welcome")["user"] == guest.last("welcome")["user"] | {"name": "later"}
        await ask(later, "hello", id="account", token=token_of("ann"))
        cluster.nodes[0].chat.welcome_again()
        await passes(1.0)
        tokens = {frame["token"] for person in (guest, later) for frame in person.of("welcome")} - {""}
        assert len(tokens) >= 3
        assert not [data for data in carried for each in (*tokens, token_of("ann")) if each.encode() in data]
        assert any(guest.session.user.id.encode() in data for data in carried), "they are not encrypted"


async def test_a_claim_at_an_edge() -> None:
    async with clustered(2) as cluster:
        owner = account(cluster.nodes[0], "owner")
        await ask(owner, "create_room", room="den")
        wendy = RoomsPerson(cluster.nodes[1].chat)
        wendy.join("wendy", "Wendy", "den")
        wendy.join("other", "Other", "den")
        await passes(0.1)
        assert wendy.session.user == User("w_wendy", "Wendy")
        assert wendy.codes() == ["principal_fixed"]
        owner.send("message", room="den", content="hello")
        await passes(0.1)
        assert wendy.payloads("message")[0]["message"] == "hello"


async def test_too_many_connections_of_a_principal_over_all_nodes() -> None:
    async with clustered(3, principal_connections=3) as cluster:
        devices = [account(node, "ann") for node in cluster.nodes]
        await passes(0.1)
        for node in cluster.nodes:
            fourth = account(node, "ann")
            await passes(0.1)
            assert fourth.errors() == {None: "too_many_connections"}
            assert fourth.connection.closed is not None
            fourth.disconnect()
        devices[0].disconnect()
        await passes(0.1)
        assert account(cluster.nodes[2], "ann").connection.closed is None


async def test_the_rate_of_a_principal_is_exact_over_all_nodes() -> None:
    async with clustered(3, limits=limits(messages_per_second=1.0, messages_burst=10)) as cluster:
        devices = [account(node, "ann") for node in cluster.nodes]
        await entered(*devices)
        for number in range(8):
            for device in devices[1:]:
                device.say(f"{number}", f"m{number} {device.session.id}")
        await passes(0.1)
        assert sum(len(device.acked()) for device in devices) == 10
        assert {code for device in devices for code in device.errors().values()} == {"rate_limited"}


async def test_a_client_that_cannot_go_on_is_disconnected_at_every_node() -> None:
    """Its one room is closed to it; or it sends on and on what it may not send."""
    async with clustered(2, limits=limits(messages_per_second=1.0, messages_burst=1)) as cluster:
        ann = account(cluster.nodes[0], "ann")
        await ask(ann, "create_room", room="den", private=True)
        for node in cluster.nodes:
            page = account(node, "page", dialect=BY_PATH["/chat"], room="den")
            flood = account(node, f"flood-{node.name}")
            await entered(flood)
            for number in range(1100):
                flood.say(f"{number}")
            await passes(0.1)
            closed = page.connection.closed, flood.connection.closed
            assert [close and close.code for close in closed] == [REFUSED.code, FLOOD.code]


async def test_guests_of_one_address_share_a_rate_over_all_nodes() -> None:
    posting = limits(messages_per_second=100.0, messages_burst=100)
    async with clustered(2, limits=posting, guest_messages=Rate(0.1, 5)) as cluster:
        guests = [Person(node.chat, network="10.0.0.1") for node in cluster.nodes for _ in range(2)]
        await entered(*guests)
        for number in range(2):
            for guest in guests:
                guest.say(f"{number}", f"m{number}")
        await passes(0.1)
        assert sum(len(guest.acked()) for guest in guests) == 5


async def test_a_guest_who_becomes_known_does_not_count_as_a_new_one() -> None:
    async with clustered(2, new_guests=Rate(0.01, 2)) as cluster:
        for node in cluster.nodes:
            for number in range(4):
                known = Person(node.chat, network="10.0.0.1", token=token_of(f"account-{number}"))
                await passes(0.1)
                assert known.session.user.id == f"u_account-{number}"
                assert known.errors() == {}


async def test_the_owner_knows_the_identity_with_the_connection() -> None:
    """Without it, a user who has sent nothing yet could not be invited or addressed."""
    async with clustered(2) as cluster:
        owner, edge = cluster.nodes
        Person(edge.chat, identity=Identity(User("u_bob", "bob"), False, "organizer"))
        await passes(0.01)
        assert owner.chat.parts.directory.people == {"u_bob": User("u_bob", "bob")}
        assert len(owner.chat.parts.directory.ranking) == 1


async def test_a_command_without_an_answer_is_forgotten_when_it_is_done(repository: FaultyRepository) -> None:
    """At an edge; also several that waited for one that needs storage."""
    async with clustered(2, repository) as cluster:
        ann = account(cluster.nodes[1], "ann")
        await entered(ann)
        repository.hold("history")
        ann.send("history", room="general")
        for number in range(3):
            ann.say(f"{number}")
        ann.send("typing", id="t", room="general")
        ann.send("read", id="r", room="general", seq=0)
        await passes(0.1)
        assert len(cluster.nodes[1].node.edge._unanswered) == 6
        repository.go("history")
        await passes(0.1)
        assert ann.heard() == ["0", "1", "2"]
        assert len(cluster.nodes[1].node.edge._unanswered) == 0


async def test_nothing_is_left_of_clients_that_leave() -> None:
    async with clustered(3) as cluster:
        people = [account(node, f"of-{node.name}") for node in cluster.nodes for _ in range(2)]
        await entered(*people)
        for person in people:
            person.say("hi", "m")
            person.send("rooms", id="r")
            person.disconnect()
        await passes(1.0)
        assert_empty(*cluster.nodes)


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


async def test_an_edge_says_that_nothing_is_stored(repository: FaultyRepository) -> None:
    """So that `/ready` says the same at all nodes."""
    async with clustered(2, repository) as cluster:
        edge = cluster.nodes[1]
        ann = account(edge, "ann")
        await entered(ann)
        assert edge.chat.problem() is None
        repository.away = "the database is unplugged"
        ann.say("not stored yet")
        await passes(3.0)
        assert repository.away in str(edge.chat.problem())
        assert edge.chat.not_ready_reason() == "storage"
        repository.away = None
        await passes(8.0)
        assert edge.chat.problem() is None
        assert edge.chat.not_ready_reason() is None


async def test_an_edge_does_not_read_on_while_its_owner_takes_nothing() -> None:
    """What one client sends in an iteration of the event loop counts as soon as it is read."""
    async with clustered(2, limits=limits(max_content_chars=50_000)) as cluster:
        owner, edge = cluster.nodes
        bob = Person(edge.chat, "bob")
        bob.send("join", room="general")
        await passes(0.1)
        cluster.bus.cut.add(owner.storage.node)
        sent, connection = 0, bob.connection
        while connection.reading:
            bob.say("x" * 50_000, f"{sent}")
            sent += 1
            assert sent * 50_000 < PAUSE_BYTES + 100_000
        assert sent * 50_000 > PAUSE_BYTES - 100_000
        cluster.bus.cut.clear()
        await passes(1.0)
        assert bob.connection.reading
        assert len(bob.acked()) == sent
        assert bob.errors() == {}
