"""Tokens that prove an identity: JSON Web Tokens (RFC 7519), signed with HS256.

The server signs tokens of guests, with a key that is derived from a secret known to the servers alone. The application
that Parley is a part of signs tokens of its accounts with ``JWT_SECRET``.
"""

import hashlib
import hmac
from collections.abc import Collection, Sequence
from typing import Any, TypeVar

import jwt
import msgspec

from chat.ports import Identity, Tokens
from model.errors import RETRY_AFTER, ParleyError
from model.limits import GUEST_SECONDS
from model.principals import APPLICATION, principal_id
from model.room import User
from model.text import check_user_name
from server.auth.keys import KeyUse, ServerKeys, secret_bytes
from server.auth.signing import HEADER, Key
from server.codec.decoding import MISSING, wrong_field
from server.settings.table import CHAT_ROLES
from utils.clock import Clock

EXPIRED = "the token has expired"
# How far the application's clock may be ahead (RFC 7519 section 4.1.5): libraries set `nbf` to their current time.
# `exp` has no leeway: the application chooses it.
LEEWAY_US = 60_000_000
_NEVER = 1e11  # Unix seconds; later times may not fit into 53 bits of microseconds
# The values of claims, for error messages.
_TAKES = {
    "exp": "Unix seconds, as a number",
    "nbf": "Unix seconds, as a number",
    "userid": "a string or a whole number",
    "username": "a string",
    "role": "a string",
}
NO_SECRET = "JWT_SECRET is not set, so account tokens cannot be verified"  # noqa: S105 - says that there is none


class _Claims(msgspec.Struct, gc=False, kw_only=True):
    """The claims that matter here; others, such as ``iat`` and ``jti``, are ignored."""

    exp: int | float
    nbf: int | float | None = None


class _GuestClaims(_Claims, gc=False):
    sub: str
    name: str


class _AccountClaims(_Claims, gc=False):
    userid: str | int
    username: str
    role: str
    aud: Any = None
    iss: Any = None


_SomeClaims = TypeVar("_SomeClaims", bound=_Claims)


class JwtTokens:
    """Signs tokens of guests, and verifies tokens of guests and accounts.

    Guests and accounts have different keys, so a token that the application signs is never valid as a guest's, and the
    reverse.

    Args:
        secret: the secret of account tokens, any text; if empty, they are refused.
        clock: for ``iat``, ``exp`` and ``nbf``.
        keys: the keys of the servers, with the one of guest tokens.
        previous: the secret that ``secret`` has replaced: account tokens that it signed are still valid. "" for none.
        roles: the roles of accounts that are allowed.
        audience: required in ``aud`` of an account's token (RFC 7519 section 4.1.3); "" to ignore ``aud``.
        issuer: the required ``iss``; "" to ignore it.
    """

    def __init__(
        self,
        secret: str,
        clock: Clock,
        keys: ServerKeys,
        *,
        previous: str = "",
        roles: Collection[str] = CHAT_ROLES,
        audience: str = "",
        issuer: str = "",
    ) -> None:
        roots = [secret_bytes(text) for text in (secret, previous) if text]
        self._account_keys = [Key(root) for root in roots]
        # Up to version 0.1.0 the key of guest tokens was derived from JWT_SECRET, which the application knows.
        self._former_keys = [Key(hmac.digest(root, b"parley guest token v1", hashlib.sha256)) for root in roots]
        self._former_until: int | None = None  # Unix microseconds; None as long as storage was not reached
        self._keys = keys
        self._guest_key = self._make_guest_key()
        self._clock = clock
        self._roles = frozenset(roles)
        self._audience = audience
        self._issuer = issuer
        self._jws = jwt.PyJWS(algorithms=["HS256"])

    def let_in(self, roles: Collection[str]) -> None:
        """Allow accounts with these roles from now on."""
        self._roles = frozenset(roles)

    def learn(self, secret: bytes | None, replaced_at: int | None) -> bool:
        """Take over what storage keeps: see `storage.ports.storage.LeaseEvents.on_secret`.

        Returns whether the keys of the servers have changed, the one of guest tokens included.
        """
        self._former_until = 0 if replaced_at is None else replaced_at + GUEST_SECONDS * 1_000_000
        if not self._keys.learn(secret):
            return False
        self._guest_key = self._make_guest_key()
        return True

    def _make_guest_key(self) -> Key | None:
        """Return the key of guest tokens; None as long as the secret of the servers is not known."""
        key = self._keys.key(KeyUse.GUEST_TOKENS)
        return None if key is None else Key(key)

    def mint(self, identity: Identity) -> str:
        if not identity.guest or self._guest_key is None:
            return ""
        now = self._clock.now_us() // 1_000_000
        claims = {"sub": identity.user.id, "name": identity.user.name, "iat": now, "exp": now + GUEST_SECONDS}
        return self._guest_key.sign(claims)

    def verify(self, token: str) -> Identity:
        if not token.isascii():  # it may contain lone surrogates, which cannot be encoded
            raise self._no_token()
        guests = self._guest_key
        if guests is not None and (payload := guests.read(token)) is not None:
            return self._guest(payload)
        for key in self._account_keys:
            if (payload := key.read(token)) is not None:
                return self._account(payload)
        for key in self._former_keys:
            if (payload := key.read(token)) is not None and self._accepts_former():
                return self._guest(payload)
        for key in self._account_keys:
            if (payload := self._signed(token, key)) is not None:
                return self._account(payload)
        if guests is None and token.encode().startswith(HEADER):  # it may be a guest's
            raise _not_yet()
        raise _refused("the token is signed with another secret" if self._account_keys else NO_SECRET)

    def _accepts_former(self) -> bool:
        """Whether tokens of guests under the former keys are still accepted.

        Raises:
            ParleyError: ``unavailable``: storage, which knows it, was not reached yet.
        """
        if self._former_until is None:
            raise _not_yet()
        return self._clock.now_us() < self._former_until

    def _signed(self, token: str, key: Key) -> bytes | None:
        """Return the payload of a token that PyJWT verifies; None if it was signed with another key."""
        try:
            payload: bytes = self._jws.decode(token, key.secret, algorithms=["HS256"])
        except jwt.InvalidSignatureError:
            return None
        except jwt.PyJWTError as error:
            raise self._no_token() from error
        return payload

    def _no_token(self) -> ParleyError:
        return _refused("this is not a JSON Web Token signed with HS256" if self._account_keys else NO_SECRET)

    def _valid(self, payload: bytes, claims_type: type[_SomeClaims]) -> _SomeClaims:
        """Return the claims of a token that is valid now."""
        try:
            claims = msgspec.json.decode(payload, type=claims_type)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise _refused(_wrong_claim(str(error))) from error
        now = self._clock.now_us()
        if claims.exp * 1_000_000 <= now:
            raise _refused(EXPIRED)
        if claims.nbf is not None and claims.nbf * 1_000_000 > now + LEEWAY_US:
            raise _refused("the token is not valid yet")
        return claims

    def _guest(self, payload: bytes) -> Identity:
        claims = self._valid(payload, _GuestClaims)
        return Identity(User(claims.sub, claims.name), guest=True)

    def _account(self, payload: bytes) -> Identity:
        claims = self._valid(payload, _AccountClaims)
        if self._audience and self._audience not in (claims.aud if isinstance(claims.aud, list) else [claims.aud]):
            raise _refused("the token is for another audience: its claim aud does not have JWT_AUDIENCE")
        if self._issuer and self._issuer != claims.iss:
            raise _refused("the token is from another issuer: its claim iss is not JWT_ISSUER")
        try:
            user = User(
                principal_id(APPLICATION, str(claims.userid), "userid"),
                check_user_name(claims.username, "username"),
            )
        except ParleyError as error:
            raise _refused(f"the token's claims: {error.message}") from error
        if claims.role not in self._roles:
            raise ParleyError("forbidden", "accounts with this role are not admitted", field="token")
        expires = int(min(claims.exp, _NEVER) * 1_000_000)
        return Identity(user, guest=False, role=claims.role, expires=expires)


