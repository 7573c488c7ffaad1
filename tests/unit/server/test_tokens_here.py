"""Tokens of accounts made here and API keys: each is what it says, and nothing else passes for it."""

import hashlib
import json
import secrets
from base64 import urlsafe_b64encode
from typing import Any

import jwt
import pytest
from msgspec.structs import replace

from chat.ports import Identity
from model.account import ApiKey
from model.errors import ParleyError
from model.room import User
from server.auth.access_list import AccessList
from server.auth.access_tokens import ACCESS_SECONDS, csrf_token, sign_pair
from server.auth.keys import KeyUse, ServerKeys
from server.auth.signing import Key
from server.auth.tokens import JwtTokens, sign_account
from storage.ports.access import key_changed, login_ended, suspended
from tests.support.accounts import DAY, NOW, At, account, api_key, login

SECRET = "the application's secret of at least 32 characters"
KEYS = ServerKeys("a secret of at least thirty-two characters")
ANN = account("ann", version=3, role="organizer")
LOGIN = login(ANN)
EXPIRES = NOW + ACCESS_SECONDS * 1_000_000
IDENTITY = Identity(
    User(ANN.account_id, "Ann"), guest=False, role="organizer", expires=EXPIRES, login=LOGIN.login_id, version=3
)


def verifier(clock: At | None = None, secret: str = SECRET, keys: ServerKeys = KEYS) -> tuple[JwtTokens, AccessList]:
    clock = clock or At()
    access = AccessList(clock)
    access.confirm()
    return JwtTokens(secret, clock, keys, access), access


def access_token(**claims: Any) -> str:
    """Return a token that is signed with the key of access tokens; a claim of `...` is left out."""
    now = NOW // 1_000_000
    given = {
        "sub": "a_1",
        "sid": "l_1",
        "ver": 1,
        "name": "ann",
        "role": "user",
        "iat": now,
        "exp": now + 900,
        **claims,
    }
    return Key(key(KeyUse.ACCESS_TOKENS)).sign({name: value for name, value in given.items() if value is not ...})


def key(use: KeyUse) -> bytes:
    found = KEYS.key(use)
    assert found is not None
    return found


def refused(tokens: JwtTokens, token: str, code: str = "unauthorized") -> str:
    with pytest.raises(ParleyError) as error:
        tokens.verify(token)
    assert error.value.code == code
    return error.value.message


def test_an_access_token_identifies_its_account() -> None:
    tokens, _ = verifier()
    assert tokens.verify(sign_pair(KEYS, ANN, LOGIN, (), NOW).access) == IDENTITY
    identity = tokens.verify(sign_pair(KEYS, ANN, LOGIN, ("g_1", "g_2"), NOW).access)
    assert identity == replace(IDENTITY, aliases=("g_1", "g_2"))
    assert identity.owns("g_2")


def test_the_application_need_not_have_a_secret() -> None:
    tokens, _ = verifier(secret="")
    assert tokens.verify(sign_pair(KEYS, ANN, LOGIN, (), NOW).access) == IDENTITY


def test_an_access_token_in_a_cookie_is_valid_as_long_as_the_login() -> None:
    """As an explicit token it expires by itself, wherever it was stolen."""
    tokens, _ = verifier()
    pair = sign_pair(KEYS, ANN, replace(LOGIN, by_cookie=True), (), NOW)
    assert tokens.verify_cookie(pair.access) == replace(IDENTITY, by_cookie=True, expires=LOGIN.ends_at)
    assert tokens.verify(pair.access) == IDENTITY


def test_an_access_token_expires() -> None:
    clock = At()
    tokens, access = verifier(clock)
    pair = sign_pair(KEYS, ANN, replace(LOGIN, by_cookie=True), (), NOW)
    clock.now = EXPIRES - 1
    access.confirm()
    tokens.verify(pair.access)
    clock.now += 1
    assert "expired" in refused(tokens, pair.access)
    with pytest.raises(ParleyError, match="expired"):
        tokens.verify_cookie(pair.access)


