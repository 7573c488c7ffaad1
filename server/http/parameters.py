"""Where a request has the fields of a record, and the record that is read from it; a refusal names the field."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from inspect import getdoc
from typing import Any, Literal

import msgspec
from aiohttp import HttpVersion11, hdrs, web
from msgspec import Struct, inspect, structs

from model.commands import Command
from model.errors import ParleyError
from server.codec.decoding import wrong_field

JSON = "application/json"
HEADERS = {"idempotency_key": "Idempotency-Key"}
"""Fields of a record that are headers."""

# How long a body may take. Also the end of one that is malformed in the middle: aiohttp does not tell the reader of it.
BODY_SECONDS = 20.0
# As many digits as the largest seq has. What Python or msgspec take beside digits (signs, spaces, 1_0, 5e1, other
# alphabets) is refused: a client that writes a number so has made a mistake.
_DIGITS = 16
_FLAGS = {"true": True, "false": False}
_IN_PATH = re.compile(r"\{(\w+)\}")
_WITH_BODY = frozenset({hdrs.METH_POST, hdrs.METH_PUT, hdrs.METH_PATCH})

Place = Literal["path", "header", "query", "body"]


class Parameters:
    """The parameters of an endpoint, derived from a record.

    A field is in the path where that names it, in a header (`HEADERS`), and else in the query, or in the JSON object
    that is the body of a POST, PUT or PATCH. The ``id`` of a command is not a parameter.

    Args:
        method, path: of the endpoint.
        record: a frozen Struct. It describes its fields in its docstring, under ``Attributes:``.
        fixed: values of fields that a client cannot choose.
        names: what fields are called in the request, where that is not their own name.

    Attributes:
        places: where each field is.
        body: the type of the body, None for an endpoint without one.
        body_required: whether a request needs one: not where every field has a default, except for a PATCH.
    """

    def __init__(
        self, method: str, path: str, record: type[Struct], fixed: Mapping[str, Any], names: Mapping[str, str]
    ) -> None:
        self._record = record
        self._fixed = fixed
        self._names = {**HEADERS, **names}
        info = inspect.type_info(record)
        assert isinstance(info, inspect.StructType)
        in_path = _IN_PATH.findall(path)
        elsewhere: Place = "body" if method in _WITH_BODY else "query"
        hidden = {*fixed, "id"} if issubclass(record, Command) else fixed.keys()
        self.places: dict[str, Place] = {
            name: "path" if name in in_path else "header" if name in HEADERS else elsewhere
            for name in record.__struct_fields__
            if name not in hidden
        }
        self._texts = {
            field.name: _scalar(field.type) for field in info.fields if self.places.get(field.name, "body") != "body"
        }
        sent = [field for field in structs.fields(record) if self.places.get(field.name) == "body"]
        self.body = _body_of(record, sent, names, f"{method} {path}") if sent else None
        self.body_required = method == hdrs.METH_PATCH or any(field.required for field in sent)

    def name_of(self, field: str) -> str:
        """What a field of the record is called in the request."""
        return self._names.get(field, field)

    async def read(self, request: web.Request) -> Any:
        """Read the record from a request.

        Raises:
            ParleyError: ``bad_field`` with the ``field``, which :meth:`rename` takes; for a body also ``bad_json``,
                ``too_large`` and ``unsupported``.
        """
        given = dict(self._fixed)
        for field, scalar in self._texts.items():
            text = self._text(request, field)
            if text is not None:
                given[field] = _read(self.name_of(field), text, scalar)
        if self.body is not None:
            sent_text = await _read_text(request)
            if sent_text or self.body_required:
                given |= structs.asdict(_read_body(sent_text, self.body))
        try:
            return msgspec.convert(given, self._record)
        except msgspec.ValidationError as error:
            raise _refused(error) from error

    def rename(self, error: ParleyError) -> None:
        """Call the field of a refusal what the request calls it."""
        if error.field in self._names:
            name = self._names[error.field]
            error.message = re.sub(rf"^{error.field}\b", name, error.message)
            error.field = name

    def _text(self, request: web.Request, field: str) -> str | None:
        name = self.name_of(field)
        match self.places[field]:
            case "path":
                return request.match_info[name]
            case "header":
                return request.headers.get(name)
            case _:
                return request.query.get(name)


def _body_of(
    record: type[Struct], fields: list[structs.FieldInfo], names: Mapping[str, str], endpoint: str
) -> type[Struct]:
    """Make a record of the fields that are in the body, with their descriptions."""
    _, _, text = (getdoc(record) or "").partition("\n\nAttributes:\n")
    for field, name in names.items():
        text = text.replace(f"    {field}:", f"    {name}:")
    return msgspec.defstruct(
        f"{record.__name__}Body",
        [(field.name, field.type, _default(field)) for field in fields],
        rename=names,
        kw_only=True,
        frozen=True,
        module=endpoint,  # which tells the bodies of two endpoints apart where both are of one record
        namespace={"__doc__": f"The body of `{endpoint}`.\n\nAttributes:\n{text}"},
    )


def _default(field: structs.FieldInfo) -> Any:
    if field.default_factory is msgspec.NODEFAULT:
        return msgspec.field(default=field.default)
    return msgspec.field(default_factory=field.default_factory)


def _scalar(kind: inspect.Type) -> inspect.Type:
    """What a text is to become: the type itself, or the one next to None."""
    if isinstance(kind, inspect.UnionType):
        kind = next(one for one in kind.types if not isinstance(one, inspect.NoneType))
    return kind.type if isinstance(kind, inspect.Metadata) else kind


def _read(name: str, text: str, kind: inspect.Type) -> Any:
    if isinstance(kind, inspect.IntType):
        low, high = kind.ge or 0, kind.le
        digits = text.isascii() and text.isdigit() and len(text) <= _DIGITS
        if not digits or int(text) < low or (high is not None and int(text) > high):
            bounds = f"from {low}" if high is None else f"from {low} to {high}"
            raise ParleyError("bad_field", f"{name} must be a whole number {bounds}", field=name)
        return int(text)
    if isinstance(kind, inspect.BoolType):
        if text not in _FLAGS:
            raise ParleyError("bad_field", f"{name} must be true or false", field=name)
        return _FLAGS[text]
    return text


async def _read_text(request: web.Request) -> str:
    media = request.content_type
    if hdrs.CONTENT_TYPE in request.headers and media != JSON and not media.endswith("+json"):
        raise ParleyError("unsupported", f"the body must be {JSON}")
    if (request.content_length or 0) > request.client_max_size:
        raise ParleyError("too_large")
    if request.transport is None and not request.content.is_eof():
        raise ConnectionResetError  # gone before its turn; aiohttp would call it a RuntimeError
    if request.version >= HttpVersion11 and request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # aiohttp's own count of the answer
    try:
        async with asyncio.timeout(BODY_SECONDS):
            sent = await request.read()
        return sent.decode()  # the whole of it: msgspec would not look at what it does not know
    except TimeoutError as error:
        raise _late() from error
    except web.HTTPRequestEntityTooLarge as error:
        raise ParleyError("too_large") from error
    except UnicodeDecodeError as error:
        raise _no_object() from error


def _read_body(text: str, kind: type[Struct]) -> Struct:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError as error:
        raise _refused(error) from error
    except (msgspec.DecodeError, RecursionError) as error:  # nesting too deep is the latter
        raise _no_object() from error


def _refused(error: msgspec.ValidationError) -> ParleyError:
    wrong = wrong_field(str(error))
    return _no_object() if wrong is None else ParleyError("bad_field", " ".join(wrong), field=wrong[0])


def _late() -> web.HTTPRequestTimeout:
    late = web.HTTPRequestTimeout(text="The request body took too long.\n")
    late.force_close()
    return late


def _no_object() -> ParleyError:
    return ParleyError("bad_json", "the body is not a JSON object")
