"""Who may do what in rooms, with accounts made here, bots with keys of each scope, and suspended accounts."""

from typing import Any

import pytest

from model.errors import SUSPENDED
from server.app import Server
from tests.contract.records import until
from tests.integration.rest.test_access import DELETE, EXPORT, RANKS, READS, WRITES, seen
from tests.support.accounts import PASSWORD, SignedIn, signed_in, visitor
from tests.support.rawws import NATIVE, RawClient, upgrade
from tests.support.serving import Serve
from tests.support.web import Web, code

CAPS = {"read": "readonly", "write": "member", "moderate": "moderator"}
ROWS = [*READS, EXPORT, *WRITES, DELETE]  # in this order: an invitation is withdrawn
# Where a suspended account may ask for anything about rooms.
ELSEWHERE = [
    ("GET", "/api/rooms", None),
    ("GET", "/api/rooms?mine=true", None),
    ("GET", "/search?q=x", None),
    ("GET", "/history?r={room}", None),
    ("GET", "/api/users", None),
    ("GET", "/api/chat/messages?room={room}", None),
    ("GET", "/api/me/blocks", None),
    ("POST", "/api/rooms/{room}/messages/1/reports", {"reason": "x"}),
    ("POST", "/api/links", {"room": "{room}", "uses": 1, "seconds": 60}),
    ("POST", "/api/links/accept", {"token": "x"}),
    ("POST", "/api/direct/u_owner", None),
]


async def bot(server: Server, scope: str) -> Web:
    """Return a bot whose key has this scope."""
    admin = await signed_in(server, "rob", role="admin")
    reply = await admin.post("/api/keys", {"name": f"bot {scope}", "scope": scope, "days": 1})
    assert reply.status == 201, reply
    made = reply.json()
    web = Web(server.port, token=made["secret"])
    web.id = made["key"]["bot"]
    await until(lambda: server.accounts.access.find_key(made["secret"]) is not None)
    return web


async def staffed(server: Server, one: Web, role: str) -> int:
    """Make the private room "lobby", in which `one` has a role, and return the seq of a message there."""
    owner, admin = Web(server.port, "owner"), Web(server.port, "boss", "admin")
    await owner.create("lobby", private=True)
    for name in ("other", "zoe"):
        await Web(server.port, name).create(f"of {name}")  # so that the server knows them
    assert (await admin.put("/api/rooms/lobby/members/u_zoe")).status == 204
    async with await RawClient.open(server.port, "/chat", [*NATIVE, ("Authorization", f"Bearer {one.token}")]):
        assert (await admin.put(f"/api/rooms/lobby/members/{one.id}")).status == 204  # it is connected, so it is known
    if role != "member":
        assert (await owner.put(f"/api/rooms/lobby/members/{one.id}", {"role": role})).status == 204
    return await owner.say("lobby", "hello")


async def check_rows(one: Web, standing: str, seq: int) -> None:
    """Make each request of the table; the room is deleted last, if that is allowed."""
    for action in ROWS:
        target = action.path.replace("{seq}", str(seq))
        reply = await one.ask(action.method, f"/api/rooms/lobby{target}", action.body)
        told = f"{standing}: {action}: {reply}"
        if RANKS.index(standing) >= RANKS.index(action.least):
            assert reply.status in (200, 201, 202, 204), told
        else:
            assert (reply.status, code(reply)) == (403, "forbidden"), told


@pytest.mark.parametrize("role", ["readonly", "member", "moderator", "owner"])
async def test_an_account_made_here_may_do_what_the_table_says(server: Server, role: str) -> None:
    ann = await signed_in(server, "ann")
    await check_rows(ann, role, await staffed(server, ann, role))


@pytest.mark.parametrize("scope", CAPS)
@pytest.mark.parametrize("role", ["readonly", "member", "owner"])
async def test_a_bot_may_do_what_its_role_and_its_key_allow(server: Server, role: str, scope: str) -> None:
    one = await bot(server, scope)
    seq = await staffed(server, one, role)
    await check_rows(one, min(role, CAPS[scope], key=RANKS.index), seq)


@pytest.mark.parametrize("scope", CAPS)
async def test_a_bot_is_a_stranger_to_private_rooms(server: Server, scope: str) -> None:
    one = await bot(server, scope)
    owner = Web(server.port, "owner")
    await owner.create("lobby", private=True)
    for action in READS:
        hidden, unknown = [
            await one.ask(action.method, f"/api/rooms/{room}{action.path.replace('{seq}', '1')}")
            for room in ("lobby", "nothing")
        ]
        assert (hidden.status, code(hidden)) == (404, "no_such_room")
        assert seen(hidden) == seen(unknown)


