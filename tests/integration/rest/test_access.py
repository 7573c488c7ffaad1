"""Permissions over HTTP, pages that may read a response, and that hidden rooms look like missing ones."""

from typing import NamedTuple

import pytest

from tests.support.client import Client
from tests.support.rawws import Reply, fetch
from tests.support.serving import Serve
from tests.support.web import Web, code, token_of

# Headers that differ in every answer.
EACH = ("date", "x-request-id")
RANKS = ["stranger", "outsider", "readonly", "member", "moderator", "owner", "admin"]


class Action(NamedTuple):
    """A request about a room, and the lowest access level that may make it. `{seq}` is a message of the owner's."""

    least: str
    method: str
    path: str = ""
    body: object = None


READS = [
    Action("outsider", "GET"),
    Action("outsider", "GET", "/messages"),
    Action("outsider", "GET", "/messages/{seq}"),
    Action("outsider", "GET", "/members"),
    Action("moderator", "GET", "/messages?include_deleted=true"),
    Action("moderator", "GET", "/members?invited=true"),
]
EXPORT = Action("moderator", "GET", "/export")
WRITES = [
    Action("member", "POST", "/messages", {"content": "hello"}),
    Action("member", "PUT", "/messages/{seq}/reactions/x"),
    Action("member", "DELETE", "/messages/{seq}/reactions/x"),
    Action("moderator", "PUT", "/messages/{seq}/pin"),
    Action("moderator", "DELETE", "/messages/{seq}/pin"),
    Action("moderator", "PUT", "/members/u_other"),
    Action("moderator", "DELETE", "/members/u_other"),
    Action("owner", "PUT", "/members/u_zoe", {"role": "readonly"}),
    Action("moderator", "PUT", "/mutes/u_other"),
    Action("moderator", "PUT", "/mutes/u_other", {"seconds": 60, "reason": "spam"}),
    Action("moderator", "DELETE", "/mutes/u_other"),
    Action("moderator", "DELETE", "/members/u_zoe"),
    Action("moderator", "PUT", "/bans/u_other", {"seconds": 60}),
    Action("moderator", "DELETE", "/bans/u_other"),
    Action("moderator", "PATCH", "", {"title": "another"}),
    Action("owner", "PATCH", "", {"retention_days": 7}),
    Action("owner", "PATCH", "", {"password": "x"}),
]
DELETE = Action("moderator", "DELETE")


async def staffed(port: int, *, private: bool) -> tuple[dict[str, Web], int]:
    """Create users of every access level in the room "lobby", and return them with the seq of a message there."""
    people = {name: Web(port, name) for name in (*RANKS[:-1], "other", "zoe")}
    people["admin"] = Web(port, "admin", "admin")
    people["organizer"] = Web(port, "organizer", "organizer")
    owner = people["owner"]
    await owner.create("lobby", private=private)
    for name, person in people.items():
        await person.create(f"of {name}")  # so that the server knows them
        if name in ("readonly", "member", "moderator", "organizer", "zoe"):
            assert (await people["admin"].put(f"/api/rooms/lobby/members/{person.id}")).status == 204
        if name in ("readonly", "moderator"):
            assert (await owner.put(f"/api/rooms/lobby/members/{person.id}", {"role": name})).status == 204
    return people, await owner.say("lobby", "hello")


def seen(reply: Reply) -> tuple[int, bytes, list[tuple[str, str]]]:
    """Return everything about a response except what differs in every one."""
    return reply.status, reply.body, sorted(item for item in reply.headers.items() if item[0] not in EACH)


@pytest.mark.parametrize("private", [False, True], ids=["public", "private"])
@pytest.mark.parametrize("who", [*RANKS, "organizer", "nobody"])
async def test_each_role_may_do_what_the_table_says(port: int, who: str, private: bool) -> None:
    people, seq = await staffed(port, private=private)
    people["nobody"] = Web(port)
    one = people[who]
    standing = {"organizer": "moderator", "nobody": "outsider"}.get(who, who)
    if standing in ("stranger", "outsider"):
        standing = "stranger" if private else "outsider"
    for action in [*READS, EXPORT, *WRITES, DELETE]:  # in this order: an invitation is withdrawn
        reads = action.method == "GET"
        # A caller who has not joined is judged as if they had; if they may not join, the room does not exist for them.
        rank = RANKS.index("member" if standing == "outsider" and not reads else standing)
        target = action.path.replace("{seq}", str(seq))
        reply = await one.ask(action.method, f"/api/rooms/lobby{target}", action.body)
        told = f"{who}: {action}: {reply}"
        if who == "nobody" and (not reads or action is EXPORT):
            assert (reply.status, code(reply)) == (401, "unauthorized"), told
        elif rank >= RANKS.index(action.least):
            assert reply.status in (200, 201, 202, 204), told
        elif standing == "stranger":
            assert (reply.status, code(reply)) == (404, "no_such_room"), told
            unknown = await one.ask(action.method, f"/api/rooms/nothing{target}", action.body)
            assert seen(reply) == seen(unknown), told
        else:
            assert (reply.status, code(reply)) == (403, "forbidden"), told


