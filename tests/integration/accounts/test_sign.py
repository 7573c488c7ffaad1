"""Register, sign in, refresh, sign out."""

import re
from typing import Any

import pytest
from msgspec.structs import replace

from model.account import AccountChange
from model.audit import AuditFilter
from server.accounts import signing_in
from server.app import Server
from server.auth.access_tokens import read_refresh
from server.settings.values import Settings
from tests.support.accounts import DAY, PASSWORD, account, invite_link, noted, signed_in, stored, visitor
from tests.support.rawws import Reply
from tests.support.serving import Serve
from tests.support.web import SECRET, Web, code
from utils.ids import hash_secret, new_secret

ANN = {"username": "ann", "password": PASSWORD}


async def actions(server: Server, **chosen: Any) -> list[tuple[str, str]]:
    """Return the action and result of each audit entry, the oldest first."""
    entries = await server.accounts.storage.audit.page(AuditFilter(**chosen), before=2**53, limit=100)
    return [(entry.action, entry.result) for _, entry in reversed(entries)]


def cookies_in(reply: Reply) -> dict[str, str]:
    """Return the cookies that an answer sets."""
    return dict(re.findall(r'(?:^|, )((?:__[A-Za-z]+-)?parley[\w-]*)="?([^;"]*)', reply.headers["set-cookie"]))


def sent(cookies: dict[str, str]) -> str:
    """Return what a browser sends."""
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def wrong(reply: Reply) -> dict[str, str]:
    """Return what is wrong with each field."""
    fields: dict[str, str] = reply.json()["error"]["fields"]
    return fields


# --- register --------------------------------------------------------------------------------------------------------


async def test_an_account_is_made_and_signed_in(server: Server) -> None:
    reply = await visitor(server.port).post(
        "/api/register", {"username": "Ann", "password": PASSWORD, "name": "Ann Lee"}
    )
    assert reply.status == 201
    assert reply.headers["cache-control"] == "no-store"
    signed = reply.json()
    account_id = signed["account"].pop("id")
    assert account_id.startswith("a_")
    assert signed["account"] == {"username": "ann", "name": "Ann Lee", "role": "user"}
    assert signed["expires_in"] == 900
    assert signed["token_type"] == "Bearer"
    me = await Web(server.port, token=signed["access_token"]).json("/api/me")
    assert {"id": account_id, "username": "ann", "second_factor": False, "csrf": signed["csrf"]}.items() <= me.items()
    assert "email" not in me
    assert await actions(server, actor=account_id) == [("register", "ok")]


async def test_the_display_name_is_the_username_by_default(server: Server) -> None:
    ann = await signed_in(server, "ann")
    assert (await ann.json("/api/me"))["name"] == "ann"


async def test_every_wrong_field_is_named(server: Server) -> None:
    body = {"username": "not allowed", "password": "short", "name": "SYSTEM", "email": "nobody"}
    reply = await visitor(server.port).post("/api/register", body)
    assert reply.status in (400, 403)
    assert wrong(reply).keys() == {"username", "password", "name", "email"}


@pytest.mark.parametrize("password", ["annabella1", "trustno1", "12345678", "annabella", "x" * 1025])
async def test_a_password_that_is_easily_guessed_or_too_long_is_refused(server: Server, password: str) -> None:
    reply = await visitor(server.port).post("/api/register", {"username": "annabella", "password": password})
    assert (reply.status, code(reply), reply.json()["error"]["field"]) == (400, "bad_field", "password")


@pytest.mark.parametrize("username", ["ann", "ANN", "ａｎｎ", "аnn"])
async def test_a_username_is_unique_under_case_width_and_look(server: Server, username: str) -> None:
    await signed_in(server, "ann")
    reply = await visitor(server.port).post("/api/register", {"username": username, "password": PASSWORD})
    assert (reply.status, code(reply), list(wrong(reply))) == (409, "name_taken", ["username"])


