"""Authenticate requests by the token of an account or a guest in ``Authorization`` (RFC 6750)."""

from __future__ import annotations

from collections.abc import Sequence

from chat.ports import Identity, Tokens
from model.errors import ParleyError


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
