"""The secrets port, over every backend."""

import asyncio

from msgspec.structs import replace

from model.account import AccountChange, Guesses, guess_key
from model.audit import AuditFilter
from storage.ports.messages import ENDLESS
from storage.ports.secrets import GUESSES_US
from storage.ports.storage import Storage
from tests.support.accounts import DAY, NOW, account, new_secret, noted, stored, ticket
from utils.ids import new_token


async def test_a_ticket_replaces_the_one_before_but_none_to_reset(repository: Storage) -> None:
    ann, bob = await stored(repository.accounts), await stored(repository.accounts)
    replaced, confirms = (ticket(ann, "email", email=email) for email in ("a@y.example", "x@y.example"))
    resets = [ticket(ann), ticket(bob), ticket(ann)]
    for one in (replaced, *resets, confirms):
        await repository.secrets.insert_ticket(one, noted("reset_request"))
    find = repository.secrets.find_ticket
    assert [await find(one.hash, "reset", NOW) for one in resets] == resets
    assert await find(replaced.hash, "email", NOW) is None
    assert await find(confirms.hash, "email", NOW) == confirms
    assert await find(resets[0].hash, "email", NOW) is None
    assert await find(resets[0].hash, "reset", resets[0].until) is None
    assert await repository.secrets.find_pending_email(ann.account_id, NOW) == "x@y.example"
    assert await repository.secrets.find_pending_email(ann.account_id, confirms.until) is None
    await repository.secrets.insert_ticket(ticket(account()), noted())


async def test_of_two_who_use_a_ticket_one_succeeds(repository: Storage) -> None:
    ann = await stored(repository.accounts)
    resets = ticket(ann)
    await repository.secrets.insert_ticket(resets, None)
    spend = repository.secrets.spend_ticket
    assert await spend(resets.hash, "email", AccountChange(), NOW, noted()) is None
    assert await spend(resets.hash, "reset", AccountChange(), resets.until, noted()) is None
    changes = [AccountChange(password=f"p{n}", end_logins=True) for n in range(3)]
    entries = [noted("reset", ann.user) for _ in changes]
    spent = await asyncio.gather(
        *(spend(resets.hash, "reset", change, NOW, entry) for change, entry in zip(changes, entries, strict=True))
    )
    (winner,) = [one for one in spent if one is not None]
    assert winner == await repository.accounts.find(ann.account_id)
    assert winner.password in {change.password for change in changes}
    logged = await repository.audit.page(AuditFilter(ann.account_id, action="reset"), before=ENDLESS, limit=9)
    assert [one for _, one in logged] == [entries[spent.index(winner)]]


async def test_a_recovery_code_is_used_once(repository: Storage) -> None:
    ann = await stored(repository.accounts)
    old, new = (new_secret(), new_secret()), (new_secret(), new_secret())
    for codes in (old, new):
        assert await repository.accounts.change(ann.account_id, AccountChange(codes=codes), noted()) == ann
    assert await repository.secrets.count_codes(ann.account_id) == 2
    spend = repository.secrets.spend_code
    assert not await spend(ann.account_id, old[0], noted())
    assert not await spend((await stored(repository.accounts)).account_id, new[0], noted())
    spent = await asyncio.gather(*(spend(ann.account_id, new[0], noted("recovery_code")) for _ in range(3)))
    assert sorted(spent) == [False, False, True]
    assert await repository.secrets.count_codes(ann.account_id) == 1
    assert await repository.accounts.change(ann.account_id, AccountChange(codes=()), noted()) == ann
    assert await repository.secrets.count_codes(ann.account_id) == 0


async def test_a_time_step_is_used_once_and_never_an_earlier_one(repository: Storage) -> None:
    ann = await stored(repository.accounts)
    spend = repository.secrets.spend_step
    spent = [await spend(ann.account_id, step) for step in (7, 7, 6, 8)]
    assert spent == [True, False, False, True]
    assert not await spend("a_none", 9)
    assert sorted(await asyncio.gather(*(spend(ann.account_id, 10) for _ in range(3)))) == [False, False, True]
    assert await repository.accounts.find(ann.account_id) == replace(ann, totp_step=10)


async def test_failures_are_counted_by_network_and_together(repository: Storage) -> None:
    key, other = guess_key("login", new_token("n")), guess_key("login", new_token("n"))
    secrets = repository.secrets
    for at, network in enumerate(("192.0.2.1", "192.0.2.1", "192.0.2.2", "")):
        await secrets.failed(key, network, NOW + at, noted("login_failed"))
    assert await secrets.failures(key, "192.0.2.1") == (Guesses(2, NOW + 1), Guesses(4, NOW + 3))
    assert await secrets.failures(key, "192.0.2.3") == (Guesses(), Guesses(4, NOW + 3))
    assert await secrets.failures(key, "") == (Guesses(4, NOW + 3), Guesses(4, NOW + 3))
    assert await secrets.failures(other, "192.0.2.1") == (Guesses(), Guesses())
    await secrets.succeeded(key, "192.0.2.1")
    assert await secrets.failures(key, "192.0.2.1") == (Guesses(), Guesses(4, NOW + 3))


async def test_failures_at_once_are_all_counted(repository: Storage) -> None:
    key = guess_key("login", new_token("n"))
    await asyncio.gather(*(repository.secrets.failed(key, f"192.0.2.{n % 3}", NOW, None) for n in range(12)))
    assert await repository.secrets.failures(key, "192.0.2.1") == (Guesses(4, NOW), Guesses(12, NOW))


async def test_failures_are_forgotten_after_a_day_without_one(repository: Storage) -> None:
    key = guess_key("login", new_token("n"))
    late = NOW + GUESSES_US
    for at in (NOW, NOW, late):
        await repository.secrets.failed(key, "192.0.2.1", at, None)
    assert await repository.secrets.failures(key, "192.0.2.1") == (Guesses(1, late), Guesses(1, late))
    assert await repository.accounts.expire(late + DAY - 1, 1000) >= 0
    assert await repository.secrets.failures(key, "192.0.2.1") == (Guesses(1, late), Guesses(1, late))
    assert await repository.accounts.expire(late + DAY, 1000) >= 2
    assert await repository.secrets.failures(key, "192.0.2.1") == (Guesses(), Guesses())
