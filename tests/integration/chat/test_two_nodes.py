"""What users at two nodes notice of each other, over real sockets, NATS and PostgreSQL."""

import logging
import re
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from server.app import Server
from tests.contract.records import until
from tests.integration.chat.conftest import url
from tests.support.client import Client
from tests.support.rawws import NATIVE, RawClient, command, fetch, text
from tests.support.serving import started, stop_nodes
from tests.support.web import SECRET, Web, token_of

FIRST, SECOND = "192.0.2.1", "192.0.2.2"


class Nodes(NamedTuple):
    """Both nodes of a cluster."""

    owner: Server
    edge: Server

    def at_owner(self, name: str, room: str | None = None) -> Client:
        return Client(url(self.owner), token=token_of(name), room=room)

    def at_edge(self, name: str, room: str | None = None) -> Client:
        return Client(url(self.edge), token=token_of(name), room=room)


@pytest.fixture
async def nodes(node_settings: dict[str, str]) -> AsyncIterator[Nodes]:
    settings = {"JWT_SECRET": SECRET, "PRESENCE_GRACE": "0", "CLOSE_SECONDS": "1", "ADDRESS_ROOMS": "2"}
    settings |= {"TRUSTED_PROXIES": "127.0.0.1", "RATE_LIMIT_MESSAGES": "0", **node_settings}
    owner = await started(settings)
    edge = await started(settings)
    yield Nodes(owner, edge)
    await stop_nodes(owner, edge)


async def mine(client: Client, id: str) -> dict[str, int]:
    """Return the unread counts of a user's rooms."""
    await client.send("rooms", id=id, mine=True)
    return {room["room"]: room.get("unread", 0) for room in (await client.expect("rooms", id=id))["rooms"]}


async def test_one_user_on_devices_at_both_nodes(nodes: Nodes) -> None:
    """Is one member, sees the same, and is invited, counted and read everywhere."""
    async with nodes.at_owner("ann", "den") as desk, nodes.at_edge("ann", "den") as phone, nodes.at_edge("ben") as ben:
        assert phone.of("joined")[0]["count"] == 1
        joined = await ben.join("den")
        assert (joined["count"], [member["id"] for member in joined["members"]]) == (2, ["u_ann", "u_ben"])
        for device in (desk, phone):
            await device.until(lambda frame: frame["type"] == "presence" and frame["count"] == 2, "ben's arrival")
        await phone.say("from the phone", "1", room="den")
        for client in (desk, phone, ben):
            assert (await client.expect("message"))["sender_id"] == "u_ann"
        await phone.all_acked("1")
        assert not desk.of("ack"), "the other device asked nothing"
        await ben.send("direct", id="d", user="u_ann")
        room = (await ben.expect("room", id="d"))["room"]
        for device in (desk, phone):
            await device.expect("room", room=room)
        await phone.close()
        await ben.send("ping", id="p")
        await ben.expect("pong", id="p")
        counts = {frame["count"] for frame in ben.of("presence") if frame["room"] == "den"}
        assert counts == {2}, "the user is still here, on the other device"


async def test_unread_counts_and_cursors_are_the_same_at_both_nodes(nodes: Nodes) -> None:
    async with nodes.at_edge("ben") as ben:
        await ben.send("create_room", id="c", room="plans")
        await ben.all_acked("c")
        async with nodes.at_edge("ann", "plans") as ann:
            for number in range(3):
                await ben.say(f"{number}", f"{number}", room="plans")
            await ben.all_acked("0", "1", "2")
            async with nodes.at_owner("ann") as desk:
                assert await mine(ann, "1") == await mine(desk, "1") == {"plans": 3}
                await ann.send("read", room="plans", seq=ben.acked()["1"])
                await desk.expect("read", room="plans", seq=ben.acked()["1"])
                assert await mine(ann, "2") == await mine(desk, "2") == {"plans": 1}
                for device in (ann, desk):
                    await device.send("search", id="s", q="2")
                    assert [found["content"] for found in (await device.expect("search", id="s"))["messages"]] == ["2"]


