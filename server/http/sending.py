"""Limit the memory and time of an HTTP exchange: send an answer in parts, as fast as the client reads."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter

from chat.delivery.session import LEAST_BYTES_A_SECOND, STALL_SECONDS
from utils.log_fields import CLIENTS
from utils.tracebacks import forget_frames

clients = logging.getLogger(CLIENTS)

# The maximum size of one write, in bytes.
CHUNK_BYTES = 64 << 10
# How much of an unread body is read and dropped, so that a client that sends all of it first gets the answer, and for
# how long. Then the connection is closed.
DROPPED_BYTES = 1 << 20
DROP_SECONDS = 2.0


class Sender:
    """Writes one answer. Only the part that is being written is held here or in the transport.

    Args:
        writer: of a prepared response, on a transport whose write buffer has no high-water mark but 0.
    """

    def __init__(self, writer: AbstractStreamWriter) -> None:
        self._writer = writer
        self._patience = STALL_SECONDS

    async def write(self, body: bytes | bytearray) -> None:
        """Send ``body``, and wait until the kernel has taken it.

        Raises:
            ConnectionError: the client has disconnected.
            TimeoutError: it does not read, or too slowly.
        """
        for start in range(0, len(body), CHUNK_BYTES):
            await self._flush(self._writer.write(body[start : start + CHUNK_BYTES]))
            self._patience = min(STALL_SECONDS, self._patience + CHUNK_BYTES / LEAST_BYTES_A_SECOND)

    async def finish(self) -> None:
        """End the answer; raises like :meth:`write`."""
        await self._flush(self._writer.write_eof())

    async def _flush(self, write: Awaitable[None]) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.timeout(self._patience):
            await write
            await self._writer.drain()
        self._patience -= loop.time() - began


@web.middleware
async def deliver(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Send the response here: after the handler aiohttp would hold all of it without a time limit."""
    try:
        response = await handler(request)
    except web.HTTPException as error:  # aiohttp's own: a path that is not there, a method
        response = web.Response(status=error.status, reason=error.reason, body=error.body, headers=error.headers)
        if error.keep_alive is False:
            response.force_close()
        forget_frames(error)  # the route that raised it keeps it
    transport = request.transport
    if transport is None:
        return response  # upgraded, or gone
    try:
        await _send(request, response)
        await _drop_body(request)
    except (ConnectionError, TimeoutError) as error:
        if isinstance(error, TimeoutError):
            clients.info("closing the connection of a client that reads %s too slowly", request.path[:200])
        forget_frames(error)
        transport.abort()
    return response


async def _send(request: web.Request, response: web.StreamResponse) -> None:
    body = response.body if isinstance(response, web.Response) else None
    writer = await response.prepare(request)
    if isinstance(response, web.Response) and writer is not None:
        response.body = None  # from here on only the loop that sends it holds it
        sender = Sender(writer)
        if isinstance(body, bytes | bytearray) and request.method != hdrs.METH_HEAD:
            await sender.write(body)
        await sender.finish()


async def _drop_body(request: web.Request) -> None:
    """Read a little more of a body that the handler has not read: closing at once would reset the connection."""
    content, left = request.content, DROPPED_BYTES
    if content.at_eof():
        return
    try:
        async with asyncio.timeout(DROP_SECONDS):
            while left > 0 and not content.at_eof():
                left -= len(await content.readany())
    except TimeoutError:
        pass  # aiohttp closes the connection of a body that has not ended
