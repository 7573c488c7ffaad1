"""One WebSocket connection: bytes to text frames and back. RFC 6455 itself is the `websockets` library's Sans-I/O part.

A callback protocol without a task: 1.9 times the deliveries and a tenth of the memory of a task per connection
(measured).
"""

from __future__ import annotations

import asyncio
import http
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qs, urlsplit

from websockets.exceptions import InvalidHeader, InvalidMessage, PayloadTooBig
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.typing import BytesLike, Subprotocol

from chat.ports import Dialect
from chat.session import Session
from model.errors import FLOOD, HELLO_TIMEOUT, IDLE, CloseCode, ParleyError
from server.dialects import BY_PATH, NATIVE, SUBPROTOCOL
from server.frames import PING, plain_response

if TYPE_CHECKING:
    from server.port import Shared

log = logging.getLogger(__name__)

# A message in more pieces than this is an attack: at 65536 bytes it would be 64 bytes a piece.
MAX_FRAGMENTS = 1024
# Bytes of one read from the kernel; below glibc's threshold for mmap (128 KiB).
READ_BYTES = 32 << 10
# A client is dead when it was silent for this many heartbeats.
DEAD_AFTER = 3


class WebSocketConnection(asyncio.Protocol):
    """Speaks WebSocket on a transport from its handshake on; the chat's `chat.ports.Connection`.

    Args:
        shared: what all connections of the server share.
        on_lost: called once when the connection is gone, for whoever handed the transport over.
    """

    __slots__ = (
        "_closing",
        "_fragments",
        "_heard",
        "_idle_beats",
        "_on_lost",
        "_protocol",
        "_session",
        "_shared",
        "_silent_beats",
        "_transport",
        "_writable",
        "write",
    )

    def __init__(self, shared: Shared, on_lost: Callable[[], None] | None = None) -> None:
        self._shared = shared
        self._on_lost = on_lost
        self._session: Session | None = None
        self._fragments: list[BytesLike] = []
        self._closing = False
        self._heard = True  # something came since the last heartbeat
        self._silent_beats = 0
        self._idle_beats = 0
        self._protocol = ServerProtocol(
            origins=shared.origins,
            subprotocols=None,
            select_subprotocol=_select_subprotocol,
            max_size=shared.settings.max_frame_bytes,
            logger=shared.websockets_log,
        )

    # asyncio's callbacks.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is ours from now on; the request head comes next through :meth:`data_received`."""
        self._transport = cast(asyncio.Transport, transport)
        self.write = self._transport.write
        settings = self._shared.settings
        self._transport.set_write_buffer_limits(high=settings.slow_bytes_low)
        if hasattr(transport, "max_size"):
            # asyncio asks the kernel for 256 KiB at a time, which glibc gives by mmap: three more system calls for
            # each read, a fifth of the server's time (measured).
            transport.max_size = READ_BYTES
        self._shared.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        self._heard = True
        protocol = self._protocol
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Frame):
                if self._session is not None and not self._session.ended:
                    self._frame(self._session, event)
            elif isinstance(event, Request):
                self._handshake(event)
        if protocol.parser_exc is not None and not self._closing:
            self._failed(protocol.parser_exc)
        elif self._session is None and isinstance(protocol.handshake_exc, InvalidMessage) and not self._closing:
            # The library hangs up on what is no HTTP request; say why.
            self.write(plain_response(b"400 Bad Request", f"{protocol.handshake_exc}.\n".encode()))
        self._send_protocol_data()

    def eof_received(self) -> bool:
        """The client sends nothing more. It gets what is queued, then the transport closes (RFC 6455 section 7.1.1)."""
        self._protocol.receive_eof()
        if self._session is not None:
            self._session.end()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, for whatever reason."""
        self._shared.lost(self)
        if self._session is not None:
            self._shared.chat.disconnect(self._session)
        if self._on_lost is not None:
            self._on_lost()

    def pause_writing(self) -> None:
        """More than the low mark waits for the client."""
        if self._session is not None:
            self._session.on_congested()

    def resume_writing(self) -> None:
        """What waited has been taken."""
        if self._session is not None:
            self._session.on_drained()

    # chat.ports.Connection.

    def buffered(self) -> int:
        """See `chat.ports.Connection`."""
        return self._transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        """See `chat.ports.Connection`."""
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """See `chat.ports.Connection`."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self, close: CloseCode) -> None:
        """See `chat.ports.Connection`."""
        if self._session is not None:
            self._session.end()
        if self._protocol.state is OPEN:
            self._protocol.send_close(close.code, close.reason)
        self._send_protocol_data()
        self._expect_end()

    # The handshake.

    def _handshake(self, request: Request) -> None:
        address = urlsplit(request.path)
        dialect = BY_PATH.get(address.path)
        if dialect is None:
            response = self._protocol.reject(http.HTTPStatus.NOT_FOUND, "There is no WebSocket at this path.\n")
        elif self._shared.chat.draining:
            response = self._protocol.reject(http.HTTPStatus.SERVICE_UNAVAILABLE, "The server is about to stop.\n")
            response.headers["Retry-After"] = "2"
        else:
            response = self._protocol.accept(request)
            _name_the_version(response, self._protocol.handshake_exc)
        self._protocol.send_response(response)
        self._send_protocol_data()
        if response.status_code == 101 and dialect is not None:
            self._open(NATIVE if self._protocol.subprotocol else dialect, address.query)
        else:
            self._expect_end()

    def _open(self, dialect: Dialect, query: str) -> None:
        parameters = parse_qs(query, errors="replace")
        chat = self._shared.chat
        name, room = parameters.get("u", [None])[0], parameters.get("r", [None])[0]
        # `connect` may write, congest and even close: all of that finds the session through us.
        chat.connect(self, dialect, name=name, room=room, opened=self._opened)
        if self._session is not None and self._session.identity is None:
            self._shared.hello_deadlines.add(self._shared.now(), self._hello_due)

    def _opened(self, session: Session) -> None:
        self._session = session

    def _hello_due(self) -> None:
        if self._session is not None and self._session.identity is None:
            self.close(HELLO_TIMEOUT)

    # Frames.

    def _frame(self, session: Session, frame: Frame) -> None:
        opcode = frame.opcode
        if opcode is Opcode.TEXT and frame.fin:
            self._text(frame.data)
        elif opcode is Opcode.TEXT or opcode is Opcode.CONT:
            self._fragment(session, frame)
        elif opcode is Opcode.BINARY:
            self._shared.chat.refuse(session, ParleyError("unsupported"))
        elif opcode is Opcode.CLOSE:
            session.end()
            self._expect_end()
        elif self._shared.chat.take_command(session):  # ping, pong
            self.close(FLOOD)

    def _fragment(self, session: Session, frame: Frame) -> None:
        if frame.opcode is Opcode.TEXT or self._fragments:
            self._fragments.append(frame.data)
        # A continuation of a binary message, which was refused with its first frame, is counted and dropped.
        if self._shared.chat.take_command(session) or len(self._fragments) > MAX_FRAGMENTS:
            self._fragments.clear()
            self.close(FLOOD)
        elif frame.fin and self._fragments:
            payload = b"".join(self._fragments)
            self._fragments.clear()
            self._text(payload)

    def _text(self, payload: BytesLike) -> None:
        try:
            text = str(payload, "utf-8")
        except UnicodeDecodeError as error:
            self._protocol.fail(1007, f"{error.reason} at position {error.start}")
            self._fail()
            return
        self._idle_beats = 0
        if self._session is not None:
            self._shared.chat.receive(self._session, text)

    def _failed(self, error: Exception) -> None:
        """The library has refused a frame and has its Close frame ready."""
        if isinstance(error, PayloadTooBig) and self._session is not None:
            limit = self._shared.settings.max_frame_bytes
            # Before the Close, as browsers show no more than its code to the page.
            self._shared.chat.refuse(self._session, ParleyError("too_large", f"a frame has at most {limit} bytes"))
        self._fail()

    def _fail(self) -> None:
        if self._session is not None:
            self._session.end()
        self._send_protocol_data()
        self._expect_end()

    # The end.

    def _send_protocol_data(self) -> None:
        """Send what the library has to say: the handshake's response, pongs, Close frames, the end of the stream."""
        for data in self._protocol.data_to_send():
            if data:
                if not self._transport.is_closing():
                    self.write(data)
            elif self._transport.can_write_eof() and not self._transport.is_closing():
                # Half-close and go on reading: closing with unread input would reset the connection, and the
                # client would lose what it was told (RFC 6455 section 7.1.1).
                self._transport.write_eof()
                self._expect_end()
            else:
                self._transport.close()

    def _expect_end(self) -> None:
        """The client has some seconds to end the connection."""
        if not self._closing:
            self._closing = True
            self._shared.close_deadlines.add(self._shared.now(), self._transport.abort)

    def abort(self) -> None:
        """Drop the connection at once."""
        self._transport.abort()

    # The shared heartbeat (server.port) calls this every HEARTBEAT seconds.

    def beat(self, idle_beats: int) -> None:
        """Ping the client; give it up when it was silent too long. ``idle_beats`` without a command are too many."""
        if self._closing:
            return
        self._silent_beats = 0 if self._heard else self._silent_beats + 1
        self._heard = False
        self._idle_beats += 1
        if self._silent_beats >= DEAD_AFTER:
            self._transport.abort()
        elif idle_beats and self._idle_beats > idle_beats:
            self.close(IDLE)
        elif self._session is not None:
            self._session.write(PING)


def _select_subprotocol(protocol: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return Subprotocol(SUBPROTOCOL) if SUBPROTOCOL in offered else None


def _name_the_version(response: Response, error: Exception | None) -> None:
    """RFC 6455 section 4.4: who offers another version is told the one we speak."""
    if isinstance(error, InvalidHeader) and error.name == "Sec-WebSocket-Version" and error.value:
        response.status_code, response.reason_phrase = 426, "Upgrade Required"
        response.headers["Sec-WebSocket-Version"] = "13"