async def test_a_display_name_cannot_look_like_the_username_of_another_account(server: Server) -> None:
    await signed_in(server, "ann")
    body = {"username": "bob", "password": PASSWORD, "name": "ANN"}
    reply = await visitor(server.port).post("/api/register", body)
    assert (reply.status, code(reply), list(wrong(reply))) == (409, "name_taken", ["name"])
    bob = await signed_in(server, "bob", name="Bob")
    reply = await bob.patch("/api/me", {"name": "Ａnn"})
    assert (reply.status, code(reply)) == (409, "name_taken")
    assert (await bob.patch("/api/me", {"name": "BOB"})).status == 200


async def test_registration_can_be_closed(serve: Serve, storage: dict[str, str]) -> None:
    server = await serve(REGISTRATION="closed", **storage)
    reply = await visitor(server.port).post("/api/register", ANN)
    assert (reply.status, code(reply)) == (403, "registration_closed")
    assert (await visitor(server.port).json("/api/server"))["registration"] == "closed"


async def test_an_invite_link_registers_as_often_as_it_says(serve: Serve, storage: dict[str, str]) -> None:
    server = await serve(REGISTRATION="invite", **storage)
    secret = new_secret()
    now = server.accounts.clock.now_us()
    link = replace(invite_link(created_at=now, until=now + DAY, uses=2), hash=hash_secret(secret))
    await server.accounts.storage.links.insert(link, noted("link"))
    web = visitor(server.port)
    for invite in (None, "nonsense", new_secret()):
        reply = await web.post("/api/register", {**ANN, "invite": invite})
        assert (reply.status, code(reply)) == (403, "invite_invalid")
    bodies = [{"username": f"user{n}", "password": PASSWORD, "invite": secret} for n in range(3)]
    assert [(await web.post("/api/register", body)).status for body in bodies] == [201, 201, 403]


async def test_new_accounts_of_an_address_are_limited(serve: Serve, storage: dict[str, str]) -> None:
    server = await serve(RATE_LIMIT_REGISTRATIONS="0.001/2", **storage)
    web = visitor(server.port)
    statuses = []
    for n, address in enumerate(["192.0.2.1"] * 3 + ["192.0.2.2"]):
        body = {"username": f"user{n}", "password": PASSWORD}
        statuses.append((await web.post("/api/register", body, X_Forwarded_For=address)).status)
    assert statuses == [201, 201, 429, 201]


# --- sign in ---------------------------------------------------------------------------------------------------------


async def test_a_user_signs_in_on_another_device(server: Server) -> None:
    ann = await signed_in(server, "ann")
    reply = await visitor(server.port).post("/api/login", {**ANN, "username": "ANN"}, User_Agent="Phone/1.0\u00a0x")
    assert reply.status == 200
    phone = Web(server.port, token=reply.json()["access_token"])
    shown = (await phone.json("/api/me/sessions"))["sessions"]
    assert [one["current"] for one in shown] == [False, True]
    assert shown[1]["device"].startswith("Phone/1.0")
    assert shown[1]["address"] == "127.0.0.1"
    assert ("login", "ok") in await actions(server, actor=ann.id)


@pytest.mark.parametrize("body", [{"username": "nobody"}, {"password": "wrong horse battery"}, {"username": "a b"}])
async def test_an_unknown_name_and_a_wrong_password_have_one_answer(server: Server, body: dict[str, str]) -> None:
    await signed_in(server, "ann")
    reply = await visitor(server.port).post("/api/login", {**ANN, **body})
    assert (reply.status, reply.body) == (
        401,
        b'{"error":{"code":"wrong_credentials","message":"the username or the password is wrong"}}',
    )


async def test_a_password_is_compared_in_one_form(server: Server) -> None:
    web = visitor(server.port)
    assert (await web.post("/api/register", {"username": "ann", "password": "a\u0308nderungen"})).status == 201
    assert (await web.post("/api/login", {"username": "ann", "password": "änderungen"})).status == 200


