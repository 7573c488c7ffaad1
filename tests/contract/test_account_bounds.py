"""Accounts in memory are bounded: what would exceed that is refused, or evicts what matters least."""

from collections.abc import AsyncIterator

import pytest

from model.account import AccountChange, Basis, guess_key
from model.audit import AuditFilter
from model.limits import KEYS
from model.room import FOREVER
from storage.factory import open_storage
from storage.memory import account_tables
from storage.ports.errors import StorageUnavailable
from storage.ports.messages import ENDLESS
from storage.ports.storage import Storage
from tests.support.accounts import NOW, account, api_key, login, noted, stored


@pytest.fixture
async def storage(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Storage]:
    for name, most in (("LOGINS", 2), ("GUESSES", 4), ("NOTICES", 7), ("AUDIT", 4)):
        monkeypatch.setattr(account_tables, name, most)
    for name, module in (("ACCOUNTS", "accounts"), ("DENIED", "access"), ("KEYS", "access")):
        monkeypatch.setattr(f"storage.memory.accounts.{module}.{name}", 2)
    opened = open_storage(None)
    await opened.start()
    yield opened
    await opened.close()


async def test_more_accounts_keys_and_suspensions_are_refused(storage: Storage) -> None:
    for _ in range(2):
        await stored(storage.accounts)
        await storage.access.insert_key(api_key(), KEYS, noted())
    for n in range(2):
        await storage.access.suspend(f"u_{n}", FOREVER, "", noted())
        await storage.access.block(f"192.0.2.{n}", FOREVER, "", noted())
    full = [
        stored(storage.accounts),
        storage.access.insert_key(api_key(), KEYS, noted()),
        storage.access.suspend("u_9", FOREVER, "", noted()),
        storage.access.block("192.0.2.9", FOREVER, "", noted()),
    ]
    for asked in full:
        with pytest.raises(StorageUnavailable, match="memory is full"):
            await asked
    await storage.access.suspend("u_1", 0, "", noted())
    await storage.access.suspend("u_9", FOREVER, "", noted())


async def test_the_oldest_failures_and_entries_are_forgotten(storage: Storage) -> None:
    keys = [guess_key("login", f"n{n}") for n in range(4)]
    entries = [noted("login_failed") for _ in keys]
    for key, entry in zip(keys, entries, strict=True):
        await storage.secrets.failed(key, "192.0.2.1", NOW, entry)
    counted = [(await storage.secrets.failures(key, "192.0.2.1"))[0].failures for key in keys]
    assert counted == [0, 0, 1, 1]
    more = noted()
    await storage.audit.append([more])
    found = [one for _, one in await storage.audit.page(AuditFilter(), before=ENDLESS, limit=9)]
    assert found == [more, *entries[:0:-1]]


async def test_the_oldest_login_ends(storage: Storage) -> None:
    ann, bob = account(), account()
    logins = [login(ann), login(bob), login(bob)]
    await stored(storage.accounts, ann, signed_in=logins[0])
    await stored(storage.accounts, bob, signed_in=logins[1])
    assert await storage.logins.insert(logins[2], 50, noted(), basis=Basis(bob)) == []
    assert await storage.logins.of_account(ann.account_id, NOW) == []
    assert await storage.logins.find(logins[1].login_id, NOW) == logins[1]
    ended = [one.subject for one in await storage.access.notices(after=0) if one.kind == "login"]
    assert ended == [logins[0].login_id]


async def test_notices_that_only_matter_for_minutes_are_evicted_first(storage: Storage) -> None:
    await storage.access.suspend("u_1", FOREVER, "", noted())
    ann = account()
    first = login(ann)
    await stored(storage.accounts, ann, signed_in=first)
    await storage.logins.end(ann.account_id, entry=noted())
    await storage.access.block("192.0.2.1", FOREVER, "", noted())
    await storage.access.insert_key(api_key(), KEYS, noted())
    await stored(storage.accounts)
    for _ in range(3):
        await storage.accounts.change(ann.account_id, AccountChange(role="organizer"), noted())
    kinds = [one.kind for one in await storage.access.notices(after=0)]
    assert kinds == ["account", "name", "login", "network", "key", "name", "account"]
    await storage.access.suspend("u_2", NOW, "", noted())
    kinds = [one.kind for one in await storage.access.notices(after=0)]
    assert kinds == ["account", "login", "network", "key", "name", "account", "account"]
