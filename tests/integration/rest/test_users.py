"""`/api/users/{user}`: an application adds users, and sets rooms up for them, before they first connect."""

import asyncio
from typing import Any

import pytest

from model.audit import AuditFilter
from storage.ports.messages import ENDLESS
from tests.integration.conftest import ON_BOTH
from tests.support.client import Client
from tests.support.serving import Serve, owner_of
from tests.support.web import Web, code, path, token_of

BOB = "/api/users/u_bob"


def root_at(port: int) -> Web:
    """Return the application, with the token of an admin."""
    return Web(port, "root", "admin")


async def name_in(web: Web, room: str, user: str) -> str:
    listed = (await web.json(f"{path(room)}/members"))["members"]
    return str(next(one["name"] for one in listed if one["id"] == user))


async def get_named(web: Web, room: str, user: str, name: str) -> None:
    """Wait until a user has this name in a room, which is work in the background."""
    async with asyncio.timeout(20):
        while await name_in(web, room, user) != name:  # noqa: ASYNC110  # no event of the server tells it
            await asyncio.sleep(0.01)


@ON_BOTH
async def test_rooms_are_set_up_for_a_user_who_finds_them_at_the_first_connect(stored: int) -> None:
    """A room with another owner, a role, a direct room, unread messages and mentions; the name of the token wins."""
    root, ann = root_at(stored), Web(stored, "ann")
    assert code(await root.put(f"{path('plans')}/members/u_bob")) == "no_such_room"
    await root.create("plans", private=True)
    for body in (None, {"role": "owner"}):
        assert code(await root.put(f"{path('plans')}/members/u_bob", body)) == "no_such_user"
    assert code(await root.get(BOB)) == "no_such_user"
    added = await root.put(BOB, {"name": " Bob  Lee "})
    assert (added.status, added.json()["id"], added.json()["name"]) == (201, "u_bob", "Bob Lee")
    again = await root.put(BOB, {"name": "Bob Lee"})
    assert (again.status, again.json()) == (200, added.json()) == (200, await root.json(BOB))
    assert "online" not in again.json()
    assert (await root.put("/api/users/u_ann", {"name": "ann"})).status == 201

    # Ann is a member; Bob gets the room, which the application leaves.
    assert (await root.put(f"{path('plans')}/members/u_ann")).status == 204
    assert (await root.put(f"{path('plans')}/members/u_bob", {"role": "owner"})).status == 204
    assert (await root.delete(f"{path('plans')}/members/u_root")).status == 204
    people = {one["id"]: (one["name"], one["role"]) for one in (await ann.json(f"{path('plans')}/members"))["members"]}
    assert people == {"u_ann": ("ann", "member"), "u_bob": ("Bob Lee", "owner")}
    await ann.say("plans", "hello @bob")
    await ann.say("plans", "nobody")
    direct = (await ann.post("/api/direct/u_bob")).json()["room"]
    await ann.say(direct, "to you alone")

    async with Client(f"ws://127.0.0.1:{stored}", token=token_of("bob")) as bob:
        await bob.send("rooms", id="mine", mine=True)
        mine = {room["room"]: room for room in (await bob.expect("rooms", id="mine"))["rooms"]}
        assert {name: (room["unread"], room.get("mentions", 0)) for name, room in mine.items()} == {
            "plans": (2, 1),
            direct: (1, 0),
        }
        assert mine["plans"]["role"] == "owner"
        joined = await bob.join("plans")
        assert [one["name"] for one in joined["members"]] == ["bob"]
        assert await name_in(ann, "plans", "u_bob") == "bob"
        assert (await root.json(BOB))["online"] is True
        # A connected user keeps the name of the token, in each room that they are in.
        assert (await root.put(BOB, {"name": "Robert"})).json()["name"] == "bob"
    assert await name_in(ann, "plans", "u_bob") == "bob"


