"""Members of a room over HTTP: invited, promoted, kicked, banned, muted."""

from typing import Any

import pytest

from tests.integration.conftest import ON_BOTH
from tests.support.client import Client
from tests.support.rawws import links
from tests.support.serving import Serve
from tests.support.web import Web, code

MEMBERS = "/api/rooms/plans/members"


@pytest.fixture
async def people(stored: int) -> dict[str, Web]:
    """Return Ann, who owns "plans"; ben, a member; cal, who is known to the server."""
    people = {name: Web(stored, name) for name in ("ann", "ben", "cal")}
    await people["ann"].create("plans")
    for name in ("ben", "cal"):
        await people[name].create(f"of {name}")
    assert (await Web(stored, "root", "admin").put(f"{MEMBERS}/u_ben")).status == 204
    return people


async def listed(web: Web, target: str = MEMBERS) -> dict[str, dict[str, Any]]:
    return {member["id"]: member for member in (await web.json(target))["members"]}


async def test_members_are_listed(people: dict[str, Web]) -> None:
    ann, ben = people["ann"], people["ben"]
    page = await ann.json(MEMBERS)
    assert page == {
        "type": "members",
        "room": "plans",
        "count": 2,
        "members": [
            {"id": "u_ann", "name": "ann", "role": "owner"},
            {"id": "u_ben", "name": "ben", "role": "member"},
        ],
    }
    async with Client(f"ws://127.0.0.1:{ann.port}", room="plans", token=ben.token):
        online = [member["id"] for member in (await ann.json(MEMBERS))["members"] if member.get("online")]
        assert online == ["u_ben"]


async def test_members_are_paged(people: dict[str, Web]) -> None:
    ann, root = people["ann"], Web(people["ann"].port, "root", "admin")
    for number in range(5):
        other = Web(ann.port, f"u{number}")
        await other.create(f"of u{number}")
        await root.put(f"{MEMBERS}/{other.id}")
    found, target = [], f"{MEMBERS}?limit=3"
    while target:
        reply = await ann.get(target)
        found += [member["id"] for member in reply.json()["members"]]
        target = links(target, reply).get("next", "")
    assert found == ["u_ann", "u_ben", *(f"u_u{number}" for number in range(5))]


@ON_BOTH
async def test_an_invitation_is_sent_listed_accepted_and_declined(people: dict[str, Web]) -> None:
    ann, ben, cal = people["ann"], people["ben"], people["cal"]
    async with Client(f"ws://127.0.0.1:{ann.port}", token=cal.token) as client:
        for _ in range(2):
            assert (await ann.put(f"{MEMBERS}/u_cal")).status == 202
        told = await client.expect("invitation")
        by = {"id": "u_ann", "name": "ann"}
        assert told == {**told, "room": "plans", "open": True, "info": {"kind": "public"}, "by": by}
        mine = await cal.json("/api/rooms?mine=true")
        assert mine["invitations"] == [{"room": "plans", "info": {"kind": "public"}, "by": by, "at": told["at"]}]
        assert [room["room"] for room in mine["rooms"]] == ["of cal"]
        invited = await listed(ann, f"{MEMBERS}?invited=true")
        person = {"id": "u_cal", "name": "cal", "invited_at": told["at"], "invited_by": by}
        assert invited == {"u_cal": person}
        assert (await ben.get(f"{MEMBERS}?invited=true")).status == 403
        assert code(await ann.get(f"{MEMBERS}?invited=true&banned=true")) == "bad_field"
        assert "u_cal" not in await listed(ann)

        declined = "/api/invitations/plans"
        assert (await cal.delete(declined)).status == 204
        assert (await client.expect("invitation")) == {"type": "invitation", "room": "plans", "open": False}
        again, unknown = await cal.delete(declined), await cal.delete("/api/invitations/nothing")
        assert (again.status, code(again)) == (404, "no_such_invitation")
        assert again.body == unknown.body

        assert (await ann.put(f"{MEMBERS}/u_cal")).status == 202
        assert (await ann.delete(f"{MEMBERS}/u_cal")).status == 204  # withdrawn
        assert code(await cal.delete(declined)) == "no_such_invitation"
        await ann.put(f"{MEMBERS}/u_cal")
        await client.send("join", room="plans")
        assert (await client.expect("joined"))["role"] == "member"
    assert (await listed(ann))["u_cal"]["role"] == "member"
    assert await listed(ann, f"{MEMBERS}?invited=true") == {}
    assert "invitations" not in await cal.json("/api/rooms?mine=true")
    await ann.put(f"{MEMBERS}/u_cal", {"role": "moderator"})
    assert (await ann.put(f"{MEMBERS}/u_cal", {})).status == 202
    assert (await listed(ann))["u_cal"]["role"] == "moderator"


