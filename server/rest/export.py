"""``/api/rooms/{room}/export``: all messages of a room, for its moderators."""

import logging
from contextlib import aclosing

from aiohttp import HttpVersion11, hdrs, web

from chat.chat import Chat
from chat.queries.history import export
from model.errors import ParleyError
from model.message import Message
from model.text import check_name
from server.http.endpoints import IDENTITY, NDJSON, SENDER, TEXT, Answer, Endpoint
from server.http.sending import Sender
from server.rest.rooms import RoomParams
from utils.encoding import to_json
from utils.tracebacks import forget_frames

log = logging.getLogger(__name__)

# Concurrent exports of one principal, of all guests at one address, and in total: each holds half a megabyte until the
# client has read it. A client can become another guest for free, so the guests at one address leave room for others.
EXPORTS_EACH = 2
GUEST_EXPORTS = 4
EXPORTS = 16
RETRY = 10.0
_TEXT = (
    "For moderators. JSON Lines: one message per line, oldest first, including deleted ones with their content. Covers "
    "what was sent before the request, and is read page by page as fast as the client reads. If storage fails, or the "
    "caller stops being a moderator, the connection is cut: a body that ends properly is complete."
)


class Export:
    """A room as JSON Lines."""

    def __init__(self, chat: Chat) -> None:
        self._parts = chat.parts
        self._running: list[tuple[str, str]] = []  # the principal, and for guests the network

    def endpoint(self) -> Endpoint:
        """Return the row."""
        return Endpoint(
            "GET",
            "/api/rooms/{room}/export",
            "Export every message of a room",
            self.export,
            RoomParams,
            (
                Answer(200, "the messages", str, (NDJSON,), {"Content-Disposition": "`attachment`"}),
                Answer(505, "the request is HTTP/1.0, in which a truncated body looks complete", str, (TEXT,)),
            ),
            ("no_such_room", "overloaded", "unavailable"),
            _TEXT,
            "token",
        )

    async def export(self, request: web.Request, params: RoomParams) -> web.StreamResponse:
        """Send the room page by page, as fast as the client reads.

        Raises:
            ParleyError: ``overloaded`` when too many exports are running, or a refusal of the room.
        """
        if request.version < HttpVersion11:
            raise web.HTTPVersionNotSupported(text="An export needs HTTP/1.1.\n")
        identity = request[IDENTITY]
        user_id = identity.user.id
        network = request[SENDER].network if identity.guest else ""
        if (
            len(self._running) >= EXPORTS
            or sum(user_id == user for user, _ in self._running) >= EXPORTS_EACH
            or (network and sum(network == other for _, other in self._running) >= GUEST_EXPORTS)
        ):
            raise ParleyError("overloaded", "too many exports are running", retry_after=RETRY)
        self._running.append((user_id, network))
        try:
            return await self._export(request, check_name(params.room, "room"))
        finally:
            self._running.remove((user_id, network))

    async def _export(self, request: web.Request, name: str) -> web.StreamResponse:
        async with aclosing(export(self._parts, name, request[IDENTITY])) as pages:
            first = await anext(pages)  # raises before the response if the caller may not export
            headers = {hdrs.CONTENT_TYPE: NDJSON, hdrs.CONTENT_DISPOSITION: 'attachment; filename="messages.jsonl"'}
            response = web.StreamResponse(headers=headers)
            writer = await response.prepare(request)
            transport = request.transport  # kept here, because a stopping server removes it from the request
            if request.method == hdrs.METH_HEAD or writer is None:
                return response
            sender = Sender(writer)
            try:
                await sender.write(_lines(first))
                async for page in pages:
                    await sender.write(_lines(page))
                await sender.finish()
            except ConnectionError as error:
                forget_frames(error)  # the client has disconnected, or the server is stopping
            except (ParleyError, TimeoutError) as error:
                why = "its reader stopped reading" if isinstance(error, TimeoutError) else error
                log.warning("an export of room %r was cut off: %s", name, why)
                forget_frames(error)
            else:
                transport = None
            finally:
                if transport is not None:
                    transport.abort()  # so the end of the body is missing
            return response


def _lines(messages: list[Message]) -> bytes:
    return b"".join(to_json(message) + b"\n" for message in messages)
