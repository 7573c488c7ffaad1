"""The cookies of a login in a browser (RFC 6265): its access token, its refresh token, and its CSRF token.

Their prefix, path and attributes follow from ``PUBLIC_URL``. Browsers refuse the prefixes of cookies that are not
``Secure``, so over plain http there are none.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from aiohttp import web

from model.account import Login
from server.access.addresses import Headers
from server.auth.access_tokens import Pair
from server.auth.tokens import bearer_tokens

# Every name of a cookie of ours contains this.
MARK = b"parley"
_NAME = "parley"
# A browser may send cookies of other servers on this host under the same name; each costs a signature.
_MOST = 4
_SAFE = frozenset({"GET", "HEAD"})
_OWN_SITES = frozenset({"same-origin", "none"})  # of Sec-Fetch-Site; "none": the user typed the address


class CookieNames(NamedTuple):
    """The names of the cookies, and where browsers send them.

    Attributes:
        origin: that of `PUBLIC_URL`, "" if it is not set.
    """

    access: str
    refresh: str
    csrf: str
    path: str
    secure: bool
    origin: str


@lru_cache(8)
def cookie_names(public_url: str) -> CookieNames:
    """Return the names for a value of `PUBLIC_URL`."""
    parts = urlsplit(public_url)
    secure = parts.scheme == "https"
    prefix = "" if not secure else "__Secure-" if parts.path else "__Host-"
    name = prefix + _NAME
    origin = f"{parts.scheme}://{parts.netloc}" if public_url else ""
    return CookieNames(name, f"{name}-refresh", f"{name}-csrf", parts.path or "/", secure, origin)


def set_cookies(response: web.StreamResponse, pair: Pair, login: Login, public_url: str) -> None:
    """Give a browser the tokens of a login, until the login ends. Only the CSRF token can be read by the page."""
    names = cookie_names(public_url)
    seconds = max(0, (login.ends_at - login.refreshed_at) // 1_000_000)
    for name, value, hidden in (
        (names.access, pair.access, True),
        (names.refresh, pair.refresh, True),
        (names.csrf, pair.csrf, False),
    ):
        response.set_cookie(
            name, value, max_age=seconds, path=names.path, secure=names.secure, httponly=hidden, samesite="Lax"
        )


def clear_cookies(response: web.StreamResponse, public_url: str) -> None:
    """Have a browser forget the tokens of a login."""
    names = cookie_names(public_url)
    for name in (names.access, names.refresh, names.csrf):
        response.del_cookie(name, path=names.path, secure=names.secure, httponly=name != names.csrf, samesite="Lax")


def read_cookies(headers: Iterable[str], name: str) -> list[str]:
    """Return the first values of a cookie in the values of ``Cookie``: several paths may have one of this name."""
    found = []
    for header in headers:
        for pair in header.split(";"):
            key, is_pair, value = pair.partition("=")
            if is_pair and key.strip(" \t") == name:
                found.append(value.strip(" \t"))
                if len(found) == _MOST:
                    return found
    return found


def counts_cookie(method: str, headers: Headers, own_origin: str, *, upgrades: bool = False) -> bool:
    """Return whether the cookies of a request count: only if a page of this server, or its user, has sent it.

    Otherwise the request is answered as if it had none. A token in ``Authorization`` counts instead of them. A
    WebSocket is not protected by the same-origin policy, so an upgrade must name its origin.

    Args:
        headers: of the request.
        own_origin: that of this server's pages.
        upgrades: whether the request opens a WebSocket.
    """
    if bearer_tokens(headers("Authorization")):
        return False
    origins = headers("Origin")
    if not origins and (upgrades or method not in _SAFE):
        return False
    return list(origins) in ([], [own_origin]) and _OWN_SITES.issuperset(headers("Sec-Fetch-Site"))


def access_cookies(headers: Sequence[str], public_url: str) -> list[str]:
    """Return the access tokens in the values of ``Cookie``; none without a CSRF token, see `_of_login`."""
    names = cookie_names(public_url)
    return _of_login(headers, names, names.access)


def refresh_cookies(headers: Sequence[str], public_url: str) -> list[str]:
    """Return the refresh tokens in the values of ``Cookie``; none without a CSRF token, see `_of_login`."""
    names = cookie_names(public_url)
    return _of_login(headers, names, names.refresh)


def _of_login(headers: Sequence[str], names: CookieNames, name: str) -> list[str]:
    """Return the values of a cookie that the page cannot read, if the one that it can read is there, too.

    A browser may lose that one alone. Its page then takes it for signed out, as it must for the server: else it could
    neither act for the account nor sign in anew, since each change would need the token that is gone.
    """
    return read_cookies(headers, name) if read_cookies(headers, names.csrf) else []
