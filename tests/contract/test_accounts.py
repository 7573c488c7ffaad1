"""The accounts port, over every backend."""

import asyncio

import pytest
from msgspec.structs import replace

from model.account import AccountChange, Basis, NewAccount, RoomWork, Ticket, guess_key, look_hash, rename_work
from model.audit import VISITOR, AuditFilter
from model.limits import KEYS
from model.principals import GUEST
from model.room import FOREVER
from storage.ports.accounts import Inserted
from storage.ports.messages import ENDLESS
from storage.ports.rooms import SetMember
from storage.ports.storage import STORED, Storage, Writer
from storage.postgres.accounts import erasing
from storage.postgres.storage import PostgresStorage
from tests.contract.records import inserts, member, room
from tests.support.accounts import (
    DAY,
    NOW,
    account,
    api_key,
    erasure,
    login,
    new_secret,
    noted,
    report,
    stored,
    ticket,
)
from utils.ids import new_token


async def test_an_account_is_found_by_each_of_its_names(repository: Storage) -> None:
    accounts = repository.accounts
    ann = account(email=f"Ann@{new_token('h')}.example", role="organizer", totp_nonce=b"\x00\xff", totp_on=True)
    await stored(accounts, ann)
    assert await accounts.find(ann.account_id) == ann
    assert await accounts.find_by_username(ann.username) == ann
    assert await accounts.find_by_email(str(ann.email).upper()) == ann
    assert await accounts.named_like(ann.look) == ann.account_id
    for missing in (ann.username.upper(), "none", "a\0b", ""):
        assert await accounts.find_by_username(missing) is None
        assert await accounts.find_by_email(missing) is None
        assert await accounts.find(missing) is None
        assert await accounts.named_like(missing) is None


async def test_names_and_addresses_are_unique(repository: Storage) -> None:
    accounts = repository.accounts
    ann = await stored(accounts, account("paypal" + new_token("x"), email=f"{new_token('e')}@example.org"))
    same_name = account(ann.username)
    same_look = replace(account(), look=ann.look)
    same_address = account(email=str(ann.email).swapcase())
    outcomes = [await accounts.insert(NewAccount(one), noted()) for one in (same_name, same_look, same_address)]
    assert outcomes == [Inserted.NAME_TAKEN, Inserted.NAME_TAKEN, Inserted.EMAIL_TAKEN]
    assert await accounts.find(same_address.account_id) is None


async def test_of_two_users_who_register_the_same_name_one_succeeds(repository: Storage) -> None:
    name = account().username
    outcomes = await asyncio.gather(*(repository.accounts.insert(NewAccount(account(name)), noted()) for _ in range(4)))
    assert sorted(outcomes, key=lambda one: one.value) == [Inserted.NAME_TAKEN] * 3 + [Inserted.STORED]


async def test_pages_are_sorted_by_bytes(repository: Storage) -> None:
    part = f"q{new_token('')[:6].lower()}"
    names = [f"{part}{end}" for end in ("-z", "1", "a", "é")]
    for name in (names[2], names[0], names[3], names[1]):
        await stored(repository.accounts, account(name))
    found = await repository.accounts.page(after="", contains=part, limit=3)
    assert [one.username for one in found] == names[:3]
    assert [one.username for one in await repository.accounts.page(after=names[2], contains=part, limit=3)] == names[3:]
    assert await repository.accounts.page(after="", contains="%", limit=3) == []


async def test_all_looks_are_listed(repository: Storage) -> None:
    made = {(await stored(repository.accounts)).look for _ in range(3)}
    found: list[str] = []
    while page := await repository.accounts.looks(after=found[-1] if found else "", limit=2):
        found += page
    assert made <= set(found)
    assert found == sorted(found, key=str.encode)


async def test_an_account_comes_with_its_login_and_ticket(repository: Storage) -> None:
    ann = account()
    first, confirms = login(ann), ticket(ann, "email", email="ann@example.org")
    entry = noted(actor=ann.user)
    assert await repository.accounts.insert(NewAccount(ann, first, confirms), entry) is Inserted.STORED
    assert await repository.logins.find(first.login_id, NOW) == first
    assert await repository.secrets.find_ticket(confirms.hash, "email", NOW) == confirms
    assert await repository.secrets.find_pending_email(ann.account_id, NOW) == "ann@example.org"
    assert [one for _, one in await repository.audit.page(AuditFilter(ann.account_id), before=ENDLESS, limit=9)] == [
        entry
    ]


