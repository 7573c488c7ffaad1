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
from server.auth.tokens import JwtTokens
from utils.clock import SystemClock

SECRET = "a secret of at least thirty-two characters"
ANN = Identity(User("g_1", "ann"), guest=True)


class StoppedClock(SystemClock):
    """A clock that a test sets."""

    __slots__ = ("us",)

    def __init__(self, us: int = 1_700_000_000_000_000) -> None:
        self.us = us

    def now_us(self) -> int:
        return self.us


def encode(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def assert_refused(tokens: JwtTokens, token: str) -> ParleyError:
    with pytest.raises(ParleyError) as refused:
        tokens.verify(token)
    assert (refused.value.code, refused.value.field) == ("unauthorized", "token")
    return refused.value


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=64), st.text("abcXYZ_-0", min_size=1))
def test_a_minted_token_identifies_the_same_guest(name: str, id: str) -> None:
    tokens = JwtTokens(SECRET, SystemClock())
    guest = Identity(User(id, name), guest=True)
    assert tokens.verify(tokens.mint(guest)) == guest


def test_a_token_outlives_the_process_if_the_secret_does() -> None:
    clock = StoppedClock()
    assert JwtTokens(SECRET, clock).verify(JwtTokens(SECRET, clock).mint(ANN)) == ANN


def test_guest_tokens_and_common_account_tokens_need_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyJWT takes six times as long, and after a deploy every client sends its token at once."""
    tokens = JwtTokens(SECRET, StoppedClock())
    guests = tokens.mint(ANN)
    claims = {"userid": "7", "username": "ben", "role": "user", "exp": 2**40}
    accounts = jwt.encode(claims, SECRET, algorithm="HS256")
    monkeypatch.delattr(jwt.PyJWS, "decode")
    assert tokens.verify(guests) == ANN
    assert tokens.verify(accounts).user == User("u_7", "ben")


@pytest.mark.parametrize("payload", [b"no JSON", b"\xff", b""])
def test_signed_payloads_are_read_as_the_library_does(payload: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signed payload is judged in the same way by both parsers."""
    tokens = JwtTokens(SECRET, StoppedClock())
    token = jwt.PyJWS().encode(payload, SECRET, algorithm="HS256", headers={"typ": "JWT"})
    reason = assert_refused(tokens, token).message
    monkeypatch.setattr("server.auth.tokens._Key.read", lambda *_: None)
    assert assert_refused(tokens, token).message == reason == "the token's claims are not a valid JSON object"


def test_a_token_is_refused_under_another_secret() -> None:
    clock = StoppedClock()
    token = JwtTokens(SECRET, clock).mint(ANN)
    assert_refused(JwtTokens(SECRET + "!", clock), token)
    assert_refused(JwtTokens("", clock), token)


def test_without_a_secret_each_process_has_its_own() -> None:
    clock = StoppedClock()
    token = JwtTokens("", clock).mint(ANN)
    assert_refused(JwtTokens("", clock), token)


def test_a_token_expires() -> None:
    clock = StoppedClock()
    tokens = JwtTokens(SECRET, clock)
    token = tokens.mint(ANN)
    clock.us += GUEST_SECONDS * 1_000_000 - 1
    assert tokens.verify(token) == ANN
    clock.us += 1
    assert "expired" in assert_refused(tokens, token).message


@given(st.integers(0, 400), st.integers(1, 255))
def test_a_token_that_was_tampered_with_is_refused(at: int, change: int) -> None:
    tokens = JwtTokens(SECRET, StoppedClock())
    token = tokens.mint(ANN)
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
    assert_refused(tokens, other)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None, "HS512", "RS256", ["HS256"]], ids=repr)
def test_other_algorithms_are_refused(algorithm: Any) -> None:
    _, body, signature = JwtTokens(SECRET, StoppedClock()).mint(ANN).split(".")
    for signed in ("", signature):
        token = f"{encode({'alg': algorithm, 'typ': 'JWT'})}.{body}.{signed}"
        assert_refused(JwtTokens(SECRET, StoppedClock()), token)


def test_a_token_signed_elsewhere_with_the_same_secret_is_not_a_guest_token() -> None:
    """The key is derived for this one purpose."""
    claims = {"sub": "g_1", "name": "ann", "exp": 2**40}
    assert_refused(JwtTokens(SECRET, StoppedClock()), jwt.encode(claims, SECRET, algorithm="HS256"))


@pytest.mark.parametrize("missing", ["sub", "name", "exp"])
def test_a_token_without_one_of_its_claims_is_refused(missing: str) -> None:
    key = hmac.digest(SECRET.encode(), b"parley guest token v1", hashlib.sha256)
    claims: dict[str, Any] = {"sub": "g_1", "name": "ann", "exp": 2**40}
    tokens = JwtTokens(SECRET, StoppedClock())
    assert tokens.verify(jwt.encode(claims, key, algorithm="HS256")) == ANN, "the key is what this test thinks it is"
    del claims[missing]
    assert_refused(tokens, jwt.encode(claims, key, algorithm="HS256"))


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
    assert_refused(JwtTokens(SECRET, StoppedClock()), token)
