"""The page and its files, health, readiness, counters, and upgrades to WebSocket."""

import asyncio
from typing import Annotated, Any, Literal, cast

from aiohttp import hdrs, web
from msgspec import Meta, Struct, to_builtins

from chat.chat import Chat, NotReadyReason
from chat.ports import NodeStatus
from server.dialects import ACCOUNTS_ONLY, PATHS
from server.http.endpoints import (
    SENDER,
    TEXT,
    Answer,
    Endpoint,
    LocalHandler,
    Nothing,
)
from server.metrics.exposition import Metrics
from server.web.client import MEDIA, installed
from server.wire.admission import METRICS
from server.wire.connections import Shared
from server.wire.switch import HttpConnection
from server.wire.websocket import WebSocketConnection


class ReadyParams(Struct, frozen=True):
    """For whom the server is to be ready.

    Attributes:
        role: `edge` if a node that has the rooms is to answer 503 (`owning`) while others can serve clients, so that a
            load balancer leaves it to its work.
    """

    role: Literal["edge"] | None = None


class StaticFile(Struct, frozen=True):
    """A file.

    Attributes:
        tree: hash of all files, which ``client.html`` names.
        file: path; may have several segments.
    """

    tree: Annotated[str, Meta(examples=["0123456789abcdef"])]
    file: Annotated[str, Meta(examples=["main.js"])]


class Health(Struct, frozen=True, omit_defaults=True):
    """The process answers. ``cluster`` only from a server that is one node of several."""

    status: Literal["ok"]
    cluster: NodeStatus | None = None


class Ready(Struct, frozen=True):
    """Messages are accepted and stored."""

    status: Literal["ready"]


class NotReady(Struct, frozen=True, omit_defaults=True):
    """Messages are not accepted, or not stored.

    Attributes:
        reason: storage was not reached yet (`starting`) or cannot be used (`storage`), another server writes to it
            (`standby`), the node that has the rooms cannot be reached (`owner`), this is that node, and an edge was
            asked for (`owning`), or this server is shutting down (`stopping`).
        detail: explanation for an operator; only at `ADMIN_PORT`.
    """

    status: Literal["not ready"]
    reason: NotReadyReason
    detail: str | None = None


def _file(*media: str) -> tuple[Answer, ...]:
    tag = {"ETag": "version of the file, in this coding", "Vary?": "`Accept-Encoding`, if the file has codings"}
    coded = {**tag, "Content-Encoding?": "`br` or `gzip`"}
    size = {"Content-Range": "the size"}
    return (
        Answer(200, "the file", bytes, media, coded),
        Answer(206, "the requested `Range`", bytes, media, {**coded, "Content-Range": "the range, and the size"}),
        Answer(304, "not modified: the file matches `If-None-Match`", headers=tag),
        Answer(412, "the file does not match `If-Match`", str, (TEXT,)),
        Answer(416, "the file does not have the range that `Range` requests", str, (TEXT,), size),
    )


_BLOCKED = Answer(403, "an operator has blocked your address: a sentence", str, (TEXT,))
_LEADS = Answer(302, "redirect to the page", str, (TEXT,), {"Location": "`client.html`, with the query string"})
_STATIC = (
    *_file(*(media.partition(";")[0] for media in MEDIA.values())),
    Answer(404, "no such file, or none of this version", str, (TEXT,)),
)
_READY = (
    Answer(200, "messages are accepted and stored", Ready),
    Answer(
        503, "messages are not accepted or not stored, with the reason", NotReady, headers={"Retry-After": "seconds"}
    ),
)
_HANDSHAKE = (
    Answer(101, "the connection is now a WebSocket"),
    Answer(400, "malformed handshake, with the reason", str, (TEXT,)),
    Answer(
        401,
        "an invalid token, or no token where one is required",
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
        "the server is shutting down, has too many connections, or cannot verify the guest token yet",
        str,
        (TEXT,),
        {"Retry-After": "seconds"},
    ),
)


