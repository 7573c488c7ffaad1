"""What keeps guests and blocked users out holds at every node, and when the rooms move."""

from chat.handlers.manage import direct_name
from chat.safety import block_user
from tests.support.chatting import Person
from tests.support.cluster import ClusterNode, account, clustered
from tests.support.virtual import passes
from tests.unit.chat.people import code_of, id_of

HOME = "192.0.2.1"


async def guest(node: ClusterNode, name: str) -> Person:
    person = Person(node.chat, name, network=HOME)
    await passes(0.1)
    return person


async def test_a_banned_network_is_kept_out_at_each_node_and_after_a_move() -> None:
    async with clustered(3) as cluster:
        first, second, third = cluster.nodes
        ann, ben = account(first, "ann", network=HOME), account(third, "ben", network=HOME)
        assert await code_of(ann, "create_room", room="den") == ""
        eve, gus = await guest(second, "eve"), await guest(third, "gus")
        for person in (eve, gus, ben):
            assert await code_of(person, "join", room="den") == ""
        assert await code_of(ann, "ban", room="den", user=id_of(eve)) == ""
        assert gus.last("left")["reason"] == "banned"
        for node in cluster.nodes:
            assert await code_of(await guest(node, "new"), "join", room="den") == "banned"
        assert await code_of(ben, "message", room="den", content="hello") == ""
        second.own()
        await passes(2.0)
        for node in cluster.nodes:
            assert await code_of(await guest(node, "new"), "join", room="den") == "banned"
        assert await code_of(ben, "message", room="den", content="hello") == ""
        assert await code_of(ann, "unban", room="den", user=id_of(eve)) == ""
        assert await code_of(gus, "join", room="den") == ""


async def test_a_muted_network_stays_muted_when_the_rooms_move() -> None:
    async with clustered(2) as cluster:
        first, second = cluster.nodes
        ann, eve, gus = account(first, "ann"), await guest(second, "eve"), await guest(second, "gus")
        assert await code_of(ann, "create_room", room="den") == ""
        for person in (eve, gus):
            assert await code_of(person, "join", room="den") == ""
        assert await code_of(ann, "mute", room="den", user=id_of(eve)) == ""
        second.own()
        await passes(2.0)
        assert await code_of(gus, "message", room="den", content="hello") == "muted"


async def test_a_room_that_admits_no_guests_admits_none_after_a_move() -> None:
    async with clustered(2) as cluster:
        first, second = cluster.nodes
        ann, gus = account(first, "ann"), await guest(second, "gus")
        assert await code_of(ann, "create_room", room="den") == ""
        assert await code_of(gus, "join", room="den") == ""
        assert await code_of(ann, "update_room", room="den", guests="no") == ""
        assert gus.last("left")["reason"] == "kicked"
        second.own()
        await passes(2.0)
        assert await code_of(gus, "join", room="den") == "forbidden"


async def test_a_blocked_user_stays_blocked_when_the_rooms_move() -> None:
    async with clustered(2) as cluster:
        first, second = cluster.nodes
        ann, ben = account(first, "ann"), account(second, "ben")
        assert await code_of(ben, "direct", user="u_ann") == ""
        room = direct_name("u_ann", "u_ben")
        await block_user(first.chat.parts, ann.session.actor, "u_ben", "")
        assert await code_of(ben, "message", room=room, content="hello") == "forbidden"
        second.own()
        await passes(2.0)
        assert await code_of(ben, "message", room=room, content="hello") == "forbidden"
