"""What a server knows of who may not act."""

from typing import Any

import pytest
from msgspec.structs import replace

from chat.ports import Identity
from model.account import Notice
from model.api_keys import make_key
from model.errors import ACCOUNT_CHANGED, BLOCKED, REFUSED, SIGNED_OUT, SUSPENDED, CloseCode, ParleyError
from model.lookalikes import skeleton
from model.room import FOREVER, User
from server.auth.access_list import STALE_SECONDS, AccessList
from server.auth.access_tokens import ACCESS_SECONDS
from storage.ports import access as notices
from tests.support.accounts import ADMIN, DAY, NOW, At, api_key

ANN = Identity(User("a_1", "Ann"), guest=False, role="user", login="l_1", version=3)
BEN = Identity(User("u_2", "Ben"), guest=False, role="user")
GUEST = Identity(User("g_3", "annie"), guest=True)


def access_list(*told: Notice, clock: At | None = None) -> AccessList:
    access = AccessList(clock or At())
    access.confirm()
    access.take([replace(notice, number=number) for number, notice in enumerate(told, 1)])
    return access


def refusal(access: AccessList, identity: Identity) -> ParleyError:
    with pytest.raises(ParleyError) as refused:
        access.check(identity)
    return refused.value


def close_code(access: AccessList, identity: Identity) -> CloseCode | None:
    denial = access.denial(identity)
    return None if denial is None else denial.close


def test_without_notices_everybody_may_act() -> None:
    access = access_list()
    for identity in (ANN, BEN, GUEST):
        access.check(identity)
    access.check_address("192.0.2.1")
    assert not access.is_taken("ann")


def test_a_list_that_was_not_read_for_half_a_minute_admits_no_account_made_here() -> None:
    """Accounts of the application and guests are not concerned."""
    clock = At()
    access = AccessList(clock)
    bot = replace(ANN, user=User("b_1", "bot"))
    assert access.is_stale()
    assert [refusal(access, identity).code for identity in (ANN, bot)] == ["unavailable"] * 2
    assert access.confirm() == 0
    access.check(ANN)
    clock.now += round(STALE_SECONDS * 1e6)
    access.check(ANN)
    clock.now += 1
    assert refusal(access, ANN).retry_after is not None
    access.check(BEN)
    access.check(GUEST)
    assert access.confirm() == pytest.approx(STALE_SECONDS, abs=0.01)
    access.check(ANN)


def test_a_login_that_has_ended_is_refused() -> None:
    access = access_list(notices.login_ended("l_1", NOW))
    assert refusal(access, ANN).code == "unauthorized"
    assert close_code(access, ANN) is SIGNED_OUT
    access.check(replace(ANN, login="l_2"))
    access.check(BEN)


def test_a_token_of_an_earlier_version_of_the_account_is_refused() -> None:
    access = access_list(notices.account_changed("a_1", 4, NOW))
    assert refusal(access, ANN).code == "unauthorized"
    assert close_code(access, ANN) is ACCOUNT_CHANGED
    access.check(replace(ANN, version=4))
    access.check(replace(ANN, version=5))  # the notice of its change may not have been read yet


def test_a_suspension_is_named_with_its_reason_and_its_end() -> None:
    clock = At()
    access = access_list(
        notices.suspended("a_1", 4, NOW + DAY, "spam", NOW),
        notices.suspended("u_2", 0, FOREVER, "", NOW),
        clock=clock,
    )
    error = refusal(access, replace(ANN, version=4))
    assert (error.code, error.retry_after) == ("suspended", 86_400)
    assert error.message == "this account is suspended: spam (until 2023-11-15 22:13 UTC)"
    error = refusal(access, BEN)
    assert (error.code, error.message, error.retry_after) == ("suspended", "this account is suspended", None)
    assert close_code(access, ANN) is close_code(access, BEN) is SUSPENDED
    clock.now += DAY
    assert close_code(access, ANN) is ACCOUNT_CHANGED, "a token from before the suspension"
    assert close_code(access, replace(ANN, version=4)) is None
    access.take([replace(notices.suspended("u_2", 0, 0, "", clock.now), number=9)])
    access.check(BEN)


def test_every_token_of_a_deleted_account_is_refused() -> None:
    access = access_list(notices.account_deleted("a_1", NOW))
    assert close_code(access, replace(ANN, version=10**9)) is SIGNED_OUT


