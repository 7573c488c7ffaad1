"""Why a frame is no command, by name: read from what `msgspec` says of it."""

from __future__ import annotations

import json

from model.errors import ParleyError
from model.limits import ID_CHARS
from server.codec.decoding import UNKNOWN, wrong_field


def invalid(problem: str, *, tag: str = "type", inside: str = "", id: str | None = None) -> ParleyError:
    """The refusal of JSON that is no command: ``bad_json``, ``unknown_type``, or ``bad_field`` naming the field.

    Args:
        problem: the text of a `msgspec.ValidationError`.
        tag: the field that says what a frame is.
        inside: what stands before the name of a field, and is left out: ``payload.``.
        id: the frame's own, where it could be read.
    """
    wrong = wrong_field(problem)
    if wrong is None:
        return ParleyError("bad_json", id=id)  # an array, a number, ...
    field, what = wrong[0].removeprefix(inside), wrong[1]
    if field == tag and what == UNKNOWN:
        return ParleyError("unknown_type", field=tag, id=id)
    return ParleyError("bad_field", f"{field} {what}", field=field, id=id)


def unreadable(text: str) -> ParleyError:
    """The refusal of what is no JSON; of an object with a lone surrogate, which JSON can name and UTF-8 cannot hold
    (RFC 8259, 8.2), with the ``id`` of the command.

    Browsers write one for half an emoji. Python's decoder takes it, so the author can be told which command it was.
    """
    if "\\u" not in text:
        return ParleyError("bad_json")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return ParleyError("bad_json")
    named = found.get("id") if isinstance(found, dict) else None
    readable = isinstance(named, str) and named.isprintable() and 0 < len(named) <= ID_CHARS
    return ParleyError("bad_json", "a \\u escape is half of a pair", id=named if readable else None)
