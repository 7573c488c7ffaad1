"""The rules for e-mail addresses."""

import re

from model.errors import ParleyError
from model.limits import EMAIL_CHARS

# What mail servers agree on (RFC 5321 without quotes and literals), without what begins an encoded word in a header
# (RFC 2047): programs that decode it would see another address. Nothing else in it has a meaning in a header.
_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?!.*=\?){_LOCAL}(?:\.{_LOCAL})*@{_LABEL}(?:\.{_LABEL})*\Z")
_LOCAL_CHARS = 64


def check_email(text: str, field: str = "email") -> str:
    """Return an e-mail address unchanged.

    Raises:
        ParleyError: ``bad_field`` naming ``field`` for one that is longer than 254 characters or not valid.
    """
    if len(text) > EMAIL_CHARS or not _ADDRESS.match(text) or text.index("@") > _LOCAL_CHARS:
        raise ParleyError("bad_field", f"{field} must be an e-mail address such as ann@example.org", field=field)
    return text


def asked_email(text: str) -> str:
    """Return an e-mail address unchanged; "", which no account has, if it is not a valid one."""
    try:
        return check_email(text)
    except ParleyError:
        return ""
