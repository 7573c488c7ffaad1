"""Tokens that were stolen, and requests that pages of others send: neither gets far."""

import re

import pytest

from model.errors import SIGNED_OUT
from server.app import Server
from server.web.accounts.shared import Signed
from tests.support.accounts import SignedIn, noted, signed_in, visitor
from tests.support.rawws import NATIVE, RawClient, fetch
from tests.support.signed import Headers, now_us
from tests.support.signed import SignedIn as StoredLogin
from tests.support.signed import signed_in as stored_login
from tests.support.web import Web, code

OWN = "http://localhost"


async def refreshed(server: Server, token: str) -> tuple[int, str]:
    """Send a refresh token, and return the status and the next one."""
    reply = await visitor(server.port).post("/api/refresh", {"refresh_token": token})
    return reply.status, str(reply.json().get("refresh_token", ""))


async def connected(server: Server, web: SignedIn) -> RawClient:
    return await RawClient.open(server.port, "/chat?r=den", [*NATIVE, ("Authorization", f"Bearer {web.token}")])


@pytest.mark.parametrize("thief_is_first", [False, True])
async def test_a_refresh_token_that_is_used_twice_ends_the_login(server: Server, thief_is_first: bool) -> None:
    """Whether its owner or the thief was first: live connections of both are closed, other logins go on."""
    ann, phone = await signed_in(server, "ann"), await signed_in(server, "ann")
    stolen = ann.refresh_token
    async with await connected(server, ann) as live, await connected(server, phone) as other:
        await live.expect("joined")
        if thief_is_first:
            status, newest = await refreshed(server, stolen)
            assert status == 200
            status, newest = await refreshed(server, newest)
        else:
            await ann.refresh()
            await ann.refresh()
            newest = ann.refresh_token
        assert (await refreshed(server, stolen))[0] == 401
        assert await live.closing() == (SIGNED_OUT.code, SIGNED_OUT.reason)
        await other.pong()
    assert (await refreshed(server, newest))[0] == 401
    assert (await ann.get("/api/me")).status == 401
    assert (await phone.get("/api/me")).status == 200


async def test_two_tabs_that_refresh_at_once_stay_signed_in(server: Server) -> None:
    ann = await signed_in(server, "ann")
    first, second = await refreshed(server, ann.refresh_token), await refreshed(server, ann.refresh_token)
    assert first == second
    assert first[0] == 200
    assert (await refreshed(server, first[1]))[0] == 200


async def test_only_signing_in_and_a_refresh_answer_with_tokens(server: Server) -> None:
    """With an access token alone, a thief never gets one that is valid for longer."""
    rows = {row.path for row in server._http.endpoints() if any(answer.body is Signed for answer in row.answers)}
    assert rows == {"/api/login", "/api/refresh", "/api/register", "/api/admin/first"}


async def test_cookies_are_set_by_signing_in_and_a_refresh_only(server: Server) -> None:
    ann = await stored_login(server, by_cookie=True)
    headers = [*ann.cookies(OWN), ("Content-Type", "application/json"), ("X-CSRF-Token", ann.pair.csrf)]
    reply = await fetch(server.port, "/api/me", headers, method="PATCH", body=b'{"name":"Ann Lee"}')
    assert reply.status == 200
    assert "set-cookie" not in reply.headers


async def test_every_change_by_cookie_needs_the_csrf_token(server: Server) -> None:
    """Every row of the table, those without a caller as well, so that a new row cannot forget it."""
    ann = await stored_login(server, by_cookie=True)
    json_body = ("Content-Type", "application/json")
    token = ("X-CSRF-Token", ann.pair.csrf)
    refusals: list[tuple[Headers, int, str]] = [
        ([*ann.cookies(OWN), json_body], 403, "csrf"),
        ([*ann.cookies(OWN), json_body, ("X-CSRF-Token", "x" * 32)], 403, "csrf"),
        ([*ann.cookies(OWN), token], 415, "unsupported"),
        ([*ann.cookies(OWN), token, ("Content-Type", "text/plain")], 415, "unsupported"),
        ([*ann.cookies(None), token, json_body], 403, "forbidden"),
        ([*ann.cookies("http://evil.example"), token, json_body], 403, "forbidden"),
        ([*ann.cookies("null"), token, json_body], 403, "forbidden"),
    ]
    rows = [row for row in server._http.endpoints() if row.method != "GET"]
    assert len(rows) > 40
    for row in rows:
        target = re.sub(r"\{\w+\}", "x", row.path)
        for headers, status, refusal in refusals:
            reply = await fetch(server.port, target, headers, method=row.method, body=b"{}")
            assert (reply.status, code(reply)) == (status, refusal), (row.method, target, headers)


