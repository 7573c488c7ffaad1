"""The tokens of a login."""

import json
from base64 import urlsafe_b64decode
from typing import Any

import pytest
from msgspec.structs import replace

from model.account import Account, Login
from model.errors import ParleyError
from server.auth.access_tokens import ALIASES, csrf_token, read_refresh, sign_pair, sign_refresh
from server.auth.keys import ServerKeys
from utils.ids import new_token

KEYS = ServerKeys("a secret of at least thirty-two characters")
OTHER = ServerKeys("another secret of at least thirty-two characters")
NOW = 1_700_000_000_000_000
ACCOUNT = Account("a_1", "ann", "ann", "Ann", "hash", NOW, version=3)
LOGIN = Login(new_token("l_", 16), "a_1", NOW, NOW, NOW + 60_000_000, generation=7)


def test_an_access_token_says_who_and_for_how_long() -> None:
    claims = _claims(sign_pair(KEYS, ACCOUNT, LOGIN, (), NOW).access)
    now = NOW // 1_000_000
    assert claims == {
        **{"sub": "a_1", "sid": LOGIN.login_id, "ver": 3, "name": "Ann", "role": "user"},
        **{"iat": now, "exp": now + 900},
    }
    by_cookie = replace(LOGIN, by_cookie=True)
    more = _claims(sign_pair(KEYS, ACCOUNT, by_cookie, [f"g_{n}" for n in range(30)], NOW).access)
    assert more["end"] == now + 60
    assert len(more["als"]) == ALIASES


def test_the_successor_of_a_refresh_token_is_always_the_same() -> None:
    token = sign_refresh(KEYS, LOGIN)
    assert token == sign_pair(KEYS, ACCOUNT, LOGIN, (), NOW + 1).refresh
    assert read_refresh(KEYS, token) == (LOGIN.login_id, 7)
    assert read_refresh(KEYS, sign_refresh(KEYS, replace(LOGIN, generation=8))) == (LOGIN.login_id, 8)


def test_another_refresh_token_is_refused() -> None:
    token = sign_refresh(KEYS, LOGIN)
    changed = [token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in range(3, len(token))]
    for wrong in (*changed, "", "rt_", token[3:], token[:-1], token + "A", token + "\ud800", "rt_!" + token[4:]):
        assert read_refresh(KEYS, wrong) is None, wrong
    assert read_refresh(OTHER, token) is None


def test_each_login_has_one_csrf_token() -> None:
    token = csrf_token(KEYS, LOGIN.login_id)
    assert len(token) == 32
    assert token == sign_pair(KEYS, ACCOUNT, LOGIN, (), NOW).csrf
    assert token not in (csrf_token(KEYS, "l_other"), csrf_token(OTHER, LOGIN.login_id))


def test_nothing_is_signed_before_the_secret_is_known() -> None:
    with pytest.raises(ParleyError) as refused:
        sign_pair(ServerKeys(), ACCOUNT, LOGIN, (), NOW)
    assert refused.value.code == "unavailable"


def _claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    held: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return held