def authenticate(values: Sequence[str], tokens: Tokens, *, guests: bool, accounts_only: bool) -> Identity | None:
    """Return the identity that a request's token proves; None without a token.

    Args:
        values: the values of ``Authorization``. Schemes other than Bearer are meant for a proxy, and are ignored.
        tokens: verifies the token.
        guests: whether guests are allowed.
        accounts_only: whether the token must be an account's.

    Raises:
        ParleyError: ``unauthorized`` with the reason, ``forbidden`` for a role that is not allowed.
    """
    given = [value.partition(" ")[2].strip() for value in values if value.partition(" ")[0].lower() == "bearer"]
    if len(given) > 1:
        raise ParleyError("unauthorized", "Authorization contains more than one token")
    if not given:
        if accounts_only:
            raise ParleyError("unauthorized", "an account token is required: Authorization: Bearer <token>")
        return None
    identity = tokens.verify(given[0])
    if identity.guest and accounts_only:
        raise ParleyError("unauthorized", "an account token is required; this is a guest token")
    if identity.guest and not guests:
        raise ParleyError("unauthorized", "guest access is disabled")
    return identity


def sign_account(secret: str, *, userid: str, username: str, role: str, expires: float, **more: str) -> str:
    """Sign the token of an account, as an application would with any JWT library.

    ``expires`` is in Unix seconds; ``more`` are other claims, such as ``aud``.
    """
    claims = {"userid": userid, "username": username, "role": role, "exp": expires, **more}
    return Key(secret_bytes(secret)).sign(claims)


def _wrong_claim(problem: str) -> str:
    """Describe the claims that msgspec refused."""
    claim, what = wrong_field(problem) or ("", "")
    if claim not in _TAKES:
        return "the token's claims are not a valid JSON object"
    if what == MISSING:
        return f"the token has no claim {claim}, which must be {_TAKES[claim]}"
    return f"the token's claim {claim} must be {_TAKES[claim]}"


def _refused(reason: str) -> ParleyError:
    return ParleyError("unauthorized", reason, field="token")


def _not_yet() -> ParleyError:
    return ParleyError("unavailable", "tokens of guests cannot be verified yet", field="token", retry_after=RETRY_AFTER)
