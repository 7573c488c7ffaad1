"""The access port, over every backend."""

import asyncio

from msgspec.structs import replace

from model.account import AccountChange, Notice
from model.audit import AuditFilter
from model.limits import KEYS
from model.room import FOREVER, User
from storage.ports.access import KEPT_US
from storage.ports.messages import ENDLESS
from storage.ports.storage import Storage
from tests.support.accounts import DAY, NOW, api_key, noted, stored
from utils.ids import new_token


async def of(repository: Storage, subject: str) -> Notice:
    """Return the notice of a subject, with its number left out."""
    (found,) = [one for one in await repository.access.notices(after=0) if one.subject == subject]
    return replace(found, number=0)


async def test_a_suspension_survives_other_changes_of_the_account(repository: Storage) -> None:
    ann = await stored(repository.accounts)
    until = NOW + 30 * DAY
    await repository.access.suspend(ann.account_id, until, "spam", noted("suspend"))
    suspended = Notice("account", ann.account_id, 0, NOW, until, 2, until, "spam")
    assert await of(repository, ann.account_id) == suspended
    await repository.accounts.change(ann.account_id, AccountChange(name="x"), noted(at=NOW + 1))
    changed = replace(suspended, version=3, at=NOW + 1)
    assert await of(repository, ann.account_id) == changed
    assert [replace(one, number=0) for one in await repository.access.suspensions(NOW)].count(changed) == 1
    assert ann.account_id not in {one.subject for one in await repository.access.suspensions(until)}
    assert await repository.access.suspend(ann.account_id, 0, "", noted("restore", at=NOW + 2))
    restored = Notice("account", ann.account_id, 0, NOW + 2, NOW + 2 + KEPT_US, 3, 0, "")
    assert await of(repository, ann.account_id) == restored
    assert ann.account_id not in {one.subject for one in await repository.access.suspensions(NOW)}


async def test_what_is_not_denied_cannot_be_restored(repository: Storage) -> None:
    """Neither a notice nor an entry is stored, and no token is outdated."""
    ann, network = await stored(repository.accounts), "2001:db8:ffff::/48"
    principals, last = (ann.account_id, new_token("u_")), await newest(repository)
    for principal in principals:
        assert not await repository.access.suspend(principal, 0, "", noted("restore", target=User(principal, "")))
    assert not await repository.access.block(network, 0, "", noted("unblock", target=User(network, "")))
    await repository.access.suspend(principals[1], NOW + 1, "", noted("suspend"))
    assert not await repository.access.suspend(principals[1], 0, "", noted("restore", at=NOW + 1))  # it is over
    after = [one.subject for one in await repository.access.notices(after=last)]
    assert after == [principals[1]]
    for subject in (*principals, network):
        wanted = AuditFilter(target=subject)
        assert not await repository.audit.page(wanted, before=ENDLESS, limit=10)
    assert await repository.accounts.find(ann.account_id) == ann


async def test_of_two_operators_one_ends_a_suspension(repository: Storage) -> None:
    principal = new_token("u_")
    await repository.access.suspend(principal, FOREVER, "", noted("suspend"))
    both = (repository.access.suspend(principal, 0, "", noted("restore")) for _ in range(2))
    assert sorted(await asyncio.gather(*both)) == [False, True]


async def newest(repository: Storage) -> int:
    """Return the number of the newest notice."""
    return max((one.number for one in await repository.access.notices(after=0, limit=10**6)), default=0)


async def test_an_account_of_the_application_can_be_suspended(repository: Storage) -> None:
    principal = new_token("u_")
    await repository.access.suspend(principal, FOREVER, "spam", noted("suspend"))
    assert await of(repository, principal) == Notice("account", principal, 0, NOW, FOREVER, 0, FOREVER, "spam")


async def test_networks_are_blocked_and_listed_the_newest_first(repository: Storage) -> None:
    names = [f"2001:db8:{n}::/48" for n in range(3)]
    for at, name in enumerate(names):
        await repository.access.block(name, NOW + DAY, "flood", noted("block", at=NOW + at))
    await repository.access.block(names[1], 0, "", noted("unblock", at=NOW + 5))
    listed = [one.subject for one in await repository.access.blocks(NOW) if one.subject in names]
    assert listed == [names[2], names[0]]
    assert not {one.subject for one in await repository.access.blocks(NOW + DAY)}.intersection(names)
    assert (await of(repository, names[1])).deny_until == 0


async def test_a_key_is_followed_until_it_is_revoked(repository: Storage) -> None:
    key = api_key(until=NOW + 90 * DAY)
    await repository.access.insert_key(key, KEYS, noted("key"))
    assert (await of(repository, key.key_id)).key == key
    assert key in await repository.access.keys(NOW)
    assert key not in await repository.access.keys(key.until)
    await repository.access.used({key.key_id: NOW + 5, "k_none": NOW})
    await repository.access.used({key.key_id: NOW + 4})
    await repository.access.used({})
    used = replace(key, used_at=NOW + 5)
    assert (await of(repository, key.key_id)).key == used
    assert await repository.access.revoke_key(key.key_id, noted("key_revoke"))
    assert not await repository.access.revoke_key(key.key_id, noted("key_revoke"))
    assert await of(repository, key.key_id) == Notice("key", key.key_id, 0, NOW, NOW + KEPT_US)
    assert used not in await repository.access.keys(NOW)


async def test_writes_do_not_change_the_incarnation(repository: Storage) -> None:
    before = await repository.access.incarnation()
    await repository.access.suspend(new_token("u_"), FOREVER, "", noted("suspend"))
    assert await repository.access.incarnation() == before


async def test_a_reader_of_notices_misses_none(repository: Storage) -> None:
    """However the writers overlap: a number never appears below one that was read."""
    seen: list[int] = []
    subjects = [new_token("u_") for _ in range(40)]
    done = asyncio.Event()

    async def follow() -> None:
        while not done.is_set() or await repository.access.notices(after=seen[-1] if seen else 0, limit=1):
            found = await repository.access.notices(after=seen[-1] if seen else 0, limit=3)
            seen.extend(one.number for one in found)
            read.update(one.subject for one in found)
            await asyncio.sleep(0)

    read: set[str] = set()
    following = asyncio.ensure_future(follow())
    await asyncio.gather(*(repository.access.suspend(one, FOREVER, "", noted()) for one in subjects))
    done.set()
    await following
    assert read.issuperset(subjects)
    assert seen == sorted(set(seen))


async def test_notices_are_removed_once_they_say_nothing(repository: Storage) -> None:
    short, long = new_token("u_"), new_token("u_")
    await repository.access.suspend(short, NOW + 1, "", noted())
    await repository.access.suspend(long, FOREVER, "", noted())
    while await repository.accounts.expire(NOW + KEPT_US, 1000):
        pass
    left = {one.subject for one in await repository.access.notices(after=0)}
    assert left.intersection((short, long)) == {long}


async def test_the_newest_notice_stays(repository: Storage) -> None:
    """A server that does not find it would read all of them anew."""
    first, newest = new_token("u_"), new_token("u_")
    for one in (first, newest):
        await repository.access.suspend(one, NOW + 1, "", noted())
    while await repository.accounts.expire(NOW + KEPT_US, 1000):
        pass
    [*_, last] = await repository.access.notices(after=0)
    assert last.subject == newest
