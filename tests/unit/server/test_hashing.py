"""Passwords of accounts are hashed off the loop, fairly, and hashes of other servers are verified."""

import asyncio
import threading
from collections.abc import AsyncIterator

import argon2
import bcrypt
import pytest

from model.errors import ParleyError
from server.accounts import hashing
from server.accounts.hashing import Hashing, accepts_hash
from utils.fairness import FairQueue

PASSWORD = "correct horse battery"


@pytest.fixture
async def hashes() -> AsyncIterator[Hashing]:
    hashing = Hashing()
    yield hashing
    hashing.close()


async def test_a_hash_matches_its_password_only(hashes: Hashing) -> None:
    hashed = await hashes.hash(PASSWORD, "here")
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await hashes.verify(hashed, PASSWORD, "here") == (True, None)
    assert await hashes.verify(hashed, PASSWORD + " ", "here") == (False, None)
    assert await hashes.verify(None, PASSWORD, "here") == (False, None)


@pytest.mark.parametrize("prefix", [b"2a", b"2b", b"2y"])
async def test_a_hash_of_bcrypt_is_verified_and_replaced(hashes: Hashing, prefix: bytes) -> None:
    hashed = (b"$" + prefix + bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4))[3:]).decode()
    verified = await hashes.verify(hashed, PASSWORD, "here")
    assert verified.matches
    assert verified.better is not None
    assert await hashes.verify(verified.better, PASSWORD, "here") == (True, None)
    assert not (await hashes.verify(verified.better, PASSWORD[:-1], "here")).matches
    assert await hashes.verify(hashed, "another one", "here") == (False, None)


@pytest.mark.parametrize(("chars", "replaced"), [(36, True), (37, False), (100, False)])
async def test_what_bcrypt_does_not_compare_becomes_no_part_of_a_hash(
    hashes: Hashing, chars: int, replaced: bool
) -> None:
    """bcrypt compares 72 bytes: what was typed after them may be wrong."""
    hashed = bcrypt.hashpw(("ж" * 36).encode(), bcrypt.gensalt(4)).decode()
    verified = await hashes.verify(hashed, "ж" * chars, "here")
    assert (verified.matches, verified.better is not None) == (True, replaced)


async def test_a_weaker_hash_of_argon2_is_replaced(hashes: Hashing) -> None:
    weak = argon2.PasswordHasher(1, 8192, 1).hash(PASSWORD)
    verified = await hashes.verify(weak, PASSWORD, "here")
    assert verified.matches
    assert (verified.better or "").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize(
    "hashed",
    [
        "",
        "hash",
        "$2b$15$" + "a" * 53,
        "$2b$31$" + "a" * 53,
        "$2b$xx$" + "a" * 53,
        "$2b$04$short",
        "$argon2id$v=19$m=4194304,t=2,p=1$lUlMSxOpd/h1BkVGQW/CPg$Rbju6XdB4zqmMKCAVdzXBvXHbtp0i/AR+b6PTHLHeXc",
        "$argon2id$v=19$m=19456,t=1000,p=1$lUlMSxOpd/h1BkVGQW/CPg$Rbju6XdB4zqmMKCAVdzXBvXHbtp0i/AR+b6PTHLHeXc",
        "$argon2id$v=19$m=19456,t=2,p=200$lUlMSxOpd/h1BkVGQW/CPg$Rbju6XdB4zqmMKCAVdzXBvXHbtp0i/AR+b6PTHLHeXc",
    ],
)
async def test_a_hash_that_is_unknown_or_too_costly_matches_nothing(hashes: Hashing, hashed: str) -> None:
    assert not accepts_hash(hashed)
    assert await hashes.verify(hashed, PASSWORD, "here") == (False, None)


async def test_addresses_wait_for_their_own_calls_only(hashes: Hashing, monkeypatch: pytest.MonkeyPatch) -> None:
    """One call of an address runs, two wait, and the next is refused at once. Another address is next."""
    order: list[str] = []
    go_on = threading.Event()

    class Slow:
        def hash(self, password: str) -> str:
            assert go_on.wait(20)
            order.append(password)
            return password

    monkeypatch.setattr(hashing, "_ARGON2", Slow())
    monkeypatch.setattr(hashes, "_queue", FairQueue(1, each=1, waiting=2, full=hashing._overloaded))
    calls = [asyncio.create_task(hashes.hash(f"flood {n}", "flood")) for n in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(ParleyError) as refused:
        await hashes.hash("flood 4", "flood")
    assert (refused.value.code, refused.value.retry_after) == ("overloaded", 1.0)
    other = asyncio.create_task(hashes.hash("other", "other"))
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(*calls, other)
    assert order.index("other") <= 1
    assert order[0] == "flood 0"


async def test_calls_that_are_queued_when_it_closes_are_refused() -> None:
    hashing = Hashing()
    queued = [asyncio.create_task(hashing.hash(PASSWORD, f"address {number}")) for number in range(6)]
    await asyncio.sleep(0)
    hashing.close()
    ended = await asyncio.gather(*queued, hashing.hash(PASSWORD, "later"), return_exceptions=True)
    assert {one.code for one in ended if isinstance(one, ParleyError)} == {"shutting_down"}
    assert any(isinstance(one, str) for one in ended)  # it was running
    assert isinstance(ended[-1], ParleyError)
