"""`/api/rooms` and `/api/direct`: rooms are created, found, changed and deleted over HTTP."""

import asyncio
from typing import Any
from urllib.parse import quote, urljoin

import pytest

from tests.integration.conftest import ON_BOTH
from tests.support.client import Client
from tests.support.rawws import links
from tests.support.serving import Serve
from tests.support.web import Web, code, path


@ON_BOTH
async def test_a_room_is_created_and_found(stored: int) -> None:
    ann = Web(stored, "ann")
    made = await ann.post("/api/rooms", {"name": "plans", "title": "Plans", "topic": "what comes next"})
    assert made.status == 201
    where = urljoin("/api/rooms", made.headers["location"])
    assert where == "/api/rooms/plans"
    entry = {"kind": "public", "title": "Plans", "topic": "what comes next", "room": "plans", "members": 1}
    assert made.json() == {**entry, "role": "owner"}
    assert await ann.json(where) == {**entry, "role": "owner"}
    assert await Web(stored, "ben").json("/api/rooms/plans") == {**entry, "role": "outsider"}
    assert await Web(stored).json("/api/rooms/plans") == entry
    assert await Web(stored).json("/api/rooms") == {"type": "rooms", "rooms": [entry]}


@pytest.mark.parametrize("name", ["a/b", "ü % #?&=+", "..%2f", "'\";--", "日本語", "a.b", "%", "a:b"])
async def test_any_room_name_works_in_a_path(stored: int, name: str) -> None:
    ann = Web(stored, "ann")
    made = await ann.post("/api/rooms", {"name": name})
    assert made.status == 201
    where = urljoin("/api/rooms", made.headers["location"])
    assert (await ann.json(where))["room"] == name
    messages = f"{where}/messages"
    posted = await ann.post(messages, {"content": "hello"})
    assert posted.json()["room"] == name
    assert (await ann.json(urljoin(messages, posted.headers["location"])))["content"] == "hello"
    assert (await ann.delete(where)).status == 204


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": 7}, "name"),
        ({"name": "x", "title": "t" * 65}, "title"),
        ({"name": "x", "topic": "a\x07"}, "topic"),
        ({"name": "x", "private": "yes"}, "private"),
        ({"name": "x", "password": "p" * 129}, "password"),
    ],
)
async def test_an_invalid_field_of_a_new_room_is_named(port: int, fields: dict[str, Any], field: str) -> None:
    reply = await Web(port, "ann").post("/api/rooms", fields)
    assert (reply.status, code(reply), reply.json()["error"]["field"]) == (400, "bad_field", field)


async def test_a_taken_or_reserved_name_is_refused(port: int) -> None:
    ann = Web(port, "ann")
    await ann.create("plans")
    taken = await Web(port, "ben").post("/api/rooms", {"name": "plans"})
    assert (taken.status, code(taken), taken.json()["error"]["field"]) == (409, "room_exists", "name")
    reserved = await ann.post("/api/rooms", {"name": "@plans"})
    assert (reserved.status, code(reserved)) == (403, "reserved_name")


@ON_BOTH
async def test_only_one_of_twenty_concurrent_creates_succeeds(stored: int) -> None:
    people = [Web(stored, f"u{number}") for number in range(20)]
    replies = await asyncio.gather(*(one.post("/api/rooms", {"name": "plans"}) for one in people))
    assert sorted(reply.status for reply in replies) == [201] + [409] * 19
    owner = next(one for one, reply in zip(people, replies, strict=True) if reply.status == 201)
    members = await owner.json("/api/rooms/plans/members")
    assert [(member["id"], member["role"]) for member in members["members"]] == [(owner.id, "owner")]


