"""Invite links over HTTP."""

import asyncio

from tests.support.accounts import visitor
from tests.support.client import Client
from tests.support.serving import Serve
from tests.support.web import Web, code


async def scene(port: int) -> tuple[Web, Web, Web]:
    """Return Ann, who owns the private room "plans", Ben, who is not in it, and an admin."""
    ann = Web(port, "ann")
    await ann.create("plans", private=True)
    return ann, Web(port, "ben"), Web(port, "root", "admin")


async def linked(web: Web, **fields: object) -> dict[str, object]:
    reply = await web.post("/api/links", {"room": "plans", "uses": 1, "seconds": 60, **fields})
    assert reply.status == 201, reply
    made: dict[str, object] = reply.json()
    return made


async def test_a_link_makes_members_as_often_as_it_says(stored: int) -> None:
    ann, ben, _ = await scene(stored)
    made = await linked(ann, uses=2)
    assert (made["uses"], made["uses_left"], made["registers"], made["maker"]) == (2, 2, False, "u_ann")
    assert "url" not in made
    asked = {"token": made["token"]}
    for _ in range(2):  # the second time, Ben is a member already
        accepted = await ben.post("/api/links/accept", asked)
        assert (accepted.status, accepted.json()) == (200, {"room": "plans"})
    assert (await ben.json("/api/rooms/plans"))["role"] == "member"
    (listed,) = (await ann.json("/api/links?room=plans"))["links"]
    assert (listed["room"], listed["uses_left"]) == ("plans", 1)
    assert (await ann.json("/api/links"))["links"] == [listed]
    assert "token" not in listed
    others = [Web(stored, f"u{n}") for n in range(5)]
    replies = await asyncio.gather(*(one.post("/api/links/accept", asked) for one in others))
    assert sorted(reply.status for reply in replies) == [200, 404, 404, 404, 404]
    assert code(await Web(stored, "late").post("/api/links/accept", asked)) == "no_such_link"


async def test_a_user_who_uses_a_link_several_times_at_once_spends_one_use(stored: int) -> None:
    ann, ben, _ = await scene(stored)
    made = await linked(ann, uses=5)
    replies = await asyncio.gather(*(ben.post("/api/links/accept", {"token": made["token"]}) for _ in range(5)))
    assert [reply.status for reply in replies] == [200] * 5
    assert (await ann.json("/api/links?room=plans"))["links"][0]["uses_left"] == 4


async def test_admins_find_and_revoke_the_links_of_another_user(stored: int) -> None:
    """A link outlives the rights of the user who made it."""
    ann, ben, root = await scene(stored)
    other = Web(stored, "second", "admin")
    made = await linked(other, room=None)
    for web in (ann, ben):
        assert code(await web.get("/api/links?maker=u_second")) == "forbidden"
    assert await root.json("/api/links") == {"links": []}
    (listed,) = (await root.json("/api/links?maker=u_second"))["links"]
    assert "room" not in listed
    assert (listed["id"], listed["maker"], listed["registers"]) == (made["id"], "u_second", True)
    assert (await root.delete(f"/api/links/{made['id']}")).status == 204
    assert await other.json("/api/links?maker=u_second") == {"links": []}


async def test_a_refused_user_spends_no_use(stored: int) -> None:
    ann, ben, _ = await scene(stored)
    await ben.create("of ben")
    made = await linked(ann)
    assert (await ann.put("/api/rooms/plans/bans/u_ben")).status == 204
    assert code(await ben.post("/api/links/accept", {"token": made["token"]})) == "no_such_room"
    assert (await ann.json("/api/links?room=plans"))["links"][0]["uses_left"] == 1
    assert (await ann.delete("/api/rooms/plans/bans/u_ben")).status == 204
    assert (await ben.post("/api/links/accept", {"token": made["token"]})).status == 200


async def test_the_link_of_a_banned_user_cannot_be_used(stored: int) -> None:
    """A former moderator could come back with another account."""
    ann, ben, _ = await scene(stored)
    asked = {"token": (await linked(ann))["token"]}
    assert (await ben.post("/api/links/accept", asked)).status == 200
    assert (await ann.put("/api/rooms/plans/members/u_ben", {"role": "moderator"})).status == 204
    asked = {"token": (await linked(ben))["token"]}
    assert (await ann.put("/api/rooms/plans/bans/u_ben")).status == 204
    for web in (Web(stored, "ben2"), ben):
        assert code(await web.post("/api/links/accept", asked)) == "no_such_link"
    assert code(await visitor(stored).post("/api/links/find", asked)) == "no_such_link"
    assert (await ann.delete("/api/rooms/plans/bans/u_ben")).status == 204
    assert (await Web(stored, "eve").post("/api/links/accept", asked)).status == 200