@pytest.mark.parametrize("fields", [{"username": "Adm1n"}, {"username": "root"}, {"name": "Moderator"}], ids=str)
async def test_names_of_users_with_a_task_are_reserved(server: Server, fields: dict[str, str]) -> None:
    reply = await visitor(server.port).post("/api/register", {**ANN, **fields})
    assert (reply.status, code(reply)) == (403, "reserved_name")
    assert list(reply.json()["error"]["fields"]) == list(fields)


async def test_an_account_keeps_a_name_that_was_reserved_later(server: Server) -> None:
    ann = await signed_in(server, "ann")
    reply = await ann.patch("/api/me", {"name": "Admin"})
    assert (reply.status, code(reply)) == (403, "reserved_name")
    assert list(reply.json()["error"]["fields"]) == ["name"]
    password = await server.accounts.hashing.hash(ANN["password"], "")
    await stored(server.accounts.storage.accounts, account("admin", password=password, name="boss"))
    signed = (await visitor(server.port).post("/api/login", {**ANN, "username": "admin"})).json()
    admin = Web(server.port, token=signed["access_token"])
    assert (await admin.patch("/api/me", {"name": "Admin"})).status == 200


# --- refresh ---------------------------------------------------------------------------------------------------------


async def test_a_refresh_token_has_one_successor(server: Server) -> None:
    """Two tabs may refresh at once: the one before yields the same successor for a while."""
    ann = await signed_in(server, "ann")
    first = ann.refresh_token
    await ann.refresh()
    second = ann.refresh_token
    assert second != first
    again = await visitor(server.port).post("/api/refresh", {"refresh_token": first})
    assert again.json()["refresh_token"] == second
    await ann.refresh()
    assert (await ann.get("/api/me")).status == 200


async def test_a_stolen_refresh_token_ends_the_login(server: Server) -> None:
    ann = await signed_in(server, "ann")
    stolen = ann.refresh_token
    await ann.refresh()
    await ann.refresh()
    for token in (stolen, ann.refresh_token):
        reply = await visitor(server.port).post("/api/refresh", {"refresh_token": token})
        assert (reply.status, code(reply)) == (401, "unauthorized")
    assert ("token_reuse", "ok") in await actions(server, target=ann.id)


@pytest.mark.parametrize("token", [None, "", "rt_", "rt_" + "A" * 48, "nonsense", "rt_\u00e4"])
async def test_what_is_no_refresh_token_yields_nothing(server: Server, token: str | None) -> None:
    reply = await visitor(server.port).post("/api/refresh", {"refresh_token": token})
    assert (reply.status, code(reply)) == (401, "unauthorized")


async def test_refreshes_of_a_login_are_limited(server: Server) -> None:
    ann = await signed_in(server, "ann")
    for _ in range(20):
        await ann.refresh()
    reply = await visitor(server.port).post("/api/refresh", {"refresh_token": ann.refresh_token})
    assert (reply.status, code(reply)) == (429, "rate_limited")


# --- sign out --------------------------------------------------------------------------------------------------------


async def test_signing_out_ends_the_login(server: Server) -> None:
    ann, phone = await signed_in(server, "ann"), await signed_in(server, "ann")
    assert (await ann.post("/api/logout", {})).status == 204
    reply = await visitor(server.port).post("/api/refresh", {"refresh_token": ann.refresh_token})
    assert reply.status == 401
    await phone.refresh()
    assert len((await phone.json("/api/me/sessions"))["sessions"]) == 1
    assert (await visitor(server.port).post("/api/logout", {"refresh_token": phone.refresh_token})).status == 204
    reply = await visitor(server.port).post("/api/refresh", {"refresh_token": phone.refresh_token})
    assert reply.status == 401
    assert (await visitor(server.port).post("/api/logout", {})).status == 204


