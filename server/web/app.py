"""The HTTP side: the application, the page, health, the documents; by aiohttp, behind `server.wire.switch`.

Rooms, messages and people are in `server.rest`.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from aiohttp import HttpVersion10, HttpVersion11, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from msgspec import Meta, Struct, to_builtins

from chat.chat import Chat, Trouble
from chat.ports import Identity
from chat.rooms.context import reads_for
from model.errors import ParleyError
from server.access.origins import own_origin
from server.codec.headers import EVERY, UPGRADE
from server.dialects import ACCOUNTS_ONLY, PATHS
from server.http.endpoints import (
    AUTH,
    CROWDED,
    SENDER,
    TEXT,
    Answer,
    Auth,
    Endpoint,
    ErrorBody,
    Nothing,
    Refusal,
    add_routes,
)
from server.http.parameters import JSON
from server.http.sending import File, deliver
from server.metrics import Metrics
from server.rest import rest_endpoints
from server.spec import DIALECTS, asyncapi, openapi
from server.wire.admission import METRICS
from server.wire.connections import Shared
from server.wire.handshake import is_host
from server.wire.switch import connection_of
from server.wire.websocket import WebSocketConnection
from utils.encoding import to_json
from utils.tracebacks import forget_frames

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parent.parent
STATIC = ROOT / "static"
CLIENT = ROOT / "client.html"

# Small files behind ETags: asking again costs little, an old module beside a new one costs a bug.
FRESH = {"Cache-Control": "no-cache"}
# The page runs its own modules and talks to its own server, nothing else: markup in a message has nothing to use.
PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "Referrer-Policy": "no-referrer",
    **FRESH,
}
# Characters of a path that a line of the log holds.
PATH_CHARS = 200
# Of the protocols, as in `parley.v1`: which release it is, a stranger need not know (OWASP ASVS 13.4.6).
VERSION = "1"
OCTETS = "application/octet-stream"  # what aiohttp calls the empty body of a file that it does not send

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_READS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})
# Set for what any page that is allowed may read, beside what `Endpoint.auth` says.
OPEN = web.RequestKey("open", bool)
_VERSIONS = frozenset({HttpVersion10, HttpVersion11})


class StaticFile(Struct, frozen=True):
    """A file.

    Attributes:
        file: path below ``/static/``; may have several segments.
    """

    file: Annotated[str, Meta(examples=["main.js"])]


class Health(Struct, frozen=True):
    """The process answers."""

    status: Literal["ok"]


class Ready(Struct, frozen=True):
    """Messages are accepted and stored."""

    status: Literal["ready"]


class NotReady(Struct, frozen=True, omit_defaults=True):
    """Messages are not accepted, or not stored.

    Attributes:
        reason: the kind of trouble: storage was not reached yet, cannot be used, another server writes to it, or this
            server stops.
        detail: explanation for an operator; only at `ADMIN_PORT`.
    """

    status: Literal["not ready"]
    reason: Trouble
    detail: str | None = None


# What the rows of the table have in common.
_OPEN = {"Access-Control-Allow-Origin?": "`*`, or an origin from `ALLOWED_ORIGINS`"}
_SEE = "`/asyncapi.json` describes the frames."


def _file(*media: str) -> tuple[Answer, ...]:
    tag = {"ETag": "version of the file"}
    return (
        Answer(200, "the file", bytes, media, tag),
        Answer(206, "the part that `Range` asks for", bytes, media, tag),
        Answer(304, "not modified: it matches `If-None-Match`", headers=tag),
        Answer(412, "it does not match `If-Match`", str, (OCTETS,)),
        Answer(416, "it has no such part as `Range` asks for", str, (OCTETS,)),
    )


def _document(kind: str) -> Answer:
    return Answer(200, f"an {kind} document", dict[str, Any], headers=_OPEN)


_LEADS = Answer(302, "redirect to the page", str, (TEXT,), {"Location": "`client.html`, with the query string"})
_STATIC = (
    # Which of the first two it is, the table of the system says.
    *_file("text/javascript", "application/javascript", "text/css", "image/svg+xml"),
    Answer(404, "no such file", str, (TEXT,)),
)
_READY = (
    Answer(200, "messages are accepted and stored", Ready),
    Answer(503, "they are not, with the reason", NotReady, headers={"Retry-After": "seconds"}),
)
_METRICS = Answer(200, "Prometheus text format", str, (TEXT,))
_HANDSHAKE = (
    Answer(101, "the connection is now a WebSocket"),
    Answer(400, "malformed handshake, with the reason", str, (TEXT,)),
    Answer(
        401,
        "a token that is not valid, or no token where one is required",
        str,
        (TEXT,),
        {"WWW-Authenticate": "`Bearer`"},
    ),
    Answer(403, "an `Origin` that is not in `ALLOWED_ORIGINS`, or a role that is not in `CHAT_ROLES`", str, (TEXT,)),
    Answer(426, "not a WebSocket handshake, or an unsupported version", str, (TEXT,), {"Upgrade": "`websocket`"}),
    Answer(
        429,
        "too many new connections, or too many open ones, from this address",
        str,
        (TEXT,),
        {"Retry-After": "seconds"},
    ),
    Answer(
        503,
        "the server is shutting down, or has too many connections",
        str,
        (TEXT,),
        {"Retry-After": "seconds"},
    ),
)


class HttpEndpoints:
    """The endpoints, and what they answer from."""

    def __init__(self, chat: Chat, shared: Shared, metrics: Metrics | None) -> None:
        self._chat = chat
        self._shared = shared
        self._metrics = metrics
        self._documents: dict[str, bytes] = {}
        # What is served is known before anybody asks: no name that a client made up reaches the file system.
        self._files = {path.relative_to(STATIC).as_posix(): path for path in STATIC.rglob("*") if path.is_file()}

    def application(self) -> web.Application:
        """aiohttp's application with every route."""
        logging.getLogger("aiohttp.server").addFilter(_not_the_clients_fault)
        app = web.Application(
            middlewares=[_until_answered, deliver, self._find_sender, answer_errors],
            client_max_size=self._shared.settings.max_frame_bytes,
        )
        app.on_response_prepare.extend((add_headers, self._open))
        add_routes(app, self.endpoints(), self._authenticate)
        return app

    @web.middleware
    async def _find_sender(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Where it comes from; known to every handler."""
        connection = connection_of(request.transport)
        place = None if connection is None else connection.place
        peer = "" if place is None else place.peer
        request[SENDER] = self._shared.addresses.client(peer, lambda name: request.headers.getall(name, ()))
        request[CROWDED] = place is not None and (place.over or place.crowded)
        await self._shared.admission.enter(request[SENDER].network)
        return await handler(request)

    async def _open(self, request: web.Request, response: web.StreamResponse) -> None:
        """Pages that are allowed may read what a nobody may read, but not with what a token shows."""
        if request.method not in _READS or not (request.get(AUTH) == "optional" or OPEN in request):
            return
        origins, headers = self._shared.origins, response.headers
        if not origins.any:
            headers[hdrs.VARY] = hdrs.ORIGIN
        if hdrs.AUTHORIZATION not in request.headers:
            origin = request.headers.get(hdrs.ORIGIN)
            if origins.any:
                headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = "*"
            elif origin is not None and origins.allows(origin, self._own(request)):
                headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin

    def _own(self, request: web.Request) -> str:
        sender = request[SENDER]
        return own_origin(sender.scheme or "http", sender.host or request.headers.get(hdrs.HOST) or "")

    def _check_origin(self, request: web.Request) -> None:
        """A page of another site may change nothing, whoever its visitor is here (OWASP ASVS 3.5.1)."""
        origin = ", ".join(request.headers.getall(hdrs.ORIGIN, ()))
        if origin and request.method not in _READS and not self._shared.origins.allows(origin, self._own(request)):
            raise ParleyError("forbidden", "pages of this origin may not send this request")

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The table of everything that is served: `server.http.endpoints` says what a row is."""
        return (
            Endpoint("GET", "/", "Redirect to the page, keeping the query string", self.index, answers=(_LEADS,)),
            Endpoint("GET", "/client.html", "The browser client", self.client, answers=_file("text/html")),
            Endpoint("GET", "/static/{file}", "A file of the browser client", self.static, StaticFile, _STATIC),
            *rest_endpoints(self._chat, self._shared.visits),
            Endpoint(
                "GET", "/health", "Whether the process answers", self.health, answers=(Answer(200, "yes", Health),)
            ),
            Endpoint("GET", "/ready", "Whether messages are accepted and stored", self.ready, answers=_READY),
            *(
                (
                    Endpoint(
                        "GET",
                        "/metrics",
                        "Counters for Prometheus",
                        self.metrics,
                        answers=(_METRICS,),
                        refusals=("rate_limited",),
                    ),
                )
                if self._metrics is not None
                else ()
            ),
            Endpoint(
                "GET",
                "/openapi.json",
                "This document",
                self.openapi,
                answers=(_document("OpenAPI 3"),),
                refusals=("rate_limited",),
            ),
            Endpoint(
                "GET",
                "/asyncapi.json",
                "The WebSocket side, as AsyncAPI",
                self.asyncapi,
                answers=(_document("AsyncAPI 3"),),
                refusals=("rate_limited",),
            ),
            *(
                Endpoint(
                    "GET",
                    path,
                    "Open a WebSocket",
                    self.upgrade,
                    answers=_HANDSHAKE,
                    text=_SEE,
                    handshake="account" if path in ACCOUNTS_ONLY else "optional",
                )
                for path in PATHS
            ),
        )

    def _authenticate(self, request: web.Request, auth: Auth) -> Identity | None:
        """Who asks, counted as a command where no command will be; storage is read for them from here on."""
        values = request.headers.getall(hdrs.AUTHORIZATION, ())
        try:
            identity = self._shared.authenticate(values, auth == "account")
        except ParleyError:
            self._shared.count_request(request[SENDER])
            raise
        if identity is None or identity.guest:
            self._shared.count_request(request[SENDER])
        self._check_origin(request)
        if identity is not None:
            if request.method in _READS:
                self._shared.visits.count(identity)
        elif auth != "optional":
            raise ParleyError("unauthorized", "a token is required: Authorization: Bearer <token>")
        elif not self._chat.options.guests:
            raise ParleyError("unauthorized", "guest access is disabled")
        reads_for(identity, request[SENDER].network)
        return identity

    async def index(self, request: web.Request, asked: Nothing) -> web.StreamResponse:
        """The page, with the question kept: a link to a room may be short."""
        question = request.rel_url.raw_query_string  # as it came: decoded, a %23 would cut the room's name off
        raise web.HTTPFound(location=f"client.html{'?' if question else ''}{question}")

    async def client(self, request: web.Request, asked: Nothing) -> web.StreamResponse:
        """The browser client."""
        return File(CLIENT, headers=PAGE_HEADERS)

    async def static(self, request: web.Request, asked: StaticFile) -> web.StreamResponse:
        """A file of the browser client."""
        path = self._files.get(asked.file)
        if path is None:
            raise web.HTTPNotFound
        return File(path, headers=FRESH)

    async def health(self, request: web.Request, asked: Nothing) -> web.StreamResponse:
        """The process answers."""
        return web.json_response(to_builtins(Health("ok")))

    async def ready(self, request: web.Request, asked: Nothing) -> web.StreamResponse:
        """200 when messages are taken and stored, else 503 with the kind of trouble."""
        return readiness(self._chat.kind_of_trouble(), None)

    async def metrics(self, request: web.Request, asked: Nothing) -> web.StreamResponse:
        """Prometheus' text format."""
        assert self._metrics is not None  # else there is no such row
        self._shared.count_request(request[SENDER])
        await self._shared.admission.enter(request[SENDER].network, METRICS)
        return exposition(self._metrics)

    async def openapi(self, request: web.Request, asked: Nothing) -> web.StreamResponse:
        """The HTTP side as it is served."""
        return await self._document(request, "openapi", lambda: openapi(self.endpoints(), version=VERSION))

    async def asyncapi(self, request: web.Request, asked: Nothing) -> web.StreamResponse:
        """The WebSocket side, in every dialect."""
        host = f"localhost:{self._shared.settings.port}"
        return await self._document(
            request,
            "asyncapi",
            lambda: asyncapi(DIALECTS, version=VERSION, host=host, limits=self._chat.limits),
        )

    def forget_documents(self) -> None:
        """What the documents say of limits has changed: they are made anew when they are asked for."""
        self._documents.clear()

    async def _document(self, request: web.Request, name: str, make: Callable[[], object]) -> web.StreamResponse:
        self._shared.count_request(request[SENDER])
        if name not in self._documents:  # made in some 50 ms, for which nobody else has to wait
            self._documents[name] = await asyncio.to_thread(lambda: to_json(make()))
        request[OPEN] = True
        return web.Response(body=self._documents[name], content_type=JSON, headers=FRESH)

    async def upgrade(self, request: web.Request, asked: Nothing) -> web.StreamResponse:
        """An upgrade on a connection that served HTTP before, as of a proxy: hand the transport over."""
        if "websocket" not in ",".join(request.headers.getall(hdrs.UPGRADE, ())).lower():
            raise ParleyError("bad_field", "this address accepts WebSocket connections only", field="Upgrade")
        transport = request.transport
        http = connection_of(transport)
        if transport is None or http is None:
            raise ConnectionResetError
        protocol = request.protocol
        lost = asyncio.Event()
        connection = WebSocketConnection(self._shared, http.place, on_lost=lost.set)
        version = request.version
        head = b"".join(
            (
                f"{request.method} {request.raw_path} HTTP/{version.major}.{version.minor}\r\n".encode(),
                *(name + b": " + value + b"\r\n" for name, value in request.raw_headers),
                b"\r\n",
            )
        )
        transport.set_protocol(connection)
        connection.connection_made(transport)
        connection.start(head)
        early = _EarlyFrames()
        protocol.set_parser(cast(Any, early))
        if early.data:
            connection.data_received(early.data)
        try:
            await lost.wait()
        finally:
            protocol.connection_lost(None)  # aiohttp frees what it keeps of the connection
        return web.Response()


def readiness(kind: Trouble | None, detail: str | None) -> web.Response:
    """The answer of ``/ready``; None when there is no trouble."""
    if kind is None:
        return web.json_response(to_builtins(Ready("ready")))
    answer = NotReady("not ready", kind, detail)
    return web.json_response(to_builtins(answer), status=503, headers={"Retry-After": "2"})


def exposition(metrics: Metrics) -> web.Response:
    """The answer of ``/metrics``."""
    body, content_type = metrics.render()
    return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type})


