"""Error messages for invalid texts and JSON: the name of the wrong field, and what is wrong in Parley's own words."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, get_args, get_origin

from msgspec import Struct, structs

from utils.wording import either


class ReadError(ValueError):
    """An error in a text: its words complete the sentence "NAME ..." and do not repeat the text."""


MISSING = "is missing"
UNKNOWN = "has an unknown value"

# msgspec's messages end with the place, "... - at `$.room`", or name it, "... missing required field `room`", or both.
# Patterns for the words before it are anchored at the start, so that no part of the input is mistaken for them.
_AT = re.compile(r" - at `\$\.?([^`]*)`$")
_MISSING = re.compile(r"Object missing required field `([^`]*)`")
_LENGTH = re.compile(r"Expected `[^`]*` of length ([<>]=) (\d+)")
_BOUND = re.compile(r"Expected `[^`]*` ([<>]=?) (-?[\d.]+?)(?:\.0)?(?: - at|$)")
_TYPE = re.compile(r"Expected `([^`]*)`")
_BOUNDS = {">=": "at least", "<=": "at most", ">": "above", "<": "below"}
_TYPES = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "an array",
    "null": "null",
}


@cache
def choices_of(*records: type[Struct]) -> Mapping[str, str]:
    """Return what is wrong with any other value of each field of these records that takes one of a few."""
    fields = [field for record in records for field in structs.fields(record)]
    values = {field.encode_name: _choices(field.type) for field in fields}
    return {name: f"must be {either(some)}" for name, some in values.items() if some}


def _choices(kind: Any) -> list[str]:
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    return [value for part in get_args(kind) for value in _choices(part)]


def wrong_field(problem: str, choices: Mapping[str, str] = {}) -> tuple[str, str] | None:
    """Return the field that a `msgspec.ValidationError` is about, and what is wrong with it in words that follow the
    name of the field. None if the error is not about a field.

    Args:
        problem: the text of the error.
        choices: of the record, from `choices_of`.
    """
    if missing := _MISSING.match(problem):
        return missing[1], MISSING
    at = _AT.search(problem)
    if at is None:
        return None
    words = _in_our_words(problem)
    return at[1], choices.get(at[1], words) if words == UNKNOWN else words


def _in_our_words(problem: str) -> str:
    if problem.startswith("Invalid "):
        return UNKNOWN
    if length := _LENGTH.match(problem):
        if length[1] == "<=":
            return f"has more than {length[2]} characters"
        return "is empty" if length[2] == "1" else f"has fewer than {length[2]} characters"
    if bound := _BOUND.match(problem):
        return f"must be {_BOUNDS[bound[1]]} {bound[2]}"
    if kind := _TYPE.match(problem):
        return f"must be {' or '.join(_TYPES.get(one, one) for one in kind[1].split(' | '))}"
    return "is not valid"
