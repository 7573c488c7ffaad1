"""``parley.v1``: frames are the records of model/ as JSON objects, field for field (docs/protocol.md)."""

from collections.abc import Callable
from typing import get_args

import msgspec

from chat.ports import Dialect
from model.commands import AnyCommand, Id
from model.errors import ParleyError
from model.events import AnyEvent, Entered, Exited
from server.codec.decoding import choices_of
from server.codec.frames import text_frame
from server.dialects.refusals import invalid, unreadable
from utils.encoding import to_json

_CHOICES = choices_of(*get_args(AnyCommand))
_decode: Callable[[str], AnyCommand] = msgspec.json.Decoder(AnyCommand).decode


class _Id(msgspec.Struct):
    """The id of an invalid frame, for the error in reply."""

    id: Id | None = None


_decode_id = msgspec.json.Decoder(_Id).decode
_UNSPOKEN = frozenset({Entered, Exited})  # clients get `presence` instead


class NativeDialect(Dialect):
    """Decoding into typed records is the validation; records are encoded as they are."""

    name = "parley.v1"
    welcomes = True

    def command(self, text: str, address_room: str) -> AnyCommand:
        """Decode a frame. Errors: ``bad_json``, ``bad_field`` with the field, ``unknown_type``."""
        try:
            command = _decode(text)
        except msgspec.ValidationError as error:
            raise invalid(str(error), _CHOICES, id=_id_of(text)) from error
        except (msgspec.DecodeError, RecursionError) as error:  # RecursionError: nested too deeply
            raise unreadable(text) from error
        if command.id is not None and not command.id.isprintable():
            raise ParleyError("bad_field", "id contains an unprintable character", field="id")
        return command

    def frame(self, event: AnyEvent) -> bytes | None:
        if type(event) in _UNSPOKEN:
            return None
        return text_frame(to_json(event))


def _id_of(text: str) -> str | None:
    try:
        return _decode_id(text).id
    except (msgspec.DecodeError, RecursionError):
        return None
