"""Nodes find out which of their secrets differ, and reveal none."""

import hashlib
import hmac
from typing import Any

import pytest

from server.auth.fingerprints import differing, fingerprints
from server.auth.keys import KeyUse, ServerKeys
from server.settings.users import TOKEN_SECRETS
from server.settings.values import Settings

SECRETS = {"JWT_SECRET": "j" * 32, "JWT_SECRET_PREVIOUS": "p" * 32, "SERVER_SECRET": "s" * 32}


def of_node(**given: Any) -> dict[str, str]:
    settings = Settings({**SECRETS, **given})
    return fingerprints(settings, ServerKeys(settings.server_secret))


def test_nodes_with_the_same_secrets_have_the_same_fingerprints() -> None:
    assert of_node() == of_node(PORT="1", LOG_LEVEL="debug")
    assert differing(of_node(), of_node()) == []


@pytest.mark.parametrize("name", TOKEN_SECRETS)
def test_a_secret_that_differs_is_named(name: str) -> None:
    other = of_node(**{name: "o" * 32})
    assert differing(of_node(), other) == differing(other, of_node()) == [name]


def test_a_rotation_is_named() -> None:
    before, after = of_node(JWT_SECRET_PREVIOUS=""), of_node(JWT_SECRET="n" * 32, JWT_SECRET_PREVIOUS="j" * 32)
    assert differing(before, after) == ["JWT_SECRET", "JWT_SECRET_PREVIOUS"]
    assert before["JWT_SECRET"] != after["JWT_SECRET_PREVIOUS"], "a fingerprint depends on the name"


def test_a_secret_that_is_not_set_is_a_difference_only_if_it_is_set_elsewhere() -> None:
    unset = of_node(JWT_SECRET_PREVIOUS="")
    assert differing(unset, unset) == []
    assert differing(unset, of_node()) == ["JWT_SECRET_PREVIOUS"]


def test_the_secret_that_storage_keeps_counts_as_the_one_of_the_servers() -> None:
    settings = Settings({**SECRETS, "SERVER_SECRET": ""})
    keys = ServerKeys()
    assert fingerprints(settings, keys) == {}
    assert differing({}, of_node()) == differing(of_node(), {}) == []
    keys.learn(b"t" * 32)
    assert differing(fingerprints(settings, keys), of_node()) == ["SERVER_SECRET"]
    keys.learn(b"s" * 32)
    assert differing(fingerprints(settings, keys), of_node()) == []


def test_a_fingerprint_is_made_with_a_key_that_applications_do_not_know() -> None:
    key = ServerKeys(SECRETS["SERVER_SECRET"]).key(KeyUse.FINGERPRINTS)
    assert key is not None
    expected = hmac.digest(key, b"JWT_SECRET\0" + b"j" * 32, hashlib.sha256)[:16].hex()
    assert of_node()["JWT_SECRET"] == expected
