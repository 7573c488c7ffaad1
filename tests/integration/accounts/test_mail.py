"""E-mail addresses and forgotten passwords, with a real mail server on loopback."""

import logging

import pytest

from chat.delivery.ratelimit import Allowances
from server.accounts import mail as mail_module
from server.app import Server
from tests.contract.records import until
from tests.support.accounts import PASSWORD, SignedIn, signed_in, visitor
from tests.support.mail import MailServer, secret_in
from tests.support.rawws import RawClient, Reply, request
from tests.support.serving import Serve
from tests.support.web import Web, code

NEW = "another horse battery"
ORIGIN = (
    ("Origin", "https://chat.example.org"),
    ("X-Forwarded-Host", "evil.example.org"),
    ("Content-Type", "application/json"),
    ("Content-Length", "27"),
)
ANN, BOB = "ann@example.org", "bob@example.org"


@pytest.fixture
async def server(mail: MailServer, storage: dict[str, str], serve: Serve) -> Server:
    return await serve(**mail.settings, **storage)


def program(server: Server) -> Web:
    """Return requests of a program that sends the server's origin."""
    return visitor(server.port, "https://chat.example.org")


async def confirmed(server: Server, mail: MailServer, username: str = "ann", email: str = ANN) -> SignedIn:
    """Return a user whose address is confirmed."""
    user = await signed_in(server, username, email=email)
    await until(lambda: bool(mail.to(email)))
    reply = await program(server).post("/api/email/confirm", {"token": secret_in(mail.to(email)[0], "email")})
    assert reply.status == 204
    mail.letters.clear()
    return user


async def ask(server: Server, **body: str) -> Reply:
    return await program(server).post("/api/reset", body)


async def test_an_address_counts_once_its_link_was_clicked(server: Server, mail: MailServer) -> None:
    ann = await signed_in(server, "ann", email=ANN, name="<b>Ann</b>")
    me = await ann.json("/api/me")
    assert (me.get("email"), me["email_pending"]) == (None, ANN)
    await until(lambda: bool(mail.letters))
    [letter] = mail.to(ANN)
    assert (letter["From"], letter["To"], letter["Auto-Submitted"]) == ("chat@example.org", ANN, "auto-generated")
    assert "<b>" not in letter.as_string()  # nothing that a user has written is in a mail
    secret = secret_in(letter, "email")
    web = program(server)
    assert (await web.post("/api/email/confirm", {"token": secret})).status == 204
    me = await ann.json("/api/me")
    assert (me["email"], me.get("email_pending")) == (ANN, None)
    for token in (secret, "", "nonsense"):
        reply = await web.post("/api/email/confirm", {"token": token})
        assert (reply.status, code(reply)) == (404, "no_such_ticket")


async def test_registering_a_taken_address_looks_like_success_and_mails_its_owner(
    server: Server, mail: MailServer
) -> None:
    await confirmed(server, mail)
    eve = await signed_in(server, "eve", email=ANN.upper())
    me = await eve.json("/api/me")
    assert (me.get("email"), me["email_pending"]) == (None, ANN.upper())
    await until(lambda: bool(mail.letters))
    [(to, letter)] = mail.letters
    assert to == ANN.upper()
    assert letter["Subject"] == "You already have an account"
    assert "your account ann." in letter.get_content()
    assert "#email=" not in letter.get_content()


async def test_an_address_is_changed_with_the_password_and_a_click(server: Server, mail: MailServer) -> None:
    ann = await confirmed(server, mail)
    reply = await ann.patch("/api/me", {"email": BOB})
    assert (reply.status, list(reply.json()["error"]["fields"])) == (400, ["old_password"])
    reply = await ann.patch("/api/me", {"email": BOB, "old_password": PASSWORD})
    assert (reply.json()["email"], reply.json()["email_pending"]) == (ANN, BOB)
    await until(lambda: bool(mail.to(BOB)))
    await program(server).post("/api/email/confirm", {"token": secret_in(mail.to(BOB)[0], "email")})
    assert (await ann.json("/api/me"))["email"] == BOB
    await until(lambda: bool(mail.to(ANN)))
    assert mail.to(ANN)[0]["Subject"] == "Your e-mail address was changed"
    reply = await ann.patch("/api/me", {"email": "", "old_password": PASSWORD})
    assert "email" not in reply.json()