async def demote_all(repository: Storage) -> None:
    """Leave no admin of other tests."""
    for one in await repository.accounts.page(after="", contains="", limit=999):
        await repository.accounts.change(one.account_id, AccountChange(role="user"), noted())


async def test_a_ticket_makes_the_first_admin_once(repository: Storage) -> None:
    await demote_all(repository)
    admin = ticket(None, "admin")
    await repository.secrets.insert_ticket(admin, None)
    new = NewAccount(account(role="admin"), admin_ticket=admin.hash)
    outcomes = [await repository.accounts.insert(one, noted()) for one in (new, replace(new, account=account()))]
    assert outcomes == [Inserted.STORED, Inserted.NO_LINK]
    assert await repository.accounts.has_admin()


async def test_a_ticket_makes_no_second_admin(repository: Storage) -> None:
    """The operator has made one on the command line, and the file with the link is still there, such as in a backup."""
    await stored(repository.accounts, account(role="admin"))
    admin = ticket(None, "admin")
    await repository.secrets.insert_ticket(admin, None)
    second = NewAccount(account(role="admin"), admin_ticket=admin.hash)
    assert await repository.accounts.insert(second, noted()) is Inserted.NO_LINK
    assert await repository.accounts.find(second.account.account_id) is None


async def test_a_name_that_is_taken_does_not_use_up_the_ticket(repository: Storage) -> None:
    await demote_all(repository)
    ann, admin = await stored(repository.accounts), ticket(None, "admin")
    await repository.secrets.insert_ticket(admin, None)
    new = NewAccount(account(ann.username), admin_ticket=admin.hash)
    assert await repository.accounts.insert(new, noted()) is Inserted.NAME_TAKEN
    assert await repository.secrets.find_ticket(admin.hash, "admin", NOW) == admin
    late = noted(at=NOW + DAY)
    assert await repository.accounts.insert(replace(new, account=account()), late) is Inserted.NO_LINK
    unknown = NewAccount(account(), link=new_secret())
    assert await repository.accounts.insert(unknown, noted()) is Inserted.NO_LINK


async def test_a_change_changes_what_it_names(repository: Storage) -> None:
    accounts = repository.accounts
    ann = await stored(accounts, account(email=f"{new_token('e')}@example.org"))
    named = await accounts.change(ann.account_id, AccountChange(name="Ann Lee"), noted("name"))
    assert named == replace(ann, name="Ann Lee", version=2)
    at = NOW + 5
    changed = await accounts.change(ann.account_id, AccountChange(password="new", role="admin"), noted(at=at))
    assert changed == replace(named, password="new", role="admin", password_at=at, version=3)
    factor = await accounts.change(ann.account_id, AccountChange(totp_nonce=b"\0n", totp_on=True, email=""), noted())
    assert factor == replace(changed, totp_nonce=b"\0n", totp_on=True, email=None)
    off = await accounts.change(ann.account_id, AccountChange(totp_nonce=b"", totp_on=False), noted())
    assert off == replace(factor, totp_nonce=None, totp_on=False) == await accounts.find(ann.account_id)
    assert await accounts.change("a_none", AccountChange(name="x"), noted()) is None


async def test_a_changed_hash_is_replaced_only_if_it_is_still_the_same(repository: Storage) -> None:
    ann = await stored(repository.accounts)
    await repository.accounts.rehash(ann.account_id, "hash", "better")
    await repository.accounts.rehash(ann.account_id, "hash", "late")
    assert await repository.accounts.find(ann.account_id) == replace(ann, password="better")


async def test_a_change_may_end_all_logins_but_one(repository: Storage) -> None:
    ann = account()
    kept, ended = login(ann), login(ann)
    await stored(repository.accounts, ann, signed_in=kept)
    await repository.logins.insert(ended, 50, noted(), basis=Basis(ann))
    resets, confirms = ticket(ann), ticket(ann, "email", email="x@example.org")
    for one in (resets, confirms):
        await repository.secrets.insert_ticket(one, noted())
    change = AccountChange(password="new", end_logins=True, keep_login=kept.login_id)
    assert await repository.accounts.change(ann.account_id, change, noted())
    assert await repository.logins.of_account(ann.account_id, NOW) == [kept]
    assert await repository.secrets.find_ticket(resets.hash, "reset", NOW) is None
    assert await repository.secrets.find_ticket(confirms.hash, "email", NOW) is None


