"""Tokens of guests: only minted tokens are accepted."""

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.ports import Identity
from model.errors import ParleyError
from model.limits import GUEST_SECONDS
from model.room import User
from server.auth.keys import KeyUse, ServerKeys
from server.auth.tokens import JwtTokens
from utils.clock import Clock, SystemClock
from utils.hkdf import hkdf

SECRET = "a secret of at least thirty-two characters"
SERVER_SECRET = "another secret of at least thirty-two characters"
GUEST_KEY = hkdf(SERVER_SECRET.encode(), KeyUse.GUEST_TOKENS.value)
ANN = Identity(User("g_1", "ann"), guest=True)


class StoppedClock(SystemClock):
    """A clock that a test sets."""

    __slots__ = ("us",)

    def __init__(self, us: int = 1_700_000_000_000_000) -> None:
        self.us = us

    def now_us(self) -> int:
        return self.us


def tokens(
    clock: Clock | None = None, secret: str = SECRET, server_secret: str = SERVER_SECRET, **options: Any
) -> JwtTokens:
    return JwtTokens(secret, clock or StoppedClock(), ServerKeys(server_secret), **options)


def encode(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def assert_refused(verifier: JwtTokens, token: str, code: str = "unauthorized") -> ParleyError:
    with pytest.raises(ParleyError) as refused:
        verifier.verify(token)
    assert (refused.value.code, refused.value.field) == (code, "token")
    return refused.value


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=64), st.text("abcXYZ_-0", min_size=1))
def test_a_minted_token_identifies_the_same_guest(name: str, id: str) -> None:
    signer = tokens(SystemClock())
    guest = Identity(User(id, name), guest=True)
    assert signer.verify(signer.mint(guest)) == guest


def test_a_token_outlives_the_process_if_the_secret_does() -> None:
    assert tokens().verify(tokens().mint(ANN)) == ANN


def test_guest_tokens_and_common_account_tokens_need_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyJWT takes six times as long, and after a deploy every client sends its token at once."""
    verifier = tokens(previous="p" * 32)
    guests = verifier.mint(ANN)
    claims = {"userid": "7", "username": "ben", "role": "user", "exp": 2**40}
    accounts = [jwt.encode(claims, secret, algorithm="HS256") for secret in (SECRET, "p" * 32)]
    monkeypatch.delattr(jwt.PyJWS, "decode")
    assert verifier.verify(guests) == ANN
    assert [verifier.verify(token).user for token in accounts] == [User("u_7", "ben")] * 2


@pytest.mark.parametrize("payload", [b"no JSON", b"\xff", b""])
def test_signed_payloads_are_read_as_the_library_does(payload: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signed payload is judged in the same way by both parsers."""
    verifier = tokens()
    token = jwt.PyJWS().encode(payload, SECRET, algorithm="HS256", headers={"typ": "JWT"})
    reason = assert_refused(verifier, token).message
    monkeypatch.setattr("server.auth.tokens.Key.read", lambda *_: None)
    assert assert_refused(verifier, token).message == reason == "the token's claims are not a valid JSON object"


def test_a_token_is_refused_under_another_secret() -> None:
    for secret in (SECRET, ""):
        assert_refused(tokens(secret=secret, server_secret=SERVER_SECRET + "!"), tokens().mint(ANN))


def test_the_secret_of_accounts_does_not_matter_to_guests() -> None:
    assert tokens(secret="").verify(tokens().mint(ANN)) == ANN


def test_a_token_expires() -> None:
    clock = StoppedClock()
    token = tokens(clock).mint(ANN)
    clock.us += GUEST_SECONDS * 1_000_000 - 1
    assert tokens(clock).verify(token) == ANN
    clock.us += 1
    assert "expired" in assert_refused(tokens(clock), token).message


@given(st.integers(0, 400), st.integers(1, 255))
def test_a_token_that_was_tampered_with_is_refused(at: int, change: int) -> None:
    token = tokens().mint(ANN)
    changed = bytearray(token.encode())
    changed[at % len(changed)] ^= change
    other = changed.decode("latin-1")
    head, body, signature = token.split(".")
    decoded = base64.urlsafe_b64decode(signature + "==")
    parts = other.split(".")
    if len(parts) == 3 and parts[:2] == [head, body]:
        try:
            if base64.urlsafe_b64decode(parts[2] + "==") == decoded:
                return  # the last character has unused bits
        except ValueError:
            pass
    assert_refused(tokens(), other)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None, "HS512", "RS256", ["HS256"]], ids=repr)
def test_other_algorithms_are_refused(algorithm: Any) -> None:
    _, body, signature = tokens().mint(ANN).split(".")
    for signed in ("", signature):
        token = f"{encode({'alg': algorithm, 'typ': 'JWT'})}.{body}.{signed}"
        assert_refused(tokens(), token)


@pytest.mark.parametrize("known", [SECRET, SERVER_SECRET, "p" * 32], ids=["accounts", "servers", "previous"])
def test_a_token_signed_with_a_secret_itself_is_not_a_guest_token(known: str) -> None:
    """The application knows the secrets of accounts; the key of guests is derived for this one purpose."""
    claims = {"sub": "g_1", "name": "ann", "exp": 2**40}
    assert_refused(tokens(previous="p" * 32), jwt.encode(claims, known, algorithm="HS256"))


