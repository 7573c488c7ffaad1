"""Protects against requests that pages of other sites send in the name of a user (OWASP ASVS 3.5)."""

import hmac
from collections.abc import Sequence

from model.errors import ParleyError
from server.auth.access_tokens import csrf_token, read_login, read_refresh
from server.auth.cookies import access_cookies, cookie_names, read_cookies, refresh_cookies
from server.auth.keys import ServerKeys

HEADER = "X-CSRF-Token"


def check_unsafe(
    keys: ServerKeys,
    public_url: str,
    *,
    origin: str,
    own_origin: str,
    media: str | None,
    cookies: Sequence[str],
    token: str | None,
) -> None:
    """Refuse a change without ``Authorization`` that was not sent by a page of this server.

    The origin and a JSON body are required whether or not there is a login, as a login itself can be forged, too: they
    cannot be sent by a form, and a script of another origin would have to ask first. A request with cookies of a login
    also needs its CSRF token, which is a cookie that only pages of this server can read (double submit). Of several
    logins, which pages of other subdomains can set, one will do here: :func:`check_token` compares that of the caller.

    Args:
        origin: the value of ``Origin``; "" if it is missing.
        media: the value of ``Content-Type``.
        cookies: the values of ``Cookie``.
        token: the value of ``X-CSRF-Token``.

    Raises:
        ParleyError: ``forbidden``, ``unsupported``, ``csrf``.
    """
    if origin != own_origin:
        raise ParleyError(
            "forbidden", f"without Authorization, this request must have the Origin of this server, {own_origin}"
        )
    if media is None or media.partition(";")[0].strip().lower() != "application/json":
        raise ParleyError("unsupported", "without Authorization, this request must have the Content-Type of JSON")
    logins = _logins_in(keys, public_url, cookies)
    if not logins:
        return
    sent = (token or "").encode(errors="replace")
    held = [value.encode(errors="replace") for value in read_cookies(cookies, cookie_names(public_url).csrf)]
    if not any(hmac.compare_digest(sent, one) for one in held):
        raise ParleyError("csrf", field=HEADER)
    if not any(hmac.compare_digest(sent, csrf_token(keys, login_id).encode()) for login_id in logins):
        raise ParleyError("csrf", field=HEADER)


def check_token(keys: ServerKeys, login_id: str, token: str | None) -> None:
    """Refuse a change by cookie without the CSRF token of the login that acts.

    Raises:
        ParleyError: ``csrf``.
    """
    if not hmac.compare_digest((token or "").encode(errors="replace"), csrf_token(keys, login_id).encode()):
        raise ParleyError("csrf", field=HEADER)


def sends_login(cookies: Sequence[str], public_url: str) -> bool:
    """Return whether a request has cookies under the names of this server."""
    return bool(access_cookies(cookies, public_url) or refresh_cookies(cookies, public_url))


def _logins_in(keys: ServerKeys, public_url: str, cookies: Sequence[str]) -> set[str]:
    """Return the logins whose cookies were sent, also if their access tokens have expired.

    Cookies that were not signed here, such as those of another server on this host, are ignored.
    """
    by_access = (read_login(keys, value) for value in access_cookies(cookies, public_url))
    by_refresh = (read_refresh(keys, value) for value in refresh_cookies(cookies, public_url))
    return {*filter(None, by_access), *(found[0] for found in by_refresh if found is not None)}
