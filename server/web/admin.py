"""What an operator asks, on a port of its own (`ADMIN_PORT`): nothing there is held back from whoever reaches it."""

from __future__ import annotations

from aiohttp import web

from chat.chat import Chat
from server.http.endpoints import Endpoint, Nothing, add_routes
from server.http.sending import deliver
from server.metrics import Metrics
from server.web.errors import add_headers, answer_errors
from server.web.site import exposition, readiness


def admin_application(chat: Chat) -> web.Application:
    """``/health``, ``/ready`` with the reason in words, and ``/metrics`` with the names of all rooms."""
    metrics = Metrics(chat, full=True)

    async def health(request: web.Request, params: Nothing) -> web.StreamResponse:
        return web.json_response({"status": "ok"})

    async def ready(request: web.Request, params: Nothing) -> web.StreamResponse:
        return readiness(chat.not_ready_reason(), chat.problem())

    async def counters(request: web.Request, params: Nothing) -> web.StreamResponse:
        return exposition(metrics)

    app = web.Application(middlewares=[deliver, answer_errors])
    app.on_response_prepare.append(add_headers)
    rows = (
        Endpoint("GET", "/health", "Whether the process answers", health),
        Endpoint("GET", "/ready", "Whether messages are accepted and stored", ready),
        Endpoint("GET", "/metrics", "Counters for Prometheus", counters),
    )
    add_routes(app, rows)
    return app