class HttpProtocol(web.RequestHandler):
    """aiohttp's connection, whose own refusals, of what is no request, have the headers of all others."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Refuse a request that aiohttp could not parse or that failed."""
        response = super().handle_error(request, status, exc, message)
        forget_frames(exc)  # one of them is aiohttp's own, which keeps the exception and what the client sent
        response.headers.update(EVERY)
        return response


class _EarlyFrames:
    """Take from aiohttp what a client sent after its handshake without waiting for the answer.

    For aiohttp it is a parser of the new protocol, as its own of WebSocket frames.
    """

    data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Keep what aiohttp has read; there may be more."""
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        """The connection is closed."""


def _not_the_clients_fault(record: logging.LogRecord) -> bool:
    """aiohttp logs a malformed request, which it answers with 400, as an error of the server's with a traceback."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


@web.middleware
async def _until_answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What comes on this connection is one request, until it is answered."""
    try:
        return await handler(request)
    finally:
        connection = connection_of(request.transport)
        if connection is not None and request.content.at_eof():  # else the connection ends with what is left of it
            connection.answered()


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refusals by name, as JSON, with the status of the table."""
    try:
        _check_head(request)
        _check_coding(request)
        return await handler(request)
    except web.HTTPException:
        raise
    except ParleyError as error:
        forget_frames(error)
        return _refused(error)
    except ConnectionError as error:
        forget_frames(error)  # the future that the body was read from keeps it
        return web.Response(status=400)  # whoever asked has gone; aiohttp would log it as a fault of ours
    except Exception as error:
        log.exception("%s %s failed", request.method, request.rel_url.raw_path[:PATH_CHARS])
        forget_frames(error)
        return _refused(ParleyError("internal"))


