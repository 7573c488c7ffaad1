"""Tokens of accounts: only tokens signed by the application with JWT_SECRET are accepted."""

import base64
import hashlib
import hmac
import json
import warnings
from typing import Any

import jwt
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chat.ports import Identity
from model.errors import ParleyError
from model.room import User
from server.auth.access_tokens import Pair, sign_pair
from server.auth.keys import ServerKeys
from server.auth.tokens import JwtTokens, sign_account
from tests.support.accounts import account, login
from tests.unit.server.test_tokens import SERVER_SECRET, StoppedClock

SECRET = "a secret of at least thirty-two characters"
NOW = 1_700_000_000
CLAIMS = {"userid": "7", "username": "ann", "role": "user", "exp": NOW + 60}
ANN = Identity(User("u_7", "ann"), guest=False, role="user", expires=(NOW + 60) * 1_000_000)


def tokens(secret: str = SECRET, **options: Any) -> JwtTokens:
    verifier = JwtTokens(secret, StoppedClock(NOW * 1_000_000), ServerKeys(SERVER_SECRET), **options)
    verifier.learn(None, 1)
    return verifier


def signed(secret: str = SECRET, algorithm: str = "HS256", **changed: Any) -> str:
    """Return a token that is not signed by Parley's code; a claim of `...` is left out."""
    claims = {name: value for name, value in {**CLAIMS, **changed}.items() if value is not ...}
    return jwt.encode(claims, secret, algorithm=algorithm)


def own_pair() -> Pair:
    """Sign the tokens of an account made here."""
    ann = account()
    return sign_pair(ServerKeys(SERVER_SECRET), ann, login(ann), (), NOW * 1_000_000)


def reason(token: str, code: str = "unauthorized", **options: Any) -> str:
    with pytest.raises(ParleyError) as refused:
        tokens(**options).verify(token)
    assert (refused.value.code, refused.value.field) == (code, "token")
    return refused.value.message


def test_a_token_identifies_its_account() -> None:
    assert tokens().verify(signed()) == ANN
    assert tokens().verify(signed(userid="a b é", username=" Ann Lee ", role="organizer")) == Identity(
        User("u_a b é", "Ann Lee"), guest=False, role="organizer", expires=ANN.expires
    )


def test_account_ids_differ_from_guest_and_claimed_ids() -> None:
    for chosen in ("g_1", "w_1", "u_1"):
        assert tokens().verify(signed(userid=chosen)).user.id == f"u_{chosen}"


def test_the_server_issues_no_token_to_an_account() -> None:
    assert tokens().mint(ANN) == ""


_BLANK = regex.compile(r"\p{Default_Ignorable_Code_Point}|\p{Cn}|[\U00013441\U00013442]")


def is_visible(userid: str) -> bool:
    return userid.isprintable() and _BLANK.search(userid) is None


@given(
    st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=64).filter(is_visible),
    st.sampled_from(["user", "admin"]),
    st.integers(1, 10**9),
)
def test_a_token_from_sign_account_is_valid_until_it_expires(userid: str, role: str, seconds: int) -> None:
    clock = StoppedClock(NOW * 1_000_000)
    token = sign_account(SECRET, userid=userid, username="ann", role=role, expires=NOW + seconds)
    ends = (NOW + seconds) * 1_000_000
    assert JwtTokens(SECRET, clock, ServerKeys()).verify(token) == Identity(
        User(f"u_{userid}", "ann"), False, role, ends
    )
    assert jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_exp": False})["userid"] == userid
    clock.us += seconds * 1_000_000
    with pytest.raises(ParleyError, match="expired"):
        JwtTokens(SECRET, clock, ServerKeys()).verify(token)


# --- the signature ---------------------------------------------------------------------------------------------------


def test_a_token_signed_with_another_secret_is_refused() -> None:
    assert reason(signed("b" * 40)) == "the token is signed with another secret"