async def test_a_private_room_is_visible_only_to_members(stored: int) -> None:
    ann, ben = Web(stored, "ann"), Web(stored, "ben")
    await ann.create("secret", private=True)
    await ben.create("lobby")
    assert (await ann.json("/api/rooms/secret"))["kind"] == "private"
    assert [room["room"] for room in (await ben.json("/api/rooms"))["rooms"]] == ["lobby"]
    assert [room["room"] for room in (await ann.json("/api/rooms?mine=true"))["rooms"]] == ["secret"]
    for one in (ben, Web(stored)):
        hidden, unknown = await one.get("/api/rooms/secret"), await one.get("/api/rooms/nothing")
        assert (hidden.status, hidden.body) == (404, unknown.body)
    assert (await ann.put("/api/rooms/secret/members/u_ben")).status == 202
    assert (await ben.get("/api/rooms/secret")).status == 404  # an invitation is not a membership
    assert (await Web(stored, "root", "admin").put("/api/rooms/secret/members/u_ben")).status == 204
    assert (await ben.json("/api/rooms/secret"))["role"] == "member"
    assert [room["room"] for room in (await ben.json("/api/rooms?mine=true"))["rooms"]] == ["lobby", "secret"]


async def test_a_password_admits_a_joining_user(port: int) -> None:
    ann = Web(port, "ann")
    await ann.create("secret", password="open sesame")
    assert (await ann.json("/api/rooms/secret"))["kind"] == "private"
    assert (await ann.json("/api/rooms/secret"))["password"] is True
    async with Client(f"ws://127.0.0.1:{port}", "guest") as guest:
        await guest.join("secret", password="open sesame")
    assert (await ann.patch("/api/rooms/secret", {"password": ""})).json().get("password") is None


async def test_rooms_are_paged(stored: int) -> None:
    ann = Web(stored, "ann")
    for number in range(7):
        await ann.create(f"room {number}", title="odd" if number % 2 else "even")
    for mine in ("", "&mine=true"):
        found, target = [], f"/api/rooms?limit=3{mine}"
        while target:
            reply = await ann.get(target)
            found.append([room["room"] for room in reply.json()["rooms"]])
            target = links(target, reply).get("next", "")
            assert (reply.json().get("cursor") is None) == (not target)
        assert found == [["room 0", "room 1", "room 2"], ["room 3", "room 4", "room 5"], ["room 6"]]
        rooms = (await ann.json(f"/api/rooms?q=ODD{mine}"))["rooms"]
        assert [room["room"] for room in rooms] == ["room 1", "room 3", "room 5"]


async def test_a_users_own_rooms_have_unread_counts(stored: int) -> None:
    ann, ben = Web(stored, "ann"), Web(stored, "ben")
    await ann.create("plans")
    assert code(await ann.put("/api/rooms/plans/members/u_ben")) == "no_such_user"  # yet
    await ben.create("lobby")
    assert (await Web(stored, "root", "admin").put("/api/rooms/plans/members/u_ben")).status == 204
    await ann.say("plans", "hello, @ben")
    await ann.say("plans", "and more")
    (plans,) = [room for room in (await ben.json("/api/rooms?mine=true"))["rooms"] if room["room"] == "plans"]
    assert (plans["unread"], plans["mentions"], plans["members"], plans["role"]) == (2, 1, 2, "member")
    one = await ben.json("/api/rooms/plans")
    assert one == plans


async def test_a_room_with_users_but_no_messages_is_listed(port: int) -> None:
    ann = Web(port, "ann")
    assert (await ann.get("/api/rooms/general")).status == 404
    async with Client(f"ws://127.0.0.1:{port}", "guest", "general"):
        entry = {"kind": "ephemeral", "room": "general", "members": 1, "online": 1}
        assert await Web(port).json("/api/rooms/general") == entry
        assert (await ann.say("general", "hello")) > 0
    assert (await ann.json("/api/rooms/general/messages"))["messages"][0]["content"] == "hello"


