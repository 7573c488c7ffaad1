"""HTTP endpoints as rows of a table: a row makes both the aiohttp route and its part of ``/openapi.json``.

So what is served is documented, and what is documented is served. Parameters are decoded into a record before the
handler is called, and refused by name: ``bad_field`` with the ``field``.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

import msgspec
from aiohttp import HttpVersion11, hdrs, web
from msgspec import Struct, inspect

from chat.ports import Identity
from model.errors import ParleyError
from server.access.addresses import Client
from server.codec.decoding import wrong_field

JSON = "application/json"
TEXT = "text/plain"
NDJSON = "application/x-ndjson"
FILE = "{file}"
"""At the end of a path: the rest of it, of any number of segments."""
BODY = "body"
"""The field of a parameter record that is the request's JSON. It may be left out where it has a default."""
HEADERS = {"idempotency_key": "Idempotency-Key"}
"""Fields of a parameter record that are headers."""
IDENTITY = web.RequestKey("identity", Identity)
"""Who asks; not there for a nobody, and where nobody looks."""
SENDER = web.RequestKey("sender", Client)
"""Where the request comes from."""
CROWDED = web.RequestKey("crowded", bool)
"""The connection is one too many: it ends with the answer."""
ASKER = web.RequestKey("asker", str)
"""The row's own."""

# How long a body may take. Also the end of one that is malformed in the middle: aiohttp does not tell who reads it.
BODY_SECONDS = 20.0
# As many digits as the largest seq has. What Python or msgspec take beside digits (signs, spaces, 1_0, 5e1, other
# alphabets) is refused: a client that writes a number so has made a mistake.
_DIGITS = 16
_FLAGS = {"true": True, "false": False}
_IN_PATH = re.compile(r"\{(\w+)\}")

Handler = Callable[[web.Request, Any], Awaitable[web.StreamResponse]]
Asker = Literal["", "anybody", "somebody", "account"]
"""Who may ask: "" when it is not looked at; ``anybody``, with a token or, where guests are let in, without one;
``somebody`` with a token; ``account`` with that of an account."""
Authenticate = Callable[[web.Request, Asker], Identity | None]


class Nothing(Struct, frozen=True):
    """The parameters of an endpoint that has none."""


class Refusal(Struct, frozen=True, omit_defaults=True):
    """Why a request was refused: a ``code`` from the table of errors, and a ``message`` for people.

    Attributes:
        field: the name of the parameter or field that is wrong.
        retry_after: seconds after which the same request may pass.
    """

    code: str
    message: str
    field: str | None = None
    retry_after: float | None = None


class ErrorBody(Struct, frozen=True):
    """The body of every refusal by name."""

    error: Refusal


class Answer(NamedTuple):
    """One way in which an endpoint answers, beside its refusals.

    Attributes:
        status: the HTTP status.
        text: what it means.
        body: the type that its JSON is of (`msgspec`); str for a text, bytes for a file, None for no body.
        media: its content types.
        headers: what each header of it says. Those that are not always there end with ``?``.
    """

    status: int
    text: str
    body: Any = None
    media: tuple[str, ...] = (JSON,)
    headers: Mapping[str, str] = {}


class Endpoint(NamedTuple):
    """A row.

    Attributes:
        method: GET (which answers HEAD too), POST, ...
        path: ``{name}`` stands for one segment, `FILE` for one or more, and is the field of this name in ``asks``.
        summary: a sentence for the document; ``text`` says more, in Markdown.
        handler: called with the request and a record of ``asks``.
        asks: the parameters: a frozen Struct. A field is in the path, one of `HEADERS`, the JSON ``body``, or in the
            query.
        answers: see `Answer`.
        refusals: codes of `model.errors.ERRORS`. Those of wrong parameters, and of who may not ask, go without saying.
        handshake: who may open a WebSocket here; `server.wire.handshake` sees to that.
        asker: who may ask. What ``anybody`` may GET may be read by any page, as long as no token is used.
    """

    method: str
    path: str
    summary: str
    handler: Handler
    asks: type[Struct] = Nothing
    answers: tuple[Answer, ...] = ()
    refusals: tuple[str, ...] = ()
    text: str = ""
    asker: Asker = ""
    handshake: Asker = ""

    def in_path(self) -> tuple[str, ...]:
        """The names in the path."""
        return tuple(_IN_PATH.findall(self.path))


