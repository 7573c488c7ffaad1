"""The caller's own account and logins."""

import pytest

from server.app import Server
from tests.support.accounts import PASSWORD, signed_in, visitor
from tests.support.web import Web, code, token_of

NEW = "another horse battery"


async def test_the_name_is_changed(server: Server) -> None:
    """The access token has the name, so the one before is outdated. The answer has none, with which a thief goes on."""
    ann, phone = await signed_in(server, "ann"), await signed_in(server, "ann")
    reply = await ann.patch("/api/me", {"name": "Ann Lee"})
    assert reply.status == 200
    assert reply.json()["name"] == "Ann Lee"
    assert "access_token" not in reply.json()
    assert (await ann.get("/api/me")).status == 401
    await ann.refresh()
    assert (await ann.json("/api/me"))["name"] == "Ann Lee"
    await server.accounts.follower.catch_up()
    assert (await phone.get("/api/me")).status == 401
    await phone.refresh()
    assert (await phone.json("/api/me"))["name"] == "Ann Lee"
    assert (await ann.patch("/api/me", {"name": "Ann Lee"})).status == 200
    assert (await ann.get("/api/me")).status == 200, "nothing has changed"


async def test_a_new_password_ends_the_other_logins(server: Server) -> None:
    ann, phone = await signed_in(server, "ann"), await signed_in(server, "ann")
    reply = await ann.patch("/api/me", {"password": NEW, "old_password": PASSWORD})
    assert reply.status == 200
    await ann.refresh()
    assert len((await ann.json("/api/me/sessions"))["sessions"]) == 1
    await ann.refresh()
    reply = await visitor(server.port).post("/api/refresh", {"refresh_token": phone.refresh_token})
    assert reply.status == 401
    login = visitor(server.port)
    assert (await login.post("/api/login", {"username": "ann", "password": PASSWORD})).status == 401
    assert (await login.post("/api/login", {"username": "ann", "password": NEW})).status == 200


@pytest.mark.parametrize(
    ("body", "status", "refusal"),
    [
        ({"password": NEW}, 400, "bad_field"),
        ({"email": ""}, 400, "bad_field"),
        ({"password": NEW, "old_password": "wrong horse battery"}, 401, "wrong_credentials"),
        ({"password": "short", "old_password": PASSWORD}, 400, "bad_field"),
        ({"email": "ann@example.org", "old_password": PASSWORD}, 400, "bad_field"),  # no mail is sent here
        ({"name": ""}, 400, "bad_field"),
        ({"name": "SYSTEM"}, 403, "reserved_name"),
    ],
)
async def test_a_change_is_refused_by_name(server: Server, body: dict[str, str], status: int, refusal: str) -> None:
    ann = await signed_in(server, "ann")
    reply = await ann.patch("/api/me", body)
    assert (reply.status, code(reply)) == (status, refusal)
    assert (await visitor(server.port).post("/api/login", {"username": "ann", "password": PASSWORD})).status == 200


async def test_one_login_is_ended_and_all_others(server: Server) -> None:
    ann, phone, tablet = [await signed_in(server, "ann") for _ in range(3)]
    bob = await signed_in(server, "bob")
    first, second, third = [one["id"] for one in (await ann.json("/api/me/sessions"))["sessions"]]
    reply = await bob.delete(f"/api/me/sessions/{second}")  # not theirs: nothing happens
    assert (reply.status, code(reply)) == (404, "no_such_session")
    await phone.refresh()
    assert (await ann.delete(f"/api/me/sessions/{second}")).status == 204
    await server.accounts.follower.catch_up()
    assert (await phone.get("/api/me")).status == 401
    assert [one["id"] for one in (await tablet.json("/api/me/sessions"))["sessions"]] == [first, third]
    assert (await tablet.delete("/api/me/sessions")).status == 204
    assert [one["id"] for one in (await tablet.json("/api/me/sessions"))["sessions"]] == [third]
    await server.accounts.follower.catch_up()
    assert (await ann.get("/api/me")).status == 401
    assert (await bob.get("/api/me")).status == 200


async def test_other_principals_have_no_account_here(server: Server) -> None:
    targets = ("/api/me", "/api/me/sessions")
    for target in targets:
        assert (await Web(server.port).get(target)).status == 401
        reply = await Web(server.port, "ann").get(target)
        assert (reply.status, code(reply)) == (403, "forbidden")
        admin = Web(server.port, token=token_of("root", "admin"))
        assert (await admin.get(target)).status == 403
