"""Admins over HTTP: suspensions, blocks, roles, logins of others, and API keys; each is in the audit log."""

import json
from typing import Any

import pytest

from model.audit import AuditFilter
from model.errors import SIGNED_OUT, SUSPENDED
from model.room import FOREVER
from server.app import Server
from tests.support.accounts import SignedIn, signed_in
from tests.support.rawws import NATIVE, RawClient, command
from tests.support.serving import owner_of
from tests.support.web import Web, code, token_of
from utils.clock import microseconds

ADMINS_ONLY = [
    ("GET", "/api/suspensions", None),
    ("PUT", "/api/suspensions/u_1", {}),
    ("DELETE", "/api/suspensions/u_1", None),
    ("GET", "/api/blocks", None),
    ("POST", "/api/blocks", {"network": "192.0.2.1"}),
    ("DELETE", "/api/blocks/192.0.2.1", None),
    ("GET", "/api/accounts", None),
    ("PATCH", "/api/accounts/a_1", {"role": "admin"}),
    ("GET", "/api/accounts/a_1/sessions", None),
    ("DELETE", "/api/accounts/a_1/sessions", None),
    ("DELETE", "/api/accounts/a_1/sessions/l_1", None),
    ("GET", "/api/keys", None),
    ("POST", "/api/keys", {"name": "bot", "scope": "read", "days": 1}),
    ("DELETE", "/api/keys/k_1", None),
]


async def connected(server: Server, web: Web) -> RawClient:
    return await RawClient.open(server.port, "/chat?r=den", [*NATIVE, ("Authorization", f"Bearer {web.token}")])


async def audited(server: Server, action: Any) -> list[tuple[str, str, str, str]]:
    entries = await server.accounts.storage.audit.page(AuditFilter(action=action), before=FOREVER, limit=100)
    return [
        (entry.actor.name, "" if entry.target is None else entry.target.id, entry.address, entry.detail)
        for _, entry in entries
    ]


@pytest.mark.parametrize(("method", "target", "body"), ADMINS_ONLY)
async def test_only_admins_are_operators(server: Server, method: str, target: str, body: Any) -> None:
    assert (await Web(server.port).ask(method, target, body)).status == 401
    ann = await signed_in(server, "ann", role="organizer")
    for web in (ann, Web(server.port, token=token_of("ben"))):
        reply = await web.ask(method, target, body)
        assert (reply.status, code(reply)) == (403, "forbidden")


async def test_a_suspended_account_is_out_until_its_end(server: Server) -> None:
    admin, ann = await signed_in(server, "rob", role="admin"), await signed_in(server, "ann")
    path = f"/api/suspensions/{ann.id}"
    async with await connected(server, ann) as client:
        await client.expect("joined")
        assert (await admin.put(path, {"reason": "spam", "seconds": 3600})).status == 204
        refused = await client.refused("suspended")
        assert refused["message"].startswith("this account is suspended: spam (until 20")
        assert 3500 < refused["retry_after"] <= 3600
        assert await client.closing() == (SUSPENDED.code, SUSPENDED.reason)
    reply = await ann.get("/api/me")
    assert (reply.status, code(reply)) == (403, "suspended")
    (listed,) = (await admin.json("/api/accounts?contains=ann"))["accounts"]
    (denied,) = (await admin.json("/api/suspensions"))["suspensions"]
    assert (listed["suspended"], listed["reason"], listed["suspended_until"]) == (True, "spam", denied["until"])
    assert (denied["user"], denied["reason"]) == (ann.id, "spam")
    assert microseconds(denied["until"]) - microseconds(denied["since"]) == pytest.approx(3600e6, abs=10e6)
    assert (await admin.delete(path)).status == 204
    assert (await admin.json("/api/suspensions"))["suspensions"] == []
    await ann.refresh()
    assert (await ann.get("/api/me")).status == 200
    assert await audited(server, "suspend") == [("rob", ann.id, "127.0.0.1", "")]
    assert await audited(server, "restore") == [("rob", ann.id, "127.0.0.1", "")]