def test_without_a_secret_every_account_token_is_refused() -> None:
    """Neither an empty key nor one derived by this process is accepted."""
    for key in (b"", b"\0" * 64, b"secret"):
        parts = [encode({"alg": "HS256", "typ": "JWT"}), encode(CLAIMS)]
        signature = hmac.digest(key, ".".join(parts).encode(), hashlib.sha256)
        assert "JWT_SECRET is not set" in reason(".".join([*parts, base64url(signature)]), secret="")
    assert "JWT_SECRET is not set" in reason(signed(), secret="")


@pytest.mark.parametrize(
    "token", ["nonsense", "abc", "a.b.c", "a.\xe4.c", "", f"a.{'[' * 4000}.c", f"a.{'W3t7' * 2000}.c"]
)
def test_without_a_secret_what_is_no_token_of_an_application_is_no_matter_of_it(token: str) -> None:
    assert reason(token, secret="") == "this is no valid token of this server"


def test_a_damaged_access_token_is_no_matter_of_applications() -> None:
    token = own_pair().access
    head, body, signature = token.split(".")
    for damaged in (token[:-4], f"{head}.{body[:-4]}.{signature}", f"{head}.{body}.{signature[::-1]}", token + "x"):
        assert reason(damaged, secret="") == "this is no valid token of this server"


def test_a_refresh_token_is_called_so() -> None:
    token = own_pair().refresh
    for secret in ("", SECRET):
        assert "refresh token" in reason(token, secret=secret)


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def encode(value: Any) -> str:
    return base64url(json.dumps(value).encode())


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "", None, "HS384", "HS512", "RS256", ["HS256"]], ids=repr
)
def test_other_algorithms_are_refused(algorithm: Any) -> None:
    _, body, signature = signed().split(".")
    for given_signature in ("", signature):
        reason(f"{encode({'alg': algorithm, 'typ': 'JWT'})}.{body}.{given_signature}")


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_hash_with_the_right_secret_is_refused(algorithm: str) -> None:
    reason(signed("s" * 64, algorithm), secret="s" * 64)


def test_the_guest_key_cannot_sign_account_tokens() -> None:
    key = hmac.digest(SECRET.encode(), b"parley guest token v1", hashlib.sha256)
    reason(jwt.encode(CLAIMS, key, algorithm="HS256"))


@pytest.mark.parametrize(
    "secret",
    ["x", "short", "é" * 20, "x" * 63, "x" * 64, "x" * 65, "x" * 500, "-----BEGIN PUBLIC KEY-----\nMIIB\n" + "x" * 60],
    ids=lambda secret: f"{secret[:5]} {len(secret)}",
)
def test_the_secret_is_used_as_the_key_unchanged(secret: str) -> None:
    """Whatever its length, without a warning per token: the server warns once, at its start."""
    parts = [encode({"alg": "HS256", "typ": "JWT"}), encode(CLAIMS)]
    signature = hmac.digest(secret.encode(), ".".join(parts).encode(), hashlib.sha256)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tokens(secret).verify(".".join([*parts, base64url(signature)])) == ANN


@given(st.integers(0, 400), st.integers(1, 255))
def test_a_token_that_was_tampered_with_is_refused(at: int, change: int) -> None:
    token = signed()
    changed = bytearray(token.encode())
    changed[at % len(changed)] ^= change
    reason(changed.decode("latin-1"))


@pytest.mark.parametrize(
    "token", ["", ".", "..", "a.b.c", "\x00", "é.é.é", "\udcff", "x" * 60_000, "." * 1000], ids=range(9)
)
def test_an_invalid_token_is_refused(token: str) -> None:
    assert reason(token) == "this is not a JSON Web Token signed with HS256"


# --- the claims ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("wrong", [..., None, True, [], {}, ["7"]], ids=repr)
def test_a_missing_or_invalid_claim_is_named(claim: str, wrong: Any) -> None:
    if claim == "exp" and wrong is not ...:
        token = by_hand({**CLAIMS, "exp": wrong})
    else:
        token = signed(**{claim: wrong})
    assert claim in reason(token)


@pytest.mark.parametrize(("number", "id"), [(7, "u_7"), (0, "u_0"), (-5, "u_-5"), (2**63, f"u_{2**63}")])
def test_a_userid_may_be_a_whole_number(number: int, id: str) -> None:
    assert tokens().verify(by_hand({**CLAIMS, "userid": number})).user.id == id