@pytest.mark.parametrize(
    "email",
    [
        "nobody",
        "a@b@c",
        "ann@example.org\r\nBcc: eve@example.org",
        "änn@example.org",
        "a b@c",
        "=?x?q?eve?=@example.org",
    ],
)
async def test_what_is_no_address_is_refused(server: Server, email: str) -> None:
    body = {"username": "ann", "password": PASSWORD, "email": email}
    reply = await visitor(server.port, "https://chat.example.org").post("/api/register", body)
    assert (reply.status, list(reply.json()["error"]["fields"])) == (400, ["email"])


async def test_a_forgotten_password_is_reset(server: Server, mail: MailServer) -> None:
    ann = await confirmed(server, mail)
    assert (await ask(server, email=ANN.upper())).status == 202
    await until(lambda: bool(mail.letters))
    secret = secret_in(mail.to(ANN)[0], "reset")
    web = program(server)
    reply = await web.post("/api/reset/confirm", {"token": secret, "password": "short"})
    assert (reply.status, code(reply)) == (400, "bad_field")  # the link can still be used
    assert (await web.post("/api/reset/confirm", {"token": secret, "password": NEW})).status == 204
    await until(lambda: len(mail.letters) == 2)
    assert mail.letters[1][1]["Subject"] == "Your password was changed"
    reply = await web.post("/api/refresh", {"refresh_token": ann.refresh_token})
    assert reply.status == 401
    assert (await web.post("/api/login", {"username": "ann", "password": PASSWORD})).status == 401
    assert (await web.post("/api/login", {"username": "ann", "password": NEW})).status == 200
    reply = await web.post("/api/reset/confirm", {"token": secret, "password": NEW})
    assert (reply.status, code(reply)) == (404, "no_such_ticket")


async def test_a_confirmed_address_signs_in_and_its_mail_names_the_username(server: Server, mail: MailServer) -> None:
    """So a forgotten username can be recovered. Each mail names the server, too."""
    await confirmed(server, mail)
    web = program(server)
    for email, status in ((ANN, 200), (ANN.upper(), 200), (BOB, 401)):
        assert (await web.post("/api/login", {"username": email, "password": PASSWORD})).status == status
    assert (await ask(server, username=ANN.upper())).status == 202  # in either of both fields
    await until(lambda: bool(mail.letters))
    [letter] = mail.to(ANN)
    assert "your account ann at chat.example.org" in letter.get_content()
    secret = secret_in(letter, "reset")
    assert (await web.post("/api/reset/confirm", {"token": secret, "password": NEW})).status == 204
    await until(lambda: len(mail.letters) == 2)
    assert "your account ann at chat.example.org" in mail.letters[1][1].get_content()


async def test_an_address_that_is_not_confirmed_signs_no_one_in(server: Server, mail: MailServer) -> None:
    await signed_in(server, "ann", email=ANN)
    reply = await program(server).post("/api/login", {"username": ANN, "password": PASSWORD})
    assert (reply.status, code(reply)) == (401, "wrong_credentials")


@pytest.mark.parametrize(
    ("username", "named"),
    [("ann_7", "to the account ann_7 at"), ("jörg", "to the account jörg at"), ("win.example", "to an account at")],
)
async def test_a_mail_to_a_stranger_has_no_username_that_is_a_link(
    server: Server, mail: MailServer, username: str, named: str
) -> None:
    await signed_in(server, username, email=ANN)
    await until(lambda: bool(mail.letters))
    [letter] = mail.to(ANN)
    assert named in letter.get_content()
    assert letter.get_content().count(username) == (username in named)


async def test_each_link_works_until_one_was_used(server: Server, mail: MailServer) -> None:
    """A stranger may ask for them as well."""
    await confirmed(server, mail)
    await ask(server, username="ANN")
    await until(lambda: len(mail.letters) == 1)
    await ask(server, username="ann")
    await until(lambda: len(mail.letters) == 2)
    first, second = [secret_in(letter, "reset") for letter in mail.to(ANN)]
    web = program(server)
    assert (await web.post("/api/reset/confirm", {"token": first, "password": NEW})).status == 204
    assert (await web.post("/api/reset/confirm", {"token": second, "password": NEW})).status == 404


