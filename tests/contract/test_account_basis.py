"""What was decided before an account was changed or deleted is not stored afterwards, on every backend."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace

from model.account import Account, AccountChange, Basis, Login, RoomWork, guess_key
from model.audit import VISITOR, AuditFilter
from model.limits import KEYS
from model.principals import GUEST
from model.room import FOREVER, User
from storage.ports.messages import ENDLESS
from storage.ports.storage import READER, Storage
from storage.postgres.accounts import locking
from storage.postgres.connection import session
from tests.support.accounts import (
    DAY,
    NOW,
    account,
    api_key,
    erasure,
    invite_link,
    login,
    noted,
    report,
    stored,
    ticket,
)
from utils.fairness import Party
from utils.ids import new_token

Change = Callable[[Storage, Account, Login], Awaitable[object]]


def changed(**fields: Any) -> Change:
    """Return a change of the account."""

    async def change(storage: Storage, ann: Account, of: Login) -> object:
        return await storage.accounts.change(ann.account_id, AccountChange(**fields), noted(at=NOW + 1))

    return change


async def new_address(storage: Storage, ann: Account, of: Login) -> object:
    change = AccountChange(email=f"{new_token('e')}@example.org")
    return await storage.accounts.change(ann.account_id, change, noted(at=NOW + 1))


async def suspend(storage: Storage, ann: Account, of: Login) -> object:
    return await storage.access.suspend(ann.account_id, FOREVER, "", noted("suspend"))


async def sign_out(storage: Storage, ann: Account, of: Login) -> object:
    return await storage.logins.end(ann.account_id, only=of.login_id, entry=noted("logout"))


async def delete(storage: Storage, ann: Account, of: Login) -> object:
    return await storage.accounts.delete(ann.account_id, erasure(ann), noted("erase", ann.user))


DECISIONS: dict[str, Change] = {
    "password": changed(password="new", end_logins=True),
    "role": changed(role="admin"),
    "name": changed(name="Ann Lee"),
    "no address": changed(email=""),
    "address": new_address,
    "second factor": changed(totp_nonce=b"other"),
    "suspension": suspend,
    "end of the login": sign_out,
    "deletion": delete,
}


async def signed_in(storage: Storage) -> tuple[Account, Login]:
    ann = account(totp_nonce=b"first", email=f"{new_token('e')}@example.org")
    of = login(ann)
    await stored(storage.accounts, ann, signed_in=of)
    return ann, of


@pytest.mark.parametrize("decide", DECISIONS.values(), ids=DECISIONS)
async def test_what_was_decided_before_another_change_is_not_stored(repository: Storage, decide: Change) -> None:
    ann, of = await signed_in(repository)
    bob, key, link = (
        await stored(repository.accounts),
        api_key(maker_id=ann.account_id),
        ticket(ann, "email", email="x"),
    )
    basis, guest, by = Basis(ann, of.login_id), new_token(GUEST), noted(actor=ann.user)
    assert await decide(repository, ann, of)
    accounts, access = repository.accounts, repository.access
    adoption = RoomWork("adopt", ann.account_id, (guest,), "Ann")
    for change in (AccountChange(name="x"), AccountChange(totp_on=True), AccountChange(password="p", end_logins=True)):
        assert await accounts.change(ann.account_id, change, by, basis=basis) is None
    assert await accounts.change(bob.account_id, AccountChange(role="admin"), by, basis=basis) is None
    assert not await access.suspend(bob.account_id, FOREVER, "", by, basis=basis)
    assert not await access.insert_key(key, KEYS, by, basis=basis)
    assert not await accounts.adopt(guest, ann.account_id, adoption, 9, by, basis=basis)
    assert not await repository.secrets.insert_ticket(link, by, basis=basis)
    assert await repository.logins.insert(login(ann), 9, by, basis=basis) is None
    before = await accounts.find(ann.account_id)
    assert not await accounts.delete(ann.account_id, erasure(ann), by, basis=basis)
    assert await accounts.find(ann.account_id) == before
    assert await accounts.find(bob.account_id) == bob
    assert key not in await access.keys(NOW)
    assert await repository.secrets.find_ticket(link.hash, "email", NOW) is None
    assert by.id not in await entries(repository)
    if before is not None and decide is not sign_out:  # one that knows the account as it is now
        again = Basis(before, of.login_id if await repository.logins.find(of.login_id, NOW) else "")
        assert await accounts.change(ann.account_id, AccountChange(name="y"), by, basis=again) is not None


async def entries(storage: Storage) -> set[int]:
    return {one.id for _, one in await storage.audit.page(AuditFilter(), before=ENDLESS, limit=100)}


async def test_of_two_admins_who_demote_each_other_one_stays(repository: Storage) -> None:
    async def as_reader(name: str, asked: Awaitable[object]) -> object:
        READER.set(Party(name))  # one reader has one connection at a time
        return await asked

    for _ in range(10):
        ann, bob = [await stored(repository.accounts, account(role="admin")) for _ in range(2)]
        demoted = AccountChange(role="user")
        change = repository.accounts.change
        done = await asyncio.gather(
            as_reader("a", change(bob.account_id, demoted, noted(actor=ann.user), basis=Basis(ann))),
            as_reader("b", change(ann.account_id, demoted, noted(actor=bob.user), basis=Basis(bob))),
        )
        assert [one is None for one in done].count(True) == 1


async def test_there_are_never_more_keys_than_the_limit(repository: Storage) -> None:
    async def make(n: int) -> bool:
        READER.set(Party(str(n)))
        return await repository.access.insert_key(api_key(), most, noted("key"))

    most = len(await repository.access.keys(NOW)) + 3
    assert sum(await asyncio.gather(*(make(n) for n in range(8)))) == 3
    assert len(await repository.access.keys(NOW)) == most


async def test_nothing_of_a_deleted_account_is_stored_later(repository: Storage) -> None:
    """What was under way when it was deleted: of its own, and of others about it."""
    ann, bob = await stored(repository.accounts), await stored(repository.accounts)
    key, link, of_both = api_key(maker_id=ann.account_id), invite_link(maker_id=ann.account_id), ticket(ann)
    guesses, safety = guess_key("login", ann.username), repository.safety
    reported, work = report(sender=bob.user, reporter=ann.user), erasure(ann)
    await repository.accounts.delete(ann.account_id, work, noted("erase", ann.user))
    by, about = noted("key", ann.user), noted("login_failed", VISITOR, target=ann.user, address="192.0.2.9")
    assert not await repository.access.insert_key(key, KEYS, noted("key"))
    assert not await repository.links.insert(link, noted("link"))
    assert not await repository.secrets.insert_ticket(of_both, None)
    await repository.secrets.failed(guesses, "192.0.2.9", NOW, about)
    await safety.block_user(ann.account_id, bob.account_id, NOW, 9, noted("user_block"))
    await safety.block_user(bob.account_id, ann.account_id, NOW, 9, noted("user_block"))
    assert not await safety.insert_report(reported, noted("report"))
    assert not await repository.access.suspend(ann.account_id, FOREVER, "", noted("suspend"))
    await repository.access.block("192.0.2.9", NOW + DAY, "", by)
    await repository.audit.append([by, about])
    assert key not in await repository.access.keys(NOW)
    assert await repository.links.find_by_id(link.link_id) is None
    assert await repository.secrets.find_ticket(of_both.hash, "reset", NOW) is None
    assert {one.failures for one in await repository.secrets.failures(guesses, "192.0.2.9")} == {0}
    for user in (ann, bob):
        assert await safety.blocked_by(user.account_id) == []
    assert await safety.find_report(reported.report_id) is None
    assert "192.0.2.9" not in [one.subject for one in await repository.access.blocks(NOW)]
    assert not {by.id, about.id} & await entries(repository)


async def test_a_failure_takes_the_same_statements_for_a_name_that_no_account_has(
    repository: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, asked = await stored(repository.accounts), list[int]()
    fetch_all = session.fetch_all

    async def counted(*args: Any) -> Any:
        asked[-1] += 1
        return await fetch_all(*args)

    monkeypatch.setattr(locking, "fetch_all", counted)
    for target in (ann.user, None):
        asked.append(0)
        await repository.secrets.failed(b"key", "192.0.2.1", NOW, noted("login_failed", VISITOR, target=target))
    assert asked[0] == asked[1]


async def test_a_report_of_a_message_that_is_about_to_be_erased_is_kept_without_its_sender(repository: Storage) -> None:
    ann, bob = await stored(repository.accounts), await stored(repository.accounts)
    reported, work = report(sender=ann.user, reporter=bob.user), erasure(ann)
    await repository.accounts.delete(ann.account_id, work, noted("erase", ann.user))
    entry = noted("report", bob.user, target=ann.user)
    assert await repository.safety.insert_report(reported, entry)
    await repository.accounts.remove_traces(work, NOW + 1, ends=False)
    erased = await repository.safety.find_report(reported.report_id)
    assert erased is not None
    assert (erased.sender.id, erased.reporter, erased.content) == (work.account_id, bob.user, reported.content)
    found = {one.id: one for _, one in await repository.audit.page(AuditFilter(), before=ENDLESS, limit=9)}
    assert found[entry.id] == replace(entry, target=User(work.account_id, ""))


@pytest.mark.parametrize("name", ["password", "address", "no address", "suspension", "deletion"])
async def test_links_in_mails_end(repository: Storage, name: str) -> None:
    ann, of = await signed_in(repository)
    links = [ticket(ann, "reset"), ticket(ann, "email", email="new@example.org")]
    for one in links:
        assert await repository.secrets.insert_ticket(one, noted())
    assert await DECISIONS[name](repository, ann, of)
    for one in links:
        assert await repository.secrets.find_ticket(one.hash, one.kind, NOW) is None


@pytest.mark.parametrize("name", ["name", "second factor", "end of the login"])
async def test_links_in_mails_stay_with_other_changes(repository: Storage, name: str) -> None:
    ann, of = await signed_in(repository)
    resets = ticket(ann, "reset")
    await repository.secrets.insert_ticket(resets, noted())
    await DECISIONS[name](repository, ann, of)
    assert await repository.secrets.find_ticket(resets.hash, "reset", NOW) == resets