async def test_a_change_by_cookie_with_the_csrf_token_is_made(server: Server) -> None:
    ann = await stored_login(server, by_cookie=True)
    headers = [*ann.cookies(OWN), ("Content-Type", "application/json"), ("X-CSRF-Token", ann.pair.csrf)]
    reply = await fetch(server.port, "/api/rooms", headers, method="POST", body=b'{"name":"plans"}')
    assert reply.status == 201
    assert (await fetch(server.port, "/api/me", ann.cookies(OWN))).status == 200
    for origin in ("http://evil.example", "null"):
        assert (await fetch(server.port, "/api/me", ann.cookies(origin))).status == 401, "the cookie does not count"
    assert (await Web(server.port, token=ann.pair.access).get("/api/me")).status == 200


def with_cookies(first: StoredLogin, second: StoredLogin) -> Headers:
    """Return the headers of a page whose browser has the cookies of two logins, such as one from another subdomain."""
    (_, mine), (_, origin) = first.cookies(OWN)
    (_, other), _ = second.cookies(OWN)
    return [("Cookie", f"{mine}; {other}"), ("Origin", origin), ("Content-Type", "application/json")]


async def test_the_csrf_token_is_that_of_the_login_that_acts(server: Server) -> None:
    """Pages of other subdomains can set cookies: those of an ended login, whose CSRF token the attacker knows."""
    ann, eve = await stored_login(server, by_cookie=True), await stored_login(server, by_cookie=True)
    await server.accounts.storage.logins.end(eve.account.account_id, entry=noted("session_end", at=now_us()))
    await server.accounts.follower.catch_up()
    headers, body = with_cookies(eve, ann), b'{"name":"Anna"}'
    for signed_in_as, status in ((eve, 403), (ann, 200)):
        sent = [*headers, ("X-CSRF-Token", signed_in_as.pair.csrf)]
        assert (await fetch(server.port, "/api/me", sent, method="PATCH", body=body)).status == status


async def test_the_cookies_of_an_ended_login_do_not_sign_another_one_out(server: Server) -> None:
    ann, eve = await stored_login(server, by_cookie=True), await stored_login(server, by_cookie=True)
    await server.accounts.storage.logins.end(eve.account.account_id, entry=noted("session_end", at=now_us()))
    sent = [*with_cookies(eve, ann), ("X-CSRF-Token", ann.pair.csrf)]
    reply = await fetch(server.port, "/api/refresh", sent, method="POST", body=b"{}")
    assert reply.status == 200
    assert reply.json()["account"]["id"] == ann.account.account_id


@pytest.mark.parametrize("path", ["/api/login", "/api/register", "/api/reset", "/api/refresh", "/api/logout"])
async def test_signing_in_needs_the_own_origin(server: Server, path: str) -> None:
    """A page of another site could sign its visitor in to an account of its own."""
    for origin in ("", "http://evil.example", "null", "http://localhost.evil.example"):
        reply = await visitor(server.port, origin).post(path, {"username": "ann", "password": "correct horse battery"})
        assert (reply.status, code(reply)) == (403, "forbidden")
    basic = {"Authorization": "Basic eDp5"}  # which a browser sends by itself to a proxy that has asked for it
    reply = await visitor(server.port, "http://evil.example").post(path, {"username": "ann"}, **basic)
    assert (reply.status, code(reply)) == (403, "forbidden")
    headers = [("Origin", OWN), ("Content-Type", "text/plain")]
    reply = await fetch(server.port, path, headers, method="POST", body=b"{}")
    assert (reply.status, code(reply)) == (415, "unsupported")
