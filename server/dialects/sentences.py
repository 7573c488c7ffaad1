"""What happened, as a sentence, for clients that have no other word for it."""

from __future__ import annotations

import time

from model.events import Left
from utils.clock import rfc3339


def farewell(left: Left) -> str:
    """Why somebody is in a room no more, to themselves; ``left.reason`` is not empty."""
    by = f" by {left.by.name}" if left.by is not None else ""
    why = f": {left.text}" if left.text else ""
    match left.reason:
        case "kicked":
            return f"you were sent out of {left.room}{by}{why}"
        case "banned":
            return f"you are kept out of {left.room}{by}{why}"
        case "deleted":
            return f"{left.room} was deleted{by}{why}"
        case "quit":
            return f"you left {left.room} on another connection"
        case _:
            return f"you are not in {left.room} any more: {left.reason}"


def now() -> str:
    """The time of what has none of its own, as it is told."""
    return rfc3339(time.time_ns() // 1000)