# --- aliases and work in rooms ---------------------------------------------------------------------------------------


def adoption(of: str, guest: str) -> RoomWork:
    return RoomWork("adopt", of, (guest,), "Ann")


async def test_a_guest_becomes_one_account_only(repository: Storage) -> None:
    accounts = repository.accounts
    ann, bob = await stored(accounts), await stored(accounts)
    guests = [new_token(GUEST) for _ in range(3)]

    async def adopt(of: str, guest: str, at: int = NOW) -> bool:
        return await accounts.adopt(guest, of, adoption(of, guest), 2, noted("guest_moved", at=at))

    assert await adopt(ann.account_id, guests[1])
    assert not await adopt(bob.account_id, guests[1])
    assert not await adopt("a_none", guests[2])
    assert await adopt(ann.account_id, guests[0], NOW + 1)
    assert not await adopt(ann.account_id, guests[2])
    assert await accounts.aliases(ann.account_id) == [guests[1], guests[0]]
    assert await accounts.aliases(bob.account_id) == []
    assert await accounts.find(bob.account_id) == bob
    assert await accounts.find(ann.account_id) == replace(ann, version=3)
    work = [one for one in await accounts.room_work() if one.account_id == ann.account_id]
    assert [replace(one, number=0) for one in work] == [adoption(ann.account_id, guest) for guest in guests[1::-1]]
    assert work[0].number < work[1].number
    await accounts.advance(work[0].number, 2**62)
    await accounts.advance(work[1].number, None)
    await accounts.advance(work[1].number, 7)
    left = [one for one in await accounts.room_work() if one.account_id == ann.account_id]
    assert left == [replace(work[0], room_id=2**62)]


async def test_a_new_name_is_work_for_the_rooms_once(repository: Storage) -> None:
    ann, bob = await stored(repository.accounts), await stored(repository.accounts)

    async def work() -> list[RoomWork]:
        found = await repository.accounts.room_work()
        return [replace(one, number=0) for one in found if one.account_id in (ann.account_id, bob.account_id)]

    before = [one.number for one in await repository.access.notices(after=0, limit=10**6)][-1]
    for of, name in ((ann, "A"), (bob, "B"), (ann, "C")):
        await repository.accounts.change(of.account_id, AccountChange(name=name), noted("name"))
    await repository.accounts.change(bob.account_id, AccountChange(role="organizer"), noted("role"))
    assert await work() == [rename_work(bob.account_id, "B"), rename_work(ann.account_id, "C")]
    assert "work" in {one.kind for one in await repository.access.notices(after=before)}
    await repository.accounts.delete(ann.account_id, erasure(ann), noted("erase"))
    assert await work() == [rename_work(bob.account_id, "B")]


async def test_users_who_block_a_guest_block_its_account(repository: Storage) -> None:
    """Also those who block the account already; the account does not block itself."""
    accounts, block = repository.accounts, repository.safety.block_user
    ann, guest = await stored(accounts), new_token(GUEST)
    bob, cat, dan = (new_token("u_") for _ in range(3))
    for user, blocked in ((bob, guest), (cat, guest), (cat, ann.account_id), (ann.account_id, guest), (dan, bob)):
        assert await block(user, blocked, NOW, 9, noted("user_block"))
    assert await accounts.adopt(guest, ann.account_id, adoption(ann.account_id, guest), 9, noted("guest_moved"))
    blocks = await repository.safety.blocks([bob, cat, dan, guest, ann.account_id])
    assert {one for one, blocked in blocks if blocked == ann.account_id} == {bob, cat}
    assert {one for one, blocked in blocks if blocked == guest} == {bob, cat, ann.account_id}


# --- deletion --------------------------------------------------------------------------------------------------------


