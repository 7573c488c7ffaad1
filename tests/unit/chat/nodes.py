"""Users at every node of a cluster, for tests on virtual time."""

from collections.abc import Sequence

from tests.support.chatting import Person
from tests.support.cluster import Cluster, ClusterNode, account
from tests.support.virtual import passes


async def entered(*people: Person, room: str = "general", **fields: object) -> None:
    for person in people:
        person.send("join", id=f"j-{room}", room=room, **fields)
    await passes(0.05)


def people_in(person: Person, room: str = "general") -> set[str]:
    """Who is in the room, by what this client was told."""
    here: set[str] = set()
    for frame in person.frames:
        if frame.get("room") == room and frame["type"] == "joined":
            here = {user["name"] for user in frame["members"]}
        if frame.get("room") == room and frame["type"] == "presence":
            here = set() if frame.get("all") else here - {user["name"] for user in frame.get("left", ())}
            here |= {user["name"] for user in frame.get("joined", ())}
    return here


def people_of(cluster: Cluster) -> list[Person]:
    """A client of each node, an account, in the order of the nodes."""
    return [account(node, f"of-{node.name}") for node in cluster.nodes]


async def one_at_each(cluster: Cluster) -> list[Person]:
    """A client of each node, in the room; the others have learned of them."""
    people = people_of(cluster)
    await entered(*people)
    await passes(2.0)
    return people


async def talk(people: list[Person], seconds: float, name: str) -> int:
    """Let everyone post ten messages a second. Returns how many each has sent."""
    for number in range(round(seconds * 10)):
        for person in people:
            person.say(f"{name} {number} {person.session.user.name}", f"{name}-{number}")
        await passes(0.1)
    return round(seconds * 10)


async def assert_all_the_same(cluster: Cluster, people: list[Person]) -> None:
    """Every client has every stored message once, in their order."""
    stored = await cluster.repository.stored()
    assert len(stored) == len(set(stored))
    for person in people:
        assert person.heard() == stored


def assert_unnoticed(people: Sequence[Person]) -> None:
    """No client has had to load a room again, or was refused anything."""
    for person in people:
        assert len(person.of("joined")) == 1
        assert person.errors() == {}
        assert person.connection.closed is None


def assert_empty(*nodes: ClusterNode) -> None:
    for node in nodes:
        parts, edge = node.chat.parts, node.node.edge
        assert not parts.hub.rooms
        assert not parts.directory.people
        assert not node.node.owner.stubs
        assert not len(parts.tasks)
        assert not edge._clients.mirrors
        assert not edge._clients.sessions
        assert not len(edge._unanswered)