async def test_an_account_of_the_application_is_suspended(server: Server) -> None:
    admin, ben = await signed_in(server, "rob", role="admin"), Web(server.port, "ben")
    assert (await ben.get("/api/users")).status == 200
    assert (await admin.put("/api/suspensions/u_ben", {})).status == 204
    reply = await ben.get("/api/users")
    assert (reply.status, code(reply)) == (403, "suspended")
    assert (await admin.json("/api/suspensions"))["suspensions"][0]["until"] is None


@pytest.mark.parametrize(
    ("user", "status", "refusal"),
    [
        ("a_unknown", 404, "no_such_account"),
        ("g_1", 400, "bad_field"),
        ("w_1", 400, "bad_field"),
        ("b_1", 400, "bad_field"),
    ],
)
async def test_who_cannot_be_suspended(server: Server, user: str, status: int, refusal: str) -> None:
    admin = await signed_in(server, "rob", role="admin")
    reply = await admin.put(f"/api/suspensions/{user}", {})
    assert (reply.status, code(reply)) == (status, refusal)
    reply = await admin.put(f"/api/suspensions/{admin.id}", {})
    assert (reply.status, code(reply)) == (409, "conflict")


async def test_a_blocked_network_is_refused_everything(server: Server) -> None:
    """But not a block of the operator's own address, unless that is meant."""
    admin = await signed_in(server, "rob", role="admin")
    assert (await admin.post("/api/blocks", {"network": "192.0.2.77/24", "reason": "flood"})).status == 204
    for address, status in (("192.0.2.1", 403), ("192.0.3.1", 200)):
        assert (await Web(server.port).get("/api/rooms", X_Forwarded_For=address)).status == status
    page = await Web(server.port).get("/client.html", X_Forwarded_For="192.0.2.1")
    assert (page.status, page.body) == (403, b"This address is blocked: flood.\n")
    assert page.headers["content-type"] == "text/plain; charset=utf-8"
    (denied,) = (await admin.json("/api/blocks"))["blocks"]
    assert (denied["network"], denied["reason"], denied["until"]) == ("192.0.2.0/24", "flood", None)
    for wrong in ("127.0.0.1", "127.0.0.0/8", "::ffff:127.0.0.1"):
        reply = await admin.post("/api/blocks", {"network": wrong})
        assert (reply.status, code(reply)) == (409, "conflict")
    away = await admin.post("/api/blocks", {"network": "127.0.0.1"}, X_Forwarded_For="198.51.100.7")
    assert "loopback" in away.json()["error"]["message"]
    for wrong in ("0.0.0.0/0", "10.0.0.0/7", "2001::/16", "x", ""):
        reply = await admin.post("/api/blocks", {"network": wrong})
        assert (reply.status, code(reply)) == (400, "bad_field")
    assert (await admin.delete("/api/blocks/192.0.2.0%2F24")).status == 204
    await owner_of(server).accounts.follower.catch_up()  # it decides who may ask at an edge, too
    assert (await Web(server.port).get("/api/rooms", X_Forwarded_For="192.0.2.1")).status == 200
    assert (await admin.json("/api/blocks"))["blocks"] == []
    assert await audited(server, "block") == [("rob", "192.0.2.0/24", "127.0.0.1", "")]


