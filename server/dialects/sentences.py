"""What happened, as a sentence, for clients that have no other word for it."""

from __future__ import annotations

import json

from model.events import Left


def quoted(words: str) -> str:
    """What people chose or wrote, so that it cannot be taken for the server's own words: quotation marks in it are
    escaped.
    """
    return json.dumps(words, ensure_ascii=False)


def farewell(left: Left) -> str:
    """Why somebody is in a room no more, to themselves; ``left.reason`` is not empty."""
    room = quoted(left.room)
    by = f" by {quoted(left.by.name)}" if left.by is not None else ""
    why = f": {quoted(left.text)}" if left.text else ""
    match left.reason:
        case "kicked":
            return f"you were sent out of {room}{by}{why}"
        case "banned":
            return f"you are kept out of {room}{by}{why}"
        case "deleted":
            return f"{room} was deleted{by}{why}"
        case "name":
            return f"somebody who has a role in {room} has a name like yours"
        case "closed":
            return f"{room} was empty and is closed: others needed the space"
        case "quit":
            return f"you left {room} on another connection"
        case _:
            return f"you are not in {room} any more: {left.reason}"
