"""Events as English sentences, for dialects that have no frame for them."""

import json

from model.events import Left

# By the reason of a `Left`.
_FAREWELLS = {
    "kicked": "you were removed from {room}{by}{why}",
    "banned": "you were banned from {room}{by}{why}",
    "deleted": "{room} was deleted{by}{why}",
    "name": "your name looks like that of a moderator of {room}",
    "closed": "{room} had no messages and was closed to make space",
    "quit": "you left {room} on another connection",
}


def quoted(words: str) -> str:
    """Quote text that a user chose, and escape quotation marks in it, so that it cannot pass for the server's words."""
    return json.dumps(words, ensure_ascii=False)


def farewell(left: Left) -> str:
    """Tell a user why they are no longer in a room; ``left.reason`` must not be empty."""
    text = _FAREWELLS.get(left.reason, "you are no longer in {room}: {reason}")
    by = f" by {quoted(left.by.name)}" if left.by is not None else ""
    why = f": {quoted(left.text)}" if left.text else ""
    return text.format(room=quoted(left.room), by=by, why=why, reason=left.reason)
