"""The logins port, over every backend."""

import asyncio
from collections.abc import Awaitable

import pytest
from msgspec.structs import replace

from model.account import Account, AccountChange, Basis, Login, Refreshed
from model.audit import AuditFilter
from storage.ports.logins import AGAIN_US
from storage.ports.messages import ENDLESS
from storage.ports.storage import READER, Storage
from tests.support.accounts import DAY, NOW, account, login, noted, stored
from utils.fairness import Party
from utils.ids import new_token


@pytest.fixture
async def signed_in(repository: Storage) -> Login:
    ann = account()
    first = login(ann, device="Firefox", address="192.0.2.1", by_cookie=True)
    await stored(repository.accounts, ann, signed_in=first)
    return first


async def found(repository: Storage, of: Login) -> Account:
    """Return the account of a login."""
    account = await repository.accounts.find(of.account_id)
    assert account is not None
    return account


async def refresh(repository: Storage, of: Login, generation: int, now: int) -> Refreshed:
    entry = noted("token_reuse", at=now, detail=of.login_id)
    return await repository.logins.refresh(
        of.login_id, generation, now, ends_at=now + DAY, address="192.0.2.2", entry=entry
    )


async def test_a_refresh_raises_the_generation(repository: Storage, signed_in: Login) -> None:
    done = await refresh(repository, signed_in, 0, NOW + 5)
    after = replace(signed_in, generation=1, refreshed_at=NOW + 5, ends_at=NOW + 5 + DAY, address="192.0.2.2")
    assert done == Refreshed("new", after, await repository.accounts.find(signed_in.account_id))
    assert await repository.logins.find(signed_in.login_id, NOW) == after


async def test_two_tabs_that_refresh_at_once_get_the_same_successor(repository: Storage, signed_in: Login) -> None:
    done = await asyncio.gather(*(refresh(repository, signed_in, 0, NOW) for _ in range(4)))
    assert sorted(one.outcome for one in done) == ["again"] * 3 + ["new"]
    assert {one.login.generation for one in done if one.login} == {1}
    assert len({one.login for one in done}) == 1
    late = await refresh(repository, signed_in, 0, NOW + AGAIN_US)
    assert (late.outcome, late.login) == ("again", done[0].login)


@pytest.mark.parametrize(
    ("generation", "after"),
    [(0, AGAIN_US + 1), (0, -AGAIN_US - 1), (0, None)],
    ids=["too late", "a clock was set back", "two behind"],
)
async def test_an_older_token_ends_the_login(
    repository: Storage, signed_in: Login, generation: int, after: int | None
) -> None:
    await refresh(repository, signed_in, 0, NOW)
    if after is None:
        await refresh(repository, signed_in, 1, NOW)
    assert await refresh(repository, signed_in, generation, NOW + (after or 0)) == Refreshed("reused")
    assert await repository.logins.find(signed_in.login_id, NOW) is None
    assert (await refresh(repository, signed_in, 1, NOW)).outcome == "unknown"
    entries = await repository.audit.page(AuditFilter(action="token_reuse"), before=ENDLESS, limit=99)
    assert [one.detail for _, one in entries].count(signed_in.login_id) == 1
    ended = [one.subject for one in await repository.access.notices(after=0) if one.kind == "login"]
    assert ended.count(signed_in.login_id) == 1


async def test_a_token_of_no_login_is_unknown(repository: Storage, signed_in: Login) -> None:
    assert await refresh(repository, replace(signed_in, login_id="l_none"), 0, NOW) == Refreshed("unknown")
    assert await refresh(repository, signed_in, 1, NOW) == Refreshed("unknown")
    assert await refresh(repository, signed_in, 0, signed_in.ends_at) == Refreshed("unknown")
    assert await repository.logins.find(signed_in.login_id, NOW) == signed_in


async def test_the_oldest_logins_end_above_the_limit(repository: Storage, signed_in: Login) -> None:
    """Of equally old ones those with the lower ids."""
    ann = await found(repository, signed_in)
    more = [replace(signed_in, login_id=f"{end}{new_token('_', 16)}", created_at=NOW + 1) for end in "bac"]
    ended = [await repository.logins.insert(one, 2, noted("login"), basis=Basis(ann)) for one in more]
    assert ended == [[], [signed_in.login_id], [more[1].login_id]]
    assert await repository.logins.of_account(signed_in.account_id, NOW) == [more[0], more[2]]
    assert await repository.logins.insert(login(account()), 2, noted(), basis=Basis(account())) is None


async def test_a_login_that_was_begun_with_an_old_password_is_not_stored(repository: Storage) -> None:
    """The new password has ended all logins: one that compared the old one before must not come after it."""
    ann = await stored(repository.accounts)
    change = AccountChange(password="new", end_logins=True)
    assert await repository.accounts.change(ann.account_id, change, noted("reset", at=NOW + 5)) is not None
    late = login(ann)
    assert await repository.logins.insert(late, 9, noted("login"), basis=Basis(ann)) is None
    assert await repository.logins.find(late.login_id, NOW) is None
    now = await repository.accounts.find(ann.account_id)
    assert now is not None
    assert await repository.logins.insert(late, 9, noted("login"), basis=Basis(now)) == []


async def test_no_login_outlives_a_new_password_that_is_set_at_once(repository: Storage) -> None:
    """Whichever comes first: the login is ended, or it is not stored."""

    async def as_reader(name: str, asked: Awaitable[object]) -> object:
        READER.set(Party(name))  # one reader has one connection at a time
        return await asked

    for _ in range(10):
        ann = await stored(repository.accounts)
        change = AccountChange(password="new", end_logins=True)
        await asyncio.gather(
            as_reader("a", repository.logins.insert(login(ann), 9, noted("login"), basis=Basis(ann))),
            as_reader("b", repository.accounts.change(ann.account_id, change, noted("reset"))),
        )
        assert await repository.logins.of_account(ann.account_id, NOW) == []


async def test_logins_end_one_by_one_or_together(repository: Storage, signed_in: Login) -> None:
    ends, of = repository.logins.end, signed_in.account_id
    ann = await found(repository, signed_in)
    others = [replace(signed_in, login_id=new_token("l_", 16), created_at=NOW + n) for n in range(1, 4)]
    for one in others:
        await repository.logins.insert(one, 50, noted(), basis=Basis(ann))
    assert await ends("a_none", only=signed_in.login_id, entry=noted()) == []
    entry = noted("session_end", target=None)
    assert await ends(of, only="l_none", entry=entry) == []
    assert await ends(of, only=others[0].login_id, entry=entry) == [others[0].login_id]
    assert sorted(await ends(of, but=others[1].login_id, entry=noted())) == sorted(
        [signed_in.login_id, others[2].login_id]
    )
    assert await repository.logins.of_account(of, NOW) == [others[1]]
    assert await ends(of, entry=noted()) == [others[1].login_id]
    entries = await repository.audit.page(AuditFilter(action="session_end"), before=ENDLESS, limit=99)
    assert [one for _, one in entries if one.id == entry.id] == [entry]


async def test_a_login_whose_time_is_over_is_not_found(repository: Storage, signed_in: Login) -> None:
    assert await repository.logins.find(signed_in.login_id, signed_in.ends_at - 1) == signed_in
    assert await repository.logins.find(signed_in.login_id, signed_in.ends_at) is None
    assert await repository.logins.of_account(signed_in.account_id, signed_in.ends_at) == []
    late = signed_in.ends_at + 400 * DAY
    while await repository.accounts.expire(late, 2):
        pass
    assert await repository.logins.find(signed_in.login_id, NOW) is None