@pytest.mark.parametrize("command", ["members", "bans", "mutes"])
async def test_only_a_higher_role_may_moderate(port: int, command: str) -> None:
    people, _ = await staffed(port, private=False)
    method = "DELETE" if command == "members" else "PUT"
    for actor, target in (("moderator", "owner"), ("moderator", "organizer"), ("owner", "admin")):
        if actor == "moderator":
            reply = await people[actor].ask(method, f"/api/rooms/lobby/{command}/{people[target].id}")
            expected = "forbidden" if target == "owner" else ""
            assert (code(reply) if reply.status >= 400 else "") == expected, (actor, target)


async def test_announcements_require_an_admin(port: int) -> None:
    async with Client(f"ws://127.0.0.1:{port}", "guest") as guest:
        for role in ("user", "organizer"):
            assert code(await Web(port, "boss", role).post("/api/announcements", {"content": "soon"})) == "forbidden"
        told = await Web(port, "boss", "admin").post("/api/announcements", {"content": "soon"})
        assert (told.status, told.json()["content"]) == (200, "soon")
        assert (await guest.expect("announcement"))["sender"] == {"id": "u_boss", "name": "boss"}
    assert (await Web(port).post("/api/announcements", {"content": "soon"})).status == 401
    assert code(await Web(port, "boss", "admin").post("/api/announcements", {"content": " "})) == "empty"


# --- tokens ----------------------------------------------------------------------------------------------------------

OPEN = ["/api/rooms", "/api/rooms/lobby", "/api/rooms/lobby/messages", "/api/rooms/lobby/members", "/history?r=lobby"]
CLOSED = ["/api/rooms?mine=true", "/api/rooms/lobby/export", "/search?q=x"]
ACCOUNTS = ["/api/chat/messages", "/api/chat/list", "/api/chat/users", "/api/users"]


@pytest.mark.one_server("tokens are verified by the node that is asked")
@pytest.mark.parametrize(
    "value",
    ["Bearer", "Bearer x", f"Bearer {token_of('ann', seconds=-1)}", f"bearer  {token_of('ann')}x", "Bearer é"],
)
@pytest.mark.parametrize("target", [*OPEN, *CLOSED, *ACCOUNTS])
async def test_an_invalid_token_is_401_even_if_none_is_required(port: int, target: str, value: str) -> None:
    await Web(port, "ann").create("lobby")
    reply = await fetch(port, target, [("Authorization", value)])
    assert (reply.status, code(reply)) == (401, "unauthorized")
    assert reply.headers["www-authenticate"] == "Bearer"
    assert "access-control-allow-origin" not in reply.headers


async def test_two_tokens_are_refused(port: int) -> None:
    header = ("Authorization", f"Bearer {token_of('ann')}")
    assert (await fetch(port, "/api/rooms", [header, header])).status == 401


async def test_another_authorization_scheme_is_ignored(port: int) -> None:
    assert (await fetch(port, "/api/rooms", [("Authorization", "Basic eDp5")])).status == 200
    assert (await fetch(port, "/search?q=x", [("Authorization", "Basic eDp5")])).status == 401


async def test_a_role_that_is_not_admitted_is_403(serve: Serve) -> None:
    server = await serve(CHAT_ROLES="player")
    for target in (*OPEN, *CLOSED, *ACCOUNTS):
        reply = await Web(server.port, "ann", "user").get(target)
        assert (reply.status, code(reply)) == (403, "forbidden")
    assert (await Web(server.port, "ann", "player").get("/api/rooms")).status == 200


async def test_without_guests_every_request_requires_a_token(serve: Serve) -> None:
    server = await serve(GUESTS="off")
    ann = Web(server.port, "ann")
    await ann.create("lobby")
    for target in (*OPEN, *CLOSED):
        reply = await Web(server.port).get(target)
        assert (reply.status, code(reply)) == (401, "unauthorized")
        assert reply.headers["www-authenticate"] == "Bearer"
        assert (await ann.get(target)).status == 200


