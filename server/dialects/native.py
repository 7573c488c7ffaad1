"""``parley.v1``: JSON objects that are the records of model/, field for field (docs/protocol.md)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import msgspec

from model.commands import AnyCommand, Id
from model.errors import ParleyError
from model.events import AnyEvent, Entered, Exited
from model.limits import ID_CHARS
from server.frames import text_frame

_encode = msgspec.json.Encoder().encode
_decode: Callable[[str], AnyCommand] = msgspec.json.Decoder(AnyCommand).decode


class _Id(msgspec.Struct):
    """What can be saved of a frame that is no command: its id, for the error's reply."""

    id: Id | None = None


_decode_id = msgspec.json.Decoder(_Id).decode
_UNSPOKEN = frozenset({Entered, Exited})  # `presence` says them
# msgspec says where: "... - at `$.room`", "... missing required field `room`", possibly both.
_AT = re.compile(r" - at `\$\.?([^`]*)`$")
_MISSING = re.compile(r"missing required field `([^`]*)`")


class NativeDialect:
    """Typed decoding is the validation; encoding is the records as they are."""

    name = "parley.v1"
    default_name: str | None = None
    default_room: str | None = None
    bound_to_address = False

    def command(self, text: str, home: str) -> AnyCommand:
        """See `chat.ports.Dialect.command`. Errors: ``bad_json``, ``bad_field`` with the field, ``unknown_type``."""
        try:
            command = _decode(text)
        except msgspec.ValidationError as error:
            raise _refusal(text, str(error)) from error
        except (msgspec.DecodeError, RecursionError) as error:  # nesting too deep is the latter
            raise (_half_a_pair(text) if "\\u" in text else None) or ParleyError("bad_json") from error
        if command.id is not None and not command.id.isprintable():
            raise ParleyError("bad_field", "id: holds a character that cannot be printed", field="id")
        return command

    def frame(self, event: AnyEvent) -> bytes | None:
        """See `chat.ports.Dialect.frame`."""
        if type(event) in _UNSPOKEN:
            return None
        return text_frame(_encode(event))


def _refusal(text: str, problem: str) -> ParleyError:
    at = _AT.search(problem)
    missing = _MISSING.search(problem)
    if at is None and missing is None:
        return ParleyError("bad_json")  # an array, a number, ...
    field = missing[1] if missing else at[1] if at else ""
    what = _AT.sub("", problem)
    if field == "type" and missing is None and what.startswith("Invalid value"):
        return ParleyError("unknown_type", field="type", id=_id_of(text))
    return ParleyError("bad_field", f"{field}: {what}", field=field, id=_id_of(text))


def _half_a_pair(text: str) -> ParleyError | None:
    """The refusal of an object with a lone surrogate, which JSON can name and UTF-8 cannot hold (RFC 8259, 8.2).

    Browsers write one for half an emoji. Python's decoder takes it, so the author can be told which command it was.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    named = found.get("id") if isinstance(found, dict) else None
    readable = isinstance(named, str) and named.isprintable() and 0 < len(named) <= ID_CHARS
    return ParleyError("bad_json", "a \\u escape is half of a pair", id=named if readable else None)


def _id_of(text: str) -> str | None:
    try:
        return _decode_id(text).id
    except (msgspec.DecodeError, RecursionError):
        return None


def as_json(value: Any) -> bytes:
    """Records as JSON, the same bytes that a frame would hold."""
    return _encode(value)
