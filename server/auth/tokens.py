"""Tokens that prove an identity: JSON Web Tokens (RFC 7519), signed with HS256.

The server signs tokens of guests and of accounts made here, with keys that are derived from a secret known to the
servers alone. The application that Parley is a part of signs tokens of its accounts with ``JWT_SECRET``. An API key is
no JSON Web Token: the access list knows it.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode
from collections.abc import Collection, Sequence
from sys import intern
from typing import Any, TypeVar

import jwt
import msgspec

from chat.ports import Denial, Identity, Tokens
from model.errors import RETRY_AFTER, ParleyError, unavailable
from model.limits import GUEST_SECONDS
from model.principals import APPLICATION, principal_id
from model.room import User
from model.text import check_user_name
from server.auth.access_list import AccessList
from server.auth.access_tokens import REFRESH
from server.auth.keys import KeyUse, ServerKeys, secret_bytes
from server.auth.signing import HEADER, Key
from server.codec.decoding import MISSING, wrong_field
from server.settings.users import CHAT_ROLES
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
NO_SECRET = "JWT_SECRET is not set, so tokens of an application cannot be verified"  # noqa: S105 - there is none
NOT_OURS = "this is no valid token of this server"
# API keys begin with this.
API_KEY = "pk_"


class _Claims(msgspec.Struct, gc=False, kw_only=True):
    """The claims that matter here; others, such as ``iat`` and ``jti``, are ignored."""

    exp: int | float
    nbf: int | float | None = None


class _GuestClaims(_Claims, gc=False):
    sub: str
    name: str


class _AccessClaims(_Claims, gc=False):
    """See `server.auth.access_tokens.sign_pair`."""

    sub: str
    sid: str
    ver: int
    name: str
    role: str
    als: tuple[str, ...] = ()
    end: int = 0


class _OfApplication(msgspec.Struct, gc=False):
    """The claims that only tokens of an application have."""

    username: str


class _AccountClaims(_Claims, gc=False):
    username: str
    role: str
    userid: str | int | msgspec.UnsetType = msgspec.UNSET
    sub: Any = None
    aud: Any = None
    iss: Any = None

    def principal(self) -> str:
        """Return the principal of ``userid``, or of ``sub`` (RFC 7519 section 4.1.2) if there is none.

        Raises:
            ParleyError: ``unauthorized``, ``bad_field``.
        """
        if self.userid is not msgspec.UNSET:
            return principal_id(APPLICATION, str(self.userid), "userid")
        if self.sub is None:
            raise _refused(f"the token has no claim userid or sub, which must be {_TAKES['userid']}")
        if not isinstance(self.sub, str | int) or isinstance(self.sub, bool):
            raise _refused(f"the token's claim sub must be {_TAKES['userid']}")
        return principal_id(APPLICATION, str(self.sub), "sub")


_SomeClaims = TypeVar("_SomeClaims", bound=_Claims)


class JwtTokens:
    """Signs tokens of guests, and verifies all tokens.

    Guests, accounts made here and accounts of the application have different keys, so a token of one kind is never
    valid as another.

    Args:
        secret: the application's secret, any text; if empty, its tokens are refused.
        clock: for ``iat``, ``exp`` and ``nbf``.
        keys: the keys of the servers, with those of guest tokens and access tokens.
        access: knows who may not act, and the API keys; by default one that was never read, so that no account made
            here is admitted.
        previous: the secret that ``secret`` has replaced: tokens that it signed are still valid. "" for none.
        roles: the roles of the application's accounts that are allowed.
        audience: required in ``aud`` of the application's tokens (RFC 7519 section 4.1.3); "" to ignore ``aud``.
        issuer: the required ``iss``; "" to ignore it.
    """

    def __init__(
        self,
        secret: str,
        clock: Clock,
        keys: ServerKeys,
        access: AccessList | None = None,
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
        self._access = AccessList(clock) if access is None else access
        self._make_keys()
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
        self._make_keys()
        return True

    def _make_keys(self) -> None:
        """Derive the keys; they are None as long as the secret of the servers is not known."""
        guests, accounts = self._keys.key(KeyUse.GUEST_TOKENS), self._keys.key(KeyUse.ACCESS_TOKENS)
        self._guest_key = None if guests is None else Key(guests)
        self._access_key = None if accounts is None else Key(accounts)

    def mint(self, identity: Identity) -> str:
        if not identity.guest or self._guest_key is None:
            return ""
        now = self._clock.now_us() // 1_000_000
        claims = {"sub": identity.user.id, "name": identity.user.name, "iat": now, "exp": now + GUEST_SECONDS}
        return self._guest_key.sign(claims)

    def verify(self, token: str) -> Identity:
        if not token.isascii():  # it may contain lone surrogates, which cannot be encoded
            raise self._no_token(token)
        identity = self._bot(token) if token.startswith(API_KEY) else self._proved(token)
        self._access.check(identity)
        return identity

    def verify_cookie(self, token: str) -> Identity | None:
        payload = self._access_payload(token)
        if payload is None:
            return None
        identity = self._account_here(payload, by_cookie=True)
        self._access.check(identity)
        return identity

    def denial(self, identity: Identity | None, address: str = "") -> Denial | None:
        denied = self._access.denial_of(address) if address else None
        if denied is None and identity is not None:
            denied = self._access.denial(identity)
        return denied

    def problem(self) -> str | None:
        return "notices about accounts cannot be read from the database" if self._access.is_stale() else None

    def _access_payload(self, token: str) -> bytes | None:
        key = self._access_key
        return None if key is None or not token.isascii() else key.read(token)

    def _proved(self, token: str) -> Identity:
        """Return the identity in a JSON Web Token, without a look at the access list."""
        guests = self._guest_key
        if guests is not None and (payload := guests.read(token)) is not None:
            return self._guest(payload)
        for key in self._account_keys:
            if (payload := key.read(token)) is not None:
                return self._account(payload)
        if (payload := self._access_payload(token)) is not None:
            return self._account_here(payload)
        for key in self._former_keys:
            if (payload := key.read(token)) is not None and self._accepts_former():
                return self._guest(payload)
        for key in self._account_keys:
            if (payload := self._signed(token, key)) is not None:
                return self._account(payload)
        if guests is None and token.encode().startswith(HEADER):  # it may be one of these servers
            raise _not_yet()
        if not self._account_keys:
            raise self._no_token(token)
        raise _refused("the token is signed with another secret")

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
            raise self._no_token(token) from error
        return payload

    def _no_token(self, token: str) -> ParleyError:
        if token.startswith(REFRESH):
            return _refused("this is a refresh token, which is only for POST /api/refresh")
        if self._account_keys:
            return _refused("this is not a JSON Web Token signed with HS256")
        return _refused(NO_SECRET if _is_of_application(token) else NOT_OURS)

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

    def _account_here(self, payload: bytes, *, by_cookie: bool = False) -> Identity:
        claims = self._valid(payload, _AccessClaims)
        expires = (claims.end if by_cookie and claims.end else int(claims.exp)) * 1_000_000
        return Identity(
            User(claims.sub, claims.name),
            guest=False,
            role=intern(claims.role),  # thousands of connections share it
            expires=expires,
            login=claims.sid,
            by_cookie=by_cookie,
            version=claims.ver,
            aliases=claims.als,
        )

    def _bot(self, token: str) -> Identity:
        """Return the bot whose API key this is."""
        key = self._access.find_key(token)
        if key is None:
            if self._access.is_stale():
                raise unavailable("API keys cannot be verified now")
            raise _refused("this API key is not valid: it is unknown, was revoked, or has expired")
        if key.until <= self._clock.now_us():
            raise _refused("this API key has expired")
        user = User(key.bot_id, key.name)
        return Identity(user, guest=False, role="bot", expires=key.until, login=key.key_id, scope=key.scope)

    def _account(self, payload: bytes) -> Identity:
        claims = self._valid(payload, _AccountClaims)
        if self._audience and self._audience not in (claims.aud if isinstance(claims.aud, list) else [claims.aud]):
            raise _refused("the token is for another audience: its claim aud does not have JWT_AUDIENCE")
        if self._issuer and self._issuer != claims.iss:
            raise _refused("the token is from another issuer: its claim iss is not JWT_ISSUER")
        try:
            user = User(claims.principal(), check_user_name(claims.username, "username"))
        except ParleyError as error:
            if error.field == "token":
                raise
            raise _refused(f"the token's claims: {error.message}") from error
        if claims.role not in self._roles:
            raise ParleyError("forbidden", "accounts with this role are not admitted", field="token")
        expires = int(min(claims.exp, _NEVER) * 1_000_000)
        return Identity(user, guest=False, role=intern(claims.role), expires=expires)


def bearer_tokens(values: Sequence[str]) -> list[str]:
    """Return the tokens in values of ``Authorization``. Other schemes are meant for a proxy, and browsers send them
    with every request to it: they prove nothing here.
    """
    return [value.partition(" ")[2].strip() for value in values if value.partition(" ")[0].lower() == "bearer"]


def authenticate(
    values: Sequence[str], cookies: Sequence[str], tokens: Tokens, *, guests: bool, accounts_only: bool
) -> Identity | None:
    """Return the identity that a request's token proves; None without a token.

    Args:
        values: the values of ``Authorization``. Schemes other than Bearer are meant for a proxy, and are ignored.
        cookies: the access tokens in its cookies, if those count (`server.auth.cookies.counts_cookie`).
        tokens: verifies the token.
        guests: whether guests are allowed.
        accounts_only: whether the token must be an account's.

    Raises:
        ParleyError: ``unauthorized`` with the reason, ``forbidden`` for a role that is not allowed.
    """
    given = bearer_tokens(values)
    if len(given) > 1:
        raise ParleyError("unauthorized", "Authorization contains more than one token")
    if not given:
        if (identity := _of_cookies(cookies, tokens)) is not None:
            return identity
        if accounts_only:
            raise ParleyError("unauthorized", "an account token is required: Authorization: Bearer <token>")
        return None
    identity = tokens.verify(given[0])
    if identity.guest and accounts_only:
        raise ParleyError("unauthorized", "an account token is required; this is a guest token")
    if identity.guest and not guests:
        raise ParleyError("unauthorized", "guest access is disabled")
    return identity


def _of_cookies(cookies: Sequence[str], tokens: Tokens) -> Identity | None:
    """Return the identity of the first valid cookie; None if none was signed here.

    Raises:
        ParleyError: as `Tokens.verify`, for a cookie that was signed here, and is valid no longer.
    """
    if not cookies:
        return None
    try:
        identity = tokens.verify_cookie(cookies[0])
    except ParleyError:
        identity = _of_cookies(cookies[1:], tokens)
        if identity is None:
            raise
        return identity
    return identity or _of_cookies(cookies[1:], tokens)


def sign_account(secret: str, *, userid: str, username: str, role: str, expires: float, **more: str) -> str:
    """Sign the token of an account, as an application would with any JWT library.

    ``expires`` is in Unix seconds; ``more`` are other claims, such as ``aud``.
    """
    claims = {"userid": userid, "username": username, "role": role, "exp": expires, **more}
    return Key(secret_bytes(secret)).sign(claims)


def _is_of_application(token: str) -> bool:
    """Whether a token that no key of this server verifies claims to be of an application."""
    try:
        claims = urlsafe_b64decode(token.split(".")[1] + "==")
        msgspec.json.decode(claims, type=_OfApplication)
    except (IndexError, ValueError, RecursionError):  # neither base64, UTF-8 nor such claims
        return False
    return True


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