def _of_subject(sub: object) -> dict[str, Any]:
    """Return claims without `userid`, and with `sub` unless it is `...`."""
    claims = {name: value for name, value in CLAIMS.items() if name != "userid"}
    return claims if sub is ... else {**claims, "sub": sub}


@pytest.mark.parametrize(("sub", "id"), [("auth|7", "u_auth|7"), (7, "u_7"), ("a_1", "u_a_1")])
def test_without_a_userid_the_subject_is_the_account(sub: str | int, id: str) -> None:
    assert tokens().verify(by_hand(_of_subject(sub))).user.id == id


@pytest.mark.parametrize(
    ("sub", "said"),
    [
        (..., "the token has no claim userid or sub, which must be a string or a whole number"),
        (["7"], "the token's claim sub must be a string or a whole number"),
        (True, "the token's claim sub must be a string or a whole number"),
        ("", "the token's claims: sub must have 1 to 64 printable characters"),
    ],
)
def test_a_subject_that_is_no_id_is_refused(sub: object, said: str) -> None:
    assert reason(by_hand(_of_subject(sub))) == said


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"userid": 7.5}, "the token's claim userid must be a string or a whole number"),
        ({"userid": 10**70}, "the token's claim"),
        ({"username": 7}, "the token's claim username must be a string"),
        ({"exp": "soon"}, "the token's claim exp must be Unix seconds, as a number"),
        ({"nbf": "soon"}, "the token's claim nbf must be Unix seconds, as a number"),
    ],
)
def test_an_invalid_claim_is_described_in_parleys_words(claims: dict[str, Any], said: str) -> None:
    assert reason(by_hand({**CLAIMS, **claims})).startswith(said)


def test_a_missing_claim_is_described_in_parleys_words() -> None:
    assert reason(signed(role=...)) == "the token has no claim role, which must be a string"
    assert reason(sign_text("[]")) == "the token's claims are not a valid JSON object"


@pytest.mark.parametrize("aud", ["chat", ["chat"], ["shop", "chat"]])
def test_a_token_for_this_audience_is_accepted(aud: Any) -> None:
    assert tokens(audience="chat").verify(signed(aud=aud)) == ANN


@pytest.mark.parametrize("aud", [..., "shop", "chat ", "Chat", "", [], ["shop"], ["chat shop"]], ids=repr)
def test_a_token_for_another_audience_is_refused(aud: Any) -> None:
    assert reason(signed(aud=aud), audience="chat").startswith("the token is for another audience")
    assert tokens().verify(signed(aud=aud)) == ANN


@pytest.mark.parametrize("aud", [None, 7, {"chat": 1}, [7, None, ["chat"]]], ids=repr)
def test_an_audience_of_another_type_is_refused(aud: Any) -> None:
    assert reason(by_hand({**CLAIMS, "aud": aud}), audience="chat").startswith("the token is for another audience")
    assert tokens().verify(by_hand({**CLAIMS, "aud": aud})) == ANN


def test_the_issuer_is_checked_if_one_is_required() -> None:
    assert tokens(issuer="shop").verify(signed(iss="shop")) == ANN
    for issuer in (..., "Shop", "other"):
        assert reason(signed(iss=issuer), issuer="shop").startswith("the token is from another issuer")
    assert reason(by_hand({**CLAIMS, "iss": ["shop"]}), issuer="shop").startswith("the token is from another issuer")


@pytest.mark.parametrize(("claim", "wrong"), [("username", 7), ("role", 7), ("exp", str(NOW + 60))])
def test_claims_are_not_converted_between_numbers_and_texts(claim: str, wrong: Any) -> None:
    assert claim in reason(by_hand({**CLAIMS, claim: wrong}))


def by_hand(claims: Any) -> str:
    return sign_text(json.dumps(claims))


def sign_text(payload: str) -> str:
    parts = [encode({"alg": "HS256", "typ": "JWT"}), base64url(payload.encode())]
    return ".".join([*parts, base64url(hmac.digest(SECRET.encode(), ".".join(parts).encode(), hashlib.sha256))])


