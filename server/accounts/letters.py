"""The mail that users get, as plain text. What users have written is in none of it."""

from typing import NamedTuple

RESET_SECONDS = 30 * 60
EMAIL_SECONDS = 24 * 3600


class Letter(NamedTuple):
    """A mail to one address."""

    to: str
    subject: str
    text: str


def confirm(to: str, public_url: str, secret: str) -> Letter:
    """Ask whether an address belongs to an account."""
    return Letter(
        to,
        "Confirm your e-mail address",
        "Someone, probably you, has given this address to an account. If it was you, confirm it within 24 hours:\n\n"
        f"{link(public_url, 'email', secret)}\n\n"
        "If it was not you, ignore this mail: nothing happens.\n",
    )


def taken(to: str, public_url: str) -> Letter:
    """Answer, where only the owner can read it, that an address belongs to an account already."""
    return Letter(
        to,
        "You already have an account",
        "Someone, probably you, has given this address to a new account, but it belongs to another account of yours.\n"
        f"Sign in with that one, or choose a new password if you have forgotten it:\n\n{public_url}/client.html\n\n"
        "If it was not you, ignore this mail: nothing happens.\n",
    )


def reset(to: str, public_url: str, secret: str) -> Letter:
    """Send a link to choose a new password."""
    return Letter(
        to,
        "Choose a new password",
        "Someone, probably you, has asked for a new password. If it was you, choose one within 30 minutes:\n\n"
        f"{link(public_url, 'reset', secret)}\n\n"
        "The link works once, and ends all sessions. If it was not you, ignore this mail: nothing happens.\n",
    )


def password_changed(to: str) -> Letter:
    """Tell the owner of an account that its password was changed."""
    return Letter(
        to,
        "Your password was changed",
        "The password of your account was changed, and the other sessions were ended.\n"
        "If it was not you, ask for a new password at once, or tell the operator of the server.\n",
    )


def email_changed(to: str) -> Letter:
    """Tell the owner of the address before that it no longer belongs to the account."""
    return Letter(
        to,
        "Your e-mail address was changed",
        "This address no longer belongs to your account: it was replaced or removed.\n"
        "If it was not you, tell the operator of the server at once.\n",
    )


def link(public_url: str, kind: str, secret: str) -> str:
    """Return a link to the page. The secret is in the fragment, which browsers send to no server."""
    return f"{public_url}/client.html#{kind}={secret}"