async def test_the_answer_to_a_request_for_a_reset_is_always_the_same(server: Server, mail: MailServer) -> None:
    """Whether there is such an account is found out after the answer. Three mails an hour are sent for one address."""
    await confirmed(server, mail)
    await signed_in(server, "eve", email="eve@example.org")
    await until(lambda: bool(mail.letters))
    mail.letters.clear()
    answers = set()
    for body in ({"email": ANN}, {"username": "ann"}, {"email": ANN}, {"email": ANN}, {"username": "ann"}):
        reply = await ask(server, **body)
        answers.add((reply.status, reply.body))
    for body in (
        {"email": "eve@example.org"},  # never confirmed
        {"username": "eve"},
        {"email": "nobody@example.org"},
        {"username": "not a name"},
        {"email": "\0"},
    ):
        reply = await ask(server, **body)
        answers.add((reply.status, reply.body))
    assert answers == {(202, b"")}
    await until(server.accounts.mailer.is_idle)
    assert [to for to, _ in mail.letters] == [ANN] * 3
    reply = await program(server).post("/api/reset", {"username": "ann"}, X_Forwarded_For="192.0.2.7")
    assert reply.status == 202  # the account's user, who gets one nevertheless
    await until(lambda: len(mail.letters) == 4)


async def test_links_are_tried_slowly(server: Server) -> None:
    web = program(server)
    statuses: list[int] = []
    while 429 not in statuses and len(statuses) < 200:  # on a slow machine a few more: the limit recovers
        statuses.append((await web.post("/api/email/confirm", {"token": str(len(statuses))})).status)
    assert set(statuses[:20]) == {404}
    assert statuses[-1] == 429


async def test_mail_is_sent_again_if_the_mail_server_is_busy(
    server: Server, mail: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_module, "PAUSES", (0.0, 0.0))
    mail.refusals += ["451 busy", "451 busy"]
    await signed_in(server, "ann", email=ANN)
    await until(lambda: bool(mail.letters))
    mail.refusals += ["550 no", "550 no"]
    await signed_in(server, "bob", email=BOB)
    await until(lambda: mail.refusals == ["550 no"])  # once: it would be refused again
    mail.refusals[:] = ["451 busy"] * 4
    await signed_in(server, "eve", email="eve@example.org")
    await until(lambda: mail.refusals == ["451 busy"])
    mail.refusals.clear()
    await until(server.accounts.mailer.is_idle)
    assert [to for to, _ in mail.letters] == [ANN]


async def test_an_outage_of_the_mail_server_has_a_line_for_its_end(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "server.accounts.mail")
    monkeypatch.setattr(mail_module, "PAUSES", (0.01,) * 10_000)
    mail = MailServer()
    server = await serve(**mail.settings)
    await signed_in(server, "ann", email=ANN)
    await until(lambda: len(caplog.messages) >= 2)
    assert {message.split(": ")[0] for message in caplog.messages} == {"a mail could not be sent for now"}
    with mail:
        await until(lambda: bool(mail.letters))
        await until(server.accounts.mailer.is_idle)
    assert caplog.messages[-1] == "the mail server takes mail again"
    assert caplog.messages.count("the mail server takes mail again") == 1


async def test_a_mail_that_is_refused_for_now_does_not_hold_up_others(
    server: Server, mail: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_module, "PAUSES", (3600.0,))
    mail.refusals += ["451 busy"] * 9
    for n in range(9):  # more than are sent at a time
        await signed_in(server, f"user{n}", email=f"user{n}@example.org")
    await until(lambda: not mail.refusals)
    await signed_in(server, "bob", email=BOB)
    await until(lambda: bool(mail.to(BOB)))
    assert not server.accounts.mailer.is_idle()


async def test_without_mail_a_password_is_reset_by_the_operator(serve: Serve, storage: dict[str, str]) -> None:
    server = await serve(**storage)
    for body in ({"email": ANN}, {"username": "nobody"}):
        reply = await visitor(server.port).post("/api/reset", body)
        assert (reply.status, code(reply)) == (403, "forbidden")
    assert (await visitor(server.port).json("/api/server"))["mail"] is False


async def test_the_server_says_that_it_sends_mail(server: Server) -> None:
    expected = {"registration": "open", "guests": True, "mail": True}
    assert await visitor(server.port).json("/api/server") == expected


