"""The mail that users get, as plain text. Of what users have written, only the username of the account is in it."""

from typing import NamedTuple
from urllib.parse import urlsplit

RESET_SECONDS = 30 * 60
EMAIL_SECONDS = 24 * 3600
# Signs in a username with which a mail program takes it for an address, and makes a link of it.
_OF_ADDRESSES = frozenset(".:/?#@")


class Letter(NamedTuple):
    """A mail to one address."""

    to: str
    subject: str
    text: str


def confirm(to: str, username: str, public_url: str, secret: str) -> Letter:
    """Ask whether an address belongs to an account.

    The mail may go to a stranger: a username that could be the address of a page, and is chosen freely, is not in it.
    """
    account = "an account" if _OF_ADDRESSES.intersection(username) else f"the account {username}"
    return Letter(
        to,
        "Confirm your e-mail address",
        f"Someone, probably you, has given this address to {account} at {_host(public_url)}.\n"
        "If it was you, confirm it within 24 hours:\n\n"
        f"{link(public_url, 'email', secret)}\n\n"
        "If it was not you, ignore this mail: nothing happens.\n",
    )


def taken(to: str, username: str, public_url: str) -> Letter:
    """Answer, where only the owner can read it, that an address belongs to an account already."""
    return Letter(
        to,
        "You already have an account",
        f"Someone, probably you, has given this address to another account at {_host(public_url)}, but it\n"
        f"belongs to your account {username}. Sign in with that one, or choose a new password if you have\n"
        "forgotten it:\n\n"
        f"{public_url}/client.html\n\n"
        "If it was not you, ignore this mail: nothing happens.\n",
    )


def reset(to: str, username: str, public_url: str, secret: str) -> Letter:
    """Send a link to choose a new password."""
    return Letter(
        to,
        "Choose a new password",
        f"Someone, probably you, has asked for a new password of your account {username} at {_host(public_url)}.\n"
        "If it was you, choose one within 30 minutes:\n\n"
        f"{link(public_url, 'reset', secret)}\n\n"
        "The link works once, and ends all sessions. If it was not you, ignore this mail: nothing happens.\n",
    )


def password_changed(to: str, username: str, public_url: str) -> Letter:
    """Tell the owner of an account that its password was changed."""
    return Letter(
        to,
        "Your password was changed",
        f"The password of your account {username} at {_host(public_url)} was changed,\n"
        "and the other sessions were ended.\n"
        "If it was not you, ask for a new password at once, or tell the operator of the server.\n",
    )


def email_changed(to: str, username: str, public_url: str) -> Letter:
    """Tell the owner of the address before that it no longer belongs to the account."""
    return Letter(
        to,
        "Your e-mail address was changed",
        f"This address no longer belongs to your account {username} at {_host(public_url)}:\n"
        "it was replaced or removed.\n"
        "If it was not you, tell the operator of the server at once.\n",
    )


def link(public_url: str, kind: str, secret: str) -> str:
    """Return a link to the page. The secret is in the fragment, which browsers send to no server."""
    return f"{public_url}/client.html#{kind}={secret}"


def _host(public_url: str) -> str:
    return urlsplit(public_url).netloc
