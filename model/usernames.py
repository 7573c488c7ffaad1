"""The rules for usernames: RFC 8265, profile UsernameCaseMapped, and none that looks like another one."""

from typing import NamedTuple

import precis_i18n
import unicodedata2

from model.errors import ParleyError
from model.limits import USERNAME_CHARS
from model.lookalikes import is_official, skeleton
from model.principals import KINDS
from model.text import check_user_name
from utils.unicode import is_stream_safe

_PROFILE = precis_i18n.get_profile("UsernameCaseMapped", unicodedata=unicodedata2)
_ALLOWED = "has a character that is not allowed: use letters, digits, and signs such as . _ -"
# What guests of a dialect are called by default: they would all lose it.
_DEFAULT_NAME = skeleton("Anonymous")
_DOTS = frozenset({".", ".."})


class Username(NamedTuple):
    """A valid username and `model.lookalikes.skeleton` of it."""

    username: str
    look: str


def check_username(text: str, field: str = "username") -> Username:
    """Return a username in the one form in which it is stored and compared: lower case, usual width, NFC.

    Raises:
        ParleyError: ``bad_field`` naming ``field`` for one that is empty, longer than 64 characters, has spaces, @ or
            characters that the profile does not allow, or begins like an id; ``reserved_name`` for one that looks like
            the server's own, or like the default name of guests.
    """
    if not 0 < len(text) <= USERNAME_CHARS or not is_stream_safe(text):
        raise _refused(field, f"must have 1 to {USERNAME_CHARS} characters")
    try:
        username = _PROFILE.enforce(text)
    except UnicodeEncodeError:
        raise _refused(field, _ALLOWED) from None
    if len(username) > USERNAME_CHARS:
        raise _refused(field, f"must have 1 to {USERNAME_CHARS} characters")
    if "@" in username:  # it could be the e-mail address of another user
        raise _refused(field, "must not contain @")
    if username in _DOTS or username.startswith(KINDS):
        raise _refused(field, "begins like the id of a user, or has nothing but dots")
    check_user_name(username, field)  # accounts without a name of their own have it as their name
    look = skeleton(username)
    if look == _DEFAULT_NAME:
        raise ParleyError("reserved_name", field=field)
    return Username(username, look)


def check_official(name: str, field: str) -> str:
    """Return a username, or the name of an account or a bot, unchanged, if users may choose it.

    Only operators give names that look like those of admins and others with a task. Accounts that have one keep it.

    Raises:
        ParleyError: ``reserved_name`` naming ``field``.
    """
    if is_official(name):
        text = f"the name {name!r} is reserved"
        raise ParleyError("reserved_name", text, field=field, fields={field: text})
    return name


def asked_username(text: str) -> str:
    """Return a username in the form in which it is stored; "", which no account has, if it is not a valid one."""
    try:
        return check_username(text).username
    except ParleyError:
        return ""


def _refused(field: str, why: str) -> ParleyError:
    return ParleyError("bad_field", f"{field} {why}", field=field)