async def test_a_guest_token_authenticates(serve: Serve) -> None:
    server = await serve()
    async with Client(f"ws://127.0.0.1:{server.port}", "gus") as client:
        guest = Web(server.port, token=(await client.expect("welcome"))["token"])
    await guest.create("den")
    assert (await guest.json("/api/rooms/den"))["role"] == "owner"
    for target in (*OPEN, *CLOSED):
        assert (await guest.get(target.replace("lobby", "den"))).status == 200
    for target in ACCOUNTS:
        reply = await guest.get(target)
        assert (reply.status, code(reply)) == (401, "unauthorized")
    closed = await serve(GUESTS="off")
    assert (await Web(closed.port, token=guest.token).get("/api/rooms")).status == 401


# --- other pages -----------------------------------------------------------------------------------------------------


@pytest.mark.one_server("origins are checked by the node that is asked")
@pytest.mark.parametrize("target", [*OPEN, "/api/rooms/nothing", "/api/rooms/lobby/messages?limit=x", "/history?r=%00"])
async def test_any_page_may_read_what_anonymous_callers_may_read(port: int, target: str) -> None:
    ann = Web(port, "ann")
    await ann.create("lobby")
    reply = await Web(port).get(target, Origin="https://elsewhere.example")
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in reply.headers
    assert reply.headers["cache-control"] == "no-store"
    with_token = await ann.get(target, Origin="https://elsewhere.example")
    assert with_token.status == reply.status
    assert "access-control-allow-origin" not in with_token.headers


@pytest.mark.one_server("origins are checked by the node that is asked")
@pytest.mark.parametrize("target", [*CLOSED, *ACCOUNTS])
async def test_other_pages_may_not_read_what_requires_a_token(port: int, target: str) -> None:
    ann = Web(port, "ann")
    await ann.create("lobby")
    for reply in (await Web(port).get(target), await ann.get(target)):
        allowed = "access-control-allow-origin" in reply.headers
        assert allowed == (target.startswith("/api/rooms?") and reply.status == 401)


@pytest.mark.one_server("origins are checked by the node that is asked")
async def test_other_pages_may_not_write(port: int) -> None:
    ann = Web(port, "ann")
    await ann.create("lobby")
    for one in (ann, Web(port)):
        for method, target, body in (
            ("POST", "/api/rooms", {"name": "other"}),
            ("POST", "/api/rooms/lobby/messages", {"content": "hello"}),
            ("PATCH", "/api/rooms/lobby", {"title": "x"}),
            ("PUT", "/api/rooms/lobby/members/u_ann", None),
            ("DELETE", "/api/rooms/lobby", None),
        ):
            reply = await one.ask(method, target, body, Origin="https://elsewhere.example")
            assert "access-control-allow-origin" not in reply.headers
    preflight = await Web(port).ask(
        "OPTIONS", "/api/rooms", Origin="https://x.example", Access_Control_Request_Method="POST"
    )
    assert preflight.status == 405
    assert not any(name.startswith("access-control") for name in preflight.headers)


# --- hidden rooms ----------------------------------------------------------------------------------------------------


async def test_a_hidden_room_looks_like_a_missing_one_in_every_header(port: int) -> None:
    ann = Web(port, "ann")
    await ann.create("secret", private=True)
    await ann.say("secret", "psst")
    for one in (Web(port, "ben"), Web(port)):
        for target in ("", "/messages", "/messages?q=psst", "/messages/1", "/members", "/messages?around=1"):
            hidden, unknown = [await one.get(f"/api/rooms/{room}{target}") for room in ("secret", "nothing")]
            assert hidden.status == 404
            assert seen(hidden) == seen(unknown)
    ben = Web(port, "ben")
    for target in ("/api/chat/messages", "/api/chat/list", "/api/chat/users"):
        hidden, unknown = [await ben.get(f"{target}?room={room}") for room in ("secret", "nothing")]
        assert (hidden.status, hidden.json()) == (200, [])
        assert seen(hidden) == seen(unknown)


async def test_a_user_banned_from_a_private_room_learns_nothing(port: int) -> None:
    people, _ = await staffed(port, private=True)
    await people["owner"].put("/api/rooms/lobby/bans/u_member")
    for method, target, body in (
        ("GET", "", None),
        ("GET", "/messages", None),
        ("POST", "/messages", {"content": "x"}),
    ):
        hidden, unknown = [
            await people["member"].ask(method, f"/api/rooms/{room}{target}", body) for room in ("lobby", "nothing")
        ]
        assert seen(hidden) == seen(unknown)
    assert (await people["owner"].delete("/api/rooms/lobby/bans/u_member")).status == 204
    assert (await people["member"].get("/api/rooms/lobby")).status == 404  # a ban ends the membership too
