"""The HTTP side, on aiohttp, after `server.wire.switch`: all endpoints, their authentication, and the two documents.

The page, health and counters are in `server.web.site`; rooms, messages and people in `server.rest`.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Any, cast

from aiohttp import hdrs, web

from chat.chat import Chat
from chat.ports import Identity
from chat.rooms.storing import reads_for
from model.errors import ParleyError
from model.principals import ACCOUNT
from server.access.origins import own_origin
from server.accounts.service import Accounts
from server.auth.cookies import counts_cookie
from server.auth.csrf import HEADER as CSRF_HEADER
from server.auth.csrf import check_token, check_unsafe, sends_login
from server.auth.tokens import bearer_tokens
from server.http.asked import Answered, Asked
from server.http.endpoints import (
    CROWDED,
    OPEN,
    REQUEST_ID,
    ROUTE,
    SENDER,
    Answer,
    Auth,
    Endpoint,
    Nothing,
    add_routes,
)
from server.http.forwarding import Forwarding
from server.http.parameters import JSON
from server.http.sending import deliver
from server.logs.access import log_access
from server.metrics.counts import OTHER, ServerCounts
from server.metrics.exposition import Metrics
from server.rest import rest_endpoints
from server.spec.asyncapi import asyncapi
from server.spec.openapi import openapi
from server.web.accounts import account_endpoints
from server.web.client import FRESH
from server.web.errors import CODE, Handler, add_headers, answer_errors, not_the_clients_fault
from server.web.everything import Everything
from server.web.site import ReadyParams, Site, Upgraded, exposition, health_of, readiness
from server.wire.admission import CHANGE
from server.wire.connections import Shared
from server.wire.switch import HttpConnection
from utils.encoding import to_json
from utils.ids import new_token
from utils.log_fields import CLIENTS, CONTEXT

clients = logging.getLogger(CLIENTS)

_READS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})
# Refusals that an operator may look for: of strangers, of those who were kept out, and of those who ask for too much.
_NOTABLE = frozenset(
    {
        "unauthorized",
        "forbidden",
        "wrong_credentials",
        "code_required",
        "registration_closed",
        "invite_invalid",
        "suspended",
        "blocked",
        "banned",
        "csrf",
        "rate_limited",
        "too_many_connections",
        "too_many_rooms",
        "overloaded",
        "unavailable",
        "not_stored",
    }
)
_REQUEST_ID = "X-Request-Id"
_ID = re.compile(r"[A-Za-z0-9._=+/-]{1,64}")
_OF_ACCOUNTS = frozenset({"account", "own", "admin"})
# Whether the caller was authenticated by a cookie.
BY_COOKIE = web.RequestKey("by_cookie", bool)
_OPEN = {"Access-Control-Allow-Origin?": "`*`, or an origin from `ALLOWED_ORIGINS`"}


class HttpEndpoints:
    """The endpoints, and what they answer from.

    Attributes:
        answer: answers a request about rooms that another server has received; see `server.http.forwarding`.
    """

    def __init__(self, chat: Chat, shared: Shared, accounts: Accounts, metrics: Metrics | None) -> None:
        self._chat = chat
        self._shared = shared
        self._accounts = accounts
        self._site = Site(chat, shared, metrics)
        self._everything = Everything(accounts, shared)
        self._documents: dict[str, bytes] = {}
        self._rooms = rest_endpoints(chat, shared.runner)
        self._forwarding = Forwarding(self._rooms, chat, self._begin)
        self.answer = self._forwarding.answer

    def application(self) -> web.Application:
        """aiohttp's application with every route."""
        logging.getLogger("aiohttp.server").addFilter(not_the_clients_fault)
        app = web.Application(
            middlewares=[self._take_request, deliver, answer_errors],
            client_max_size=self._shared.settings.max_frame_bytes,
        )
        app.on_response_prepare.extend((add_headers, self._open))
        add_routes(app, self.endpoints(), self._authenticate, self._run, self._check_again)
        return app

    @web.middleware
    async def _take_request(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Set `SENDER` for every handler, and wait for a turn of its network; once answered, expect another request."""
        began = self._shared.now()
        connection = cast(HttpConnection, request.protocol)
        place = connection.place
        request[SENDER] = self._shared.addresses.client(place.peer, lambda name: request.headers.getall(name, ()))
        self._mark(request, place.peer)
        request[CROWDED] = place.over or place.crowded
        reads_for(None, request[SENDER].network)  # also for rows that do not authenticate
        try:
            weight = 1 if request.method in _READS else CHANGE
            await self._shared.admission.enter(request[SENDER].network, weight)
            response = await handler(request)
            if not isinstance(response, Upgraded):
                self._count(request, response, self._shared.now() - began)
            return response
        finally:
            if request.content.at_eof():  # else the rest of the body ends the connection
                connection.answered()

    def _mark(self, request: web.Request, peer: str) -> None:
        """Give the request an id: the one of a trusted proxy, or a new one."""
        given = request.headers.get(_REQUEST_ID, "")
        if not (given and _ID.fullmatch(given) and self._shared.addresses.trusts(peer)):
            given = new_token("r_", 9)
        request[REQUEST_ID] = given
        CONTEXT.set({"request": given, "address": request[SENDER].address})

    def _count(self, request: web.Request, response: web.StreamResponse, seconds: float) -> None:
        counts = self._shared.counts
        counts.answered(request.method, request.get(ROUTE, OTHER), response.status, seconds)
        counts.http_bytes_sent += request.writer.output_size
        if CODE in response:
            code = response[CODE]
            counts.http_errors[code] += 1
            # Who sends no credentials has just not signed in.
            alone = code == "unauthorized" and not {hdrs.AUTHORIZATION, hdrs.COOKIE} & request.headers.keys()
            clients.log(
                logging.INFO if code in _NOTABLE and not alone else logging.DEBUG,
                # A template for each code: repeated lines are left out by their template.
                f"%s %s was refused: {code}",
                request.method,
                request.get(ROUTE, OTHER),
            )
        if self._shared.access_log:
            log_access(
                request.method,
                request.rel_url.raw_path,
                response.status,
                size=request.writer.output_size,
                seconds=seconds,
                agent=request.headers.get(hdrs.USER_AGENT, ""),
                address=request[SENDER].address,
            )

    async def _open(self, request: web.Request, response: web.StreamResponse) -> None:
        """Let pages of allowed origins read what an anonymous caller may read, but no answer to a token."""
        if request.method not in _READS or not request.get(OPEN):
            return
        origins, headers = self._shared.origins, response.headers
        if not origins.any:
            headers[hdrs.VARY] = hdrs.ORIGIN
        if hdrs.AUTHORIZATION not in request.headers and not request.get(BY_COOKIE):
            origin = request.headers.get(hdrs.ORIGIN)
            if origins.any:
                headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = "*"
            elif origin is not None and origins.allows(origin, self._own(request)):
                headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin

    def _own(self, request: web.Request) -> str:
        sender = request[SENDER]
        return self._shared.public_origin or own_origin(
            sender.scheme or "http", sender.host or request.headers.get(hdrs.HOST) or ""
        )

    def _check_origin(self, request: web.Request) -> None:
        """Refuse every change that a page of another origin asks for (OWASP ASVS 3.5.1)."""
        origin = ", ".join(request.headers.getall(hdrs.ORIGIN, ()))
        if origin and request.method not in _READS and not self._shared.origins.allows(origin, self._own(request)):
            raise ParleyError("forbidden", "web pages of this origin may not send this request")

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the table of everything that is served; see `server.http.endpoints.Endpoint`."""
        return (
            *self._site.endpoints(),
            *account_endpoints(self._accounts, self._shared),
            self._everything.endpoint(),
            *self._rooms,
            self._document("/openapi.json", "This document", "OpenAPI 3", lambda: openapi(self.endpoints())),
            self._document(
                "/asyncapi.json",
                "The WebSocket side, as AsyncAPI",
                "AsyncAPI 3",
                lambda: asyncapi(host=f"localhost:{self._shared.settings.port}", limits=self._chat.parts.limits),
            ),
        )

    def _document(self, path: str, summary: str, kind: str, make: Callable[[], object]) -> Endpoint:
        """Return the row of a document, which is made when it is first requested."""

        async def answer(request: web.Request, params: Nothing) -> web.StreamResponse:
            self._shared.count_request(request[SENDER])
            if path not in self._documents:  # takes some 50 ms, which must not delay others
                self._documents[path] = await asyncio.to_thread(lambda: to_json(make()))
            request[OPEN] = True
            return web.Response(body=self._documents[path], content_type=JSON, headers=FRESH)

        answers = (Answer(200, f"an {kind} document", dict[str, Any], headers=_OPEN),)
        return Endpoint("GET", path, summary, answer, answers=answers, refusals=("rate_limited",))

    def _check_unsafe(self, request: web.Request, auth: Auth) -> None:
        """Refuse a change that a page of another site may have sent; see `server.auth.csrf`.

        A request without cookies of ours to a row that needs a caller has none, and is refused for that.
        """
        headers, settings = request.headers, self._shared.settings
        cookies = headers.getall(hdrs.COOKIE, ())
        if request.method in _READS or bearer_tokens(headers.getall(hdrs.AUTHORIZATION, ())):
            return
        if auth and not sends_login(cookies, settings.public_url):
            return
        check_unsafe(
            self._accounts.keys,
            settings.public_url,
            origin=", ".join(headers.getall(hdrs.ORIGIN, ())),
            own_origin=self._own(request),
            media=headers.get(hdrs.CONTENT_TYPE),
            cookies=cookies,
            token=headers.get(CSRF_HEADER),
        )

    def _authenticate(self, request: web.Request, auth: Auth) -> Identity | None:
        """Return the caller, and count the request, which rows that do not authenticate do themselves.

        From here, reads from storage count for the caller.
        """
        self._shared.access.check_address(request[SENDER].address)
        if not auth:
            self._check_unsafe(request, auth)
            return None
        headers = request.headers
        try:
            self._check_unsafe(request, auth)
            cookies = headers.getall(hdrs.COOKIE, ())
            if cookies and not counts_cookie(request.method, lambda name: headers.getall(name, ()), self._own(request)):
                cookies = ()
            identity = self._shared.authenticate(headers.getall(hdrs.AUTHORIZATION, ()), cookies, auth in _OF_ACCOUNTS)
            if identity is not None and identity.by_cookie and request.method not in _READS:
                check_token(self._accounts.keys, identity.login, headers.get(CSRF_HEADER))
            _check_caller(identity, auth)
        except ParleyError:
            self._shared.count_request(request[SENDER])
            raise
        if identity is None or identity.guest:
            self._shared.count_request(request[SENDER])
        self._check_origin(request)
        if identity is not None:
            if request.method in _READS:
                self._shared.runner.count(identity)
        elif auth != "optional":
            raise ParleyError("unauthorized", "a token is required: Authorization: Bearer <token>")
        elif not self._chat.parts.options.guests:
            raise ParleyError("unauthorized", "guest access is disabled")
        if identity is not None:
            CONTEXT.set({**CONTEXT.get(), "principal": identity.user.id})
        request[BY_COOKIE] = identity is not None and identity.by_cookie
        reads_for(identity, request[SENDER].network)
        return identity

    def _check_again(self, request: web.Request, identity: Identity | None) -> None:
        self._shared.access.check_again(request[SENDER].address, identity)

    async def _run(self, row: Endpoint, asked: Asked, params: Any) -> Answered:
        """Run a row about rooms. Before each further part of an answer, the caller must still be allowed to act."""
        if asked.place is not None:
            self._shared.access.check_again(asked.address, asked.identity)
        return await self._forwarding.run(row, asked, params)

    async def _begin(self, row: Endpoint, asked: Asked) -> None:
        """Begin a request that another server has received, as if it were received here.

        It may have waited there, for a server with the rooms or for its turn.
        """
        await self._shared.admission.enter(asked.network)
        self._shared.access.check_again(asked.address, asked.identity)
        if asked.identity is not None and row.method in _READS and asked.place is None:
            self._shared.runner.count(asked.identity)
        reads_for(asked.identity, asked.network)

    def forget_documents(self) -> None:
        """Discard the documents, so that the next request makes them with the new limits."""
        self._documents.clear()


def _check_caller(identity: Identity | None, auth: Auth) -> None:
    """Refuse accounts for which a row is not.

    Raises:
        ParleyError: ``forbidden``.
    """
    if identity is None:
        return
    if auth == "own" and not identity.user.id.startswith(ACCOUNT):
        raise ParleyError("forbidden", "only accounts made here can do this")
    if auth == "admin" and identity.role != "admin":
        raise ParleyError("forbidden", "only admins can do this")


def admin_application(chat: Chat, counts: ServerCounts) -> web.Application:
    """Return the application of the operator's port (`ADMIN_PORT`): every client that can connect may read everything.

    ``/health``, ``/ready`` with the reason in words, and ``/metrics`` with the names of all rooms.
    """
    metrics = Metrics(chat, counts, full=True)

    async def ready(request: web.Request, params: ReadyParams) -> web.StreamResponse:
        return readiness(chat.not_ready_reason(as_edge=params.role == "edge"), chat.problem())

    async def counters(request: web.Request, params: Nothing) -> web.StreamResponse:
        return exposition(metrics)

    app = web.Application(middlewares=[deliver, answer_errors])
    app.on_response_prepare.append(add_headers)
    add_routes(
        app,
        (
            Endpoint("GET", "/health", "Whether the process answers", health_of(chat)),
            Endpoint("GET", "/ready", "Whether messages are accepted and stored", ready, ReadyParams),
            Endpoint("GET", "/metrics", "Counters for Prometheus", counters),
        ),
    )
    return app
