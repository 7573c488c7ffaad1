"""A client that sends the head of a request and holds its body back acts with the rights that it has at the end."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from model.account import AccountChange
from model.room import FOREVER
from server.app import Server
from tests.support.accounts import PASSWORD, SignedIn, noted, signed_in, visitor
from tests.support.rawws import RawClient, Reply, request
from tests.support.serving import Serve
from tests.support.signed import now_us
from tests.support.web import Web, code, path

ADDRESS = "192.0.2.66"
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
# Sends the body, and returns the answer.
HeldBack = Callable[[], Awaitable[Reply]]


async def held_back(server: Server, method: str, target: str, token: str, body: dict[str, Any]) -> HeldBack:
    """Send a request up to its body: the server reads that once it has authenticated the caller."""
    client = await RawClient.connect(server.port)
    sent = json.dumps(body).encode()
    headers = [
        ("Authorization", f"Bearer {token}"),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(sent))),
        ("Expect", "100-continue"),
        ("X-Forwarded-For", ADDRESS),
    ]
    client.send(request(target, headers, method=method))
    assert await client.exactly(len(GO_ON)) == GO_ON

    async def go_on() -> Reply:
        async with client:
            client.send(sent)
            return await client.reply()

    return go_on


async def suspend(admin: Web, ann: SignedIn) -> None:
    assert (await admin.put(f"/api/suspensions/{ann.id}", {})).status == 204


async def sign_out(admin: Web, ann: SignedIn) -> None:
    reply = await visitor(admin.port).post("/api/logout", {"refresh_token": ann.refresh_token})
    assert reply.status == 204


async def delete(admin: Web, ann: SignedIn) -> None:
    assert (await ann.ask("DELETE", "/api/me", {"old_password": PASSWORD})).status == 202


async def block(admin: Web, ann: SignedIn) -> None:
    assert (await admin.post("/api/blocks", {"network": ADDRESS})).status == 204


Decide = Callable[[Web, SignedIn], Awaitable[None]]
DECISIONS: list[tuple[Decide, int, str]] = [
    (suspend, 403, "suspended"),
    (sign_out, 401, "unauthorized"),
    (delete, 401, "unauthorized"),
    (block, 403, "blocked"),
]


@pytest.mark.parametrize(("decide", "status", "refusal"), DECISIONS, ids=lambda one: getattr(one, "__name__", None))
async def test_a_user_who_may_not_act_any_more_posts_nothing(
    server: Server, decide: Decide, status: int, refusal: str
) -> None:
    admin, ann = await signed_in(server, "rob", role="admin"), await signed_in(server, "ann")
    await admin.create("plans")
    go_on = await held_back(server, "POST", f"{path('plans')}/messages", ann.token or "", {"content": "hello"})
    await decide(admin, ann)
    await server.accounts.follower.catch_up()
    reply = await go_on()
    assert (reply.status, code(reply)) == (status, refusal)
    assert (await admin.json(f"{path('plans')}/messages"))["messages"] == []


async def test_a_revoked_key_posts_nothing(server: Server) -> None:
    admin = await signed_in(server, "rob", role="admin")
    await admin.create("plans")
    made = (await admin.post("/api/keys", {"name": "news", "scope": "write", "days": 1})).json()
    go_on = await held_back(server, "POST", f"{path('plans')}/messages", made["secret"], {"content": "hello"})
    assert (await admin.delete(f"/api/keys/{made['key']['id']}")).status == 204
    assert (await go_on()).status == 401
    assert (await admin.json(f"{path('plans')}/messages"))["messages"] == []


async def test_an_admin_who_is_one_no_longer_decides_nothing(server: Server) -> None:
    admin, ben = await signed_in(server, "rob", role="admin"), await signed_in(server, "ben", role="admin")
    ann = await signed_in(server, "ann")
    requests = [
        await held_back(server, "PATCH", f"/api/accounts/{ann.id}", ben.token or "", {"role": "admin"}),
        await held_back(server, "POST", "/api/keys", ben.token or "", {"name": "bot", "scope": "read", "days": 1}),
        await held_back(server, "PUT", f"/api/suspensions/{ann.id}", ben.token or "", {}),
    ]
    assert (await admin.patch(f"/api/accounts/{ben.id}", {"role": "user"})).status == 200
    for go_on in requests:
        assert (await go_on()).status == 401
    found = (await admin.json("/api/accounts?contains=ann"))["accounts"]
    assert [one["role"] for one in found] == ["user"]
    assert (await admin.json("/api/keys"))["keys"] == []
    assert (await admin.json("/api/suspensions"))["suspensions"] == []


# --- while a password is compared ------------------------------------------------------------------------------------


async def new_password(server: Server, ann: SignedIn) -> object:
    change = AccountChange(password="new", end_logins=True)
    return await server.accounts.storage.accounts.change(ann.id, change, noted("reset", at=now_us()))


async def suspension(server: Server, ann: SignedIn) -> object:
    return await server.accounts.storage.access.suspend(ann.id, FOREVER, "", noted("suspend", at=now_us()))


async def end_of_the_login(server: Server, ann: SignedIn) -> object:
    return await server.accounts.storage.logins.end(ann.id, entry=noted("session_end", at=now_us()))


WITH_PASSWORD: list[tuple[str, str, dict[str, Any]]] = [
    ("DELETE", "/api/me", {"old_password": PASSWORD}),
    ("PATCH", "/api/me", {"password": "another password", "old_password": PASSWORD}),
    ("PATCH", "/api/me", {"email": "eve@example.org", "old_password": PASSWORD}),
    ("POST", "/api/me/totp", {"old_password": PASSWORD}),
]


@pytest.mark.parametrize("decide", [new_password, suspension, end_of_the_login])
async def test_what_was_begun_before_the_password_was_compared_is_not_done(
    serve: Serve,
    storage: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    decide: Callable[[Server, SignedIn], Awaitable[object]],
) -> None:
    """Guesses hold a request for up to 5 s: the owner of a stolen account takes it back meanwhile."""
    mail = {"SMTP_URL": "smtp://127.0.0.1:1", "MAIL_FROM": "chat@example.org", "PUBLIC_URL": "http://localhost"}
    server = await serve(**mail, **storage)
    enter = server.accounts.guesses.enter
    held, go_on = asyncio.Queue[str](), asyncio.Event()

    async def held_for_long(key: bytes, network: str) -> None:
        held.put_nowait(network)
        await go_on.wait()
        await enter(key, network)

    for method, target, body in WITH_PASSWORD:
        ann = await signed_in(server, f"ann{len(target)}{len(body)}{method.lower()}{'email' in body}")
        before = await server.accounts.storage.accounts.find(ann.id)
        monkeypatch.setattr(server.accounts.guesses, "enter", held_for_long)
        go_on.clear()
        asking = asyncio.create_task(ann.ask(method, target, body))
        await held.get()
        monkeypatch.setattr(server.accounts.guesses, "enter", enter)
        assert await decide(server, ann)
        after = await server.accounts.storage.accounts.find(ann.id)
        go_on.set()
        reply = await asking
        assert (reply.status, code(reply)) == (401, "unauthorized"), target
        assert after is not None
        assert await server.accounts.storage.accounts.find(ann.id) == after
        assert (after == before) is (decide is end_of_the_login)
        assert await server.accounts.storage.secrets.find_pending_email(ann.id, now_us()) is None