@ON_BOTH
async def test_a_new_name_goes_to_the_rooms_of_a_user_who_is_away(stored: int) -> None:
    root = root_at(stored)
    await root.create("plans")
    await root.put(BOB, {"name": "Bob"})
    assert (await root.put(f"{path('plans')}/members/u_bob", {"role": "moderator"})).status == 204
    assert await name_in(root, "plans", "u_bob") == "Bob"
    renamed = await root.put(BOB, {"name": "Robert"})
    assert (renamed.status, renamed.json()["name"]) == (200, "Robert")
    await get_named(root, "plans", "u_bob", "Robert")
    assert (await root.json(BOB))["name"] == "Robert"
    # What was added may be removed; the rooms still have the user.
    assert (await root.delete(BOB)).status == 204
    assert code(await root.delete(BOB)) == "no_such_user"
    known = await root.json(BOB)
    assert (known["name"], "added_at" in known) == ("Robert", False)
    assert (await root.delete(f"{path('plans')}/members/u_bob")).status == 204
    assert code(await root.get(BOB)) == "no_such_user"


async def test_only_admins_add_and_find_users(serve: Serve) -> None:
    """And the audit log has it: once for each change."""
    server = await serve()
    root = root_at(server.port)
    for other, status in (
        (Web(server.port, "ann"), 403),
        (Web(server.port, "eve", "organizer"), 403),
        (Web(server.port), 401),
    ):
        for method in ("GET", "PUT", "DELETE"):
            assert (await other.ask(method, BOB, {"name": "Bob"} if method == "PUT" else None)).status == status
    for name in ("Bob", "Bob", "Robert"):
        await root.put(BOB, {"name": name})
    await root.delete(BOB)
    found = await owner_of(server).chat.parts.storage.audit.page(AuditFilter(action="user"), before=ENDLESS, limit=9)
    assert [(one.target.name, one.detail) for _, one in found if one.target is not None] == [
        ("", "removed"),
        ("Robert", "added or renamed"),
        ("Bob", "added or renamed"),
    ]


@pytest.mark.parametrize(
    ("user", "body", "refusal", "field"),
    [
        ("u_bob", {}, "bad_field", "name"),
        ("u_bob", {"name": ""}, "bad_field", "name"),
        ("u_bob", {"name": "x" * 65}, "bad_field", "name"),
        ("u_bob", {"name": "x" * 10_000}, "bad_field", "name"),
        ("u_bob", {"name": "a\u200bb"}, "bad_field", "name"),
        ("u_bob", {"name": "SYSTEM"}, "reserved_name", "name"),
        ("u_bob", {"name": 7}, "bad_field", "name"),
        ("u_", {"name": "Bob"}, "bad_field", "user"),
        ("u_" + "x" * 65, {"name": "Bob"}, "bad_field", "user"),
        ("u_a%20%20b", {"name": "Bob"}, "bad_field", "user"),
        ("u_a%00b", {"name": "Bob"}, "bad_field", "user"),
        ("bob", {"name": "Bob"}, "bad_field", "user"),
        ("a_bob", {"name": "Bob"}, "bad_field", "user"),
        ("g_bob", {"name": "Bob"}, "bad_field", "user"),
        ("b_bob", {"name": "Bob"}, "bad_field", "user"),
    ],
)
async def test_ids_and_names_are_checked_as_those_of_tokens(
    port: int, user: str, body: dict[str, Any], refusal: str, field: str
) -> None:
    reply = await root_at(port).put(f"/api/users/{user}", body)
    assert (code(reply), reply.json()["error"].get("field")) == (refusal, field)
    assert code(await root_at(port).get(f"/api/users/{user}")) == "no_such_user"


async def test_adding_users_has_the_rate_of_commands(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.one_shot.COMMANDS_BURST", 2)
    monkeypatch.setattr("chat.one_shot.COMMANDS_PER_SECOND", 0.001)
    root = root_at((await serve()).port)
    replies = [await root.put(BOB, {"name": "Bob"}), await root.delete(BOB), await root.put(BOB, {"name": "Bob"})]
    assert [reply.status for reply in replies] == [201, 204, 429]
    assert code(await root.delete(BOB)) == "rate_limited"