async def suspended(server: Server, role: str = "owner") -> tuple[SignedIn, int]:
    """Return a suspended account that has a role in the private room "lobby"."""
    ann = await signed_in(server, "ann")
    seq = await staffed(server, ann, role)
    admin = await signed_in(server, "rob", role="admin")
    assert (await admin.put(f"/api/suspensions/{ann.id}", {"reason": "spam", "seconds": 3600})).status == 204
    return ann, seq


def without_time(reply: Any) -> Any:
    status, body, headers = seen(reply)
    shown = [item for item in headers if item[0] not in ("retry-after", "content-length")]
    return status, body.partition(b'"retry_after"')[0], shown


async def test_a_suspended_account_is_refused_by_every_row_whatever_the_room(server: Server) -> None:
    ann, seq = await suspended(server)
    rows = [(row.method, "/api/rooms/{room}" + row.path.replace("{seq}", str(seq)), row.body) for row in ROWS]
    for method, target, body in [*rows, *ELSEWHERE]:
        replies = [
            await ann.ask(method, target.replace("{room}", room), body) for room in ("lobby", "nothing", "of%20zoe")
        ]
        for reply in replies:
            assert reply.status == 403, (method, target, reply)
            assert b"this account is suspended: spam" in reply.body
        assert len({str(without_time(reply)) for reply in replies}) == 1, (method, target)


@pytest.mark.parametrize("path", ["/chat?r=lobby", "/ws", "/api/chat?room=lobby", "native"])
async def test_a_suspended_account_is_refused_in_every_dialect(server: Server, path: str) -> None:
    ann = await signed_in(server, "ann")
    await staffed(server, ann, "member")
    admin = await signed_in(server, "rob", role="admin")
    target = "/chat?r=lobby" if path == "native" else path
    headers = [*(NATIVE if path == "native" else ()), ("Authorization", f"Bearer {ann.token}")]
    live = await RawClient.open(server.port, target, headers)
    assert (await admin.put(f"/api/suspensions/{ann.id}", {"reason": "spam"})).status == 204
    assert await live.closing() == (SUSPENDED.code, SUSPENDED.reason)
    await live.close()
    answers = []
    for room in ("lobby", "nothing"):
        client = await RawClient.connect(server.port)
        client.send(upgrade(target.replace("lobby", room), headers))
        answer = await client.reply()
        assert answer.status == 403
        assert b"this account is suspended: spam" in answer.body
        answers.append(without_time(answer))
        await client.close()
    assert answers[0] == answers[1]


async def test_a_guest_may_not_have_the_name_of_an_account(server: Server) -> None:
    zed = await RawClient.native(server.port, "/chat?u=Zed&r=den")
    await zed.expect("joined")
    await signed_in(server, "zed")
    await zed.refused("reserved_name")
    assert (await zed.closing())[0] == 4102
    await zed.close()
    for target in ("/chat?u=zed", "/chat?u=ZED", "/chat?u=z%D0%B5d"):
        client = await RawClient.open(server.port, target, NATIVE)
        answer = await client.message()
        name = answer["user"]["name"]
        assert name.startswith("guest-")
        await client.refused("reserved_name")
        await client.close()
    plain = await RawClient.open(server.port, "/chat?u=zed&r=den")
    assert "this name belongs to an account" in (await plain.message())["content"]
    assert (await plain.closing())[0] == 4102
    await plain.close()


async def test_an_account_is_registered_by_a_link_that_an_admin_has_made(serve: Serve, storage: dict[str, str]) -> None:
    server = await serve(REGISTRATION="invite", **storage)
    admin = Web(server.port, "boss", "admin")
    made = (await admin.post("/api/links", {"uses": 1, "seconds": 60})).json()
    ann = await signed_in(server, "ann", invite=made["token"])
    assert ann.id.startswith("a_")
    refused = await visitor(server.port).post(
        "/api/register", {"username": "ben", "password": PASSWORD, "invite": made["token"]}
    )
    assert (refused.status, code(refused)) == (403, "invite_invalid")
    assert code(await ann.post("/api/links", {"uses": 1, "seconds": 60})) == "forbidden"


async def test_accounts_report_block_and_join_by_links(server: Server) -> None:
    ann, ben = await signed_in(server, "ann"), await signed_in(server, "ben")
    await ann.create("plans", private=True)
    made = (await ann.post("/api/links", {"room": "plans", "uses": 1, "seconds": 60})).json()
    assert (await ben.post("/api/links/accept", {"token": made["token"]})).json() == {"room": "plans"}
    seq = await ann.say("plans", "hello")
    assert (await ben.post(f"/api/rooms/plans/messages/{seq}/reports", {"reason": "rude"})).status == 201
    (listed,) = (await ann.json("/api/rooms/plans/reports"))["reports"]
    assert (listed["reporter"]["id"], listed["sender"]["id"]) == (ben.id, ann.id)
    assert (await ann.put(f"/api/me/blocks/{ben.id}")).status == 204
    assert code(await ben.post(f"/api/direct/{ann.id}")) == "no_such_user"
