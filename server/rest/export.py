"""``/api/rooms/{room}/export``: all that was said in a room, for those who look after it."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from contextlib import aclosing

from aiohttp import hdrs, web

from chat.history import export
from model.errors import ParleyError
from model.message import Message
from model.text import check_name
from server.dialects.native import as_json
from server.endpoints import IDENTITY, NDJSON, Answer, Endpoint
from server.rest.asking import Asking
from server.rest.room_bodies import RoomAsked

log = logging.getLogger(__name__)

# What is written at once, and the seconds that a reader may take for it.
CHUNK_BYTES = 64 << 10
STALL_SECONDS = 60.0
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing resets the connection
_TEXT = (
    "For moderators. JSON Lines: a message in each line, oldest first, deleted ones with what they held; what was said "
    "before the request, read page by page as fast as it is taken. When storage fails, or one is a moderator no more, "
    "the connection breaks: what has an end is whole."
)


class Export:
    """A room as JSON Lines."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The row."""
        return (
            Endpoint(
                "GET",
                "/api/rooms/{room}/export",
                "Every message of a room",
                self.export,
                RoomAsked,
                (Answer(200, "the messages", str, (NDJSON,), {"Content-Disposition": "`attachment`"}),),
                ("no_such_room", "unavailable"),
                _TEXT,
                "somebody",
            ),
        )

    async def export(self, request: web.Request, asked: RoomAsked) -> web.StreamResponse:
        """Page by page, as fast as it is read."""
        name = check_name(asked.room, "room")
        async with aclosing(export(self._asking.chat, name, request[IDENTITY])) as pages:
            first = await anext(pages)  # whoever may not is told so, with a status
            headers = {hdrs.CONTENT_TYPE: NDJSON, hdrs.CONTENT_DISPOSITION: 'attachment; filename="messages.jsonl"'}
            response = web.StreamResponse(headers=headers)
            await response.prepare(request)
            transport = request.transport  # a server that stops takes it away first
            if request.method == hdrs.METH_HEAD:
                return response
            try:
                await _write(response, first)
                async for page in pages:
                    await _write(response, page)
            except ConnectionError:
                _break(transport)  # whoever asked has gone, or the server stops
            except (ParleyError, TimeoutError) as error:
                why = "its reader does not read" if isinstance(error, TimeoutError) else error
                log.warning("an export of room %r is cut short: %s", name, why)
                _break(transport)
            except BaseException:  # the same, or a fault of ours
                _break(transport)
                raise
            return response


def _chunks(messages: list[Message]) -> list[bytes]:
    chunks, chunk = [], bytearray()
    for message in messages:
        chunk += as_json(message)
        chunk += b"\n"
        if len(chunk) >= CHUNK_BYTES:
            chunks.append(bytes(chunk))
            chunk.clear()
    return [*chunks, bytes(chunk)] if chunk else chunks


async def _write(response: web.StreamResponse, messages: list[Message]) -> None:
    for chunk in _chunks(messages):
        async with asyncio.timeout(STALL_SECONDS):
            await response.write(chunk)


def _break(transport: asyncio.Transport | None) -> None:
    """End the connection so that nobody takes what came for the whole.

    A chunked body lacks its end then; one of HTTP/1.0, which a proxy may speak, has no other end than the connection's,
    so that is reset.
    """
    if transport is None:
        return
    try:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    except OSError:
        pass  # it is closed already
    transport.abort()
