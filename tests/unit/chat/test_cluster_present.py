"""Clients of `/ws` and of the plain dialects have no list of all users: they are told of those who left meanwhile."""

import json

import pytest

from tests.support.chatting import BY_PATH
from tests.support.cluster import Cluster, account, clustered
from tests.support.virtual import passes
from tests.unit.chat.nodes import entered, people_in
from tests.unit.chat.people import RoomsPerson, said


async def wendy_at(cluster: Cluster, place: int) -> RoomsPerson:
    """A client of `/ws` in the room "general"."""
    wendy = RoomsPerson(cluster.nodes[place].chat)
    wendy.join("9", "wendy")
    await passes(2.0)
    return wendy


def names(wendy: RoomsPerson, what: str) -> list[str]:
    return [payload["user_name"] for payload in wendy.payloads(what)]


@pytest.mark.parametrize("place", [0, 1], ids=["the next owner", "an edge"])
@pytest.mark.parametrize("grace", [0.0, 5.0])
async def test_users_of_an_owner_that_was_killed_leave_as_if_their_connections_were_lost(
    place: int, grace: float
) -> None:
    async with clustered(3, presence_grace=grace) as cluster:
        gone, comes_back = account(cluster.nodes[0], "gone"), account(cluster.nodes[0], "quick")
        stays = account(cluster.nodes[2], "stays")
        await entered(gone, comes_back, stays)
        wendy = await wendy_at(cluster, 1 + place)
        wendy.forget()
        await cluster.nodes[0].kill()
        cluster.nodes[0].own()
        await passes(1.0)
        back = account(cluster.nodes[1], "quick")
        await entered(back)
        await passes(1.5)
        assert names(wendy, "user_left") == names(wendy, "user_joined") == []
        await passes(max(grace, 3.0))
        assert names(wendy, "user_left") == ["gone"]
        assert names(wendy, "user_joined") == []
        assert people_in(back) == people_in(stays) == {"quick", "stays", "wendy"}


async def test_each_dialect_has_its_event() -> None:
    async with clustered(2) as cluster:
        gone = account(cluster.nodes[0], "gone")
        await entered(gone)
        pages = [
            account(cluster.nodes[1], "page", dialect=BY_PATH[path], room="general") for path in ("/chat", "/api/chat")
        ]
        await passes(2.0)
        for page in pages:
            page.forget()
        await cluster.nodes[0].kill()
        cluster.nodes[0].own()
        await passes(8.0)
        assert [frame for frame in pages[0].frames if "gone" in json.dumps(frame)] != []
        assert [(frame["event"], frame["username"]) for frame in pages[1].frames] == [("leave", "gone")]


@pytest.mark.parametrize("place", [0, 2])
async def test_a_clean_move_tells_what_is_to_be_told_first(place: int) -> None:
    """Who came and went within the second before, at whatever node; no one who stays is said to leave or to come."""
    async with clustered(3) as cluster:
        people = [account(node, f"of-{node.name}") for node in cluster.nodes]
        leaver = account(cluster.nodes[2], "leaver")
        await entered(*people, leaver)
        wendy = await wendy_at(cluster, place)
        wendy.forget()
        await entered(account(cluster.nodes[1], "first"))
        leaver.send("leave", room="general")
        await entered(account(cluster.nodes[0], "second"))
        assert names(wendy, "user_left") == []
        first, second, third = cluster.nodes
        for before, after in ((first, second), (second, third), (third, first)):
            await cluster.move(before, after)
            await passes(8.0)
            assert names(wendy, "user_left") == ["leaver"]
            assert names(wendy, "user_joined") == ["first", "second"]
            await said(people[0], f"at {after.name}")


async def test_what_came_before_the_last_client_without_a_list_left_is_not_told_later() -> None:
    async with clustered(3) as cluster:
        first, second, third = cluster.nodes
        bob, leaver = account(third, "bob"), account(third, "leaver")
        await entered(bob, leaver)
        wendy = await wendy_at(cluster, 2)
        wendy.disconnect()
        await passes(2.0)
        leaver.disconnect()
        await passes(2.0)
        bob.forget()
        await cluster.move(first, second)
        await passes(8.0)
        notices = [frame for frame in bob.of("presence") if "leaver" in json.dumps(frame)]
        assert notices == []


async def test_a_user_who_returns_late_is_told_to_have_come() -> None:
    """After they were told to have left."""
    async with clustered(3) as cluster:
        first, second, third = cluster.nodes
        late = account(third, "late")
        await entered(late)
        wendy = await wendy_at(cluster, 1)
        cluster.bus.cut.add(third.storage.node)
        third.storage.reachable = False
        await cluster.move(first, second)
        await passes(8.0)
        assert names(wendy, "user_left") == ["late"]
        cluster.bus.mend()
        await passes(8.0)
        assert names(wendy, "user_joined")[-1:] == ["late"]


async def test_clients_of_the_node_that_gave_the_rooms_away_are_told_who_did_not_return() -> None:
    async with clustered(3) as cluster:
        first, second, third = cluster.nodes
        await entered(account(third, "gone"))
        wendy = await wendy_at(cluster, 0)
        assert await first.resign()
        await third.kill()
        second.own()
        await passes(8.0)
        assert names(wendy, "user_left") == ["gone"]
