"""HTTP endpoints as rows of a table: each row defines an aiohttp route and its documentation in ``/openapi.json``.

So every endpoint that is served is documented, and vice versa. Parameters are decoded into a record before the
handler is called (`server.http.parameters`).
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

from aiohttp import hdrs, web
from msgspec import Struct
from msgspec.structs import replace

from chat.ports import Identity
from model.errors import ParleyError
from server.access.addresses import Client
from server.http.asked import Answered, Asked, RoomsHandler
from server.http.parameters import JSON, Parameters
from server.http.parts import Exports, send_parts

TEXT = "text/plain"
NDJSON = "application/x-ndjson"
# At the end of a path: any number of segments.
FILE = "{file}"
_SEGMENT = re.compile(r"\{(\w+)\}")
# The client that sent the request.
SENDER = web.RequestKey("sender", Client)
# The id of the request in log lines, and in the header X-Request-Id of the answer.
REQUEST_ID = web.RequestKey("request_id", str)
# The path of the row that answers the request.
ROUTE = web.RequestKey("route", str)
# Whether the connection exceeds a limit: it is closed after the answer.
CROWDED = web.RequestKey("crowded", bool)

LocalHandler = Callable[[web.Request, Any], Awaitable[web.StreamResponse]]
# Who may call: "" when the endpoint does not authenticate; ``optional``, with a token or, where guests are allowed,
# without one; ``token``, with any token; ``account``, with the token of an account; ``own``, of an account made here;
# ``admin``, of an account with this role.
Auth = Literal["", "optional", "token", "account", "own", "admin"]
# The caller of a row with a ``handler`` that authenticates; None without a token.
CALLER = web.RequestKey[Identity | None]("caller", Identity)
# Whether pages of other origins may read the answer, unless a token was used.
OPEN = web.RequestKey("open", bool)
Authenticate = Callable[[web.Request, Auth], Identity | None]
CheckAgain = Callable[[web.Request, Identity | None], None]


def _never(params: Any) -> bool:
    return False


class Nothing(Struct, frozen=True):
    """The parameters of an endpoint that has none."""


class Refusal(Struct, frozen=True, omit_defaults=True):
    """Why a request was refused: a ``code`` from the table of errors and a readable ``message``.

    Attributes:
        field: the parameter or field that is wrong.
        retry_after: seconds to wait before retrying.
        fields: a sentence about each wrong field, by its name, if several are wrong.
    """

    code: str
    message: str
    field: str | None = None
    retry_after: float | None = None
    fields: Mapping[str, str] | None = None


class ErrorBody(Struct, frozen=True):
    """The body of every error with a code."""

    error: Refusal


class Answer(NamedTuple):
    """A possible answer of an endpoint, besides its refusals.

    Attributes:
        status: the HTTP status.
        text: what it means.
        body: the type of its JSON (`msgspec`); str for a text, bytes for a file, None for no body.
        media: its content types.
        headers: a description of each header. The names of optional headers end with ``?``.
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
        path: ``{name}`` stands for one segment, `FILE` for one or more, and fills the field of this name in ``params``.
        summary: a sentence for the document; ``text`` says more, in Markdown.
        handler: of a row that every node answers by itself: called with the request and a record of ``params``.
        rooms_handler: of a row about rooms, in place of ``handler``; see `server.http.asked`.
        repeatable: whether a request with these ``params``, other than a GET, may be sent again if it may be lost.
        in_parts: whether the answer is sent in parts, each of which is asked for once the client has read the last.
        params: a command of `model.commands`, or another record: see `server.http.parameters.Parameters`, for
            ``fixed`` and ``names`` too.
        answers: see `Answer`.
        refusals: codes of `model.errors.ERRORS`, except those for wrong parameters and authentication, which are added.
        auth: who may call. Pages of other origins may read the answer to a GET that is ``optional``, unless a token was
            used.
        handshake: who may open a WebSocket here; `server.wire.handshake` authenticates them.
        fixed: fields of ``params`` that the row decides.
        names: names in the request of fields of ``params``, where they differ.
        body: whether the other fields are in a JSON body, None if the method decides; see `Parameters`.
    """

    method: str
    path: str
    summary: str
    handler: LocalHandler | None = None
    params: type[Struct] = Nothing
    answers: tuple[Answer, ...] = ()
    refusals: tuple[str, ...] = ()
    text: str = ""
    auth: Auth = ""
    handshake: Auth = ""
    fixed: Mapping[str, Any] = {}
    names: Mapping[str, str] = {}
    rooms_handler: RoomsHandler | None = None
    repeatable: Callable[[Any], bool] = _never
    in_parts: bool = False
    body: bool | None = None

    def parameters(self) -> Parameters:
        """Return the places of the fields of ``params`` in a request."""
        return Parameters(self.method, self.path, self.params, self.fixed, self.names, body=self.body)

    def may_repeat(self, params: Any) -> bool:
        """Return whether running a request twice has the effect of running it once."""
        return self.method == hdrs.METH_GET or self.repeatable(params)


Run = Callable[[Endpoint, Asked, Any], Awaitable[Answered]]
_Route = Callable[[web.Request], Awaitable[web.StreamResponse]]
_Answer = Callable[[web.Request, Identity | None, Any], Awaitable[web.StreamResponse]]


def run_here(row: Endpoint, asked: Asked, params: Any) -> Awaitable[Answered]:
    """Run a row about rooms in this process."""
    assert row.rooms_handler is not None
    return row.rooms_handler(asked, params)


def add_routes(
    app: web.Application,
    endpoints: Iterable[Endpoint],
    authenticate: Authenticate = lambda request, auth: None,
    run: Run = run_here,
    check_again: CheckAgain = lambda request, caller: None,
) -> None:
    """Serve the table.

    Args:
        authenticate: returns the caller, or raises ParleyError if the request is not allowed; called for each one,
            before its body is read.
        check_again: raises ParleyError if the caller may not act any more; called once the body is read, which a
            client can delay.
        run: runs the rows about rooms. Their requests need a `SENDER`.
    """
    exports = Exports()
    endpoints = tuple(endpoints)
    for endpoint in endpoints:
        route = _route(endpoint, authenticate, check_again, _answer(endpoint, run, exports))
        path = endpoint.path.replace(FILE, f"{FILE[:-1]}:.+}}")
        pattern = _but(_siblings(endpoint, endpoints)) + "[^/]+"  # aiohttp's own pattern excludes braces
        path = _SEGMENT.sub(rf"{{\1:{pattern}}}", path)
        if endpoint.method == "GET":
            app.router.add_get(path, route, expect_handler=_expect)
        else:
            app.router.add_route(endpoint.method, path, route, expect_handler=_expect)


def _siblings(endpoint: Endpoint, endpoints: Iterable[Endpoint]) -> list[str]:
    """Return what a path of the table has where ``endpoint`` has a parameter, its last segment."""
    parent, _, last = endpoint.path.rpartition("/")
    paths = {other.path.rpartition("/") for other in endpoints} if _SEGMENT.fullmatch(last) else set()
    return sorted(name for above, _, name in paths if above == parent and not _SEGMENT.search(name))


def _but(names: Iterable[str]) -> str:
    """Return a pattern that other paths are left to: aiohttp names the methods of all that match in ``Allow``."""
    return "".join(f"(?!{name}$)" for name in names)


def _route(endpoint: Endpoint, authenticate: Authenticate, check_again: CheckAgain, answer: _Answer) -> _Route:
    auth, parameters = endpoint.auth, endpoint.parameters()

    async def route(request: web.Request) -> web.StreamResponse:
        request[ROUTE] = endpoint.path
        request[OPEN] = auth == "optional"
        caller = authenticate(request, auth)
        identity = caller if auth else None
        try:
            params = await parameters.read(request)
            check_again(request, identity)
            return await answer(request, identity, params)
        except ParleyError as error:
            parameters.rename(error)
            raise

    return route


def _answer(endpoint: Endpoint, run: Run, exports: Exports) -> _Answer:
    """Return the function that answers an authenticated request: here the border of aiohttp is crossed, both ways."""
    handler = endpoint.handler
    assert (handler is None) != (endpoint.rooms_handler is None), f"{endpoint.path} must have one handler"
    if handler is not None:

        async def answer_locally(request: web.Request, identity: Identity | None, params: Any) -> web.StreamResponse:
            request[CALLER] = identity
            return await handler(request, params)

        return answer_locally

    async def answer(request: web.Request, identity: Identity | None, params: Any) -> web.StreamResponse:
        answered = await run(endpoint, _asked(request, identity), params)
        return web.Response(body=answered.body or None, status=answered.status, headers=answered.headers)

    async def answer_in_parts(request: web.Request, identity: Identity | None, params: Any) -> web.StreamResponse:
        asked = _asked(request, identity)
        return await send_parts(
            request, asked, lambda place: run(endpoint, replace(asked, place=place), params), exports
        )

    return answer_in_parts if endpoint.in_parts else answer


def _asked(request: web.Request, identity: Identity | None) -> Asked:
    sender = request[SENDER]
    return Asked(
        identity, sender.address, sender.network, tuple(request.query.items()), request=request.get(REQUEST_ID, "")
    )


async def _expect(request: web.Request) -> None:
    """Send no ``100 Continue`` yet: a request may be refused without its body (RFC 9110 section 10.1.1)."""