@pytest.mark.parametrize("proxy", [{}, {"Authorization": "Basic eDp5"}], ids=["", "a proxy asks for a password"])
async def test_cookies_are_set_and_cleared(server: Server, proxy: dict[str, str]) -> None:
    web = visitor(server.port)
    reply = await web.post("/api/register", {**ANN, "cookie": True})
    assert reply.status == 201
    assert reply.json().keys() == {"account", "expires_in", "csrf"}
    cookies = cookies_in(reply)
    assert cookies.keys() == {"parley", "parley-refresh", "parley-csrf"}
    assert cookies["parley-csrf"] == reply.json()["csrf"]
    page = {"Cookie": sent(cookies), "X_CSRF_Token": cookies["parley-csrf"], **proxy}
    assert (await web.get("/api/me", Cookie=sent(cookies), **proxy)).status == 200
    reply = await web.post("/api/refresh", {}, **page)
    assert reply.status == 200
    renewed = cookies_in(reply)
    assert read_refresh(server.accounts.keys, renewed["parley-refresh"]) == (
        (read_refresh(server.accounts.keys, cookies["parley-refresh"]) or ("", 0))[0],
        1,
    )
    page = {"Cookie": sent(renewed), "X_CSRF_Token": renewed["parley-csrf"], **proxy}
    reply = await web.ask("PATCH", "/api/me", {"name": "Ann Lee"}, **page)
    assert reply.status == 200
    assert "access_token" not in reply.json()
    assert "set-cookie" not in reply.headers
    reply = await web.post("/api/logout", {}, **page)
    assert reply.status == 204
    assert cookies_in(reply) == {"parley": "", "parley-refresh": "", "parley-csrf": ""}
    reply = await web.post("/api/refresh", {}, **page)
    assert reply.status == 401
    assert cookies_in(reply) == {"parley": "", "parley-refresh": "", "parley-csrf": ""}


async def test_a_role_is_in_the_next_token(server: Server) -> None:
    ann = await signed_in(server, "ann")
    await server.accounts.storage.accounts.change(ann.id, AccountChange(role="admin"), noted("role"))
    await ann.refresh()
    assert (await ann.json("/api/me"))["role"] == "admin"


# --- limits and suspensions ------------------------------------------------------------------------------------------


async def test_a_suspended_account_cannot_sign_in(server: Server) -> None:
    """Only who knows the password finds out."""
    ann = await signed_in(server, "ann")
    until_us = server.accounts.clock.now_us() + DAY
    await server.accounts.storage.access.suspend(ann.id, until_us, "spam", noted("suspend"))
    await server.accounts.follower.catch_up()
    web = visitor(server.port)
    for target, body in (("/api/login", ANN), ("/api/refresh", {"refresh_token": ann.refresh_token})):
        reply = await web.post(target, body)
        assert (reply.status, code(reply)) == (403, "suspended")
        assert "spam" in reply.json()["error"]["message"]
    reply = await web.post("/api/login", {**ANN, "password": "wrong horse battery"})
    assert (reply.status, code(reply)) == (401, "wrong_credentials")
    log = await server.accounts.storage.audit.page(AuditFilter(action="login_failed"), before=2**53, limit=9)
    assert [(one.target and one.target.id, one.result, one.detail) for _, one in log] == [
        (ann.id, "refused", ""),
        (ann.id, "refused", "suspended"),
    ]
    await server.accounts.storage.access.suspend(ann.id, 0, "", noted("restore"))
    await server.accounts.follower.catch_up()
    assert (await web.post("/api/login", ANN)).status == 200


async def test_an_account_has_a_bounded_number_of_logins(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest ends when there is one more."""
    monkeypatch.setattr(signing_in, "LOGINS", 2)
    first, _, third = [await signed_in(server, "ann") for _ in range(3)]
    assert len((await third.json("/api/me/sessions"))["sessions"]) == 2
    reply = await visitor(server.port).post("/api/refresh", {"refresh_token": first.refresh_token})
    assert reply.status == 401


@pytest.mark.one_server("settings are reloaded at each node")
async def test_registration_is_closed_while_the_server_runs(server: Server) -> None:
    await signed_in(server, "ann")
    server.renew(Settings({"REGISTRATION": "closed", "PORT": "0", "JWT_SECRET": SECRET}))
    reply = await visitor(server.port).post("/api/register", {"username": "bob", "password": PASSWORD})
    assert (reply.status, code(reply)) == (403, "registration_closed")
    assert (await visitor(server.port).post("/api/login", ANN)).status == 200
