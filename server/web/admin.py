"""The port of the operator (`ADMIN_PORT`): every client that can connect to it may read everything."""

from aiohttp import web

from chat.chat import Chat
from server.http.endpoints import Endpoint, Nothing, add_routes
from server.http.sending import deliver
from server.metrics import Metrics
from server.web.errors import add_headers, answer_errors
from server.web.site import exposition, health, readiness


def admin_application(chat: Chat) -> web.Application:
    """``/health``, ``/ready`` with the reason in words, and ``/metrics`` with the names of all rooms."""
    metrics = Metrics(chat, full=True)

    async def ready(request: web.Request, params: Nothing) -> web.StreamResponse:
        return readiness(chat.not_ready_reason(), chat.problem())

    async def counters(request: web.Request, params: Nothing) -> web.StreamResponse:
        return exposition(metrics)

    app = web.Application(middlewares=[deliver, answer_errors])
    app.on_response_prepare.append(add_headers)
    add_routes(
        app,
        (
            Endpoint("GET", "/health", "Whether the process answers", health),
            Endpoint("GET", "/ready", "Whether messages are accepted and stored", ready),
            Endpoint("GET", "/metrics", "Counters for Prometheus", counters),
        ),
    )
    return app
