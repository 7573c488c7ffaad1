"""Responses to requests that are refused or fail, and the headers of every response."""

import logging
import math
from collections.abc import Awaitable, Callable

from aiohttp import HttpVersion10, HttpVersion11, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from chat.delivery.paging import too_many
from model.errors import ParleyError, unavailable
from server.codec.frames import EVERY, UPGRADE
from server.http.endpoints import (
    CROWDED,
    REQUEST_ID,
    ErrorBody,
    Refusal,
)
from server.http.parameters import JSON
from server.wire.handshake import is_host
from storage.ports.errors import BatchRefused, StorageUnavailable, TooManyReads
from utils.encoding import to_json
from utils.tracebacks import forget_frames

log = logging.getLogger(__name__)

# Characters of a path in a line of the log, at most.
PATH_CHARS = 200
# The code of a refusal.
CODE = web.ResponseKey("code", str)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_PAGES = frozenset({"/", "/client.html"})
_VERSIONS = frozenset({HttpVersion10, HttpVersion11})


def not_the_clients_fault(record: logging.LogRecord) -> bool:
    """Drop aiohttp's log of a malformed request: an error with a traceback, for a request that it answers with 400."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer errors with a code as JSON, with the status of the table."""
    try:
        _check(request)
        return await handler(request)
    except web.HTTPException:
        raise
    except ParleyError as error:
        forget_frames(error)
        if request.path in _PAGES and error.code == "blocked":  # for users, who do not read JSON
            return web.Response(text=f"{error.message[:1].upper()}{error.message[1:]}.\n", status=error.kind.status)
        return refusal(error)
    except TooManyReads as error:
        forget_frames(error)
        return refusal(too_many("requests", own=error.own))
    except StorageUnavailable as error:  # of a row that reads storage by itself
        forget_frames(error)
        return refusal(unavailable())
    except BatchRefused as error:  # an id with NUL, for example; texts that are stored were checked before
        forget_frames(error)
        return refusal(ParleyError("bad_field", "the request has a text that cannot be stored"))
    except ConnectionError as error:
        forget_frames(error)  # the future that the body was read from keeps it
        return web.Response(status=400)  # the client has disconnected; aiohttp would log a server error
    except Exception as error:
        log.exception("%s %s failed", request.method, request.rel_url.raw_path[:PATH_CHARS])
        forget_frames(error)
        return refusal(ParleyError("internal"))


def _check(request: web.Request) -> None:
    """Refuse malformed heads that aiohttp accepts, and encoded bodies: decoded, one may be a thousand times longer."""
    if request.version not in _VERSIONS:
        raise web.HTTPBadRequest(text="This server speaks HTTP/1.1.\n")
    if not is_host(request.headers.get(hdrs.HOST, "")):  # aiohttp checks that there is one
        raise web.HTTPBadRequest(text="This is not a valid Host.\n")
    if not request.body_exists:
        return
    for header, plain in (("Content-Encoding", "identity"), ("Transfer-Encoding", "chunked")):
        codings = {
            coding.strip().lower() for value in request.headers.getall(header, ()) for coding in value.split(",")
        }
        if codings - {plain, ""}:
            raise ParleyError("unsupported", f"this {header} is not supported", field=header)


def refusal(error: ParleyError) -> web.Response:
    """Return the answer to a refused request."""
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    if error.code == "unauthorized":
        headers["WWW-Authenticate"] = "Bearer"
    if error.field == "Content-Encoding":
        headers["Accept-Encoding"] = "identity"  # RFC 9110, 15.5.16
    refusal = Refusal(error.code, error.message, error.field, error.retry_after, error.fields)
    response = web.Response(
        body=to_json(ErrorBody(refusal)), status=error.kind.status, content_type=JSON, headers=headers
    )
    response[CODE] = error.code
    return response


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Set the headers of every response, including refusals and aiohttp's own."""
    if request.get(CROWDED):
        response.force_close()
        response.headers[hdrs.CONNECTION] = "close"  # aiohttp has already read that
    headers = response.headers
    if REQUEST_ID in request:
        headers["X-Request-Id"] = request[REQUEST_ID]
    headers[hdrs.SERVER] = EVERY[hdrs.SERVER]  # aiohttp has set its own
    if response.status >= 400:
        headers.update(EVERY)
        if response.status == 426:  # Upgrade is a hop-by-hop header (RFC 9110 section 7.8)
            headers[hdrs.CONNECTION] = "Upgrade" if response.keep_alive else UPGRADE[hdrs.CONNECTION]
    for name, value in EVERY.items():
        headers.setdefault(name, value)
