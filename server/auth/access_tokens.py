"""Tokens of accounts made here: each login has an access token, a refresh token and a CSRF token.

Every kind has a key of its own, derived from the secret of the servers: a token of one kind is never valid as another.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from model.account import Account, Login
from model.errors import unavailable
from server.auth.keys import KeyUse, ServerKeys
from server.auth.signing import Key, base64url

ACCESS_SECONDS = 900
# Aliases in an access token, at most.
ALIASES = 20
REFRESH = "rt_"
_LOGIN = "l_"
_LOGIN_BYTES, _GENERATION_BYTES, _MAC_BYTES = 16, 4, 16
_REFRESH_BYTES = _LOGIN_BYTES + _GENERATION_BYTES + _MAC_BYTES


class _OfLogin(msgspec.Struct):
    sid: str


class Pair(NamedTuple):
    """The tokens of one generation of a login."""

    access: str
    refresh: str
    csrf: str


def sign_pair(keys: ServerKeys, account: Account, login: Login, aliases: Sequence[str], now_us: int) -> Pair:
    """Sign the tokens of a login.

    Raises:
        ParleyError: ``unavailable`` as long as the secret of the servers is not known.
    """
    now = now_us // 1_000_000
    claims = {
        "sub": account.account_id,
        "sid": login.login_id,
        "ver": account.version,
        "name": account.name,
        "role": account.role,
        "iat": now,
        "exp": now + ACCESS_SECONDS,
    }
    if aliases:
        claims["als"] = list(aliases[:ALIASES])
    if login.by_cookie:
        claims["end"] = login.ends_at // 1_000_000
    access = Key(_key(keys, KeyUse.ACCESS_TOKENS)).sign(claims)
    return Pair(access, sign_refresh(keys, login), csrf_token(keys, login.login_id))


def sign_refresh(keys: ServerKeys, login: Login) -> str:
    """Return the refresh token of a login's generation: always the same one."""
    signed = urlsafe_b64decode(login.login_id.removeprefix(_LOGIN) + "==")
    signed += login.generation.to_bytes(_GENERATION_BYTES)
    return REFRESH + base64url(signed + _refresh_mac(keys, signed)).decode()


def read_refresh(keys: ServerKeys, token: str) -> tuple[str, int] | None:
    """Return the login id and the generation in a refresh token; None if it was not signed here.

    Raises:
        ParleyError: ``unavailable`` as long as the secret of the servers is not known.
    """
    if not token.isascii() or not token.startswith(REFRESH):
        return None
    try:
        held = urlsafe_b64decode(token.removeprefix(REFRESH))
    except ValueError:
        return None
    signed, mac = held[:-_MAC_BYTES], held[-_MAC_BYTES:]
    if len(held) != _REFRESH_BYTES or not hmac.compare_digest(mac, _refresh_mac(keys, signed)):
        return None
    login_id = _LOGIN + base64url(signed[:_LOGIN_BYTES]).decode()
    return login_id, int.from_bytes(signed[_LOGIN_BYTES:])


def read_login(keys: ServerKeys, token: str) -> str | None:
    """Return the login id in an access token, even if it has expired; None if it was not signed here.

    Raises:
        ParleyError: ``unavailable`` as long as the secret of the servers is not known.
    """
    payload = Key(_key(keys, KeyUse.ACCESS_TOKENS)).read(token) if token.isascii() else None
    return None if payload is None else msgspec.json.decode(payload, type=_OfLogin).sid


def csrf_token(keys: ServerKeys, login_id: str) -> str:
    """Return the CSRF token of a login."""
    mac = hmac.digest(_key(keys, KeyUse.CSRF_TOKENS), login_id.encode(), hashlib.sha256)
    return base64url(mac).decode()[:32]


def _refresh_mac(keys: ServerKeys, signed: bytes) -> bytes:
    return hmac.digest(_key(keys, KeyUse.REFRESH_TOKENS), signed, hashlib.sha256)[:_MAC_BYTES]


def _key(keys: ServerKeys, use: KeyUse) -> bytes:
    key = keys.key(use)
    if key is None:
        raise unavailable("tokens cannot be signed yet")
    return key
