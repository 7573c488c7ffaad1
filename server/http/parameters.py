"""Read the fields of a record from the path, query, headers and body of a request; a refusal names the field."""

import asyncio
import re
from collections.abc import Mapping
from functools import cache
from inspect import getdoc
from typing import Any, Literal, NamedTuple

import msgspec
from aiohttp import HttpVersion11, hdrs, web
from msgspec import Struct, inspect, structs

from model.commands import Command
from model.errors import ParleyError
from server.codec.decoding import choices_of, wrong_field

JSON = "application/json"
# Fields of a record that are headers.
HEADERS = {"idempotency_key": "Idempotency-Key"}

# Time limit for a body. It also ends one that is malformed in the middle, which aiohttp does not report to the reader.
BODY_SECONDS = 20.0
# The digits of the largest seq. What Python or msgspec accept besides digits (signs, spaces, 1_0, 5e1, other alphabets)
# is refused: a client that writes a number like this has made a mistake.
_DIGITS = 16
_FLAGS = {"true": True, "false": False}
_IN_PATH = re.compile(r"\{(\w+)\}")
_WITH_BODY = frozenset({hdrs.METH_POST, hdrs.METH_PUT, hdrs.METH_PATCH})

Place = Literal["path", "header", "query", "body"]


class Parameters:
    """The parameters of an endpoint, derived from a record.

    A field is in the path where that names it, in a header (`HEADERS`), and else in the query, or in the JSON object
    that is the body of a POST, PUT or PATCH, or of a request with ``body``. The ``id`` of a command is not a parameter.

    Args:
        method, path: of the endpoint.
        record: a frozen Struct. It describes its fields in its docstring, under ``Attributes:``.
        fixed: values of fields that a client cannot choose.
        names: names of fields in the request, where they differ.
        body: whether requests have a body; None if the method decides.

    Attributes:
        places: where each field is.
        body: the type of the body, None for an endpoint without one.
        body_required: whether a request needs a body: not if every field has a default, except for a PATCH.
    """

    def __init__(
        self,
        method: str,
        path: str,
        record: type[Struct],
        fixed: Mapping[str, Any],
        names: Mapping[str, str],
        *,
        body: bool | None = None,
    ) -> None:
        self._record = record
        self._fixed = fixed
        self._names = {**HEADERS, **names}
        hidden = frozenset({*fixed, "id"} if issubclass(record, Command) else fixed)
        self.places, self._texts, self.body, self.body_required = _derived(
            method, path, record, hidden, tuple(names.items()), method in _WITH_BODY if body is None else body
        )

    def name_of(self, field: str) -> str:
        """Return the name of a field in the request."""
        return self._names.get(field, field)

    async def read(self, request: web.Request) -> Any:
        """Read the record from a request.

        Raises:
            ParleyError: ``bad_field`` with the ``field``, which :meth:`rename` takes; for a body also ``bad_json``,
                ``too_large`` and ``unsupported``.
        """
        given = dict(self._fixed)
        sources: dict[Place, Mapping[str, str]] = {
            "path": request.match_info,
            "header": request.headers,
            "query": request.query,
        }
        for field, scalar in self._texts.items():
            name = self.name_of(field)
            if (text := sources[self.places[field]].get(name)) is not None:
                if self.places[field] == "header" and not text.isprintable():  # it may not even be Unicode
                    raise ParleyError("bad_field", f"{name} contains an unprintable character", field=name)
                given[field] = _read(name, text, scalar)
        if self.body is not None:
            sent_text = await _read_text(request)
            if sent_text or self.body_required:
                given |= structs.asdict(_read_body(sent_text, self.body))
        try:
            return msgspec.convert(given, self._record)
        except msgspec.ValidationError as error:
            raise _refused(error, self._record) from error

    def rename(self, error: ParleyError) -> None:
        """Replace the name of the field in a refusal by its name in the request."""
        if error.field in self._names:
            name = self._names[error.field]
            error.message = re.sub(rf"^{error.field}\b", name, error.message)
            error.field = name


class _Derived(NamedTuple):
    places: dict[str, Place]
    texts: dict[str, inspect.Type]
    body: type[Struct] | None
    body_required: bool


@cache  # each route has its parameters twice: for requests to this port, and for those that other nodes pass on
def _derived(
    method: str,
    path: str,
    record: type[Struct],
    hidden: frozenset[str],
    names: tuple[tuple[str, str], ...],
    with_body: bool,
) -> _Derived:
    """Return what `Parameters` derives from the record of an endpoint, without the fields that are ``hidden``."""
    in_path = _IN_PATH.findall(path)
    elsewhere: Place = "body" if with_body else "query"
    places: dict[str, Place] = {
        name: "path" if name in in_path else "header" if name in HEADERS else elsewhere
        for name in record.__struct_fields__
        if name not in hidden
    }
    fields = {field.name: field for field in structs.fields(record)}
    texts = {name: _scalar(inspect.type_info(fields[name].type)) for name, place in places.items() if place != "body"}
    sent = [fields[name] for name, place in places.items() if place == "body"]
    return _Derived(
        places,
        texts,
        _body_of(record, sent, dict(names), f"{method} {path}") if sent else None,
        method == hdrs.METH_PATCH or any(field.required for field in sent),
    )


def _body_of(
    record: type[Struct], fields: list[structs.FieldInfo], names: Mapping[str, str], endpoint: str
) -> type[Struct]:
    """Make a record of the fields that are in the body, with their descriptions."""
    _, _, text = (getdoc(record) or "").partition("\n\nAttributes:\n")
    for field, name in names.items():
        text = text.replace(f"    {field}:", f"    {name}:")
    return msgspec.defstruct(
        f"{record.__name__}Body",
        [
            (
                field.name,
                field.type,
                msgspec.field(default=field.default)
                if field.default_factory is msgspec.NODEFAULT
                else msgspec.field(default_factory=field.default_factory),
            )
            for field in fields
        ],
        rename=names,
        kw_only=True,
        frozen=True,
        module=endpoint,  # distinguishes the bodies of two endpoints with one record
        namespace={"__doc__": f"The body of `{endpoint}`." + (f"\n\nAttributes:\n{text}" if text else "")},
    )


def _scalar(kind: inspect.Type) -> inspect.Type:
    """Return the type that a text is converted to: the type itself, or the one that may be None."""
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
        raise ConnectionResetError  # the client has disconnected; aiohttp would raise RuntimeError
    if request.version >= HttpVersion11 and request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # aiohttp's own count of the answer
    try:
        async with asyncio.timeout(BODY_SECONDS):
            sent = await request.read()
        return sent.decode()  # in full: msgspec does not check unknown fields
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
        raise _refused(error, kind) from error
    except (msgspec.DecodeError, RecursionError) as error:  # nesting too deep is the latter
        raise _no_object() from error


def _refused(error: msgspec.ValidationError, record: type[Struct]) -> ParleyError:
    wrong = wrong_field(str(error), choices_of(record))
    return _no_object() if wrong is None else ParleyError("bad_field", " ".join(wrong), field=wrong[0])


def _late() -> web.HTTPRequestTimeout:
    late = web.HTTPRequestTimeout(text="The request body took too long.\n")
    late.force_close()
    return late


def _no_object() -> ParleyError:
    return ParleyError("bad_json", "the body is not a JSON object")
