"""What a room lets guests do, over HTTP: anonymous readers count as guests."""

from tests.integration.rest.test_access import seen
from tests.support.client import Client
from tests.support.web import Web, code

ROOMS = ("", "/messages", "/messages/1", "/members")


async def test_a_room_that_admits_no_guests_is_hidden_from_them(stored: int) -> None:
    ann, ben, anonymous = Web(stored, "ann"), Web(stored, "ben"), Web(stored)
    await ann.create("plans")
    await ann.say("plans", "hello")
    async with Client(f"ws://127.0.0.1:{stored}", "gus", room="plans") as client:
        guest = Web(stored, token=client.of("welcome")[0]["token"])
        changed = await ann.patch("/api/rooms/plans", {"guests": "no"})
        assert (changed.status, changed.json()["guests"]) == (200, "no")
        left = await client.expect("left")
        assert (left["reason"], left["text"]) == ("kicked", "this room admits no guests any more")
    for one in (anonymous, guest):
        for target in ROOMS:
            hidden, unknown = [await one.get(f"/api/rooms/{room}{target}") for room in ("plans", "nothing")]
            assert (hidden.status, code(hidden)) == (404, "no_such_room")
            assert seen(hidden) == seen(unknown)
        assert await one.json("/history?r=plans") == []
        assert "plans" not in [room["room"] for room in (await one.json("/api/rooms"))["rooms"]]
    assert code(await guest.post("/api/rooms/plans/messages", {"content": "x"})) == "forbidden"
    assert len(await ben.json("/history?r=plans")) == 1
    assert "plans" in [room["room"] for room in (await ben.json("/api/rooms"))["rooms"]]
    await ben.say("plans", "accounts talk on")


async def test_guests_only_read_where_the_room_says_so(stored: int) -> None:
    ann, anonymous = Web(stored, "ann"), Web(stored)
    await ann.create("plans")
    await ann.say("plans", "hello")
    assert (await ann.patch("/api/rooms/plans", {"guests": "read"})).status == 200
    async with Client(f"ws://127.0.0.1:{stored}", "gus") as client:
        guest = Web(stored, token=(await client.expect("welcome"))["token"])
    for one in (anonymous, guest):
        assert len(await one.json("/history?r=plans")) == 1
    reply = await guest.post("/api/rooms/plans/messages", {"content": "x"})
    assert (code(reply), reply.json()["error"]["message"]) == ("forbidden", "guests can only read in this room")
    assert (await ann.json("/api/rooms/plans"))["guests"] == "read"
    assert "guests" not in (await ann.patch("/api/rooms/plans", {"guests": "talk"})).json()
    await guest.say("plans", "hello")
    assert code(await ann.patch("/api/rooms/plans", {"guests": "some"})) == "bad_field"
    assert code(await Web(stored, "ben").patch("/api/rooms/plans", {"guests": "no"})) == "forbidden"
