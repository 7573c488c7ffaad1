"""``parley.v1``: JSON objects that are the records of model/, field for field (docs/protocol.md)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from model.commands import AnyCommand, Id
from model.errors import ParleyError
from model.events import AnyEvent, Entered, Exited
from server.codec.frames import text_frame
from server.dialects.refusals import invalid, unreadable
from utils.encoding import to_json

_decode: Callable[[str], AnyCommand] = msgspec.json.Decoder(AnyCommand).decode


class _Id(msgspec.Struct):
    """What can be saved of a frame that is no command: its id, for the error's reply."""

    id: Id | None = None


_decode_id = msgspec.json.Decoder(_Id).decode
_UNSPOKEN = frozenset({Entered, Exited})  # `presence` says them


class NativeDialect:
    """Typed decoding is the validation; encoding is the records as they are."""

    name = "parley.v1"
    default_name: str | None = None
    default_room: str | None = None
    bound_to_address = False
    welcomes = True

    def command(self, text: str, home: str) -> AnyCommand:
        """See `chat.ports.Dialect.command`. Errors: ``bad_json``, ``bad_field`` with the field, ``unknown_type``."""
        try:
            command = _decode(text)
        except msgspec.ValidationError as error:
            raise invalid(str(error), id=_id_of(text)) from error
        except (msgspec.DecodeError, RecursionError) as error:  # nesting too deep is the latter
            raise unreadable(text) from error
        if command.id is not None and not command.id.isprintable():
            raise ParleyError("bad_field", "id holds a character that cannot be printed", field="id")
        return command

    def frame(self, event: AnyEvent) -> bytes | None:
        """See `chat.ports.Dialect.frame`."""
        if type(event) in _UNSPOKEN:
            return None
        return text_frame(to_json(event))


def _id_of(text: str) -> str | None:
    try:
        return _decode_id(text).id
    except (msgspec.DecodeError, RecursionError):
        return None
