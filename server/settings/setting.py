"""What a setting is, and how its value is shown."""

from collections.abc import Callable
from typing import Any, NamedTuple

from chat.delivery.ratelimit import Rate


class Setting(NamedTuple):
    """One row: environment variable, allowed values, default, help, and the function that parses its text.

    ``read`` parses the text and raises ValueError if it is invalid; ``kind`` then completes the message "NAME must be
    ...", except for a `ReadError`, which has its own text. A new value of a ``live`` setting is applied while the
    server runs. A ``secret`` may be in a file that NAME_FILE names, and its text is used as is; all others are trimmed.

    All nodes of an installation must have the same value of a ``shared`` setting: it decides what is stored, what users
    of every node may do or see, or what ``welcome`` tells clients. Any node may become the one that decides, or receive
    the reconnecting clients of another one. Not shared are a node's own sockets, its memory and its queues.
    """

    name: str
    kind: str
    default: Any
    help: str
    read: Callable[[str], Any]
    live: bool = False
    secret: bool = False
    shared: bool = False


def show(value: object) -> str:
    """Return a value as one would type it; "unset" for none. The README table and the help show defaults so."""
    if value in ("", (), None):
        return "unset"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, Rate):
        return f"{_digits(value.rate)}/{_digits(value.burst)}" if value.rate else "0"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return _digits(value) if isinstance(value, float) else str(value)


def _digits(value: float) -> str:
    """Return the shortest text of exactly this number."""
    return repr(value).removesuffix(".0")
