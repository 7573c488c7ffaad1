"""The second factor: codes of an app (RFC 6238), and recovery codes."""

import re
from base64 import b32decode

import pyotp
import pytest

from server.accounts import guesses
from server.app import Server
from tests.support.accounts import PASSWORD, At, SignedIn, signed_in, visitor
from tests.support.rawws import Reply
from tests.support.web import code

OLD = {"old_password": PASSWORD}


async def set_up(server: Server) -> tuple[SignedIn, pyotp.TOTP, list[str]]:
    """Return a user with a second factor, its app, and the recovery codes. The app's code before was used."""
    server.accounts.clock = At(server.accounts.clock.now_us())  # a step of time must not end within a test
    ann = await signed_in(server, "ann")
    begun = (await ann.post("/api/me/totp", OLD)).json()
    app = pyotp.parse_uri(begun["uri"])
    assert isinstance(app, pyotp.TOTP)
    assert (app.secret, app.name, app.issuer) == (begun["secret"], "ann", "Parley")
    reply = await ann.post("/api/me/totp/confirm", {"code": app.at(now(server), counter_offset=-1)})
    assert reply.status == 200
    return ann, app, reply.json()["recovery_codes"]


def now(server: Server) -> int:
    return server.accounts.clock.now_us() // 1_000_000


async def sign_in(server: Server, given: str | None, password: str = PASSWORD) -> Reply:
    body = {"username": "ann", "password": password} | ({} if given is None else {"code": given})
    return await visitor(server.port).post("/api/login", body)


async def test_a_login_needs_a_code(server: Server) -> None:
    ann, app, _ = await set_up(server)
    assert (await ann.json("/api/me"))["second_factor"]
    reply = await sign_in(server, None)
    assert (reply.status, code(reply)) == (401, "code_required")
    for given in ("000000", "", "nonsense", "1" * 64):
        reply = await sign_in(server, given)
        assert (reply.status, code(reply)) == (401, "wrong_credentials")
    assert (await sign_in(server, app.at(now(server)))).status == 200


async def test_without_the_password_the_code_is_not_asked_for(server: Server) -> None:
    """So a guess does not tell which half was right."""
    _, app, _ = await set_up(server)
    for given in (None, app.at(now(server))):
        reply = await sign_in(server, given, "wrong horse battery")
        assert (reply.status, code(reply)) == (401, "wrong_credentials")


async def test_a_code_is_used_once(server: Server) -> None:
    _, app, _ = await set_up(server)
    given = app.at(now(server))
    assert (await sign_in(server, given)).status == 200
    assert (await sign_in(server, given)).status == 401
    assert (await sign_in(server, app.at(now(server), counter_offset=-1))).status == 401  # that was used, too


async def test_a_code_may_have_spaces(server: Server) -> None:
    _, app, _ = await set_up(server)
    given = app.at(now(server))
    assert (await sign_in(server, f" {given[:3]} {given[3:]}")).status == 200


async def test_codes_are_not_guessed_with_many_addresses(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recovery codes count all the same. A new password, which needs no code, allows no further guesses."""
    monkeypatch.setattr(guesses, "CODES", 2)
    ann, app, codes = await set_up(server)
    for _ in range(2):
        assert (await sign_in(server, "000000")).status == 401
    web, body = visitor(server.port), {"username": "ann", "password": PASSWORD, "code": app.at(now(server))}
    reply = await web.post("/api/login", body, X_Forwarded_For="192.0.2.9")
    assert (reply.status, code(reply), reply.headers["retry-after"]) == (429, "rate_limited", "3600")
    assert (await sign_in(server, codes[0])).status == 200
    changed = {"password": "another horse battery", "old_password": PASSWORD}
    assert (await ann.patch("/api/me", changed)).status == 200
    assert (await sign_in(server, app.at(now(server)), "another horse battery")).status == 429
    assert (await sign_in(server, codes[1], "another horse battery")).status == 200


async def test_each_recovery_code_is_used_once(server: Server) -> None:
    ann, _, codes = await set_up(server)
    assert len(set(codes)) == 10
    assert (await ann.json("/api/me"))["recovery_codes"] == 10
    assert (await sign_in(server, codes[0])).status == 200
    assert (await sign_in(server, codes[0])).status == 401
    assert (await ann.json("/api/me"))["recovery_codes"] == 9


async def test_recovery_codes_have_120_bits_in_groups_of_four(server: Server) -> None:
    """From 112 bits on, a plain hash protects them (OWASP ASVS 5, 6.5.2)."""
    _, _, codes = await set_up(server)
    for given in codes:
        assert re.fullmatch(r"[a-z2-7]{4}(-[a-z2-7]{4}){5}", given)
        assert len(b32decode(given.replace("-", "").upper())) * 8 == 120


async def test_case_hyphens_and_spaces_of_a_recovery_code_do_not_matter(server: Server) -> None:
    _, _, codes = await set_up(server)
    for given in (
        codes[0].upper(),
        codes[1].replace("-", ""),
        f" {codes[2].replace('-', ' ').title()} ",
        codes[3].replace("-", " - "),
    ):
        assert (await sign_in(server, given)).status == 200
        assert (await sign_in(server, given)).status == 401


async def test_recovery_codes_are_replaced(server: Server) -> None:
    ann, app, codes = await set_up(server)
    reply = await ann.post("/api/me/totp/codes", {**OLD, "code": app.at(now(server))})
    assert reply.status == 200
    renewed = reply.json()["recovery_codes"]
    assert not set(codes) & set(renewed)
    assert (await sign_in(server, codes[0])).status == 401
    assert (await sign_in(server, renewed[0])).status == 200


async def test_the_second_factor_is_turned_off_with_password_and_code(server: Server) -> None:
    ann, app, codes = await set_up(server)
    for body in ({**OLD, "code": "000000"}, {"old_password": "wrong horse battery", "code": codes[0]}):
        reply = await ann.ask("DELETE", "/api/me/totp", body)
        assert (reply.status, code(reply)) == (401, "wrong_credentials")
    assert (await ann.ask("DELETE", "/api/me/totp", {**OLD, "code": codes[0]})).status == 204
    assert (await sign_in(server, None)).status == 200
    me = await ann.json("/api/me")
    assert (me["second_factor"], me["recovery_codes"]) == (False, 0)
    for method, target, body in (
        ("DELETE", "/api/me/totp", {**OLD, "code": codes[1]}),
        ("POST", "/api/me/totp/codes", {**OLD, "code": codes[1]}),
        ("POST", "/api/me/totp/confirm", {"code": app.at(now(server))}),
    ):
        reply = await ann.ask(method, target, body)
        assert (reply.status, code(reply)) == (409, "conflict")


async def test_nothing_changes_until_a_code_is_confirmed(server: Server) -> None:
    ann = await signed_in(server, "ann")
    reply = await ann.post("/api/me/totp", {"old_password": "wrong horse battery"})
    assert (reply.status, code(reply)) == (401, "wrong_credentials")
    assert (await ann.post("/api/me/totp", OLD)).status == 200
    reply = await ann.post("/api/me/totp/confirm", {"code": "000000"})
    assert (reply.status, code(reply)) == (401, "wrong_credentials")
    assert not (await ann.json("/api/me"))["second_factor"]
    assert (await sign_in(server, None)).status == 200


async def test_a_second_factor_is_not_replaced_without_a_code(server: Server) -> None:
    ann, _, _ = await set_up(server)
    reply = await ann.post("/api/me/totp", OLD)
    assert (reply.status, code(reply)) == (409, "conflict")
