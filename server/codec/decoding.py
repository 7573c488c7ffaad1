"""Refusing texts and JSON with the name of the field or setting that is wrong and a sentence of Parley's own."""

from __future__ import annotations

import re


class ReadError(ValueError):
    """What is wrong with a text, in words that complete "NAME ..." and do not repeat it."""


MISSING = "is missing"
UNKNOWN = "has an unknown value"

# msgspec says where: "... - at `$.room`", "... missing required field `room`", possibly both. What stands before is the
# first words of the sentence, in which nothing of the input may be taken for ours.
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


def wrong_field(problem: str) -> tuple[str, str] | None:
    """The field that the text of a `msgspec.ValidationError` is about and what is wrong with it, in words that complete
    the name of the field; None when it is about no field.
    """
    missing = _MISSING.match(problem)
    if missing is not None:
        return missing[1], MISSING
    at = _AT.search(problem)
    return (at[1], _in_our_words(problem)) if at is not None else None


def _in_our_words(problem: str) -> str:
    if problem.startswith("Invalid "):
        return UNKNOWN
    if length := _LENGTH.match(problem):
        if length[1] == "<=":
            return f"has more than {length[2]} characters"
        return "is empty" if length[2] == "1" else f"has fewer than {length[2]} characters"
    if bound := _BOUND.match(problem):
        return f"takes a number that is {_BOUNDS[bound[1]]} {bound[2]}"
    if kind := _TYPE.match(problem):
        return f"takes {' or '.join(_TYPES.get(one, one) for one in kind[1].split(' | '))}"
    return "has a wrong value"
