"""A node that is cut off from the database learns nothing of who may not act: the owner of the rooms decides it."""

from msgspec.structs import replace

from chat.ports import Identity
from model.account import Notice
from model.errors import BLOCKED, REFUSED, SIGNED_OUT, SUSPENDED
from model.lookalikes import skeleton
from model.room import FOREVER, User
from server.auth.ending import Ending
from server.auth.tokens import JwtTokens
from storage.ports.access import guest_moved, key_changed, name_taken, network_blocked, suspended
from tests.support.accounts import DAY, NOW, api_key
from tests.support.chatting import Person
from tests.support.cluster import Cluster, ClusterNode, account, clustered
from tests.support.virtual import passes
from tests.unit.chat.nodes import entered
from tests.unit.chat.people import said
from tests.unit.chat.test_cluster import token_of

SPAM = suspended("u_ann", 0, FOREVER, "spam", NOW)
FLOOD = network_blocked("192.0.2.0/24", NOW + DAY, "flood", NOW)


def tell(node: ClusterNode, *notices: Notice) -> Ending:
    """Let one node know of notices, and return what ends the connections that they concern."""
    tokens = node.chat.parts.tokens
    assert isinstance(tokens, JwtTokens)
    tokens._access.take(notices)
    node.chat.parts.names = tokens._access
    return Ending(node.chat, tokens._access)


def guest(node: ClusterNode, name: str, network: str = "") -> Person:
    return Person(node.chat, identity=Identity(User(f"g_{name}", name), guest=True), network=network)


def code_of(person: Person) -> int | None:
    """Return the code with which a connection was closed."""
    return None if person.connection.closed is None else person.connection.closed.code


def strangers(cluster: Cluster) -> list[Person]:
    """Connect clients at an edge: an account, two guests, and a guest at an address."""
    edge = cluster.nodes[1]
    return [account(edge, "ann"), guest(edge, "moved"), guest(edge, "eve"), guest(edge, "far", "192.0.2.7")]


NOTICES = (SPAM, guest_moved("g_moved", NOW), name_taken(skeleton("eve"), NOW), FLOOD)
CODES = [close.code for close in (SUSPENDED, SIGNED_OUT, REFUSED, BLOCKED)]


async def test_the_owner_ends_the_connections_of_an_edge() -> None:
    async with clustered() as cluster:
        owner, edge = cluster.nodes
        bob = Person(owner.chat, "bob")
        people = strangers(cluster)
        other = account(edge, "ben")
        await entered(bob, *people, other)
        await tell(owner, *NOTICES).end_denied(NOTICES)
        people[0].say("still here")
        await passes(1.0)
        assert [code_of(person) for person in people] == CODES
        assert people[0].last("error")["message"] == "this account is suspended: spam"
        assert bob.heard() == []
        await said(other, "I am")
        assert bob.heard() == ["I am"]


async def test_the_owner_refuses_those_who_connect_at_an_edge() -> None:
    async with clustered() as cluster:
        owner, edge = cluster.nodes
        tell(owner, *NOTICES)
        people, other = strangers(cluster), account(edge, "ben")
        await passes(1.0)
        assert [code_of(person) for person in people] == CODES
        assert [person.last("error")["code"] for person in people] == [
            "suspended",
            "unauthorized",
            "reserved_name",
            "blocked",
        ]
        assert other.connection.closed is None
        assert list(owner.chat.parts.directory.people) == ["u_ben"]


async def test_the_owner_refuses_a_token_that_an_edge_has_verified() -> None:
    async with clustered() as cluster:
        owner, edge = cluster.nodes
        tell(owner, SPAM)
        ann = Person(edge.chat, "someone")
        ann.send("hello", id="h", token=token_of("ann"))
        await passes(1.0)
        assert ann.errors() == {"h": "suspended"}
        assert ann.session.provisional


async def test_a_next_owner_decides_it_again() -> None:
    async with clustered(3) as cluster:
        one, two, three = cluster.nodes
        ann = account(three, "ann")
        await entered(ann)
        tell(two, SPAM)
        await cluster.move(one, two)
        await passes(1.0)
        assert code_of(ann) == SUSPENDED.code


async def test_a_key_that_only_an_edge_knows_is_not_taken_for_a_revoked_one() -> None:
    key = api_key()
    bot = Identity(User(key.bot_id, "bot"), guest=False, role="bot", login=key.key_id, scope=key.scope)
    revoked = replace(key_changed(key.key_id, 0, NOW), number=2)
    async with clustered() as cluster:
        owner, edge = cluster.nodes
        tell(edge, replace(key_changed(key.key_id, key.until, NOW), number=1, key=key))
        person = Person(edge.chat, identity=bot)
        await passes(1.0)
        assert person.connection.closed is None
        await tell(owner, revoked).end_denied([revoked])
        await passes(1.0)
        assert code_of(person) == SIGNED_OUT.code


async def test_an_edge_that_cannot_read_the_notices_is_not_ready() -> None:
    async with clustered() as cluster:
        owner, edge = cluster.nodes
        for node in (owner, edge):
            tokens = node.chat.parts.tokens
            assert isinstance(tokens, JwtTokens)
            tokens._access._read_at = None
        assert (owner.chat.problem(), owner.chat.not_ready_reason()) == (None, None)
        assert edge.chat.not_ready_reason() == "storage"
        assert edge.chat.problem() == "notices about accounts cannot be read from the database"
