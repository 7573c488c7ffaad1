"""Events as English sentences, for dialects that have no frame for them."""

import json

from model.events import Left


def quoted(words: str) -> str:
    """Quote text that a user chose, and escape quotation marks in it, so that it cannot pass for the server's words."""
    return json.dumps(words, ensure_ascii=False)


def farewell(left: Left) -> str:
    """Tell a user why they are no longer in a room; ``left.reason`` must not be empty."""
    room = quoted(left.room)
    by = f" by {quoted(left.by.name)}" if left.by is not None else ""
    why = f": {quoted(left.text)}" if left.text else ""
    match left.reason:
        case "kicked":
            return f"you were removed from {room}{by}{why}"
        case "banned":
            return f"you were banned from {room}{by}{why}"
        case "deleted":
            return f"{room} was deleted{by}{why}"
        case "name":
            return f"your name looks like that of a moderator of {room}"
        case "closed":
            return f"{room} was empty and was closed to make space"
        case "quit":
            return f"you left {room} on another connection"
        case _:
            return f"you are no longer in {room}: {left.reason}"