def _nobody(request: web.Request, asker: Asker) -> Identity | None:
    return None


def add_routes(app: web.Application, endpoints: Iterable[Endpoint], authenticate: Authenticate = _nobody) -> None:
    """Serve the table; ``authenticate`` says who asks, or raises ParleyError for who may not."""
    for endpoint in endpoints:
        route = _route(endpoint, authenticate)
        if endpoint.method == "GET":
            path = endpoint.path.replace(FILE, f"{FILE[:-1]}:.+}}")
            app.router.add_get(path, route, expect_handler=_expect)
        else:
            app.router.add_route(endpoint.method, endpoint.path, route, expect_handler=_expect)


def _route(endpoint: Endpoint, authenticate: Authenticate) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    asks = endpoint.asks
    in_path = frozenset(endpoint.in_path())
    info = inspect.type_info(asks)
    assert isinstance(info, inspect.StructType)
    fields = {field.name: _scalar(field.type) for field in info.fields if field.name != BODY}
    body = next((field for field in msgspec.structs.fields(asks) if field.name == BODY), None)
    asker = endpoint.asker

    async def route(request: web.Request) -> web.StreamResponse:
        request[ASKER] = asker
        if asker and (identity := authenticate(request, asker)) is not None:
            request[IDENTITY] = identity
        given: dict[str, Any] = {}
        for name, scalar in fields.items():
            if name in in_path:
                text: str | None = request.match_info[name]
            elif name in HEADERS:
                text = request.headers.get(HEADERS[name])
            else:
                text = request.query.get(name)
            if text is not None:
                given[name] = _read(name, text, scalar)
        if body is not None:
            sent = await _read_text(request)
            if sent or body.required:
                given[BODY] = _read_body(sent, body.type)
        try:
            asked = msgspec.convert(given, asks)
        except msgspec.ValidationError as error:
            raise _refused(error) from error
        return await endpoint.handler(request, asked)

    return route


async def _expect(request: web.Request) -> None:
    """Not yet: a request that is refused whatever its body is gets no ``100 Continue`` (RFC 9110 section 10.1.1)."""


def _scalar(kind: inspect.Type) -> inspect.Type:
    """What a text is to become: the type itself, or the one beside None."""
    if isinstance(kind, inspect.UnionType):
        return next(one for one in kind.types if not isinstance(one, inspect.NoneType))
    return kind


def _read(name: str, text: str, kind: inspect.Type) -> Any:
    if isinstance(kind, inspect.IntType):
        low, high = kind.ge or 0, kind.le
        digits = text.isascii() and text.isdigit() and len(text) <= _DIGITS
        if not digits or int(text) < low or (high is not None and int(text) > high):
            bounds = f"from {low}" if high is None else f"from {low} to {high}"
            raise ParleyError("bad_field", f"{name} takes a whole number {bounds}", field=name)
        return int(text)
    if isinstance(kind, inspect.BoolType):
        if text not in _FLAGS:
            raise ParleyError("bad_field", f"{name} takes true or false", field=name)
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


def _read_body(text: str, kind: Any) -> Any:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError as error:
        raise _refused(error) from error
    except (msgspec.DecodeError, RecursionError) as error:  # nesting too deep is the latter
        raise _no_object() from error


def _refused(error: msgspec.ValidationError) -> ParleyError:
    wrong = wrong_field(str(error))
    if wrong is None:
        return _no_object()
    field, what = HEADERS.get(wrong[0], wrong[0]), wrong[1]
    return ParleyError("bad_field", f"{field} {what}", field=field)


def _late() -> web.HTTPRequestTimeout:
    late = web.HTTPRequestTimeout(text="The request body took too long.\n")
    late.force_close()
    return late


def _no_object() -> ParleyError:
    return ParleyError("bad_json", "the body is not a JSON object")