async def test_nothing_is_left_of_a_deleted_account(repository: Storage) -> None:
    ann = account(email=f"{new_token('e')}@example.org", totp_on=True)
    guest, first = new_token(GUEST), login(ann, address="192.0.2.9")
    await stored(repository.accounts, ann, signed_in=first)
    await repository.accounts.adopt(guest, ann.account_id, adoption(ann.account_id, guest), 9, noted())
    await repository.secrets.insert_ticket(ticket(ann), noted())
    await repository.accounts.change(ann.account_id, AccountChange(codes=(b"code",)), noted())
    key, guesses = api_key(maker_id=ann.account_id), guess_key("login", ann.username)
    await repository.access.insert_key(key, KEYS, noted())
    await repository.secrets.failed(guesses, "192.0.2.9", NOW, noted(target=ann.user))
    work = erasure(ann, guest)
    assert await repository.accounts.delete(ann.account_id, work, noted("erase", ann.user, address="192.0.2.9"))
    assert not await repository.accounts.delete(ann.account_id, work, noted("erase"))
    assert await repository.accounts.find_by_username(ann.username) is None
    assert await repository.logins.find(first.login_id, NOW) is None
    assert await repository.accounts.aliases(ann.account_id) == []
    assert await repository.secrets.failures(guesses, "192.0.2.9") == await repository.secrets.failures(b"none", "")
    assert key not in await repository.access.keys(NOW)
    assert [replace(one, number=0) for one in await repository.accounts.room_work() if one.kind == "erase"][-1] == work
    assert ann.account_id not in {one.account_id for one in await repository.accounts.room_work()}
    again = account(ann.username, email=ann.email)
    assert await repository.accounts.insert(NewAccount(again), noted()) is Inserted.STORED


async def test_a_tombstone_replaces_a_deleted_account_in_the_audit_log(repository: Storage) -> None:
    ann, bob = await stored(repository.accounts), await stored(repository.accounts)
    guest = new_token(GUEST)
    of_guest = noted("report", replace(ann.user, id=guest), address="192.0.2.9")
    failed = noted("login_failed", replace(ann.user, id="", name=""), target=ann.user, address="192.0.2.9")
    by_bob = noted("suspend", bob.user, target=ann.user, address="192.0.2.7")
    unrelated = noted("suspend", bob.user, target=bob.user, address="192.0.2.7")
    await repository.audit.append([of_guest, failed, by_bob, unrelated])
    erased = noted("erase", ann.user, address="192.0.2.9")
    work = erasure(ann, guest)
    assert await repository.accounts.delete(ann.account_id, work, erased)
    stone = replace(ann.user, id=work.account_id, name="")
    found = {one.id: one for _, one in await repository.audit.page(AuditFilter(), before=ENDLESS, limit=9)}
    assert found[of_guest.id] == replace(of_guest, actor=stone, address="")
    assert found[failed.id] == replace(failed, target=stone, address="")
    assert found[by_bob.id] == replace(by_bob, target=stone)
    assert found[unrelated.id] == unrelated
    assert found[erased.id] == replace(erased, actor=stone, address="")


async def test_a_guest_that_was_adopted_just_before_is_erased_too(repository: Storage) -> None:
    ann, guest = await stored(repository.accounts), new_token(GUEST)
    work = erasure(ann)
    assert await repository.accounts.adopt(guest, ann.account_id, adoption(ann.account_id, guest), 9, noted())
    assert await repository.accounts.delete(ann.account_id, work, noted("erase"))
    found = [one for one in await repository.accounts.room_work() if one.account_id == work.account_id]
    assert [one.ids for one in found] == [(ann.account_id, guest)]


async def test_what_is_stored_in_rooms_about_a_deleted_account_is_removed_too(
    repository: Storage, writer: Writer
) -> None:
    ann, bob, where = await stored(repository.accounts), await stored(repository.accounts), room()
    work = erasure(ann)
    assert await repository.accounts.delete(ann.account_id, work, noted("erase", ann.user))
    late = noted("ban", ann.user, target=bob.user, address="192.0.2.9")
    assert await writer.write([*inserts(where), SetMember(where.room_id, member(), late)]) == [STORED] * 2
    await repository.accounts.remove_traces(work, NOW + 1, ends=False)
    found = {one.id: one for _, one in await repository.audit.page(AuditFilter(), before=ENDLESS, limit=9)}
    assert found[late.id] == replace(late, actor=replace(ann.user, id=work.account_id, name=""), address="")


