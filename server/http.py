"""The HTTP side: the page, history, health; by aiohttp, behind `server.port`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlencode

import msgspec
from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from chat.chat import Chat
from chat.history import read_history
from model.commands import ReadHistory
from model.errors import ParleyError
from model.limits import HISTORY_DEFAULT, HISTORY_LIMIT
from model.text import check_name
from server.dialects.native import as_json
from server.metrics import Metrics
from server.shared import Shared
from server.websocket import WebSocketConnection

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parent
STATIC = ROOT / "static"
CLIENT = ROOT.parent / "client.html"

# The page runs its own modules and talks to its own server, nothing else: markup in a message has nothing to use.
PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
# Anybody may read what guests may read, from any page: no credentials are ever looked at here.
PUBLIC = {"Access-Control-Allow-Origin": "*"}
MAX_SEQ = 2**53 - 1

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HttpEndpoints:
    """The endpoints, and what they answer from."""

    def __init__(self, chat: Chat, shared: Shared, metrics: Metrics) -> None:
        self._chat = chat
        self._shared = shared
        self._metrics = metrics

    def application(self) -> web.Application:
        """aiohttp's application with every route."""
        logging.getLogger("aiohttp.server").addFilter(_not_the_clients_fault)
        app = web.Application(middlewares=[_errors, _common_headers], client_max_size=64 << 10)
        app.router.add_get("/", self.index)
        app.router.add_get("/client.html", self.client)
        app.router.add_static("/static/", STATIC)
        app.router.add_get("/history", self.history)
        app.router.add_get("/health", self.health)
        app.router.add_get("/ready", self.ready)
        app.router.add_get("/metrics", self.metrics)
        app.router.add_get("/chat", self.upgrade)
        return app

    async def index(self, request: web.Request) -> web.StreamResponse:
        """The page, with the question kept: a link to a room may be short."""
        question = request.rel_url.raw_query_string  # as it came: decoded, a %23 would cut the room's name off
        raise web.HTTPFound(location=f"/client.html{'?' if question else ''}{question}")

    async def client(self, request: web.Request) -> web.StreamResponse:
        """The browser client."""
        return web.FileResponse(CLIENT, headers=PAGE_HEADERS)

    async def history(self, request: web.Request) -> web.StreamResponse:
        """``GET /history?r=``: a JSON array, oldest first, with ``Link`` to the pages beside it."""
        if not self._chat.options.guests:
            raise ParleyError("unauthorized", "guests are not let in here")
        name = check_name(request.query.get("r") or "general", "r")
        asked = ReadHistory(
            room=name,
            limit=_number(request, "limit", 1, HISTORY_LIMIT) or HISTORY_DEFAULT,
            before=_number(request, "before", 0, MAX_SEQ),
            after=_number(request, "after", 0, MAX_SEQ),
            sender=request.query.get("sender"),
            q=request.query.get("q"),
        )
        page = await read_history(self._chat, name, asked)
        links = []
        if page.messages:
            if page.has_older:
                links.append(_link(request, "before", page.messages[0].seq, "prev"))
            if page.has_newer:
                links.append(_link(request, "after", page.messages[-1].seq, "next"))
        headers = {**PUBLIC, "Cache-Control": "no-store"}
        if links:
            headers["Link"] = ", ".join(links)
            headers["Access-Control-Expose-Headers"] = "Link"
        return web.Response(body=as_json(page.messages), content_type="application/json", headers=headers)

    async def health(self, request: web.Request) -> web.StreamResponse:
        """The process answers."""
        return web.json_response({"status": "ok"})

    async def ready(self, request: web.Request) -> web.StreamResponse:
        """200 when messages are taken and stored, else 503 with the reason."""
        trouble = self._chat.trouble()
        if trouble is None:
            return web.json_response({"status": "ready"})
        return web.json_response({"status": "not ready", "reason": trouble}, status=503, headers={"Retry-After": "2"})

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """Prometheus' text format."""
        body, content_type = self._metrics.render()
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type})

    async def upgrade(self, request: web.Request) -> web.StreamResponse:
        """An upgrade on a connection that served HTTP before, as of a proxy: hand the transport over."""
        if request.headers.get(hdrs.UPGRADE, "").lower() != "websocket":
            raise ParleyError("bad_field", "this address speaks WebSocket only", field="Upgrade")
        transport = request.transport
        if transport is None:
            raise ConnectionResetError
        protocol = request.protocol
        lost = asyncio.Event()
        connection = WebSocketConnection(self._shared, on_lost=lost.set)
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
        if tail := getattr(protocol, "_message_tail", b""):  # frames of a client that did not wait for the answer
            connection.data_received(tail)
        try:
            await lost.wait()
        finally:
            protocol.connection_lost(None)  # aiohttp frees what it keeps of the connection
        return web.Response()


def _not_the_clients_fault(record: logging.LogRecord) -> bool:
    """aiohttp logs a malformed request, which it answers with 400, as an error of the server's with a traceback."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _number(request: web.Request, name: str, low: int, high: int) -> int | None:
    text = request.query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and low <= int(text) <= high):
        raise ParleyError("bad_field", f"{name} takes a whole number from {low} to {high}", field=name)
    return int(text)


def _link(request: web.Request, cursor: str, seq: int, rel: str) -> str:
    query = {key: value for key, value in request.query.items() if key not in ("before", "after")}
    return f'<{request.path}?{urlencode({**query, cursor: seq})}>; rel="{rel}"'


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refusals by name, as JSON, with the status of the table."""
    try:
        return await handler(request)
    except ParleyError as error:
        body = {"code": error.code, "message": error.message, "field": error.field, "retry_after": error.retry_after}
        headers = dict(PUBLIC)
        if error.retry_after is not None:
            headers["Retry-After"] = str(max(1, round(error.retry_after)))
        if error.field == "Upgrade":
            return web.Response(status=426, text=f"{error.message}\n", headers={"Upgrade": "websocket"})
        found = {key: value for key, value in body.items() if value is not None}
        return web.Response(
            body=msgspec.json.encode({"error": found}),
            status=error.kind.status,
            content_type="application/json",
            headers=headers,
        )


@web.middleware
async def _common_headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await handler(request)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers["Server"] = "parley"
    if request.path.startswith("/static/"):
        # Small files behind ETags: asking again costs little, an old module beside a new one costs a bug.
        response.headers.setdefault("Cache-Control", "no-cache")
    return response
