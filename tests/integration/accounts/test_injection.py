"""Text fields of accounts that contain SQL, markup, headers and lines of a log: stored as they are, or refused."""

import logging
from typing import Any

import pytest

from server.app import Server
from tests.contract.records import until
from tests.support.accounts import PASSWORD, signed_in, visitor
from tests.support.mail import MailServer
from tests.support.serving import Serve
from tests.support.web import Web, code

HOSTILE = [
    "'; DROP TABLE accounts; --",
    "%(username)s %s {} \\",
    "<script>alert(1)</script>",
    "a\r\nBcc: eve@example.org",
    "a\nERROR parley.audit action=login",
    "nul \0 nul",
    "lone \ud800 surrogate",
    "\u202eturned",
    "\x1b[2Jescape",
    "$1 || pg_sleep(10)",
]
FIELDS: dict[str, dict[str, Any]] = {
    "/api/register": {"username": "eve", "password": PASSWORD, "name": "Eve", "email": "e@example.org", "invite": "x"},
    "/api/login": {"username": "ann", "password": PASSWORD, "code": "1"},
    "/api/refresh": {"refresh_token": "x"},
    "/api/logout": {"refresh_token": "x"},
    "/api/email/confirm": {"token": "x"},
    "/api/reset": {"username": "ann", "email": "e@example.org"},
    "/api/reset/confirm": {"token": "x", "password": PASSWORD},
}
OWN: list[tuple[str, str, dict[str, Any]]] = [
    ("PATCH", "/api/me", {"name": "Ann", "email": "e@example.org", "password": PASSWORD, "old_password": PASSWORD}),
    ("POST", "/api/me/totp", {"old_password": PASSWORD}),
    ("POST", "/api/me/totp/confirm", {"code": "1"}),
    ("POST", "/api/me/totp/codes", {"old_password": PASSWORD, "code": "1"}),
    ("DELETE", "/api/me/totp", {"old_password": PASSWORD, "code": "1"}),
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_no_text_field_of_an_account_is_more_than_text(
    mail: MailServer, serve: Serve, storage: dict[str, str], caplog: pytest.LogCaptureFixture, text: str
) -> None:
    """Each is answered, never with a fault; and the accounts are as before, or have exactly this text."""
    caplog.set_level(logging.INFO)
    server = await serve(**storage, **mail.settings)
    ann = await signed_in(server, "ann")
    web = visitor(server.port, "https://chat.example.org")
    for target, fields in FIELDS.items():
        for field in fields:
            reply = await web.post(target, {**fields, field: text})
            assert reply.status < 500, (target, field, reply)
            assert "text/html" not in reply.headers.get("content-type", "")
    for method, target, fields in OWN:
        for field in fields:
            reply = await ann.ask(method, target, {**fields, field: text})
            assert reply.status < 500, (target, field, reply)
            if reply.status == 200 and "name" in reply.json():
                await ann.refresh()
                assert reply.json()["name"] in ("Ann", text)
    await until(server.accounts.mailer.is_idle)
    me = await ann.json("/api/me")
    assert me["username"] == "ann"
    assert {to for to, _ in mail.letters} <= {"e@example.org"}
    for _, letter in mail.letters:
        assert set(letter.keys()) <= HEADERS
        assert text not in letter.as_string()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert not [record for record in caplog.records if not record.getMessage().isprintable()]


NUL = [
    ("PUT", "/api/suspensions/{ann}", {"reason": "a\0b"}),
    ("PUT", "/api/suspensions/u_%00", {}),
    ("DELETE", "/api/suspensions/u_%00", None),
    ("POST", "/api/blocks", {"network": "192.0.2.1", "reason": "a\0b"}),
    ("PATCH", "/api/accounts/a_%00", {"role": "admin"}),
    ("DELETE", "/api/accounts/{ann}/sessions/%00", None),
    ("DELETE", "/api/me/sessions/%00", None),
    ("DELETE", "/api/keys/%00", None),
    ("DELETE", "/api/links/%00", None),
    ("PATCH", "/api/reports/%00", {"state": "open", "note": "x"}),
    ("PUT", "/api/me/blocks/%00", None),
    ("PUT", "/api/me/blocks/u_%00", None),
    ("DELETE", "/api/me/blocks/u_%00", None),
    ("GET", "/api/users/u_%00", None),
    ("PUT", "/api/users/u_%00", {"name": "x"}),
    ("PUT", "/api/users/u_x", {"name": "a\0b"}),
    ("DELETE", "/api/users/u_%00", None),
]


async def test_nul_in_an_id_or_a_reason_is_no_fault(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """PostgreSQL cannot store it. No row has such an id, and texts are refused by name."""
    admin, ann = await signed_in(server, "rob", role="admin"), await signed_in(server, "ann")
    for method, target, body in NUL:
        reply = await admin.ask(method, target.replace("{ann}", ann.id), body)
        assert reply.status in (204, 400, 404), (method, target, reply)
        if body:
            assert (reply.status, code(reply)) in (
                (400, "bad_field"),
                (404, "no_such_account"),
                (404, "no_such_report"),
            )
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


HEADERS = {
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "Content-Type",
    "Content-Transfer-Encoding",
    "MIME-Version",
}


@pytest.mark.parametrize("agent", ["x" * 5000, "a\tb", "Mozilla/5.0 <script>", "\u00ff\u00fe"])
async def test_the_device_is_short_plain_text(server: Server, agent: str) -> None:
    reply = await visitor(server.port).post(
        "/api/register", {"username": "ann", "password": PASSWORD}, User_Agent=agent
    )
    assert reply.status == 201
    [shown] = (await Web(server.port, token=reply.json()["access_token"]).json("/api/me/sessions"))["sessions"]
    assert len(shown["device"]) <= 200
    assert shown["device"].isprintable()