async def test_accounts_are_listed_and_get_roles(server: Server) -> None:
    admin = await signed_in(server, "rob", role="admin")
    people = {name: await signed_in(server, name) for name in ("ann", "anna", "ben")}
    page = await admin.json("/api/accounts?limit=2")
    assert [one["username"] for one in page["accounts"]] == ["ann", "anna"]
    page = await admin.json("/api/accounts?after=anna&limit=2")
    assert [one["username"] for one in page["accounts"]] == ["ben", "rob"]
    page = await admin.json("/api/accounts?contains=nn")
    assert [one["username"] for one in page["accounts"]] == ["ann", "anna"]
    ann = people["ann"]
    assert (await ann.get("/api/accounts")).status == 403
    reply = await admin.patch(f"/api/accounts/{ann.id}", {"role": "admin"})
    assert (reply.status, reply.json()["role"]) == (200, "admin")
    await ann.refresh()
    assert (await ann.get("/api/accounts")).status == 200
    reply = await ann.patch(f"/api/accounts/{ann.id}", {"role": "user"})
    assert (reply.status, code(reply)) == (409, "conflict")
    reply = await ann.patch(f"/api/accounts/{ann.id}", {"role": "king"})
    assert (reply.status, reply.json()["error"]["message"]) == (400, "role must be user, organizer or admin")
    reply = await ann.patch("/api/accounts/a_unknown", {"role": "user"})
    assert (reply.status, code(reply)) == (404, "no_such_account")
    assert (await audited(server, "role"))[0] == ("rob", ann.id, "127.0.0.1", "admin")


async def test_logins_of_others_are_listed_and_ended(server: Server) -> None:
    admin = await signed_in(server, "rob", role="admin")
    ann, phone = await signed_in(server, "ann"), await signed_in(server, "ann")
    path = f"/api/accounts/{ann.id}/sessions"
    first, second = (await admin.json(path))["sessions"]
    assert first.keys() == {"id", "device", "address", "created_at", "refreshed_at"}
    async with await connected(server, ann) as of_ann, await connected(server, phone) as of_phone:
        assert (await admin.delete(f"{path}/{first['id']}")).status == 204
        assert await of_ann.closing() == (SIGNED_OUT.code, SIGNED_OUT.reason)
        await of_phone.pong()
        assert [one["id"] for one in (await admin.json(path))["sessions"]] == [second["id"]]
        assert (await admin.delete(path)).status == 204
        assert await of_phone.closing() == (SIGNED_OUT.code, SIGNED_OUT.reason)
    assert (await ann.get("/api/me")).status == (await phone.get("/api/me")).status == 401
    assert (await admin.get("/api/accounts/a_unknown/sessions")).status == 404
    assert len(await audited(server, "session_end")) == 2


async def test_what_does_not_exist_is_not_found_and_leaves_no_trace(server: Server) -> None:
    admin, ann = await signed_in(server, "rob", role="admin"), await signed_in(server, "ann")
    for path, refusal in (
        (f"/api/suspensions/{ann.id}", "no_such_suspension"),
        ("/api/suspensions/u_ben", "no_such_suspension"),
        ("/api/suspensions/a_unknown", "no_such_account"),
        ("/api/blocks/192.0.2.9", "no_such_block"),
        (f"/api/accounts/{ann.id}/sessions/l_unknown", "no_such_session"),
        ("/api/me/sessions/l_unknown", "no_such_session"),
        ("/api/keys/k_unknown", "no_such_key"),
        ("/api/links/i_unknown", "no_such_link"),
        ("/api/me/blocks/u_ben", "no_such_user"),
    ):
        reply = await admin.delete(path)
        assert (path, reply.status, code(reply)) == (path, 404, refusal)
    assert (await admin.patch(f"/api/accounts/{ann.id}", {"role": "user"})).status == 200  # as it is
    assert (await ann.get("/api/me")).status == 200  # its access token is still valid
    for action in ("restore", "unblock", "session_end", "key_revoke", "link_revoke", "user_block"):
        assert await audited(server, action) == []
    assert ann.id not in [target for _, target, *_ in await audited(server, "role")]


# --- API keys ---------------------------------------------------------------------------------------------------------


async def new_key(admin: SignedIn, **fields: Any) -> dict[str, Any]:
    reply = await admin.post("/api/keys", {"name": "Helper", "scope": "write", "days": 30, **fields})
    assert reply.status == 201, reply
    made: dict[str, Any] = reply.json()
    return made


@pytest.mark.parametrize(("name", "refusal"), [("Ann", "name_taken"), ("Admin", "reserved_name"), ("ann_", "")])
async def test_a_bot_is_not_called_like_an_account(server: Server, name: str, refusal: str) -> None:
    admin, _ = await signed_in(server, "rob", role="admin"), await signed_in(server, "ann")
    reply = await admin.post("/api/keys", {"name": name, "scope": "read", "days": 1})
    assert reply.status == 201 if not refusal else code(reply) == refusal


