"""Accounts are known to rooms before they ever connect, and under the name that they have now."""

import asyncio
from typing import Any

from server.app import Server
from tests.integration.conftest import ON_BOTH
from tests.support.accounts import SignedIn, signed_in
from tests.support.process import PATIENCE
from tests.support.web import Web, code, path

ROOM = "plans"


async def a_bot(admin: SignedIn) -> str:
    reply = await admin.post("/api/keys", {"name": "Helper", "scope": "read", "days": 1})
    return str(reply.json()["key"]["bot"])


async def row_in(web: Web, user_id: str, room: str = ROOM) -> dict[str, Any] | None:
    found = (await web.json(f"{path(room)}/members"))["members"]
    return next((row for row in found if row["id"] == user_id), None)


@ON_BOTH
async def test_an_account_that_has_never_connected_is_invited_added_and_written_to(server: Server) -> None:
    admin, ann = await signed_in(server, "rob", role="admin"), await signed_in(server, "ann")
    cat, dan, eve = [await signed_in(server, name, name=name.title()) for name in ("cat", "dan", "eve")]
    await ann.create(ROOM)
    members = f"{path(ROOM)}/members"
    assert (await ann.put(f"{members}/{cat.id}")).status == 202
    (invitation,) = (await cat.json("/api/rooms?mine=true"))["invitations"]
    assert (invitation["room"], invitation["by"]["name"]) == (ROOM, "ann")
    assert (await admin.put(f"{members}/{dan.id}")).status == 204
    row = await row_in(ann, dan.id)
    assert row == {"id": dan.id, "name": "Dan", "role": "member"}
    reply = await ann.post(f"/api/direct/{eve.id}")
    assert (reply.status, reply.json()["peer"]) == (200, {"id": eve.id, "name": "Eve"})
    assert (await admin.put(f"{members}/{await a_bot(admin)}")).status == 204


async def test_only_ids_that_exist_are_known(server: Server) -> None:
    ann = await signed_in(server, "ann")
    await ann.create(ROOM)
    for user in ("a_unknown", "b_unknown", "u_unknown", "a_%00", "b_%00", "a_%F0%9F%98%80"):
        for reply in (
            await ann.put(f"{path(ROOM)}/members/{user}"),
            await ann.put(f"{path(ROOM)}/bans/{user}"),
        ):
            assert (user, reply.status, code(reply)) == (user, 404, "no_such_user")
    reply = await ann.post("/api/direct/a_unknown")
    assert (reply.status, code(reply)) == (404, "no_such_user")


async def test_an_account_that_is_not_in_the_room_is_said_to_be_that(server: Server) -> None:
    ann, cat = await signed_in(server, "ann"), await signed_in(server, "cat")
    await ann.create(ROOM)
    for reply in (
        await ann.put(f"{path(ROOM)}/members/{cat.id}", {"role": "moderator"}),
        await ann.delete(f"{path(ROOM)}/members/{cat.id}"),
    ):
        assert (reply.status, code(reply)) == (404, "no_such_user")
        assert "in this room" in reply.json()["error"]["message"]


async def test_an_admin_who_has_never_connected_ranks_as_one(server: Server) -> None:
    ann, admin = await signed_in(server, "ann"), await signed_in(server, "rob", role="admin")
    await ann.create(ROOM)
    reply = await ann.put(f"{path(ROOM)}/bans/{admin.id}")
    assert (reply.status, code(reply)) == (403, "forbidden")


@ON_BOTH
async def test_a_new_name_is_seen_in_rooms(server: Server) -> None:
    """Before the user connects again: as a member, and as the other user of a direct room."""
    ann, bob = await signed_in(server, "ann"), await signed_in(server, "bob", name="Bob")
    await ann.create(ROOM)
    await Web(server.port, "root", "admin").put(f"{path(ROOM)}/members/{bob.id}")
    await bob.say(ROOM, "hello")
    assert (await ann.post(f"/api/direct/{bob.id}")).status == 200
    reply = await bob.patch("/api/me", {"name": "Bobby"})
    assert reply.status == 200
    async with asyncio.timeout(PATIENCE):
        while await server.accounts.storage.accounts.room_work():  # noqa: ASYNC110  # of a task without an event
            await asyncio.sleep(0.02)
    row = await row_in(ann, bob.id)
    assert row is not None
    assert row["name"] == "Bobby"
    (direct,) = [room for room in (await ann.json("/api/rooms?mine=true"))["rooms"] if room["kind"] == "direct"]
    assert direct["peer"] == {"id": bob.id, "name": "Bobby"}


async def test_an_account_gets_ten_new_names_at_once(server: Server) -> None:
    """Each is work in all of its rooms."""
    bob = await signed_in(server, "bob")
    for number in range(10):
        reply = await bob.patch("/api/me", {"name": f"Bob {number}"})
        assert reply.status == 200
        await bob.refresh()
    reply = await bob.patch("/api/me", {"name": "Bob 10"})
    assert (reply.status, code(reply)) == (429, "rate_limited")
    assert (await bob.patch("/api/me", {"name": "Bob 9"})).status == 200  # as it is
