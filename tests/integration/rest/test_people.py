"""The HTTP requests of the events dialect: the newest messages, and online users. For accounts."""

from typing import Any

import pytest

from tests.integration.conftest import ON_BOTH
from tests.support.chatting import unframe
from tests.support.client import Client
from tests.support.rawws import links
from tests.support.serving import Serve, owner_of
from tests.support.web import Web, code
from utils.clock import microseconds


@ON_BOTH
@pytest.mark.parametrize("address", ["messages", "list"])
async def test_the_newest_messages_are_returned_as_events(stored: int, address: str) -> None:
    ann = Web(stored, "ann")
    await ann.create("general")
    async with Client(f"ws://127.0.0.1:{stored}", room="general", token=ann.token) as client:
        for number in range(60):
            await client.say(str(number), id=str(number))
        await client.all_acked(*map(str, range(60)))
    told = await ann.json(f"/api/chat/{address}?room=general")
    assert [event["content"] for event in told] == [str(number) for number in range(10, 60)]
    assert told == await ann.json(f"/api/chat/{address}") == await ann.json(f"/api/chat/{address}?room=")
    seq = (await ann.json("/api/rooms/general/messages?limit=1"))["messages"][0]["seq"]
    assert told[-1] | {"timestamp": ""} == {
        "event": "message", "id": seq, "room": "general", "userid": "ann", "username": "ann", "content": "59",
        "timestamp": "",
    }  # fmt: skip


async def test_http_returns_the_same_events_as_the_websocket(serve: Serve) -> None:
    server = await serve()
    ann = Web(server.port, "ann")
    await ann.create("plans")
    await ann.say("plans", "hello")
    parts = owner_of(server).chat.parts
    room = parts.hub.rooms.get("plans")
    (message,) = room.tail.since(0) if room is not None else [None]
    if message is None:
        record = await parts.storage.rooms.find_room("plans")
        assert record is not None
        (message,) = await parts.storage.messages.history(record, limit=1)
    frame = server.shared.dialects["/api/chat"].frame(message)
    assert frame is not None
    assert await ann.json("/api/chat/messages?room=plans") == unframe(frame)


@pytest.mark.parametrize("target", ["messages", "list", "users"])
async def test_an_invalid_room_is_named(port: int, target: str) -> None:
    reply = await Web(port, "ann").get(f"/api/chat/{target}?room={'x' * 65}")
    assert (reply.status, code(reply), reply.json()["error"]["field"]) == (400, "bad_field", "room")


async def test_users_are_listed_with_their_rooms(stored: int) -> None:
    url = f"ws://127.0.0.1:{stored}"
    ann, ben = Web(stored, "ann"), Web(stored, "ben")
    await ann.create("secret", private=True)
    await ann.create("lobby")
    assert await ann.json("/api/users") == []
    async with (
        Client(url, room="lobby", token=ann.token) as one,
        Client(url, room="secret", token=ann.token),
        Client(url, "gus", "lobby") as gus,
    ):
        gus_id = gus.of("welcome")[0]["user"]["id"]
        people = {person["userid"]: person for person in await ann.json("/api/users")}
        assert set(people) == {"ann", gus_id}
        since = people["ann"].pop("since")
        assert people["ann"] == {
            "id": "u_ann", "userid": "ann", "username": "ann", "rooms": ["lobby", "secret"], "devices": 2,
        }  # fmt: skip
        assert 0 < microseconds(people[gus_id]["since"]) - microseconds(since) < 60_000_000
        assert {person["userid"]: person["rooms"] for person in await ben.json("/api/users")} == {
            "ann": ["lobby"],
            gus_id: ["lobby"],
        }
        assert [person["userid"] for person in await ben.json("/api/chat/users?room=lobby")] == [gus_id, "ann"]
        assert [person["userid"] for person in await ann.json("/api/chat/users?room=secret")] == ["ann"]
        assert await ben.json("/api/chat/users?room=secret") == []
        assert await ben.json("/api/chat/users?room=nothing") == []
        await one.close()
        await gone(ann, "/api/chat/users?room=lobby", "ann")
        assert [person["devices"] for person in await ann.json("/api/chat/users?room=secret")] == [1]
    await gone(ann, "/api/users", "ann")


async def gone(web: Web, target: str, userid: str) -> None:
    """Wait until a user is offline."""
    for _ in range(1000):
        if not any(person["userid"] == userid for person in await web.json(target)):
            return
    raise AssertionError(f"{userid} is still at {target}")


async def test_users_are_paged(port: int) -> None:
    ann = Web(port, "ann")
    clients = [await Client(f"ws://127.0.0.1:{port}", f"gus {number}", "lobby").open() for number in range(7)]
    for address in ("/api/users", "/api/chat/users?room=lobby"):
        pages: list[list[dict[str, Any]]] = []
        target = f"{address}{'&' if '?' in address else '?'}limit=3"
        while target:
            reply = await ann.get(target)
            pages.append(reply.json())
            target = links(target, reply).get("next", "")
        assert [len(page) for page in pages] == [3, 3, 1]
        ids = [person["id"] for page in pages for person in page]
        assert ids == sorted(set(ids))
    for client in clients:
        await client.close()


@pytest.mark.parametrize("target", ["/api/chat/messages", "/api/chat/list", "/api/chat/users", "/api/users"])
async def test_the_events_requests_require_an_account(port: int, target: str) -> None:
    reply = await Web(port).get(target)
    assert (reply.status, code(reply)) == (401, "unauthorized")
    assert reply.headers["www-authenticate"] == "Bearer"
    assert (await Web(port, "ann", "stranger").get(target)).status == 403
    assert (await Web(port, "ann").get(target)).status == 200