async def test_a_key_is_shown_once_and_acts_at_once(server: Server) -> None:
    admin = await signed_in(server, "rob", role="admin")
    made = await new_key(admin)
    secret, key = made["secret"], made["key"]
    assert secret.startswith(key["prefix"])
    assert len(secret) == 46  # pk_ and 256 bits
    assert (key["name"], key["scope"], key["maker"], key["used_at"]) == ("Helper", "write", admin.id, None)
    listed = (await admin.json("/api/keys"))["keys"]
    assert listed == [key]
    assert secret not in json.dumps(listed)
    bot = Web(server.port, token=secret)
    await bot.create("plans")
    assert await bot.say("plans", "hello") > 0
    async with await connected(server, bot) as client:
        assert (await client.expect("welcome"))["user"] == {"id": key["bot"], "name": "Helper"}
        client.send(command(type="message", id="1", room="den", content="hello"))
        await client.expect("message", id="1")
        assert (await admin.delete(f"/api/keys/{key['id']}")).status == 204
        assert await client.closing() == (SIGNED_OUT.code, SIGNED_OUT.reason)
    assert (await bot.get("/api/users")).status == 401
    assert (await admin.json("/api/keys"))["keys"] == []
    reply = await admin.delete(f"/api/keys/{key['id']}")
    assert (reply.status, code(reply)) == (404, "no_such_key")
    assert await audited(server, "key") == [("rob", key["bot"], "127.0.0.1", f"{key['id']} write")]
    assert await audited(server, "key_revoke") == [("rob", key["id"], "127.0.0.1", "")]


async def test_a_key_to_read_changes_nothing_over_http(server: Server) -> None:
    admin = await signed_in(server, "rob", role="admin")
    await admin.create("plans")
    await admin.say("plans", "hello")
    bot = Web(server.port, token=(await new_key(admin, scope="read"))["secret"])
    assert len((await bot.json("/api/rooms/plans/messages"))["messages"]) == 1
    for method, target, body in (
        ("POST", "/api/rooms", {"name": "own"}),
        ("POST", "/api/rooms/plans/messages", {"content": "no"}),
        ("PATCH", "/api/rooms/plans", {"topic": "no"}),
        ("DELETE", f"/api/rooms/plans/members/{admin.id}", None),
        ("GET", "/api/keys", None),
        ("GET", "/api/me", None),
    ):
        reply = await bot.ask(method, target, body)
        assert (reply.status, code(reply)) == (403, "forbidden"), (method, target)
        assert method == "GET" or "API key" in reply.json()["error"]["message"]


async def test_a_bot_may_have_several_keys(server: Server) -> None:
    admin = await signed_in(server, "rob", role="admin")
    first = (await new_key(admin))["key"]
    second = (await new_key(admin, bot=first["bot"], scope="read"))["key"]
    assert second["bot"] == first["bot"]
    assert second["id"] != first["id"]
    reply = await admin.post("/api/keys", {"name": "x", "scope": "read", "days": 1, "bot": "b_unknown"})
    assert (reply.status, code(reply)) == (404, "no_such_user")


@pytest.mark.parametrize(
    ("changed", "status", "refusal"),
    [
        ({"name": ""}, 400, "bad_field"),
        ({"name": "SYSTEM"}, 403, "reserved_name"),
        ({"scope": "admin"}, 400, "bad_field"),
        ({"days": 0}, 400, "bad_field"),
        ({"days": 100_000}, 400, "bad_field"),
    ],
)
async def test_a_key_that_cannot_be_made(server: Server, changed: dict[str, Any], status: int, refusal: str) -> None:
    admin = await signed_in(server, "rob", role="admin")
    reply = await admin.post("/api/keys", {"name": "Helper", "scope": "write", "days": 30, **changed})
    assert (reply.status, code(reply)) == (status, refusal)