async def test_a_revoked_link_and_one_to_a_deleted_room_are_unknown(stored: int) -> None:
    ann, ben, root = await scene(stored)
    revoked, other, last = await linked(ann), await linked(ann), await linked(root)
    assert code(await ben.delete(f"/api/links/{revoked['id']}")) == "no_such_link"
    assert (await ann.delete(f"/api/links/{revoked['id']}")).status == 204
    assert (await root.delete(f"/api/links/{other['id']}")).status == 204
    assert code(await ann.delete(f"/api/links/{revoked['id']}")) == "no_such_link"
    assert [one["id"] for one in (await ann.json("/api/links?room=plans"))["links"]] == [last["id"]]
    assert (await ann.delete("/api/rooms/plans")).status == 204
    await ann.create("plans", private=True)
    assert await root.json("/api/links") == {"links": []}
    for made in (revoked, last):
        refused = await ben.post("/api/links/accept", {"token": made["token"]})
        assert (refused.status, code(refused)) == (404, "no_such_link")


async def test_only_moderators_make_links_to_a_room_and_admins_to_register(stored: int) -> None:
    ann, ben, root = await scene(stored)
    asked = {"room": "plans", "uses": 1, "seconds": 60}
    hidden, unknown = await ben.post("/api/links", asked), await ben.post("/api/links", {**asked, "room": "none"})
    assert (hidden.status, hidden.body) == (unknown.status, unknown.body) == (404, hidden.body)
    assert code(await ben.get("/api/links?room=plans")) == "no_such_room"
    assert (await Web(stored).post("/api/links", asked)).status == 401
    to_register = {"uses": 1, "seconds": 60}
    assert code(await ann.post("/api/links", to_register)) == "forbidden"
    registers = (await root.post("/api/links", to_register)).json()
    assert registers["registers"]
    assert code(await ben.post("/api/links/accept", {"token": registers["token"]})) == "no_such_link"
    assert [one["id"] for one in (await root.json("/api/links"))["links"]] == [registers["id"]]


async def test_where_a_link_leads_is_answered_to_visitors_and_spends_no_use(stored: int) -> None:
    ann, ben, root = await scene(stored)
    made = await linked(ann)
    registers = (await root.post("/api/links", {"uses": 1, "seconds": 60})).json()
    for asker in (visitor(stored), ben):
        found = await asker.post("/api/links/find", {"token": made["token"]})
        assert (found.status, found.json()) == (200, {"registers": False, "room": "plans"})
        found = await asker.post("/api/links/find", {"token": registers["token"]})
        assert (found.status, found.json()) == (200, {"registers": True})
    assert (await ben.post("/api/links/accept", {"token": made["token"]})).status == 200
    assert (await root.delete(f"/api/links/{registers['id']}")).status == 204
    last = await linked(ann)
    assert (await ann.delete("/api/rooms/plans")).status == 204
    for token in (made["token"], registers["token"], last["token"], "x"):
        refused = await visitor(stored).post("/api/links/find", {"token": token})
        assert (refused.status, code(refused)) == (404, "no_such_link")


async def test_wrong_fields_are_named(port: int) -> None:
    ann, _, _ = await scene(port)
    for wrong in ({"uses": 0}, {"uses": 1001}, {"seconds": 0}, {"seconds": 31 * 86_400}, {"room": 7}):
        reply = await ann.post("/api/links", {"room": "plans", "uses": 1, "seconds": 60, **wrong})
        assert (code(reply), reply.json()["error"]["field"]) == ("bad_field", next(iter(wrong)))
    for token in ("", "x", "é", "x" * 5000):
        assert code(await ann.post("/api/links/accept", {"token": token})) == "no_such_link"


async def tries(web: Web, path: str) -> int:
    """Return how many secrets may be tried at once; while they are, some more become due."""
    for count in range(200):
        reply = await web.post(path, {"token": "x"})
        if reply.status == 429:
            return count
        assert reply.status == 404
    return 200


async def test_guessing_is_limited(port: int) -> None:
    """A user has twenty tries, and an address eighty, whoever makes them."""
    of_ben, of_eve = [await tries(Web(port, name), "/api/links/accept") for name in ("ben", "eve")]
    assert 20 <= of_ben < 40
    assert 20 <= of_eve < 40
    of_visitor = await tries(visitor(port), "/api/links/find")
    assert 80 <= of_ben + of_eve + of_visitor < 160
    assert await tries(Web(port, "zoe"), "/api/links/accept") < 10


async def test_a_link_has_the_public_url(serve: Serve) -> None:
    server = await serve(PUBLIC_URL="https://chat.example.org/parley")
    ann, _, _ = await scene(server.port)
    made = await linked(ann)
    assert made["url"] == f"https://chat.example.org/parley/client.html#invite={made['token']}"


async def test_a_guest_becomes_a_member_by_a_link_unless_the_room_admits_none(port: int) -> None:
    ann, _, _ = await scene(port)
    made = await linked(ann, uses=2)
    async with Client(f"ws://127.0.0.1:{port}", "gus") as client:
        guest = Web(port, token=(await client.expect("welcome"))["token"])
    assert (await guest.post("/api/links/accept", {"token": made["token"]})).status == 200
    assert (await ann.patch("/api/rooms/plans", {"guests": "no"})).status == 200
    async with Client(f"ws://127.0.0.1:{port}", "new") as client:
        other = Web(port, token=(await client.expect("welcome"))["token"])
    assert code(await other.post("/api/links/accept", {"token": made["token"]})) == "no_such_room"
    assert code(await guest.get("/api/rooms/plans")) == "no_such_room"
