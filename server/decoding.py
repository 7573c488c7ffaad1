"""What msgspec says of JSON that it refuses, as the name of the field that is wrong."""

from __future__ import annotations

import re

# msgspec says where: "... - at `$.room`", "... missing required field `room`", possibly both. What stands before is the
# first words of the sentence, in which nothing of the input may be taken for ours.
_AT = re.compile(r" - at `\$\.?([^`]*)`$")
_MISSING = re.compile(r"Object missing required field `([^`]*)`")


def wrong_field(problem: str) -> tuple[str, str] | None:
    """The field that the text of a `msgspec.ValidationError` is about and what is wrong with it; None for none."""
    at = _AT.search(problem)
    missing = _MISSING.match(problem)
    if missing is not None:
        return missing[1], _AT.sub("", problem)
    return (at[1], _AT.sub("", problem)) if at is not None else None