async def test_an_announcement_reaches_every_client_of_both_nodes_once(nodes: Nodes) -> None:
    async with (
        Client(url(nodes.edge), token=token_of("root", "admin")) as root,
        nodes.at_owner("ann") as ann,
        nodes.at_edge("ben") as ben,
    ):
        plain = [await RawClient.open(node.port, "/chat?u=old&r=den") for node in nodes]
        for client in plain:
            assert (await client.message())["content"] == "User old entered the chat"
        await root.send("announce", id="a", content="be kind")
        announced = await root.expect("announcement", id="a")
        del announced["id"]
        for person in (ann, ben):
            assert await person.expect("announcement") == announced
        for client in plain:
            while (heard := await client.message())["content"].startswith("User "):
                pass
            assert heard["content"] == '"root" announces: be kind'
            client.send(text("once"))
            while (heard := await client.message())["content"].startswith("User "):
                pass
            assert heard["content"] == "once"
            await client.close()
        for person in (root, ann, ben):
            await person.send("ping", id="p")
            await person.expect("pong", id="p")
            assert len(person.of("announcement")) == 1


async def test_a_client_resumes_at_the_other_node(nodes: Nodes) -> None:
    """At both in turn, and misses nothing."""
    async with nodes.at_owner("ann", "den") as ann:
        seen: list[str] = []
        ben = await nodes.at_edge("ben", "den").open()
        since, epoch = ben.since("den"), ben.epoch("den")
        await ben.abort()
        for number, node in enumerate((nodes.owner, nodes.edge, nodes.owner)):
            await ann.say(f"missed {number}", f"missed {number}", room="den")
            await ann.all_acked(f"missed {number}")
            async with Client(url(node), token=token_of("ben")) as ben:
                assert (await ben.resume("den", since, epoch))["recovered"] is True
                await ben.expect("synced")
                await ann.say(f"live {number}", f"live {number}", room="den")
                await ben.expect("message", content=f"live {number}")
                since = ben.since("den")
                seen += ben.heard("den")
        assert seen == ann.heard("den")


async def test_rooms_of_one_address_count_at_both_nodes_together(nodes: Nodes) -> None:
    """The node to which a client is connected says from which address it comes."""

    async def create(node: Server, room: str, address: str) -> str:
        forwarded = ("X-Forwarded-For", address)
        async with await RawClient.open(node.port, "/chat", [*NATIVE, forwarded]) as guest:
            await guest.expect("welcome")
            guest.send(command(type="join", id="j", room=room))
            while (answer := await guest.message()).get("id") != "j":
                pass
            guest.send(command(type="create_room", id="c", room=f"{room} for long"))
            while (answer := await guest.message()).get("id") != "c":
                pass
            return str(answer.get("code", "created"))

    assert await create(nodes.edge, "one", FIRST) == "created"
    assert await create(nodes.owner, "two", FIRST) == "created"
    assert await create(nodes.edge, "three", FIRST) == "too_many_rooms"
    assert await create(nodes.edge, "four", SECOND) == "created"
    created = await Web(nodes.edge.port, "ann").post("/api/rooms", {"name": "five"}, X_Forwarded_For=FIRST)
    assert created.status == 201, "accounts count by themselves"


async def test_nodes_with_another_server_secret_say_what_to_do(
    node_settings: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Both name the setting and a fingerprint, so that it can be compared, but not on the public port."""
    caplog.set_level(logging.INFO)
    secrets = {"one": "o" * 32, "two": "t" * 32}
    settings = {"JWT_SECRET": SECRET, "CLOSE_SECONDS": "1", "ADMIN_PORT": "0", **node_settings}
    owner = await started({**settings, "SERVER_SECRET": secrets["one"]})
    other = await started({**settings, "SERVER_SECRET": secrets["two"]}, patient=False)

    def refusals() -> set[str]:
        return {line for line in caplog.messages if "SERVER_SECRET differs" in line}

    await until(lambda: len(refusals()) == 2)
    assert owner.chat.problem() is None
    named = {match[1] for line in refusals() if (match := re.search("fingerprint ([0-9a-f]{8}): if", line))}
    looking = {line.rpartition(" ")[2] for line in caplog.messages if line.startswith("looking for other nodes")}
    assert len(named) == 2
    assert named == looking, "each node has said it of its own key from the beginning"
    await until(lambda: "SERVER_SECRET differs" in str(other.chat.problem()))
    told = (await fetch(other.admin_port, "/ready")).json()
    assert told["reason"] == "owner"
    assert any(line in told["detail"] for line in refusals())
    assert (await fetch(other.port, "/ready")).json() == {"status": "not ready", "reason": "owner"}
    everything = f"{told}{caplog.text}{(await fetch(other.port, '/health')).body!r}"
    assert not any(secret in everything for secret in secrets.values())
    await stop_nodes(owner, other)
