"""Who a request is from: the ``Authorization`` header with a token (RFC 6750), of an account or of a guest."""

from __future__ import annotations

from collections.abc import Sequence

from chat.ports import Identity, Tokens
from model.errors import ParleyError


def authenticate(values: Sequence[str], tokens: Tokens, *, guests: bool, accounts_only: bool) -> Identity | None:
    """Who the request is from; None when it does not say.

    Args:
        values: of its ``Authorization`` headers. One of another scheme than Bearer is a proxy's business, and says
            nothing to us.
        tokens: who verifies them.
        guests: whether guests are let in at all.
        accounts_only: whether the request must be an account's.

    Raises:
        ParleyError: ``unauthorized`` with the reason, ``forbidden`` for a role that is not let in.
    """
    given = [value.partition(" ")[2].strip() for value in values if value.partition(" ")[0].lower() == "bearer"]
    if len(given) > 1:
        raise ParleyError("unauthorized", "there is more than one token in Authorization")
    if not given:
        if accounts_only:
            raise ParleyError("unauthorized", "an account's token is needed: Authorization: Bearer <token>")
        return None
    identity = tokens.verify(given[0])
    if identity.guest and accounts_only:
        raise ParleyError("unauthorized", "an account's token is needed, this is a guest's")
    if identity.guest and not guests:
        raise ParleyError("unauthorized", "guests are not let in here")
    return identity
