"""Servers follow notices, over every backend."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest

from chat.ports import Identity
from model.account import Notice
from model.api_keys import make_key
from model.errors import ParleyError
from model.limits import KEYS
from model.room import FOREVER, User
from server.auth import follower
from server.auth.access_list import AccessList
from server.auth.follower import Follower
from storage.ports.errors import StorageUnavailable
from storage.ports.storage import Storage
from tests.contract.records import until
from tests.support.accounts import ADMIN, NOW, At, api_key, noted, stored
from utils.ids import new_token


def identity(principal: str) -> Identity:
    return Identity(User(principal, "ann"), guest=False, role="user", login="l_1", version=1)


async def test_a_server_knows_what_was_decided_before_it_was_there(repository: Storage) -> None:
    ann, ben, key = await stored(repository.accounts), await stored(repository.accounts), api_key()
    await repository.access.suspend(ann.account_id, FOREVER, "spam", noted("suspend"))
    await repository.access.insert_key(key, KEYS, noted("key"))
    access = AccessList(At())
    with pytest.raises(ParleyError, match="unavailable"):
        access.check(identity(ben.account_id))
    await Follower(repository, access).catch_up()
    access.check(identity(ben.account_id))
    with pytest.raises(ParleyError, match="suspended: this account is suspended: spam"):
        access.check(identity(ann.account_id))
    assert access.is_taken(ann.username.upper())
    bot = Identity(User(key.bot_id, "bot"), guest=False, role="bot", login=key.key_id, scope=key.scope)
    access.check(bot)


async def test_each_new_notice_is_read_once(repository: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "_PAGE", 2)
    principals = [new_token("u_") for _ in range(5)]
    access = AccessList(At())
    following = Follower(repository, access)
    await following.catch_up()
    told: list[str] = []

    async def listen(notices: Sequence[Notice]) -> None:
        told.extend(notice.subject for notice in notices)

    following.listeners.append(listen)
    for principal in principals:
        await repository.access.suspend(principal, FOREVER, "", noted("suspend"))
    await following.catch_up()
    await following.catch_up()
    assert told == principals
    await repository.access.suspend(principals[0], 0, "", noted("restore"))
    await following.catch_up()
    assert told[5:] == principals[:1]
    access.check(identity(principals[0]))


async def test_a_database_that_goes_back_is_read_anew(repository: Storage) -> None:
    """As after a backup was restored: its numbers begin below the ones that the server knows."""
    secret, key = make_key("bot", "write", ADMIN.id, NOW, 1)
    ann, principal, later = await stored(repository.accounts), new_token("u_"), new_token("u_")
    await repository.access.suspend(principal, FOREVER, "", noted("suspend"))
    access = AccessList(At())
    following = Follower(repository, access)
    await following.catch_up()
    last = access.number
    access.take([Notice("key", key.key_id, last + 1000, NOW, key.until, 0, 0, "", key)])
    assert access.find_key(secret) == key
    await repository.access.suspend(later, FOREVER, "", noted("suspend"))
    await following.catch_up()
    assert last < access.number < last + 1000
    for suspended in (principal, later):
        assert access.denial(identity(suspended)) is not None
    assert access.find_key(secret) is None
    assert access.is_taken(ann.username)
    assert not access.is_stale()


async def test_after_a_day_without_storage_everything_may_have_been_missed(repository: Storage) -> None:
    clock = At()
    access = AccessList(clock)
    following = Follower(repository, access)
    await following.catch_up()
    told: list[Sequence[Notice]] = []

    async def listen(notices: Sequence[Notice]) -> None:
        told.append(notices)

    following.listeners.append(listen)
    clock.now += round(follower.MISSED_SECONDS * 1e6)
    await following.catch_up()
    assert told == []
    clock.now += round(follower.MISSED_SECONDS * 1e6) + 1
    await following.catch_up()
    assert told == [()]


async def test_a_woken_follower_reads_until_storage_is_closed(repository: Storage) -> None:
    access = AccessList(At())
    following = Follower(repository, access)
    running = asyncio.create_task(following.run())
    principal = new_token("u_")
    await repository.access.suspend(principal, FOREVER, "", noted("suspend"))
    following.wake()
    await until(lambda: access.denial(identity(principal)) is not None)
    await repository.close()
    with pytest.raises(StorageUnavailable):
        await following.catch_up()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_uses_of_keys_are_stored(repository: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "UPKEEP_SECONDS", 0.0)
    key = api_key()
    await repository.access.insert_key(key, KEYS, noted("key"))
    access = AccessList(At())
    access.uses[key.key_id] = key.created_at + 5
    running = asyncio.create_task(Follower(repository, access).run())

    async def used() -> bool:
        await asyncio.sleep(0)
        return key.created_at + 5 in [one.used_at for one in await repository.access.keys(key.created_at)]

    async with asyncio.timeout(20):
        while not await used():
            pass
    assert access.uses == {}
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_it_ends_although_a_read_has_lost_the_cancellation(
    repository: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Python 3.11's `wait_for` does if it comes together with an answer."""
    following, reading = Follower(repository, AccessList(At())), asyncio.Event()

    async def read() -> bool:
        reading.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return True

    monkeypatch.setattr(following, "_is_read", read)
    task = asyncio.create_task(following.run())
    await reading.wait()
    task.cancel()
    await asyncio.wait_for(task, 20)
