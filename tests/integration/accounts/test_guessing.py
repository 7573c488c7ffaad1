"""Guessing: the same work for known and unknown names, delays, and no lock-out."""

import asyncio
import threading
from typing import Any

import bcrypt
import pytest

from model.account import AccountChange, guess_key
from server.accounts import guesses, hashing
from server.app import Server
from tests.contract.records import until
from tests.support.accounts import PASSWORD, noted, signed_in, visitor
from tests.support.rawws import Reply
from tests.support.web import code

HERE, THERE = {"X_Forwarded_For": "192.0.2.1"}, {"X_Forwarded_For": "192.0.2.2"}


async def sign_in(server: Server, password: str, *, username: str = "ann", **headers: str) -> Reply:
    body = {"username": username, "password": password}
    return await visitor(server.port).post("/api/login", body, **headers)


class Counting:
    """Counts the calls of methods of an object, and forwards them."""

    def __init__(self, of: Any, calls: list[str]) -> None:
        self._of = of
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        self._calls.append(name)
        return getattr(self._of, name)


@pytest.fixture
def cheap_hashes() -> None:
    """Hash passwords as production does: the work of guesses is counted."""


async def test_a_known_and_an_unknown_name_take_the_same_work(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The calls of storage and of argon2 are counted: a time would depend on the machine."""
    await signed_in(server, "ann")
    calls: list[str] = []
    verify = hashing._HASHES.verify
    storage = server.accounts.storage

    class Storage:
        accounts = Counting(storage.accounts, calls)
        secrets = Counting(storage.secrets, calls)
        logins = Counting(storage.logins, calls)

    def counted(password: Any, hashed: Any) -> bool:
        calls.append(hashed[:30])
        return verify(password, hashed)

    monkeypatch.setattr(hashing._HASHES, "verify", counted)
    monkeypatch.setattr(server.accounts, "storage", Storage())
    monkeypatch.setattr(server.accounts.guesses, "_secrets", Storage.secrets)
    account = await storage.accounts.find_by_username("ann")
    assert account is not None
    await storage.accounts.change(account.account_id, AccountChange(email="ann@example.org"), noted("email"))
    work = []
    for username in ("ann", "nobody", "not a name", "admin", "Ann@Example.org", "bob@example.org", "a b@c", "@"):
        calls.clear()
        reply = await sign_in(server, "wrong horse battery", username=username)
        assert (reply.status, code(reply)) == (401, "wrong_credentials")
        work.append(list(calls))
    assert work[0] == ["failures", "find_by_username", "$argon2id$v=19$m=19456,t=2,p=1", "failed"]
    assert work[1:4] == [work[0]] * 3
    assert work[4:] == [["failures", "find_by_email", *work[0][2:]]] * 4


async def test_after_five_failures_an_address_waits_and_another_one_does_not(server: Server) -> None:
    await signed_in(server, "ann")
    for n in range(5):
        assert (await sign_in(server, f"wrong horse {n}", **HERE)).status == 401
    refused = await sign_in(server, PASSWORD, **HERE)
    assert (refused.status, code(refused), refused.headers["retry-after"]) == (429, "rate_limited", "1")
    assert refused.json()["error"]["message"] == "too many wrong passwords or codes"
    assert (await sign_in(server, PASSWORD, **THERE)).status == 200


async def test_failures_with_an_address_do_not_tell_whose_it_is(server: Server) -> None:
    """Usernames are public, and addresses are not: failures with one count for itself, whether an account has it."""
    ann = await signed_in(server, "ann")
    await server.accounts.storage.accounts.change(ann.id, AccountChange(email="ann@example.org"), noted("email"))
    for email in ("ann@example.org", "bob@example.org"):
        for n in range(5):
            asked = email.upper() if n % 2 else email
            assert (await sign_in(server, f"wrong horse {n}", username=asked, **HERE)).status == 401
        assert (await sign_in(server, PASSWORD, username=email, **HERE)).status == 429
    assert (await sign_in(server, PASSWORD, **HERE)).status == 200


async def test_refused_requests_hash_nothing(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    await signed_in(server, "ann")
    key = guess_key("login", "ann")
    for _ in range(8):
        await server.accounts.guesses.failed(key, "192.0.2.1", noted("login_failed", at=server.accounts.clock.now_us()))

    def verify(*_: Any) -> bool:
        raise AssertionError("nothing is hashed")

    monkeypatch.setattr(hashing, "_verify", verify)
    assert (await sign_in(server, PASSWORD, **HERE)).status == 429


async def test_nobody_locks_the_owner_out(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures from a thousand other addresses hold the owner's request for 5 s, and it succeeds."""
    await signed_in(server, "ann")
    key, now = guess_key("login", "ann"), server.accounts.clock.now_us()
    for n in range(100):
        await server.accounts.guesses.failed(key, f"192.0.3.{n}", noted("login_failed", at=now))
    held = []

    async def sleep(seconds: float) -> None:
        held.append(seconds)

    monkeypatch.setattr(server.accounts.guesses, "_sleep", sleep)
    assert (await sign_in(server, PASSWORD, **HERE)).status == 200
    assert held == [guesses.HELD_SECONDS]


async def test_a_wrong_old_password_counts_as_a_guess(server: Server) -> None:
    ann = await signed_in(server, "ann")
    for n in range(5):
        body = {"password": "another horse battery", "old_password": f"wrong horse {n}"}
        reply = await ann.patch("/api/me", body)
        assert (reply.status, code(reply)) == (401, "wrong_credentials")
    body = {"password": "another horse battery", "old_password": PASSWORD}
    assert (await ann.patch("/api/me", body)).status == 429
    assert (await sign_in(server, PASSWORD)).status == 429


async def test_a_hash_of_another_server_is_replaced_at_the_next_login(server: Server) -> None:
    ann = await signed_in(server, "ann")
    accounts = server.accounts.storage.accounts

    old = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    await accounts.change(ann.id, AccountChange(password=old), noted("password"))
    assert (await sign_in(server, PASSWORD)).status == 200
    account = await accounts.find(ann.id)
    assert account is not None
    assert account.password.startswith("$argon2id$")
    assert (await sign_in(server, PASSWORD)).status == 200


async def test_a_full_pool_refuses_logins_and_delays_no_one_else(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one address one password is hashed and two wait. Other requests, and passwords of rooms, do not wait."""
    ann = await signed_in(server, "ann")
    go_on = threading.Event()
    started = threading.Semaphore(0)

    def verify(hashed: str, password: str) -> hashing.Verified:
        started.release()
        assert go_on.wait(20)
        return hashing.Verified(matches=False)

    monkeypatch.setattr(hashing, "_verify", verify)
    try:
        calls = [asyncio.create_task(sign_in(server, PASSWORD, **HERE)) for _ in range(8)]
        await asyncio.to_thread(started.acquire)
        await until(lambda: sum(call.done() for call in calls) == 5)
        with monkeypatch.context() as storage:
            storage.setattr(server.accounts.guesses, "_secrets", None)  # is not asked for what would be refused
            assert (await sign_in(server, PASSWORD, **HERE)).status == 503
        assert (await ann.get("/api/me")).status == 200
        reply = await ann.post("/api/rooms", {"name": "cellar", "password": "let me in"})
        assert reply.status == 201
    finally:
        go_on.set()
    replies = [await call for call in calls]
    assert sorted(reply.status for reply in replies) == [401] * 3 + [503] * 5
    refused = next(reply for reply in replies if reply.status == 503)
    assert (code(refused), refused.headers["retry-after"]) == ("overloaded", "1")