async def test_an_admin_adds_members(people: dict[str, Web]) -> None:
    ann, cal, root = people["ann"], people["cal"], Web(people["ann"].port, "root", "admin")
    assert (await ann.put(f"{MEMBERS}/u_cal")).status == 202
    async with Client(f"ws://127.0.0.1:{ann.port}", token=cal.token) as client:
        assert (await root.put(f"{MEMBERS}/u_cal")).status == 204
        told = await client.expect("room")
        assert (told["room"], told["action"], told["role"]) == ("plans", "invite", "member")
    mine = await cal.json("/api/rooms?mine=true")
    assert "invitations" not in mine
    assert [room["room"] for room in mine["rooms"]] == ["of cal", "plans"]


@ON_BOTH
async def test_roles_are_granted_and_withdrawn(people: dict[str, Web]) -> None:
    ann, ben = people["ann"], people["ben"]
    assert (await ann.put(f"{MEMBERS}/u_ben", {"role": "owner"})).status == 204
    assert (await ben.put(f"{MEMBERS}/u_ann", {"role": "readonly"})).status == 204
    assert code(await ann.post("/api/rooms/plans/messages", {"content": "x"})) == "forbidden"
    assert code(await ben.put(f"{MEMBERS}/u_ben", {"role": "member"})) == "last_owner"
    assert code(await ben.put(f"{MEMBERS}/u_cal", {"role": "member"})) == "no_such_user"  # not a member yet
    assert code(await ben.put(f"{MEMBERS}/u_ann", {"role": "king"})) == "bad_field"


async def test_a_kicked_member_is_removed(people: dict[str, Web]) -> None:
    ann, ben = people["ann"], people["ben"]
    async with Client(f"ws://127.0.0.1:{ann.port}", room="plans", token=ben.token) as client:
        assert (await ann.delete(f"{MEMBERS}/u_ben?reason=too%20loud")).status == 204
        left = await client.expect("left")
        assert (left["reason"], left["text"], left["by"]["id"]) == ("kicked", "too loud", "u_ann")
    assert set(await listed(ann)) == {"u_ann"}
    assert code(await ann.delete(f"{MEMBERS}/u_ben")) == "no_such_user"


async def test_a_member_can_quit(people: dict[str, Web]) -> None:
    ann, ben = people["ann"], people["ben"]
    async with Client(f"ws://127.0.0.1:{ann.port}", room="plans", token=ben.token) as client:
        assert (await ben.delete(f"{MEMBERS}/u_ben")).status == 204
        assert (await client.expect("left"))["reason"] == "quit"
    assert set(await listed(ann)) == {"u_ann"}
    assert (await ben.delete(f"{MEMBERS}/u_ben")).status == 204
    reply = await ann.delete(f"{MEMBERS}/u_ann")
    assert (reply.status, code(reply)) == (409, "last_owner")


async def test_anonymous_callers_see_neither_reasons_nor_last_seen_times(people: dict[str, Web]) -> None:
    ann, nobody = people["ann"], Web(people["ann"].port)
    async with Client(f"ws://127.0.0.1:{ann.port}", room="plans", token=people["cal"].token):
        pass
    assert (await ann.put("/api/rooms/plans/mutes/u_cal", {"reason": "spam"})).status == 204
    told = {}
    for name, web in (("ann", ann), ("cal", people["cal"]), ("nobody", nobody)):
        rows = (await web.json(MEMBERS))["members"]
        told[name] = next(row for row in rows if row["id"] == "u_cal")
    assert told["ann"]["reason"] == told["cal"]["reason"] == "spam"
    assert told["ann"]["seen_at"]
    assert told["nobody"].keys() == {"id", "name", "role", "muted_until"}


