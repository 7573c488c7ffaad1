"""What the audit log says about accounts: who did what, and nothing of what was typed."""

import pyotp

from model.audit import AuditEntry, AuditFilter
from server.app import Server
from tests.contract.records import until
from tests.support.accounts import PASSWORD, At, signed_in, visitor
from tests.support.mail import MailServer, secret_in
from tests.support.serving import Serve

NEW = "another horse battery"
ANN, HOST = "ann@example.org", "https://chat.example.org"


async def entries(server: Server) -> list[AuditEntry]:
    """Return the audit log, the oldest entry first."""
    page = await server.accounts.storage.audit.page(AuditFilter(), before=2**53, limit=100)
    return [entry for _, entry in reversed(page)]


async def test_everything_about_an_account_is_recorded(mail: MailServer, serve: Serve, storage: dict[str, str]) -> None:
    server = await serve(**mail.settings, **storage)
    server.accounts.clock = At(server.accounts.clock.now_us())
    now = server.accounts.clock.now_us() // 1_000_000
    web = visitor(server.port, HOST)
    ann = await signed_in(server, "ann", email=ANN)
    await until(lambda: bool(mail.letters))
    await web.post("/api/email/confirm", {"token": secret_in(mail.to(ANN)[0], "email")})
    await web.post("/api/login", {"username": "ann", "password": "wrong horse battery"})
    await web.post("/api/login", {"username": "my secret password", "password": "wrong horse battery"})
    phone = await signed_in(server, "ann")
    await ann.delete("/api/me/sessions")
    await ann.delete("/api/me/sessions")  # nothing is left to end
    await ann.patch("/api/me", {"name": "Ann Lee", "password": NEW, "old_password": PASSWORD})
    await ann.refresh()
    app = pyotp.parse_uri((await ann.post("/api/me/totp", {"old_password": NEW})).json()["uri"])
    assert isinstance(app, pyotp.TOTP)
    codes = (await ann.post("/api/me/totp/confirm", {"code": app.at(now)})).json()["recovery_codes"]
    await web.post("/api/login", {"username": "ann", "password": NEW, "code": codes[0]})
    await ann.ask("DELETE", "/api/me/totp", {"old_password": NEW, "code": codes[1]})
    await web.post("/api/reset", {"username": "ann"})
    await until(lambda: len(mail.letters) == 3)
    await web.post("/api/reset/confirm", {"token": secret_in(mail.to(ANN)[-1], "reset"), "password": PASSWORD})
    ann = await signed_in(server, "ann")
    stolen = ann.refresh_token
    for _ in range(2):
        await ann.refresh()
    await web.post("/api/refresh", {"refresh_token": stolen})
    ann = await signed_in(server, "ann")
    await ann.post("/api/logout", {})
    assert phone.id == ann.id

    log = await entries(server)
    assert [(entry.action, entry.result) for entry in log] == [
        ("register", "ok"),
        ("email", "ok"),
        ("login_failed", "refused"),
        ("login_failed", "refused"),
        ("login", "ok"),
        ("session_end", "ok"),
        ("name", "ok"),
        ("password", "ok"),
        ("totp_on", "ok"),
        ("totp_on", "ok"),
        ("recovery_code", "ok"),
        ("login", "ok"),
        ("recovery_code", "ok"),
        ("totp_off", "ok"),
        ("reset_request", "ok"),
        ("reset", "ok"),
        ("login", "ok"),
        ("token_reuse", "ok"),
        ("login", "ok"),
        ("logout", "ok"),
    ]
    known = [entry for entry in log if entry.actor.id == ann.id or (entry.target and entry.target.id == ann.id)]
    assert len(known) == len(log) - 1  # an unknown username is not written down: it may be a password
    assert {entry.address for entry in log} == {"127.0.0.1"}
    written = repr(log)
    for secret in ("secret password", "horse", stolen, *codes, ANN):
        assert secret not in written
