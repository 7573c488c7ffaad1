"""Answers in parts, such as an export: each part is made when the client has read the one before it."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager

from aiohttp import HttpVersion11, hdrs, web

from model.errors import ParleyError
from server.http.asked import Answered, Asked, Place
from server.http.sending import Sender
from storage.ports.errors import StorageUnavailable
from utils.tracebacks import forget_frames

log = logging.getLogger(__name__)

# Concurrent exports of one principal, of all guests at one address, and in total, of this server's connections: each
# holds half a megabyte until the client has read it. A client can become another guest for free, so the guests at one
# address leave room for others.
EXPORTS_EACH = 2
GUEST_EXPORTS = 4
EXPORTS = 16
RETRY = 10.0
_PATH_CHARS = 200


class Exports:
    """Limits how many answers in parts are being sent."""

    def __init__(self) -> None:
        self._running: list[tuple[str, str]] = []  # the principal, and for guests the network

    @contextmanager
    def one(self, asked: Asked) -> Iterator[None]:
        """Count one that lasts as long as the block.

        Raises:
            ParleyError: ``overloaded`` when too many are running.
        """
        identity = asked.identity
        user_id = "" if identity is None else identity.user.id
        network = asked.network if identity is None or identity.guest else ""
        if (
            len(self._running) >= EXPORTS
            or sum(user_id == user for user, _ in self._running) >= EXPORTS_EACH
            or (network and sum(network == other for _, other in self._running) >= GUEST_EXPORTS)
        ):
            raise ParleyError("overloaded", "too many exports are running", retry_after=RETRY)
        self._running.append((user_id, network))
        try:
            yield
        finally:
            self._running.remove((user_id, network))


async def send_parts(
    request: web.Request, asked: Asked, ask: Callable[[Place | None], Awaitable[Answered]], exports: Exports
) -> web.StreamResponse:
    """Send an answer part by part, as fast as the client reads. If it cannot be completed, abort the connection.

    Args:
        ask: returns the part that begins at a place.

    Raises:
        ParleyError: ``overloaded`` when too many exports are running; what ``ask`` raises for the first part.
    """
    check_version(request)
    with exports.one(asked):
        first = await ask(None)

        async def bodies() -> AsyncGenerator[bytes, None]:
            part = first
            yield part.body
            while part.next is not None:
                part = await ask(part.next)
                yield part.body

        return await send_whole(request, web.StreamResponse(status=first.status, headers=first.headers), bodies())


def check_version(request: web.Request) -> None:
    """Refuse an export over HTTP/1.0: the end of a connection would end the body, however much of it was sent."""
    if request.version < HttpVersion11:
        raise web.HTTPVersionNotSupported(text="An export needs HTTP/1.1.\n")


async def send_whole(
    request: web.Request, response: web.StreamResponse, bodies: AsyncGenerator[bytes, None]
) -> web.StreamResponse:
    """Send a body in parts, each made when the client has read the one before it.

    If it cannot be completed, because ``bodies`` raises ParleyError or StorageUnavailable, or the client does not read,
    abort the connection.
    """
    async with aclosing(bodies):
        writer = await response.prepare(request)
        transport = request.transport  # kept here, because a stopping server removes it from the request
        if request.method == hdrs.METH_HEAD or writer is None:
            return response
        sender = Sender(writer)
        try:
            async for body in bodies:
                await sender.write(body)
            await sender.finish()
        except ConnectionError as error:
            forget_frames(error)  # the client has disconnected, or the server is stopping
        except (ParleyError, StorageUnavailable, TimeoutError) as error:
            why = "its reader stopped reading" if isinstance(error, TimeoutError) else error
            log.warning("the export %s was cut off: %s", request.path[:_PATH_CHARS], why)
            forget_frames(error)
        else:
            transport = None
        finally:
            if transport is not None:
                transport.abort()  # so the end of the body is missing
        return response