def test_a_token_signed_with_the_key_of_guests_is_not_an_account_token() -> None:
    claims = {"userid": "7", "username": "ben", "role": "user", "exp": 2**40}
    for key in (GUEST_KEY, SERVER_SECRET):
        assert_refused(tokens(), jwt.encode(claims, key, algorithm="HS256"))


def test_the_previous_secret_signs_accounts_and_no_guests() -> None:
    claims = {"userid": "7", "username": "ben", "role": "user", "exp": 2**40}
    token = jwt.encode(claims, "p" * 32, algorithm="HS256", headers={"typ": None})  # a form that PyJWT verifies
    assert tokens(previous="p" * 32).verify(token).user == User("u_7", "ben")
    assert assert_refused(tokens(), token).message == "the token is signed with another secret"


# --- the secret that storage keeps -----------------------------------------------------------------------------------


def test_without_a_secret_no_guest_gets_a_token_until_storage_has_one() -> None:
    unknown = tokens(server_secret="")
    assert unknown.mint(ANN) == ""
    refused = assert_refused(unknown, tokens().mint(ANN), "unavailable")
    assert refused.kind.retryable
    assert refused.retry_after
    assert unknown.learn(b"s" * 32, None)
    assert unknown.verify(unknown.mint(ANN)) == ANN
    assert_refused(unknown, tokens().mint(ANN))


def test_account_tokens_are_verified_before_the_secret_of_guests_is_known() -> None:
    claims = {"userid": "7", "username": "ben", "role": "user", "exp": 2**40}
    unknown = tokens(server_secret="")
    assert unknown.verify(jwt.encode(claims, SECRET, algorithm="HS256")).user == User("u_7", "ben")
    assert_refused(unknown, "no token of any kind")


def test_a_secret_is_new_once() -> None:
    signer = tokens(server_secret="")
    assert [signer.learn(secret, None) for secret in (b"s" * 32, b"s" * 32, b"t" * 32)] == [True, False, True]


def test_a_secret_that_was_given_is_not_replaced_by_the_one_in_storage() -> None:
    given = tokens()
    assert not given.learn(b"s" * 32, None)
    assert given.verify(tokens().mint(ANN)) == ANN


def test_servers_that_read_one_secret_know_the_guests_of_each_other() -> None:
    one, other = tokens(server_secret=""), tokens(secret="", server_secret="")
    for each in (one, other):
        each.learn(b"s" * 32, None)
    assert other.verify(one.mint(ANN)) == ANN


# --- tokens of guests from a version that derived their key from JWT_SECRET -----------------------------------------

FORMER_KEY = hmac.digest(SECRET.encode(), b"parley guest token v1", hashlib.sha256)


def former_token(clock: StoppedClock, key: bytes = FORMER_KEY) -> str:
    claims = {"sub": "g_1", "name": "ann", "exp": clock.us // 1_000_000 + 10 * GUEST_SECONDS}
    return jwt.encode(claims, key, algorithm="HS256")


@pytest.mark.parametrize("server_secret", ["", SERVER_SECRET], ids=["of storage", "given"])
def test_former_tokens_are_accepted_for_30_days(server_secret: str) -> None:
    clock = StoppedClock()
    verifier = tokens(clock, server_secret=server_secret)
    token = former_token(clock)
    assert_refused(verifier, token, "unavailable")  # storage knows how long
    verifier.learn(b"s" * 32, clock.us - 1_000_000)
    assert verifier.verify(token) == ANN
    assert verifier.verify(verifier.mint(verifier.verify(token))) == ANN
    clock.us += GUEST_SECONDS * 1_000_000 - 1_000_001
    assert verifier.verify(token) == ANN
    clock.us += 1
    assert assert_refused(verifier, token).message == "the token is signed with another secret"


def test_former_tokens_are_accepted_after_a_change_of_the_secret_of_accounts() -> None:
    clock = StoppedClock()
    verifier = tokens(clock, "n" * 32, previous=SECRET)
    verifier.learn(None, clock.us)
    assert verifier.verify(former_token(clock)) == ANN
    assert_refused(verifier, former_token(clock, b"k" * 32))


def test_a_new_database_accepts_no_former_token() -> None:
    """There are none, so the application, which knows their key, signed it."""
    clock = StoppedClock()
    verifier = tokens(clock)
    verifier.learn(None, None)
    assert_refused(verifier, former_token(clock))


@pytest.mark.parametrize("missing", ["sub", "name", "exp"])
def test_a_token_without_one_of_its_claims_is_refused(missing: str) -> None:
    claims: dict[str, Any] = {"sub": "g_1", "name": "ann", "exp": 2**40}
    token = jwt.encode(claims, GUEST_KEY, algorithm="HS256")
    assert tokens().verify(token) == ANN, "the key is what this test thinks it is"
    del claims[missing]
    assert_refused(tokens(), jwt.encode(claims, GUEST_KEY, algorithm="HS256"))


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "\x00",
        "é.é.é",
        "x" * 60_000,
        "." * 1000,
        base64.urlsafe_b64encode(b"[" * 40_000).decode().rstrip("=") + ".e30.x",
        base64.urlsafe_b64encode(b'{"alg":' * 5_000).decode().rstrip("=") + ".e30.x",
        encode({"alg": "HS256", "crit": ["x"]}) + ".e30.x",
        encode({"alg": "HS256", "b64": False}) + "..x",
        encode({"alg": "HS256", "kid": 7}) + ".e30.x",
        encode([]) + ".e30.x",
    ],
    ids=range(14),
)
def test_an_invalid_token_is_refused(token: str) -> None:
    assert_refused(tokens(), token)
