"""Errors for frames that are not valid commands, derived from the messages of `msgspec`."""

import json
from collections.abc import Mapping

from model.errors import ParleyError
from model.limits import ID_CHARS
from server.codec.decoding import UNKNOWN, wrong_field


def invalid(
    problem: str, choices: Mapping[str, str] = {}, *, tag: str = "type", inside: str = "", id: str | None = None
) -> ParleyError:
    """Return the error for JSON that is not a command: ``bad_json``, ``unknown_type``, or ``bad_field`` with the field.

    Args:
        problem: the text of a `msgspec.ValidationError`.
        choices: of the commands, from `server.codec.decoding.choices_of`.
        tag: the field that holds the type of a frame.
        inside: a prefix of field names that is removed: ``payload.``.
        id: the id of the frame, if it could be read.
    """
    wrong = wrong_field(problem, choices)
    if wrong is None:
        return ParleyError("bad_json", id=id)  # an array, a number, ...
    field, what = wrong[0].removeprefix(inside), wrong[1]
    if field == tag and what == UNKNOWN:
        return ParleyError("unknown_type", field=tag, id=id)
    return ParleyError("bad_field", f"{field} {what}", field=field, id=id)


def unreadable(text: str) -> ParleyError:
    """Return the error for text that is not JSON.

    An object with a lone surrogate (valid JSON, but impossible in UTF-8: RFC 8259 section 8.2) gets the ``id`` of its
    command. Browsers send one for half an emoji. Python's decoder accepts it, so the id can be read.
    """
    if "\\u" not in text:
        return ParleyError("bad_json")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return ParleyError("bad_json")
    named = found.get("id") if isinstance(found, dict) else None
    readable = isinstance(named, str) and named.isprintable() and 0 < len(named) <= ID_CHARS
    return ParleyError("bad_json", "a \\u escape is an unpaired surrogate", id=named if readable else None)
