"""HTTP endpoints as rows of a table: each row defines an aiohttp route and its documentation in ``/openapi.json``.

So every endpoint that is served is documented, and vice versa. Parameters are decoded into a record before the
handler is called (`server.http.parameters`).
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

from aiohttp import web
from msgspec import Struct

from chat.ports import Identity
from model.errors import ParleyError
from server.access.addresses import Client
from server.http.parameters import JSON, Parameters

TEXT = "text/plain"
NDJSON = "application/x-ndjson"
# At the end of a path: any number of segments.
FILE = "{file}"
# The caller; not set for an anonymous one, nor where the row does not authenticate.
IDENTITY = web.RequestKey("identity", Identity)
# The client that sent the request.
SENDER = web.RequestKey("sender", Client)
# Whether the connection exceeds a limit: it is closed after the answer.
CROWDED = web.RequestKey("crowded", bool)

Handler = Callable[[web.Request, Any], Awaitable[web.StreamResponse]]
# Who may call: "" when the endpoint does not authenticate; ``optional``, with a token or, where guests are allowed,
# without one; ``token``, with any token; ``account``, with the token of an account.
Auth = Literal["", "optional", "token", "account"]
# Whether pages of other origins may read the answer, unless a token was used.
OPEN = web.RequestKey("open", bool)
Authenticate = Callable[[web.Request, Auth], Identity | None]


class Nothing(Struct, frozen=True):
    """The parameters of an endpoint that has none."""


class Refusal(Struct, frozen=True, omit_defaults=True):
    """Why a request was refused: a ``code`` from the table of errors and a readable ``message``.

    Attributes:
        field: the parameter or field that is wrong.
        retry_after: seconds to wait before retrying.
    """

    code: str
    message: str
    field: str | None = None
    retry_after: float | None = None


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
        handler: called with the request and a record of ``params``.
        params: a command of `model.commands`, or another record: see `server.http.parameters.Parameters`, for
            ``fixed`` and ``names`` too.
        answers: see `Answer`.
        refusals: codes of `model.errors.ERRORS`, except those for wrong parameters and authentication, which are added.
        auth: who may call. Pages of other origins may read the answer to a GET that is ``optional``, unless a token was
            used.
        handshake: who may open a WebSocket here; `server.wire.handshake` authenticates them.
        fixed: fields of ``params`` that the row decides.
        names: names in the request of fields of ``params``, where they differ.
    """

    method: str
    path: str
    summary: str
    handler: Handler | None = None
    params: type[Struct] = Nothing
    answers: tuple[Answer, ...] = ()
    refusals: tuple[str, ...] = ()
    text: str = ""
    auth: Auth = ""
    handshake: Auth = ""
    fixed: Mapping[str, Any] = {}
    names: Mapping[str, str] = {}

    def parameters(self) -> Parameters:
        """Return the places of the fields of ``params`` in a request."""
        return Parameters(self.method, self.path, self.params, self.fixed, self.names)


def add_routes(
    app: web.Application, endpoints: Iterable[Endpoint], authenticate: Authenticate = lambda request, auth: None
) -> None:
    """Serve the table; ``authenticate`` returns the caller, or raises ParleyError if the caller is not allowed."""
    for endpoint in endpoints:
        route = _route(endpoint, authenticate)
        if endpoint.method == "GET":
            path = endpoint.path.replace(FILE, f"{FILE[:-1]}:.+}}")
            app.router.add_get(path, route, expect_handler=_expect)
        else:
            app.router.add_route(endpoint.method, endpoint.path, route, expect_handler=_expect)


def _route(endpoint: Endpoint, authenticate: Authenticate) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    handler, auth, parameters = endpoint.handler, endpoint.auth, endpoint.parameters()
    assert handler is not None, f"{endpoint.path} has no handler"

    async def route(request: web.Request) -> web.StreamResponse:
        request[OPEN] = auth == "optional"
        if auth and (identity := authenticate(request, auth)) is not None:
            request[IDENTITY] = identity
        try:
            return await handler(request, await parameters.read(request))
        except ParleyError as error:
            parameters.rename(error)
            raise

    return route


async def _expect(request: web.Request) -> None:
    """Send no ``100 Continue`` yet: a request may be refused without its body (RFC 9110 section 10.1.1)."""