def test_no_token_of_another_kind_is_an_access_token() -> None:
    """Every kind has a key of its own, and only access tokens and API keys are presented as tokens."""
    tokens, _ = verifier()
    guest = tokens.mint(Identity(User("g_1", "ann"), guest=True))
    assert tokens.verify(guest).guest
    application = sign_account(SECRET, userid="1", username="ann", role="user", expires=NOW // 10**6 + 60)
    assert tokens.verify(application).user.id == "u_1"
    pair = sign_pair(KEYS, ANN, LOGIN, (), NOW)
    for token in (pair.refresh, pair.csrf, csrf_token(KEYS, LOGIN.login_id)):
        refused(tokens, token)
    for token in (guest, application, pair.refresh, "\ud800", ""):
        assert tokens.verify_cookie(token) is None


@pytest.mark.parametrize("use", [use for use in KeyUse if use is not KeyUse.ACCESS_TOKENS])
def test_the_claims_of_an_account_under_another_key_are_refused(use: KeyUse) -> None:
    """Under that of guests, which the servers alone know, they would be those of a guest."""
    tokens, _ = verifier()
    claims = json.loads(_decoded(access_token()))
    token = Key(key(use)).sign(claims)
    if use is KeyUse.GUEST_TOKENS:
        assert tokens.verify(token).guest
    else:
        refused(tokens, token)


@pytest.mark.parametrize("secret", [SECRET, "a secret of at least thirty-two characters", "x" * 32])
def test_the_application_cannot_sign_for_an_account_made_here(secret: str) -> None:
    """Nor can the secret itself, from which the keys are derived."""
    tokens, _ = verifier()
    claims = json.loads(_decoded(access_token()))
    refused(tokens, jwt.encode(claims, secret, algorithm="HS256"))


def test_an_access_token_of_other_servers_is_refused() -> None:
    tokens, _ = verifier(keys=ServerKeys("another secret of at least thirty-two characters"))
    refused(tokens, access_token())


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "HS512", "RS256"])
def test_other_algorithms_are_refused(algorithm: str) -> None:
    tokens, _ = verifier()
    _, body, signature = access_token().split(".")
    head = urlsafe_b64encode(json.dumps({"alg": algorithm, "typ": "JWT"}).encode()).rstrip(b"=").decode()
    for signed in ("", signature):
        refused(tokens, f"{head}.{body}.{signed}")


@pytest.mark.parametrize("at", range(0, 240, 7))
def test_a_token_that_was_tampered_with_is_refused(at: int) -> None:
    tokens, _ = verifier()
    token = access_token()
    at %= len(token) - 1  # the last character has unused bits
    refused(tokens, token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :])


@pytest.mark.parametrize("claim", ["sub", "sid", "ver", "name", "role", "exp"])
def test_an_access_token_without_a_claim_is_refused(claim: str) -> None:
    tokens, _ = verifier()
    refused(tokens, access_token(**{claim: ...}))


def test_nothing_is_admitted_while_the_secret_is_not_known() -> None:
    tokens, _ = verifier(keys=ServerKeys())
    refused(tokens, access_token(), "unavailable")


def test_no_account_is_admitted_before_the_notices_were_read() -> None:
    clock = At()
    tokens = JwtTokens("", clock, KEYS)
    refused(tokens, access_token(), "unavailable")
    refused(tokens, "pk_unknown", "unavailable")


def test_notices_end_tokens_that_are_signed_well() -> None:
    tokens, access = verifier()
    access.take([login_ended("l_1", NOW), suspended("a_2", 5, NOW + DAY, "spam", NOW)])
    assert "login has ended" in refused(tokens, access_token())
    assert "spam" in refused(tokens, access_token(sub="a_2"), "suspended")
    denial = tokens.denial(replace(IDENTITY, login="l_1"))
    assert denial is not None
    assert denial.close.reason == "signed_out"


# --- API keys ---------------------------------------------------------------------------------------------------------


def made_key(access: AccessList, **fields: Any) -> tuple[str, ApiKey]:
    secret = f"pk_{secrets.token_urlsafe(32)}"
    made = replace(api_key(**fields), hash=hashlib.sha256(secret.encode()).digest())
    access.take([replace(key_changed(made.key_id, made.until, NOW), key=made)])
    return secret, made


def test_an_api_key_identifies_its_bot_and_its_use_is_noted() -> None:
    tokens, access = verifier()
    secret, made = made_key(access, scope="read")
    assert tokens.verify(secret) == Identity(
        User(made.bot_id, "bot"), guest=False, role="bot", expires=made.until, login=made.key_id, scope="read"
    )
    assert access.uses == {made.key_id: NOW}


def test_an_api_key_expires_and_can_be_revoked() -> None:
    clock = At()
    tokens, access = verifier(clock)
    secret, made = made_key(access)
    refused(tokens, secret + "x")
    refused(tokens, secret[:-1])
    clock.now = made.until
    access.confirm()
    assert "expired" in refused(tokens, secret)
    clock.now = NOW
    access.take([key_changed(made.key_id, 0, NOW)])
    assert "revoked" in refused(tokens, secret)


def _decoded(token: str) -> bytes:
    payload = Key(key(KeyUse.ACCESS_TOKENS)).read(token)
    assert payload is not None
    return payload
