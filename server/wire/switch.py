"""Read the first request head of a connection on the one port, then hand it over to WebSocket or HTTP.

aiohttp handles HTTP, ``websockets`` handles WebSocket; a connection that begins with an upgrade never reaches aiohttp,
for 1.9 times the deliveries and a tenth of the memory (measured). The size and time of heads are limited here, because
aiohttp does not limit the time.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from typing import cast

from aiohttp import web

from server.access.capacity import Place
from server.access.proxy_protocol import read_proxy_header
from server.codec.frames import EVERY, plain_response
from server.wire.connections import Shared
from server.wire.handshake import names_websocket
from server.wire.websocket import WebSocketConnection
from utils.log_fields import CLIENTS
from utils.tracebacks import forget_frames

clients = logging.getLogger(CLIENTS)

# How long an idle HTTP connection is kept, in seconds. Longer than proxies keep it (60): if the server closed it while
# a proxy sends a request, the client would get an error.
KEEPALIVE_SECONDS = 75.0
_DONE = bytearray()
_END = b"\r\n\r\n"
_EMPTY_LINE = b"\r\n"
_UPGRADE = re.compile(rb"\r\nupgrade:[^\r\n]*websocket", re.IGNORECASE)
_BARE_END = re.compile(rb"\n\r?\n")
_LAST = re.compile(rb"\r\nconnection:[^\r\n]*\bclose\b", re.IGNORECASE)
_BODY = re.compile(rb"\r\n(?:content-length|transfer-encoding):", re.IGNORECASE)
_TOO_LARGE = (b"431 Request Header Fields Too Large", b"The request head is too large.\n")
_BARE_LF = (b"400 Bad Request", b"Lines must end with CR LF, not with LF alone.\n")


class ProtocolSwitch(asyncio.Protocol):
    """A connection whose first request head is incomplete.

    Args:
        shared: the state that all connections share.
        http: makes an HTTP connection at the place.
        place: the place of the socket.
    """

    __slots__ = ("_head", "_http", "_place", "_shared", "_transport", "_unproxied")

    def __init__(self, shared: Shared, http: Callable[[Place], asyncio.Protocol], place: Place) -> None:
        self._shared = shared
        self._http = http
        self._head = bytearray()
        self._place = place
        self._unproxied = shared.proxy_protocol  # the PROXY header has not arrived yet
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the head, for a limited time."""
        self._transport = cast(asyncio.Transport, transport)
        self._shared.heads.add(self._shared.now(), self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Clean up after a connection that was lost before its head was complete."""
        self._shared.heads.discard(self)
        self._transport = None
        self._head = _DONE
        self._place.release()

    def data_received(self, data: bytes) -> None:
        """Add to the head; once it is complete, hand the connection over to its protocol."""
        if self._transport is None:
            return  # refused: ignore further input
        head = self._head
        scanned = max(0, len(head) - 3)
        head += data
        if self._unproxied:
            if not self._take_proxy_header():
                return
            scanned = 0
        if head[:1] in _EMPTY_LINE:  # skip empty lines before the request line (RFC 9112 section 2.2)
            del head[: len(head) - len(head.lstrip(_EMPTY_LINE))]
            scanned = 0
        end = head.find(_END, scanned) + len(_END)
        found = end >= len(_END)
        shared = self._shared
        if (end if found else len(head)) > shared.head_bytes or head.count(b"\n", 0, end) > shared.max_lines:
            self._refuse(*_TOO_LARGE)
        elif not found:
            if _BARE_END.search(head, scanned):
                self._refuse(*_BARE_LF)
        elif _UPGRADE.search(head, 0, end) and names_websocket(head):
            connection = WebSocketConnection(self._shared, self._place)
            self._hand_over(connection)
            connection.start(bytes(head[:end]))
            if end < len(head):  # frames of a client that did not wait for the response
                connection.data_received(head[end:])
        else:
            if len(head) > end and _LAST.search(head, 0, end) and not _BODY.search(head, 0, end):
                del head[end:]  # input after the last request: with it aiohttp would not answer that request either
            http = self._http(self._place)
            self._hand_over(http)
            http.data_received(bytes(head))

    def _take_proxy_header(self) -> bool:
        """Remove the PROXY header from the input. Returns False if it is incomplete or was refused."""
        try:
            if not self._shared.addresses.may_forward(self._place.peer):
                raise ValueError("your address is not in TRUSTED_PROXIES")
            header = read_proxy_header(self._head)
        except ValueError as error:
            self._refuse(b"400 Bad Request", f"PROXY_PROTOCOL is on: {error}.\n".encode())
            return False
        if header is None:
            return False
        self._unproxied = False
        place = self._place
        place.peer = header.source or place.peer
        place.move(self._shared.addresses.peer(place.peer).network)
        del self._head[: header.size]
        return True

    def _hand_over(self, protocol: asyncio.Protocol) -> None:
        transport, self._transport = self._transport, None
        assert transport is not None
        self._head = _DONE
        self._shared.heads.discard(self)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)

    def head_due(self) -> None:
        """Refuse the connection, because its head took too long."""
        if self._transport is not None:
            if self._head:
                self._refuse(b"408 Request Timeout", b"The request head took too long.\n")
            else:  # browsers open connections in advance, and would mistake a response for that of a later request
                self._transport.close()

    def _refuse(self, status: bytes, text: bytes) -> None:
        transport, self._transport = self._transport, None
        assert transport is not None  # checked by the callers
        self._head = _DONE
        self._shared.heads.discard(self)
        self._shared.counts.refused_head(int(status[:3]))
        clients.info("a request was refused: %s", text.decode().strip(), extra={"address": self._place.peer})
        transport.write(plain_response(status, text))
        if transport.can_write_eof():
            transport.write_eof()
        # Half-close and keep reading: closing with unread input would reset the connection and lose the response.
        self._shared.close_deadlines.add(self._shared.now(), transport.abort)

    def close(self) -> None:
        """Close, because the server is stopping."""
        if self._transport is not None:
            self._transport.close()


class HttpConnection(web.RequestHandler):
    """aiohttp's connection, which also knows its place.

    aiohttp limits the lines of a head and their number, but not the total size: this class does. It also limits how
    much input of many connections is handled in one turn of the event loop (`server.wire.admission`).

    Args:
        shared: the state that all connections share.
        place: the place of the socket.
        server: argument of aiohttp's class.
    """

    __slots__ = ("_admission", "_begun", "_counts", "_held", "_most", "_tail", "place")

    def __init__(self, shared: Shared, place: Place, server: web.Server) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # None turns the log off
            keepalive_timeout=KEEPALIVE_SECONDS,
            max_line_size=shared.head_bytes,
            max_field_size=shared.head_bytes,
            max_headers=shared.max_headers,
            lingering_time=0,  # see `server.http.sending`
            auto_decompress=False,  # it would decompress a body before a handler reads it, a megabyte to a gigabyte
        )
        self._most = shared.head_bytes
        self._admission = shared.admission
        self._counts = shared.counts
        self._held = b""
        self._begun: int | None = 0  # bytes of an incomplete head; None from its end to the end of the response
        self._tail = b""
        self.place = place

    def answered(self) -> None:
        """Expect another head."""
        self._begun, self._tail = 0, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).set_write_buffer_limits(high=0)  # see `server.http.sending.Sender`
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.place.release()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Handle input in its turn; aiohttp itself calls this without input, to continue with what it has."""
        if self._begun is None or not data or self._admission.admit(self.place.network, self._admitted):
            self._take(data)
        elif self.transport is not None:
            self._held = data
            self.transport.pause_reading()

    def _admitted(self) -> None:
        held, self._held = self._held, b""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()
            self._take(held)

    def _take(self, data: bytes) -> None:
        self._counts.http_bytes += len(data)
        if self._begun is not None:
            self._begun += len(data)
            seen = self._tail + data
            if _END in seen:
                self._begun = None
            elif self._begun > self._most:
                if self.transport is not None and not self.transport.is_closing():
                    self._counts.refused_head(431)
                    self.transport.write(plain_response(*_TOO_LARGE))
                    self.transport.close()
                return
            self._tail = seen[-3:]
        super().data_received(data)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Refuse a request that aiohttp could not parse or that failed, with the headers of all other refusals."""
        response = super().handle_error(request, status, exc, message)
        self._counts.refused_head(response.status)
        forget_frames(exc)  # one of them is aiohttp's own, which keeps the exception and what the client sent
        response.headers.update(EVERY)
        return response
