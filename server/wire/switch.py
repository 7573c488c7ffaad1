"""The one port: reads the first request head of a connection, then hands it to WebSocket or to HTTP.

aiohttp owns HTTP, ``websockets`` owns WebSocket; a connection that starts with an upgrade never meets aiohttp, which is
worth 1.9 times the deliveries and a tenth of the memory (measured). Heads are bounded in bytes and time here,
as aiohttp does not bound the time.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import cast

from server.access.capacity import Place
from server.access.proxy_protocol import read_proxy_header
from server.codec.frames import plain_response
from server.wire.connections import Shared
from server.wire.handshake import names_websocket
from server.wire.websocket import WebSocketConnection

_DONE = bytearray()
_END = b"\r\n\r\n"
_EMPTY_LINE = b"\r\n"
_UPGRADE = re.compile(rb"\r\nupgrade:[^\r\n]*websocket", re.IGNORECASE)
_BARE_END = re.compile(rb"\n\r?\n")
_LAST = re.compile(rb"\r\nconnection:[^\r\n]*\bclose\b", re.IGNORECASE)
_BODY = re.compile(rb"\r\n(?:content-length|transfer-encoding):", re.IGNORECASE)
_TOO_LARGE = (b"431 Request Header Fields Too Large", b"The request head is too large.\n")
_BARE_LF = (b"400 Bad Request", b"Lines must end with CR LF, not with LF alone.\n")


class Port(asyncio.Protocol):
    """A connection that has not said yet what it wants.

    Args:
        shared: what all connections share.
        http: makes aiohttp's own protocol for a connection.
        place: what the socket takes up.
    """

    __slots__ = ("_head", "_http", "_place", "_shared", "_transport", "_unproxied")

    def __init__(self, shared: Shared, http: Callable[[], asyncio.Protocol], place: Place) -> None:
        self._shared = shared
        self._http = http
        self._head = bytearray()
        self._place = place
        self._unproxied = shared.proxy_protocol  # the PROXY header has not come yet
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the head, not for ever."""
        self._transport = cast(asyncio.Transport, transport)
        self._shared.heads.add(self._shared.now(), self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone before it said what it wants."""
        self._shared.heads.discard(self)
        self._transport = None
        self._head = _DONE
        self._place.release()

    def data_received(self, data: bytes) -> None:
        """A part of the head; with its end, the connection gets its real protocol."""
        if self._transport is None:
            return  # refused: what still comes is dropped
        head = self._head
        scanned = max(0, len(head) - 3)
        head += data
        if self._unproxied:
            if not self._take_proxy_header():
                return
            scanned = 0
        if head[:1] in _EMPTY_LINE:  # before the request line: skipped (RFC 9112 section 2.2)
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
            if end < len(head):  # frames of a client that did not wait for the answer
                connection.data_received(head[end:])
        else:
            if len(head) > end and _LAST.search(head, 0, end) and not _BODY.search(head, 0, end):
                del head[end:]  # behind a last request, for which aiohttp would not answer that one either
            http = HttpConnection(self._http(), self._place, shared)
            self._hand_over(http)
            http.data_received(bytes(head))

    def _take_proxy_header(self) -> bool:
        """Take the PROXY header off what has come. Returns False when it is not all there, or refused."""
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
        """The head has had its time."""
        if self._transport is not None:
            if self._head:
                self._refuse(b"408 Request Timeout", b"The request head took too long.\n")
            else:  # browsers open connections ahead of need: an answer would be taken for that to a later request
                self._transport.close()

    def _refuse(self, status: bytes, text: bytes) -> None:
        transport, self._transport = self._transport, None
        assert transport is not None  # the callers looked
        self._head = _DONE
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


class HttpConnection(asyncio.Protocol):
    """aiohttp's protocol, and whose connection it is.

    aiohttp bounds each line of a head and their number, but not their sum: that is bounded here. So is how much of
    what many connections send at the same time is looked at in one turn of the event loop (`server.wire.admission`).

    Args:
        http: aiohttp's own.
        place: what the socket takes up.
        shared: what all connections share.
    """

    __slots__ = ("_admission", "_begun", "_held", "_http", "_most", "_tail", "_transport", "place")

    def __init__(self, http: asyncio.Protocol, place: Place, shared: Shared) -> None:
        self._http = http
        self._most = shared.head_bytes
        self._admission = shared.admission
        self._held = b""
        self._begun: int | None = 0  # bytes of a head that is not all there; None from its end to that of the answer
        self._tail = b""
        self._transport: asyncio.Transport | None = None
        self.place = place

    def answered(self) -> None:
        """What comes now is another head."""
        self._begun, self._tail = 0, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is aiohttp's from now on."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=0)  # see `server.http.sending.Sender`
        self._http.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone. After an upgrade this is not called: the transport has another protocol."""
        self._transport = None
        self.place.release()
        self._http.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """For aiohttp, when it is its turn."""
        if self._begun is None or self._admission.admit(self.place.network, self._admitted):
            self._take(data)
        elif self._transport is not None:
            self._held = data
            self._transport.pause_reading()

    def _admitted(self) -> None:
        held, self._held = self._held, b""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
            self._take(held)

    def _take(self, data: bytes) -> None:
        if self._begun is not None:
            self._begun += len(data)
            seen = self._tail + data
            if _END in seen:
                self._begun = None
            elif self._begun > self._most:
                self._refuse()
                return
            self._tail = seen[-3:]
        self._http.data_received(data)

    def eof_received(self) -> bool | None:
        """For aiohttp."""
        return self._http.eof_received()

    def pause_writing(self) -> None:
        """For aiohttp."""
        self._http.pause_writing()

    def resume_writing(self) -> None:
        """For aiohttp."""
        self._http.resume_writing()

    def _refuse(self) -> None:
        transport = self._transport
        if transport is not None and not transport.is_closing():
            transport.write(plain_response(*_TOO_LARGE))
            transport.close()


def connection_of(transport: asyncio.Transport | None) -> HttpConnection | None:
    """The connection that a request came on; None when it is gone."""
    protocol = None if transport is None else transport.get_protocol()
    return protocol if isinstance(protocol, HttpConnection) else None