async def test_a_room_update_is_broadcast(stored: int) -> None:
    ann = Web(stored, "ann")
    await ann.create("plans")
    async with Client(f"ws://127.0.0.1:{stored}", "guest", "plans") as guest:
        changes = {"title": "Plans", "topic": "what comes next", "slow_mode": 3, "retention_days": 7}
        reply = await ann.patch("/api/rooms/plans", changes)
        assert reply.status == 200
        assert changes.items() <= reply.json().items()
        assert (await guest.expect("room"))["info"] == {"kind": "public", **changes}
    entry = (await ann.patch("/api/rooms/plans", {"private": True, "slow_mode": 0})).json()
    assert (entry["kind"], entry["title"], entry.get("slow_mode")) == ("private", "Plans", None)
    assert (await Web(stored).get("/api/rooms/plans")).status == 404


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title": "t" * 65}, "title"),
        ({"slow_mode": -1}, "slow_mode"),
        ({"slow_mode": 1.5}, "slow_mode"),
        ({"retention_days": 10**6}, "retention_days"),
        ({"private": "no"}, "private"),
    ],
)
async def test_an_invalid_change_is_named(port: int, changes: dict[str, Any], field: str) -> None:
    ann = Web(port, "ann")
    await ann.create("plans")
    reply = await ann.patch("/api/rooms/plans", changes)
    assert (reply.status, code(reply), reply.json()["error"]["field"]) == (400, "bad_field", field)


async def test_a_deleted_room_is_gone_and_its_name_is_free(stored: int) -> None:
    ann = Web(stored, "ann")
    await ann.create("plans")
    await ann.say("plans", "hello")
    async with Client(f"ws://127.0.0.1:{stored}", "guest", "plans") as guest:
        assert (await ann.delete("/api/rooms/plans")).status == 204
        assert (await guest.expect("left"))["reason"] == "deleted"
    assert (await ann.get("/api/rooms/plans")).status == 404
    assert (await ann.delete("/api/rooms/plans")).status == 404
    assert await ann.json("/history?r=plans") == []
    await ann.create("plans")
    assert (await ann.json("/api/rooms/plans/messages"))["messages"] == []


async def test_a_direct_room_is_opened(stored: int) -> None:
    ann, ben, cal = Web(stored, "ann"), Web(stored, "ben"), Web(stored, "cal")
    for one in (ben, cal):
        await one.create(f"of {one.id}")  # so that the server knows them
    opened = await ann.post("/api/direct/u_ben")
    assert opened.status == 200
    entry = opened.json()
    assert (entry["kind"], entry["role"], entry["peer"]) == ("direct", "member", {"id": "u_ben", "name": "ben"})
    again = (await ben.post("/api/direct/u_ann")).json()
    assert (again["room"], again["peer"]) == (entry["room"], {"id": "u_ann", "name": "ann"})
    await ann.say(entry["room"], "psst")
    page = await ben.json(f"{path(entry['room'])}/messages")
    assert [message["content"] for message in page["messages"]] == ["psst"]
    for one in (cal, Web(stored, "root", "admin"), Web(stored)):
        for target in ("", "/messages", "/members"):
            assert (await one.get(f"{path(entry['room'])}{target}")).status == 404
    assert (await ann.json("/api/rooms?mine=true"))["rooms"][0]["peer"]["name"] == "ben"


@pytest.mark.parametrize(
    ("user", "status", "refusal"),
    [("u_nobody", 404, "no_such_user"), ("u_ann", 400, "bad_field"), ("a\x00b", 404, "no_such_user")],
)
async def test_a_direct_room_with_an_unknown_user_is_refused(stored: int, user: str, status: int, refusal: str) -> None:
    reply = await Web(stored, "ann").post(f"/api/direct/{quote(user)}")
    assert (reply.status, code(reply)) == (status, refusal)


@pytest.mark.one_server("it restarts on a database")
async def test_a_restart_keeps_rooms(serve: Serve, database_url: str) -> None:
    server = await serve(DATABASE_URL=database_url)
    ann = Web(server.port, "ann")
    await ann.create("plans", title="Plans", private=True)
    seq = await ann.say("plans", "hello", id="m-1")
    await server.stop()
    server = await serve(DATABASE_URL=database_url)
    ann = Web(server.port, "ann")
    assert (await ann.json("/api/rooms/plans"))["title"] == "Plans"
    assert await ann.say("plans", "hello", id="m-1") == seq
    assert len((await ann.json("/api/rooms/plans/messages"))["messages"]) == 1
