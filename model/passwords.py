"""The rules for passwords of accounts: RFC 8265, profile OpaqueString, and NIST SP 800-63B section 3.1.1."""

from collections.abc import Container

import precis_i18n
import unicodedata2

from model.errors import ParleyError
from model.limits import ACCOUNT_PASSWORD_BYTES, ACCOUNT_PASSWORD_CHARS
from utils.unicode import casefold, is_stream_safe

_PROFILE = precis_i18n.get_profile("OpaqueString", unicodedata=unicodedata2)
_DIGITS = "0123456789"


def is_long(password: str) -> bool:
    """Whether a password has more bytes than any password of an account."""
    return len(password) > ACCOUNT_PASSWORD_BYTES or len(password.encode(errors="surrogatepass")) > (
        ACCOUNT_PASSWORD_BYTES
    )


def prepare_password(password: str) -> str:
    """Return a password in the form in which it is hashed and compared: NFC, and each space is U+0020.

    One that the profile does not allow is returned unchanged: no account has it, and it matches nothing.
    """
    try:
        prepared: str = _PROFILE.enforce(password)
    except UnicodeEncodeError:
        return password
    return prepared


def check_password(
    password: str,
    *,
    common: Container[str],
    username: str,
    email: str | None = None,
    field: str = "password",
) -> str:
    """Return a new password as `prepare_password` does.

    Args:
        common: casefolded passwords that are refused (`utils.common_passwords`).
        username: of its account.
        email: of its account.

    Raises:
        ParleyError: ``bad_field`` naming ``field`` for one of fewer than 8 characters or more than 1,024 bytes, with
            control characters, that is common, or that is the username or the address, also twice or with digits
            after it.
    """
    if is_long(password):
        raise _refused(field, f"must have at most {ACCOUNT_PASSWORD_BYTES} bytes")
    if not is_stream_safe(password):
        raise _refused(field, "has too many combining marks in a row")
    if len(password) < ACCOUNT_PASSWORD_CHARS:
        raise _refused(field, f"must have at least {ACCOUNT_PASSWORD_CHARS} characters")
    try:
        prepared: str = _PROFILE.enforce(password)
    except UnicodeEncodeError:
        raise _refused(field, "has a character that is not allowed, such as a control character") from None
    if len(prepared) < ACCOUNT_PASSWORD_CHARS:  # composed
        raise _refused(field, f"must have at least {ACCOUNT_PASSWORD_CHARS} characters")
    folded = casefold(prepared)
    if folded in common:
        raise _refused(field, "is one of the most common passwords")
    names = {casefold(username)}
    if email:
        names |= {casefold(email), casefold(email.partition("@")[0])}
    if folded.strip(_DIGITS) in names | {2 * name for name in names} or folded in names:
        raise _refused(field, "must not be your username or your e-mail address")
    return prepared


def _refused(field: str, why: str) -> ParleyError:
    return ParleyError("bad_field", f"{field} {why}", field=field)