async def test_many_entries_of_a_deleted_account_are_erased_in_batches(
    repository: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strangers add to what names an account: how much that is must not prevent its deletion."""
    monkeypatch.setattr(erasing, "ROWS", 2)
    ann = await stored(repository.accounts)
    entries = [noted("login_failed", VISITOR, target=ann.user, address="192.0.2.9") for _ in range(5)]
    await repository.audit.append(entries)
    reports = [report(sender=ann.user) for _ in range(5)]
    blockers = [new_token("u_") for _ in range(5)]
    for reported, blocker in zip(reports, blockers, strict=True):
        await repository.safety.insert_report(reported, noted("report"))
        await repository.safety.block_user(blocker, ann.account_id, NOW, 9, noted("user_block"))
    work = erasure(ann)
    assert await repository.accounts.delete(ann.account_id, work, noted("erase", ann.user))
    [work] = [one for one in await repository.accounts.room_work() if one.account_id == work.account_id]
    rounds = 0
    while await repository.accounts.remove_traces(work, NOW, ends=True):
        rounds += 1
        assert work in await repository.accounts.room_work()
    assert rounds or not isinstance(repository, PostgresStorage)
    assert work not in await repository.accounts.room_work()
    erased = [await repository.safety.find_report(one.report_id) for one in reports]
    assert [one and one.sender.id for one in erased] == [work.account_id] * 5
    assert await repository.safety.blocks([ann.account_id, *blockers]) == set()
    found = {one.id: one for _, one in await repository.audit.page(AuditFilter(), before=ENDLESS, limit=99)}
    stone = replace(ann.user, id=work.account_id, name="")
    assert [found[one.id] for one in entries] == [replace(one, target=stone, address="") for one in entries]


# --- notices ---------------------------------------------------------------------------------------------------------


async def test_changes_are_said_in_notices(repository: Storage) -> None:
    last = max([one.number for one in await repository.access.notices(after=0)], default=0)

    async def said() -> list[tuple[str, str, int, int]]:
        nonlocal last
        new = await repository.access.notices(after=last)
        last = max([last, *(one.number for one in new)])
        assert [one.number for one in new] == sorted(one.number for one in new)
        return sorted((one.kind, one.subject, one.version, one.deny_until) for one in new)

    ann = account()
    first, guest = login(ann), new_token(GUEST)
    await stored(repository.accounts, ann, signed_in=first)
    named = look_hash(ann.look).hex()
    assert await said() == [("name", named, 0, FOREVER)]
    await repository.accounts.change(ann.account_id, AccountChange(totp_on=True), noted())
    assert await said() == []
    await repository.accounts.change(ann.account_id, AccountChange(name="x", end_logins=True), noted())
    assert await said() == [
        ("account", ann.account_id, 2, 0),
        ("login", first.login_id, 0, 0),
        ("work", "", 0, 0),
    ]
    await repository.accounts.adopt(guest, ann.account_id, adoption(ann.account_id, guest), 9, noted())
    assert await said() == [("account", ann.account_id, 3, 0), ("guest", guest, 0, 0), ("work", "", 0, 0)]
    await repository.accounts.delete(ann.account_id, erasure(ann, guest), noted())
    assert await said() == [("account", ann.account_id, FOREVER, 0), ("name", named, 0, 0), ("work", "", 0, 0)]


@pytest.mark.parametrize("taken", [False, True])
async def test_an_address_counts_once_its_ticket_is_used(repository: Storage, taken: bool) -> None:
    ann, address = await stored(repository.accounts), f"{new_token('e')}@example.org"
    confirms = Ticket(new_secret(), "email", ann.account_id, address, NOW + 1)
    await repository.secrets.insert_ticket(confirms, noted())
    if taken:
        await stored(repository.accounts, account(email=address.upper()))
    change = AccountChange(email=address)
    spent = [await repository.secrets.spend_ticket(confirms.hash, "email", change, NOW, noted()) for _ in range(2)]
    assert spent == [None if taken else replace(ann, email=address), None]
    assert (await repository.secrets.find_ticket(confirms.hash, "email", NOW) is None) is not taken