@pytest.mark.parametrize(
    "payload",
    ["", "[]", "null", "7", '"ann"', "{", "[" * 50_000, '{"exp":1e400}', '{"exp":NaN}', "\x00"],
    ids=lambda payload: ascii(payload[:20]),
)
def test_a_signed_payload_that_holds_no_claims_is_refused(payload: str) -> None:
    reason(sign_text(payload))


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"userid": ""}, "userid must have 1 to 64"),
        ({"userid": "x" * 65}, "userid must have 1 to 64"),
        ({"userid": "a\nb"}, "userid must have 1 to 64"),
        *(
            ({"userid": f"7{unseen}"}, "userid ")
            for unseen in ("\ufe0f", "\u3164", " ", "\u200d", "  8", "\ufdd0", "\u0378")
        ),
        ({"username": ""}, "username is empty"),
        ({"username": "x" * 65}, "username has more than 64"),
        ({"username": "a\u202eb"}, "username contains U+202E"),
        ({"username": "SYSTEM"}, "reserved"),
        ({"username": "s y s t e m"}, "reserved"),
    ],
)
def test_ids_and_names_follow_the_common_rules(changed: dict[str, str], named: str) -> None:
    assert named in reason(signed(**changed))


@pytest.mark.parametrize("exp", [NOW, NOW - 1, 0, -1, NOW - 0.5, -(10**30)])
def test_a_token_that_has_expired_is_refused(exp: float) -> None:
    assert reason(by_hand({**CLAIMS, "exp": exp})) == "the token has expired"


@pytest.mark.parametrize("exp", [NOW + 1, NOW + 0.5, 1e308, 2**53, 10**30])
def test_a_token_is_valid_until_it_expires(exp: float) -> None:
    identity = tokens().verify(by_hand({**CLAIMS, "exp": exp}))
    assert identity == replace(ANN, expires=int(min(exp, 10**11) * 1_000_000))


@pytest.mark.parametrize("nbf", [NOW, NOW + 5, NOW + 59.5, NOW + 60, 0, -1])
def test_a_clock_up_to_a_minute_ahead_is_tolerated(nbf: float) -> None:
    assert tokens().verify(by_hand({**CLAIMS, "nbf": nbf})) == ANN


@pytest.mark.parametrize("nbf", [NOW + 61, NOW + 60.5, 1e300])
def test_a_token_that_is_not_yet_valid_is_refused(nbf: float) -> None:
    assert reason(by_hand({**CLAIMS, "nbf": nbf})) == "the token is not valid yet"


@pytest.mark.parametrize(
    "more",
    [
        {"nbf": NOW},
        {"nbf": None},
        {"iat": NOW + 1000},
        {"iat": "yesterday"},
        {"aud": "another service"},
        {"aud": ["a", "b"], "iss": "https://id.example", "sub": 7, "jti": "x"},
        {"name": "Ann", "email": "ann@example.org", "nested": {"a": [1]}},
    ],
)
def test_unrelated_claims_are_ignored(more: dict[str, Any]) -> None:
    assert tokens().verify(by_hand({**CLAIMS, **more})) == ANN


# --- the role --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["player", "participant", "user", "organizer", "admin"])
def test_the_default_roles_are_admitted(role: str) -> None:
    assert tokens().verify(signed(role=role)).role == role


@pytest.mark.parametrize("role", ["", "guest", "bot", "User", "user ", "root"])
def test_a_role_that_is_not_admitted_is_forbidden(role: str) -> None:
    assert reason(signed(role=role), code="forbidden") == "accounts with this role are not admitted"


def test_the_operator_chooses_the_admitted_roles() -> None:
    assert tokens(roles=("bot",)).verify(signed(role="bot")) == replace(ANN, role="bot")
    reason(signed(), code="forbidden", roles=("bot",))


def test_an_invalid_token_reveals_nothing_about_roles() -> None:
    assert "expired" in reason(signed(role="root", exp=NOW - 1))
    assert "secret" in reason(signed("b" * 40, role="root"))