class Site:
    """The endpoints other than the API of `server.rest` and the documents."""

    def __init__(self, chat: Chat, shared: Shared, metrics: Metrics | None) -> None:
        self._chat = chat
        self._shared = shared
        self._metrics = metrics
        self._client = installed()  # read at the start: no name that a client sends reaches the file system

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the rows."""
        return (
            Endpoint(
                "GET", "/", "Redirect to the page, keeping the query string", self.index, answers=(_LEADS, _BLOCKED)
            ),
            Endpoint("GET", "/client.html", "The browser client", self.client, answers=(*_file("text/html"), _BLOCKED)),
            Endpoint(
                "GET",
                "/service-worker.js",
                "The service worker of the browser client",
                self.worker,
                answers=_file("text/javascript"),
            ),
            Endpoint("GET", "/static/{tree}/{file}", "A file of the browser client", self.static, StaticFile, _STATIC),
            Endpoint(
                "GET",
                "/health",
                "Whether the process answers",
                health_of(self._chat),
                answers=(Answer(200, "alive", Health),),
            ),
            Endpoint(
                "GET", "/ready", "Whether messages are accepted and stored", self.ready, ReadyParams, answers=_READY
            ),
            *(
                (
                    Endpoint(
                        "GET",
                        "/metrics",
                        "Counters for Prometheus",
                        self.metrics,
                        answers=(Answer(200, "Prometheus text format", str, (TEXT,)),),
                        refusals=("rate_limited",),
                    ),
                )
                if self._metrics is not None
                else ()
            ),
            *(
                Endpoint(
                    "GET",
                    path,
                    "Open a WebSocket",
                    self.upgrade,
                    answers=_HANDSHAKE,
                    text="`/asyncapi.json` describes the frames.",
                    handshake="account" if path in ACCOUNTS_ONLY else "optional",
                )
                for path in PATHS
            ),
        )

    async def index(self, request: web.Request, params: Nothing) -> web.StreamResponse:
        """Redirect to the page with the query string, so that a link to a room may be short."""
        query = request.rel_url.raw_query_string  # as sent: decoded, a %23 would cut the room's name off
        raise web.HTTPFound(location=f"client.html{'?' if query else ''}{query}")

    async def client(self, request: web.Request, params: Nothing) -> web.StreamResponse:
        """Send the browser client."""
        return await self._client.page.answer(request)

    async def worker(self, request: web.Request, params: Nothing) -> web.StreamResponse:
        """Send the service worker, which governs the pages next to it."""
        return await self._client.worker.answer(request)

    async def static(self, request: web.Request, params: StaticFile) -> web.StreamResponse:
        """Send a file of the browser client."""
        file = self._client.files.get(params.file) if params.tree == self._client.tree else None
        if file is None:
            raise web.HTTPNotFound
        return await file.answer(request)

    async def ready(self, request: web.Request, params: ReadyParams) -> web.StreamResponse:
        """Answer 200 when messages are accepted and stored, else 503 with the reason."""
        return readiness(self._chat.not_ready_reason(as_edge=params.role == "edge"), None)

    async def metrics(self, request: web.Request, params: Nothing) -> web.StreamResponse:
        """Answer in Prometheus' text format."""
        assert self._metrics is not None  # else there is no such row
        self._shared.count_request(request[SENDER])
        await self._shared.admission.enter(request[SENDER].network, METRICS)
        return exposition(self._metrics)

    async def upgrade(self, request: web.Request, params: Nothing) -> web.StreamResponse:
        """Hand the transport over for an upgrade on a connection that served HTTP before, as a proxy's may."""
        if "websocket" not in ",".join(request.headers.getall(hdrs.UPGRADE, ())).lower():
            return web.Response(
                status=426,
                text="this address accepts WebSocket connections only\n",
                headers={hdrs.UPGRADE: "websocket"},
            )
        transport = request.transport
        if transport is None:
            raise ConnectionResetError
        lost = asyncio.Event()
        connection = WebSocketConnection(self._shared, cast(HttpConnection, request.protocol).place, on_lost=lost.set)
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
        request.protocol.set_parser(cast(Any, early))
        if early.data:
            connection.data_received(early.data)
        try:
            await lost.wait()
        finally:
            request.protocol.connection_lost(None)  # aiohttp frees what it keeps of the connection
        return Upgraded()


class Upgraded(web.Response):
    """Nothing is sent: the connection is no longer HTTP, and has ended."""


class _EarlyFrames:
    """Receives from aiohttp the bytes that a client sent right after its handshake, without waiting for the answer.

    To aiohttp it is the parser of the new protocol, like its own parser of WebSocket frames.
    """

    data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Keep the bytes that aiohttp has read; more may follow."""
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        """The connection is closed."""


def health_of(chat: Chat) -> LocalHandler:
    """Return the handler of ``/health``, which shows that the process is alive."""

    async def health(request: web.Request, params: Nothing) -> web.StreamResponse:
        return web.json_response(to_builtins(Health("ok", chat.node.status() if chat.node else None)))

    return health


def readiness(reason: NotReadyReason | None, detail: str | None) -> web.Response:
    """Make the answer of ``/ready``; ``reason`` is None when the server is ready."""
    if reason is None:
        return web.json_response(to_builtins(Ready("ready")))
    answer = NotReady("not ready", reason, detail)
    return web.json_response(to_builtins(answer), status=503, headers={"Retry-After": "2"})


def exposition(metrics: Metrics) -> web.Response:
    """Make the answer of ``/metrics``."""
    body, content_type = metrics.render()
    return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type})