async def test_only_moderators_see_bans(people: dict[str, Web]) -> None:
    ann, ben, cal = people["ann"], people["ben"], people["cal"]
    assert (await ann.put("/api/rooms/plans/bans/u_cal", {"reason": "spam", "seconds": 3600})).status == 204
    page = await ann.json(f"{MEMBERS}?banned=true")
    (banned,) = page["members"]
    assert (page["count"], banned["id"], banned["reason"], "banned_until" in banned) == (1, "u_cal", "spam", True)
    assert code(await ben.get(f"{MEMBERS}?banned=true")) == "forbidden"
    assert code(await cal.get(f"{MEMBERS}?banned=true")) == "no_such_room"
    assert "u_cal" not in await listed(ben)
    async with Client(f"ws://127.0.0.1:{ann.port}", room="plans", token=ann.token):  # the room is ready now
        assert await ann.json(f"{MEMBERS}?banned=true") == page
    assert (await ann.delete("/api/rooms/plans/bans/u_cal")).status == 204
    assert await listed(ann, f"{MEMBERS}?banned=true") == {}


async def test_bans_are_set_and_lifted(people: dict[str, Web]) -> None:
    ann, ben = people["ann"], people["ben"]
    ban = "/api/rooms/plans/bans/u_ben"
    assert (await ann.put(ban, {"seconds": 3600, "reason": "spam"})).status == 204
    reply = await ben.post("/api/rooms/plans/messages", {"content": "x"})
    assert (reply.status, code(reply)) == (403, "banned")
    assert (await ben.get("/api/rooms/plans/messages")).status == 404
    invited = await ann.put(f"{MEMBERS}/u_ben")
    assert (invited.status, code(invited)) == (403, "banned")
    assert (await ann.delete(ban)).status == 204
    assert (await ann.delete(ban)).status == 204
    await ben.say("plans", "back")
    assert (await ann.put(ban)).status == 204  # permanently
    assert code(await ann.put("/api/rooms/plans/bans/u_ann")) == "bad_field"


async def test_mutes_are_set_and_lifted(people: dict[str, Web]) -> None:
    ann, ben = people["ann"], people["ben"]
    mute = "/api/rooms/plans/mutes/u_ben"
    assert (await ann.put(mute, {"seconds": 3600})).status == 204
    reply = await ben.post("/api/rooms/plans/messages", {"content": "x"})
    assert (reply.status, code(reply)) == (403, "muted")
    assert 3500 < int(reply.headers["retry-after"]) <= 3600
    assert (await ben.get("/api/rooms/plans/messages")).status == 200
    assert (await ann.delete(mute)).status == 204
    await ben.say("plans", "at last")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        *(({"seconds": value}, "seconds") for value in (0, -1, "1", 1e300)),
        *(({"reason": value}, "reason") for value in (1, "x" * 501)),
    ],
)
async def test_an_invalid_ban_or_mute_is_named(port: int, body: object, field: str) -> None:
    ann = Web(port, "ann")
    await ann.create("plans")
    for what in ("bans", "mutes"):
        reply = await ann.put(f"/api/rooms/plans/{what}/u_ben", body)
        assert (reply.status, code(reply), reply.json()["error"]["field"]) == (400, "bad_field", field)


@pytest.mark.parametrize("user", ["u_nobody", "x", "a%00b", "%F0%9F%91%8D", "..%2f"])
async def test_an_unknown_user_is_404(stored: int, user: str) -> None:
    ann = Web(stored, "ann")
    await ann.create("plans")
    for method, target in (
        ("PUT", f"{MEMBERS}/{user}"),
        ("DELETE", f"{MEMBERS}/{user}"),
        ("PUT", f"/api/rooms/plans/bans/{user}"),
        ("DELETE", f"/api/rooms/plans/mutes/{user}"),
    ):
        reply = await ann.ask(method, target)
        assert (reply.status, code(reply)) == (404, "no_such_user"), target


async def test_a_guest_is_banned_by_id(serve: Serve) -> None:
    server = await serve()
    ann = Web(server.port, "ann")
    await ann.create("plans")
    async with Client(f"ws://127.0.0.1:{server.port}", "gus", "plans") as gus:
        welcome = gus.frames[0]
        guest = Web(server.port, token=welcome["token"])
        assert (await ann.put(f"/api/rooms/plans/bans/{welcome['user']['id']}")).status == 204
        assert (await gus.expect("left"))["reason"] == "banned"
    assert code(await guest.post("/api/rooms/plans/messages", {"content": "x"})) == "banned"
