"""The one port: reads the first request head of a connection, then hands it to WebSocket or to HTTP.

aiohttp owns HTTP, ``websockets`` owns WebSocket; a connection that starts with an upgrade never meets aiohttp, which is
worth 1.9 times the deliveries and a tenth of the memory (measured). Heads are bounded in bytes and time here,
as aiohttp does not bound the time.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
import time
from collections.abc import Callable
from typing import Any, cast

from chat.chat import Chat
from server.deadlines import Deadlines
from server.frames import plain_response
from server.settings import Settings
from server.websocket import WebSocketConnection

log = logging.getLogger(__name__)

_UPGRADE = re.compile(rb"\r?\nupgrade[ \t]*:[^\r\n]*websocket", re.IGNORECASE)
# Connections are pinged in turn, this many groups per heartbeat, so that a thousand pongs do not come at once.
SLICES = 20


class Shared:
    """What all connections of one server share, and the one sweep over them."""

    def __init__(self, settings: Settings, chat: Chat) -> None:
        self.settings = settings
        self.max_frame: int = settings.max_frame_bytes
        self.chat = chat
        self.origins: Any = None if "*" in settings.allowed_origins else [*settings.allowed_origins, None]
        self.websockets_log = logging.getLogger("websockets.server")
        self.connections: set[WebSocketConnection] = set()
        self._gone: asyncio.Future[None] | None = None
        self.heads: set[Port] = set()
        self.now = time.monotonic
        self.head_deadlines = Deadlines(settings.head_seconds)
        self.hello_deadlines = Deadlines(settings.hello_seconds)
        self.close_deadlines = Deadlines(settings.close_seconds)
        beats = settings.idle_timeout / settings.heartbeat
        self._idle_beats = max(1, round(beats)) if beats else 0
        self._due: list[WebSocketConnection] = []
        self._slice = 1
        self._next_round = self.now() + settings.heartbeat
        self._deadlines = (self.head_deadlines, self.hello_deadlines, self.close_deadlines)

    def lost(self, connection: WebSocketConnection) -> None:
        """A connection is gone."""
        self.connections.discard(connection)
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    async def connection_gone(self) -> None:
        """Wait until the next connection is gone."""
        self._gone = asyncio.get_running_loop().create_future()
        await self._gone

    async def sweep(self) -> None:
        """Run deadlines, and beat a slice of the connections at a time; for ever."""
        settings = self.settings
        pause = min(settings.heartbeat / SLICES, *(queue.delay / 4 for queue in self._deadlines))
        while True:
            await asyncio.sleep(pause)
            try:
                self._sweep(pause / settings.heartbeat)
            except Exception:
                # One connection's fault must not stop everybody's heartbeat.
                log.exception("the sweep failed")

    def _sweep(self, share: float) -> None:
        now = self.now()
        for queue in self._deadlines:
            queue.run(now)
        if now >= self._next_round:
            self._next_round = now + self.settings.heartbeat
            self._due += self.connections  # what a late sweep has left over comes first: it is taken from the end
            self._slice = max(1, math.ceil(len(self._due) * share))
        due = self._due[-self._slice :]
        del self._due[-self._slice :]
        for connection in due:
            if connection in self.connections:
                connection.beat(self._idle_beats)


class Port(asyncio.Protocol):
    """A connection that has not said yet what it wants.

    Args:
        shared: what all connections share.
        http: makes aiohttp's own protocol for a connection.
    """

    __slots__ = ("_head", "_http", "_shared", "_transport")

    def __init__(self, shared: Shared, http: Callable[[], asyncio.Protocol]) -> None:
        self._shared = shared
        self._http = http
        self._head = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the head, not for ever."""
        self._transport = cast(asyncio.Transport, transport)
        self._shared.heads.add(self)
        self._shared.head_deadlines.add(self._shared.now(), self._head_due)

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone before it said what it wants."""
        self._shared.heads.discard(self)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """A part of the head; with its end, the connection gets its real protocol."""
        if self._transport is None:
            return  # refused: what still comes is dropped
        head = self._head
        scanned = max(0, len(head) - 3)
        head += data
        end = _end_of_head(head, scanned)
        limit = self._shared.settings.head_bytes
        if end < 0:
            if len(head) > limit:
                self._refuse(b"431 Request Header Fields Too Large", b"The request head is too large.\n")
        elif end > limit:
            self._refuse(b"431 Request Header Fields Too Large", b"The request head is too large.\n")
        elif _UPGRADE.search(head, 0, end):
            connection = WebSocketConnection(self._shared)
            self._hand_over(connection)
            connection.start(bytes(head[:end]))
            if end < len(head):  # frames of a client that did not wait for the answer
                connection.data_received(head[end:])
        else:
            http = self._http()
            self._hand_over(http)
            http.data_received(bytes(head))

    def _hand_over(self, protocol: asyncio.Protocol) -> None:
        transport, self._transport = self._transport, None
        assert transport is not None
        self._shared.heads.discard(self)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)

    def _head_due(self) -> None:
        if self._transport is not None:
            self._refuse(b"408 Request Timeout", b"The request head took too long.\n")

    def _refuse(self, status: bytes, text: bytes) -> None:
        transport, self._transport = self._transport, None
        assert transport is not None  # the callers looked
        self._shared.heads.discard(self)
        transport.write(plain_response(status, text))
        if transport.can_write_eof():
            transport.write_eof()
        # Half-close and read on: closing at once with input unread would reset the connection and lose the answer.
        self._shared.close_deadlines.add(self._shared.now(), transport.abort)

    def close(self) -> None:
        """The server stops."""
        if self._transport is not None:
            self._transport.close()


def _end_of_head(data: bytearray, start: int) -> int:
    """Where the empty line after a request head ends, -1 when it is not there yet. Bare LF counts (RFC 9112, 2.2)."""
    crlf = data.find(b"\r\n\r\n", start)
    if crlf >= 0:
        return crlf + 4
    lf = data.find(b"\n\n", start)
    return lf + 2 if lf >= 0 else -1
