"""``/api/rooms/{room}/export``: all that was said in a room, for those who look after it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import aclosing, contextmanager

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

# Exports at a time, of one principal, of the guests of one address, and of all: each holds a part of half a megabyte
# until it is read. Another guest costs nothing, so all those of an address together leave room for others.
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
        self._running: Counter[str] = Counter()  # by principal
        self._of_guests: Counter[str] = Counter()  # by address

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The row."""
        return (
            Endpoint(
                "GET",
                "/api/rooms/{room}/export",
                "Export every message of a room",
                self.export,
                RoomParams,
                (
                    Answer(200, "the messages", str, (NDJSON,), {"Content-Disposition": "`attachment`"}),
                    Answer(505, "the request is HTTP/1.0, where a body that was cut looks complete", str, (TEXT,)),
                ),
                ("no_such_room", "overloaded", "unavailable"),
                _TEXT,
                "token",
            ),
        )

    async def export(self, request: web.Request, params: RoomParams) -> web.StreamResponse:
        """Page by page, as fast as it is read.

        Raises:
            ParleyError: ``overloaded`` when there are as many at a time as there may be, besides those of the room.
        """
        if request.version < HttpVersion11:
            raise web.HTTPVersionNotSupported(text="An export needs HTTP/1.1.\n")
        identity = request[IDENTITY]
        user_id = identity.user.id
        network = request[SENDER].network if identity.guest else ""
        if (
            self._running[user_id] >= EXPORTS_EACH
            or self._running.total() >= EXPORTS
            or (network and self._of_guests[network] >= GUEST_EXPORTS)
        ):
            raise ParleyError("overloaded", "too many exports are running", retry_after=RETRY)
        with _counted(self._running, user_id), _counted(self._of_guests, network):
            return await self._export(request, check_name(params.room, "room"))

    async def _export(self, request: web.Request, name: str) -> web.StreamResponse:
        async with aclosing(export(self._parts, name, request[IDENTITY])) as pages:
            first = await anext(pages)  # whoever may not is told so, with a status
            headers = {hdrs.CONTENT_TYPE: NDJSON, hdrs.CONTENT_DISPOSITION: 'attachment; filename="messages.jsonl"'}
            response = web.StreamResponse(headers=headers)
            writer = await response.prepare(request)
            transport = request.transport  # a server that stops takes it away first
            if request.method == hdrs.METH_HEAD or writer is None:
                return response
            sender = Sender(writer)
            try:
                await sender.write(_lines(first))
                async for page in pages:
                    await sender.write(_lines(page))
                await sender.finish()
            except ConnectionError as error:
                forget_frames(error)  # the client is gone, or the server stops
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


@contextmanager
def _counted(running: Counter[str], key: str) -> Iterator[None]:
    running[key] += 1
    try:
        yield
    finally:
        running[key] -= 1
        if not running[key]:
            del running[key]


def _lines(messages: list[Message]) -> bytes:
    return b"".join(to_json(message) + b"\n" for message in messages)