def test_a_guest_that_became_an_account_is_refused() -> None:
    access = access_list(notices.guest_moved("g_3", NOW))
    assert close_code(access, GUEST) is SIGNED_OUT
    assert close_code(access, replace(GUEST, user=User("g_4", "annie"))) is None


@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("192.0.2.7/32", "192.0.2.7", "192.0.2.8"),
        ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
        ("2001:db8::/64", "2001:db8::5", "2001:db8:0:1::5"),
    ],
)
def test_an_address_in_a_blocked_network_is_refused(network: str, inside: str, outside: str) -> None:
    clock = At()
    access = access_list(notices.network_blocked(network, NOW + DAY, "flood", NOW), clock=clock)
    for _ in range(2):  # the second time from memory
        for address in (outside, "", "unknown"):
            access.check_address(address)
        with pytest.raises(ParleyError, match="blocked: this address is blocked: flood"):
            access.check_address(inside)
    denial = access.denial_of(inside)
    assert denial is not None
    assert denial.close is BLOCKED
    clock.now += DAY
    access.check_address(inside)


def test_of_two_blocks_each_holds() -> None:
    access = access_list(
        notices.network_blocked("192.0.2.0/24", NOW + DAY, "", NOW), notices.network_blocked("192.0.2.7/32", 0, "", NOW)
    )
    with pytest.raises(ParleyError, match="blocked"):
        access.check_address("192.0.2.7")


def test_an_api_key_is_known_until_it_is_revoked() -> None:
    key = api_key()
    made = replace(notices.key_changed(key.key_id, key.until, NOW), key=key)
    access = access_list(made, made)
    bot = Identity(User(key.bot_id, key.name), guest=False, role="bot", login=key.key_id, scope=key.scope)
    access.check(bot)
    access.take([replace(notices.key_changed(key.key_id, 0, NOW), number=3)])
    assert close_code(access, bot) is SIGNED_OUT


def test_names_that_look_like_a_username_are_taken() -> None:
    access = access_list()
    access.take_looks([skeleton("annie"), skeleton("ben")])
    assert access.is_taken("Annle")  # l looks like i
    assert not access.is_taken("anna")
    access.take([notices.name_taken(skeleton("cora"), NOW), notices.name_taken(skeleton("ben"), NOW, taken=False)])
    assert access.is_taken("CORA")
    assert not access.is_taken("ben")
    denial = access.name_denial(GUEST)
    assert denial is not None
    assert (denial.close, denial.error.code) == (REFUSED, "reserved_name")
    assert access.name_denial(replace(ANN, user=User("a_1", "annie"))) is None


def test_what_a_notice_says_no_longer_is_forgotten() -> None:
    clock = At()
    secret, key = make_key("bot", "write", ADMIN.id, NOW, 1)
    told: list[Any] = [
        notices.network_blocked("192.0.2.0/24", NOW + 1, "", NOW),
        replace(notices.key_changed(key.key_id, key.until, NOW), key=key),
        notices.guest_moved("g_3", NOW),
    ]
    access = access_list(*told, clock=clock)
    assert access.find_key(secret) == key
    clock.now += notices.KEPT_US
    access.forget()
    assert access.find_key(secret) is None
    assert access.denial_of("192.0.2.1") is None
    assert close_code(access, GUEST) is SIGNED_OUT, "the tokens of guests are valid for longer"
    assert access.number == 3


def test_ended_logins_are_known_as_long_as_their_tokens_are_valid() -> None:
    """So a server does not keep every login of the last day in memory; a suspension it knows until its end."""
    clock = At()
    access = access_list(
        notices.login_ended("l_1", NOW),
        notices.account_changed("a_9", 4, NOW),
        notices.suspended("a_2", 4, NOW + DAY, "", NOW),
        clock=clock,
    )
    changed, suspended = (replace(ANN, user=User(one, "x"), login="l_2") for one in ("a_9", "a_2"))
    clock.now += ACCESS_SECONDS * 1_000_000 * 2
    access.forget()
    assert None not in (close_code(access, ANN), close_code(access, changed))
    clock.now = NOW + DAY // 2
    access.forget()
    assert close_code(access, ANN) is close_code(access, changed) is None
    assert close_code(access, suspended) is SUSPENDED
    clock.now = NOW + DAY
    access.forget()
    assert close_code(access, suspended) is None