def _check_head(request: web.Request) -> None:
    """What aiohttp lets pass."""
    if request.version not in _VERSIONS:
        raise web.HTTPBadRequest(text="This server speaks HTTP/1.1.\n")
    if not is_host(request.headers.get(hdrs.HOST, "")):  # that there is one, aiohttp sees to
        raise web.HTTPBadRequest(text="This is not a valid Host.\n")


def _check_coding(request: web.Request) -> None:
    """Refuse a body in any other form than its own: a thousand times as much could come out of it."""
    if not request.body_exists:
        return
    for header, plain in (("Content-Encoding", "identity"), ("Transfer-Encoding", "chunked")):
        codings = {
            coding.strip().lower() for value in request.headers.getall(header, ()) for coding in value.split(",")
        }
        if codings - {plain, ""}:
            raise ParleyError("unsupported", f"this {header} is not supported", field=header)


def _refused(error: ParleyError) -> web.Response:
    if error.field == "Upgrade":
        return web.Response(status=426, text=f"{error.message}\n", headers={"Upgrade": "websocket"})
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    if error.code == "unauthorized":
        headers["WWW-Authenticate"] = "Bearer"
    if error.field == "Content-Encoding":
        headers["Accept-Encoding"] = "identity"  # RFC 9110, 15.5.16
    refusal = Refusal(error.code, error.message, error.field, error.retry_after)
    return web.Response(body=to_json(ErrorBody(refusal)), status=error.kind.status, content_type=JSON, headers=headers)


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Of every response, refusals and aiohttp's own included."""
    if request.get(CROWDED):
        response.force_close()
        response.headers[hdrs.CONNECTION] = "close"  # aiohttp has looked at that already
    headers = response.headers
    headers[hdrs.SERVER] = EVERY[hdrs.SERVER]  # aiohttp has put its own there
    if response.status >= 400:
        headers.update(EVERY)
        if response.status == 426:  # what asks for an upgrade names it for the next hop (RFC 9110 section 7.8)
            headers[hdrs.CONNECTION] = "Upgrade" if response.keep_alive else UPGRADE[hdrs.CONNECTION]
    for name, value in EVERY.items():
        headers.setdefault(name, value)