async def test_links_are_never_built_from_the_host(server: Server, mail: MailServer) -> None:
    await confirmed(server, mail)
    body = b'{"email":"ann@example.org"}'
    head = request("/api/reset", ORIGIN, method="POST").replace(b"Host: localhost", b"Host: evil.example.org")
    async with await RawClient.connect(server.port) as client:
        client.send(head + body)
        assert (await client.reply()).status == 202
    await until(lambda: bool(mail.letters))
    assert "evil" not in mail.letters[0][1].as_string()


async def test_one_address_does_not_get_any_number_of_mails(
    server: Server, mail: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What strangers have sent to it uses up nothing of what its owner asks for, and is told."""
    monkeypatch.setattr(server.accounts.mailer, "_letters", Allowances(0.001, 2.0))
    ann = await confirmed(server, mail)
    for n in range(3):
        await signed_in(server, f"user{n}", email=ANN.upper())
    await signed_in(server, "bob", email=BOB)
    await until(lambda: bool(mail.to(BOB)))
    assert [to for to, _ in mail.letters] == [ANN.upper(), ANN.upper(), BOB]
    mail.letters.clear()
    await ask(server, email=ANN)
    await until(lambda: len(mail.letters) == 1)
    await ann.patch("/api/me", {"password": NEW, "old_password": PASSWORD})
    await until(lambda: len(mail.letters) == 2)
    assert [letter["Subject"] for letter in mail.to(ANN)] == ["Choose a new password", "Your password was changed"]


async def test_strangers_do_not_keep_an_owner_from_a_link_that_works(
    server: Server, mail: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.accounts.mailer, "_letters", Allowances(0.001, 3.0))
    await confirmed(server, mail)
    for network in range(3):
        for _ in range(2):
            body = {"username": "ann"}
            await program(server).post("/api/reset", body, X_Forwarded_For=f"198.51.100.{network}")
    assert (await ask(server, email=ANN)).status == 202
    await until(server.accounts.mailer.is_idle)
    links = [secret_in(letter, "reset") for letter in mail.to(ANN)]
    assert len(links) == 3
    reply = await program(server).post("/api/reset/confirm", {"token": links[0], "password": NEW})
    assert reply.status == 204


async def test_a_refused_change_of_address_leaves_the_rest_as_it_was(server: Server, mail: MailServer) -> None:
    ann = await signed_in(server, "ann", name="Ann")
    for _ in range(3):
        assert (await ann.patch("/api/me", {"email": BOB, "old_password": PASSWORD})).status == 200
    changes = {"email": BOB, "old_password": PASSWORD, "password": NEW, "name": "Anna"}
    reply = await ann.patch("/api/me", changes)
    assert (reply.status, code(reply)) == (429, "rate_limited")
    assert (await ann.json("/api/me"))["name"] == "Ann"
    assert (await program(server).post("/api/login", {"username": "ann", "password": PASSWORD})).status == 200
    assert (await ann.patch("/api/me", changes | {"email": "ann2@example.org"})).status == 200


async def test_after_a_reset_wrong_guesses_delay_nobody(server: Server, mail: MailServer) -> None:
    await confirmed(server, mail)
    web = program(server)
    for name in ("ann", ANN):
        for _ in range(6):
            await web.post("/api/login", {"username": name, "password": "wrong horse battery"})
        assert (await web.post("/api/login", {"username": name, "password": PASSWORD})).status == 429
    await ask(server, email=ANN)
    await until(lambda: bool(mail.letters))
    await web.post("/api/reset/confirm", {"token": secret_in(mail.to(ANN)[0], "reset"), "password": NEW})
    for name in ("ann", ANN):
        assert (await web.post("/api/login", {"username": name, "password": NEW})).status == 200


async def test_one_account_does_not_have_mail_sent_to_any_number_of_addresses(
    server: Server, mail: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.accounts.mailer, "_addresses", Allowances(0.001, 2.0))
    ann = await signed_in(server, "ann")
    changes = [{"email": f"user{n}@example.org", "old_password": PASSWORD} for n in range(3)]
    replies = [await ann.patch("/api/me", change) for change in changes]
    assert [(reply.status, code(reply)) for reply in replies[2:]] == [(429, "rate_limited")]
    assert {reply.status for reply in replies[:2]} == {200}
    await until(server.accounts.mailer.is_idle)
    assert len(mail.letters) == 2
