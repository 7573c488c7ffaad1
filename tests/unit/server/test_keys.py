"""One secret of the servers, and a key for each use."""

from itertools import combinations

import pytest

from server.auth.keys import KeyUse, ServerKeys
from utils.hkdf import hkdf

SECRET = "a secret of at least thirty-two characters"


def test_each_use_has_a_label_and_a_key_of_its_own() -> None:
    assert {use: use.value for use in KeyUse} == {
        KeyUse.GUEST_TOKENS: b"parley guest tokens v1",
        KeyUse.ACCESS_TOKENS: b"parley access tokens v1",
        KeyUse.REFRESH_TOKENS: b"parley refresh tokens v1",
        KeyUse.CSRF_TOKENS: b"parley csrf tokens v1",
        KeyUse.TOTP_SECRETS: b"parley totp secrets v1",
        KeyUse.LINK_MACS: b"parley link macs v1",
        KeyUse.LINK_ENCRYPTION: b"parley link encryption v1",
        KeyUse.FINGERPRINTS: b"parley secret fingerprints v1",
    }
    keys = ServerKeys(SECRET)
    derived = {use: keys.key(use) for use in KeyUse}
    assert derived == {use: hkdf(SECRET.encode(), use.value, length=32) for use in KeyUse}
    assert all(one != other for one, other in combinations(derived.values(), 2))


@pytest.mark.parametrize("use", KeyUse)
def test_there_is_no_key_before_the_secret_is_known(use: KeyUse) -> None:
    keys = ServerKeys()
    assert keys.key(use) is None
    assert not keys.learn(None)
    assert keys.key(use) is None
    assert keys.learn(b"s" * 32)
    assert keys.key(use) == hkdf(b"s" * 32, use.value)


def test_learning_says_whether_the_keys_have_changed() -> None:
    keys = ServerKeys()
    assert [keys.learn(secret) for secret in (b"s" * 32, b"s" * 32, None, b"t" * 32)] == [True, False, False, True]
    assert keys.key(KeyUse.LINK_MACS) == hkdf(b"t" * 32, KeyUse.LINK_MACS.value)


def test_a_secret_that_was_given_is_kept() -> None:
    keys = ServerKeys(SECRET)
    assert not keys.learn(b"s" * 32)
    assert keys.key(KeyUse.LINK_MACS) == ServerKeys(SECRET).key(KeyUse.LINK_MACS)


def test_a_secret_may_have_bytes_that_are_no_text() -> None:
    """The environment variable may contain any bytes."""
    given = b"\xff" * 32
    assert ServerKeys(given.decode(errors="surrogateescape")).key(KeyUse.LINK_MACS) == hkdf(
        given, KeyUse.LINK_MACS.value
    )
