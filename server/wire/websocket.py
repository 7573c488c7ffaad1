"""One WebSocket connection: bytes to text frames and back.

A callback protocol without a task: 1.9 times the deliveries and a tenth of the memory of a task per connection
(measured). `server.codec.fastpath` parses common frames. The Sans-I/O part of the `websockets` library implements
RFC 6455; a connection creates it when it first needs it.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import cast

from websockets.exceptions import PayloadTooBig
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.typing import BytesLike

from chat.rooms.pacing import take_command
from chat.rooms.room import Session
from model.errors import FLOOD, HELLO_TIMEOUT, IDLE, TRY_AGAIN, CloseCode, ParleyError
from server.access.addresses import values_in
from server.access.capacity import Place
from server.auth.ending import TOO_LATE, end
from server.codec.fastpath import common_frames, ends_with_close, frame_end
from server.codec.frames import PING
from server.dialects import ROOM_PARAMETER
from server.metrics.counts import LOST
from server.wire.admission import TOGETHER
from server.wire.connections import Shared
from server.wire.handshake import let_go, parameters_in, shake_hands

log = logging.getLogger(__name__)

# A fragmented message counts as one command, like any other, plus one for each COMMAND_BYTES of it (or 1/16 of
# MAX_FRAME_BYTES, if that is more). A fragment counts FRAGMENT_BYTES more than its size: small ones cost time too.
COMMAND_BYTES = 4096
FRAGMENT_BYTES = 64
# Frames of one connection that are handled in one event loop iteration, so that a flooding client does not delay the
# others. uvloop passes up to 256 KiB at once, and continues reading while there is more.
FRAMES_PER_TURN = 64
# After the server's Close frame, bytes that are parsed to find the client's. Beyond the first limit only the last bytes
# of each read are checked for a Close frame; beyond the second the server stops reading.
CLOSE_BYTES = 4 << 10
CLOSE_BYTES_MOST = 1 << 20
# A client that has been silent for this many heartbeats is dead.
DEAD_AFTER = 3
# Bytes of one read from the kernel. For asyncio's 256 KiB glibc would use mmap (as for all above 128 KiB): three more
# system calls per read, a fifth of the server's time (measured).
READ_BYTES = 32 << 10


def most_fragments(max_frame: int) -> int:
    """Return the maximum number of fragments of a message: 64 bytes each in the largest message. More is an attack."""
    return max(256, max_frame // FRAGMENT_BYTES)


def ended_by(library: ServerProtocol | None) -> tuple[str, int]:
    """Return who has ended a connection, ``server``, ``client`` or ``lost``, and the code of the first Close frame."""
    if library is not None and library.close_rcvd is not None and library.close_rcvd_then_sent is not False:
        return "client", library.close_rcvd.code
    if library is not None and library.close_sent is not None:
        return "server", library.close_sent.code
    return "lost", LOST


class Fragments:
    """A fragmented message that is incomplete.

    Args:
        text: collects the message; None for a binary message, which was already refused.
    """

    __slots__ = ("cost", "count", "text")

    def __init__(self, text: bytearray | None) -> None:
        self.text = text
        self.count = 0
        self.cost = 0


class WebSocketConnection(asyncio.Protocol):
    """Speaks WebSocket on a transport from :meth:`start` on; implements `chat.ports.Connection`.

    Args:
        shared: the state that all connections of the server share.
        place: the place of the socket.
        on_lost: called once when the connection is lost, if another protocol handed over the transport.
    """

    __slots__ = (
        "_backlog",
        "_close_bytes",
        "_closing",
        "_fragments",
        "_going_on",
        "_heard",
        "_idle_beats",
        "_library",
        "_on_lost",
        "_place",
        "_rest",
        "_session",
        "_shared",
        "_silent_beats",
        "_transport",
        "_wanted",
        "write",
    )
    write: Callable[[bytes], object]

    def __init__(self, shared: Shared, place: Place, on_lost: Callable[[], None] | None = None) -> None:
        self._shared = shared
        self._place = place
        self._on_lost = on_lost
        self._session: Session | None = None
        self._library: ServerProtocol | None = None
        self._rest: bytearray | None = None  # an incomplete frame
        self._wanted = 0  # its size, 0 if it is still unknown
        self._fragments: Fragments | None = None
        self._backlog: bytes | bytearray | None = None  # left for the next turn; reading is paused
        self._going_on = False
        self._closing = False
        self._close_bytes = 0
        self._heard = True  # bytes arrived since the last heartbeat
        self._silent_beats = 0
        self._idle_beats = 0

    def start(self, head: bytes) -> None:
        """Answer an upgrade request with a complete head. Call `connection_made` first."""
        shared = self._shared
        client = shared.addresses.client(self._place.peer, values_in(head))
        if refusal := shared.refuse_upgrade(self._place, client, head):
            self.write(refusal)
            self._half_close()
            return
        handshake = shake_hands(
            head,
            dialects=shared.dialects,
            origins=shared.origins,
            draining=shared.chat.parts.draining,
            authenticate=shared.authenticate,
            public_origin=shared.public_origin,
            scheme=client.scheme,
            host=client.host,
        )
        if handshake.dialect is None:
            shared.counts.refused_upgrade(handshake.refusal)
            shared.note_upgrade(head, client, handshake.response, handshake.refusal)
            self.write(handshake.response)
            self._half_close()
            return
        if shared.access_log:
            identity = handshake.identity
            shared.note_upgrade(head, client, handshake.response, "", identity.user.id if identity else "")
        unsent = bytearray(handshake.response)

        def write_first(data: bytes) -> None:
            """Write the response together with the first frame, which saves each connect a system call."""
            self.write = self._transport.write
            unsent.extend(data)
            self.write(bytes(unsent))
            unsent.clear()

        self.write = write_first
        parameters = parameters_in(handshake.query)
        # `connect` may write, congest and even close: the callbacks find the session through this connection.
        shared.chat.connect(
            self,
            handshake.dialect,
            name=parameters.get("u"),
            room=parameters.get(ROOM_PARAMETER[handshake.path]),
            identity=handshake.identity,
            address=client.address,
            network=client.network,
            opened=self._opened,
        )
        if unsent:
            write_first(b"")
        if self._session is not None and self._session.identity is None:
            shared.hello_deadlines.add(shared.now(), self._hello_due)

    def _opened(self, session: Session) -> None:
        self._session = session

    def _hello_due(self) -> None:
        if self._session is not None and self._session.identity is None:
            # If guests are allowed, then this address has too many new ones right now.
            self.close(TRY_AGAIN if self._shared.chat.parts.options.guests else HELLO_TIMEOUT)

    # asyncio's callbacks.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over the transport."""
        self._transport = cast(asyncio.Transport, transport)
        self.write = self._transport.write
        self._transport.set_write_buffer_limits(high=self._shared.slow_bytes_low)
        if hasattr(transport, "max_size"):  # asyncio's transport; uvloop reuses its read buffer
            transport.max_size = READ_BYTES
        self._shared.connections[self] = None

    def data_received(self, data: bytes | bytearray) -> None:
        """Handle bytes from the client."""
        self._heard = True
        if self._backlog is not None:
            self._backlog += data  # the event loop read this before reading was paused
            return
        shared = self._shared
        share = shared.frames
        if share.left <= 0 and share.is_over():
            self._wait(data)
            return
        if self._closing:
            self._await_close(data)
            return
        if self._rest is not None:
            self._rest += data
            if len(self._rest) < self._wanted:
                return
            data, self._rest = self._rest, None
        position, left = 0, FRAMES_PER_TURN
        if self._library is None or self._library.current_size is None:
            payloads, position = common_frames(data, 0, shared.max_frame, left)
            for payload in payloads:
                self._text(payload)
            left -= len(payloads)
        if position < len(data):
            position, left = self._uncommon(data, position, left)
        frames = FRAMES_PER_TURN - left
        share.left -= (frames if frames < 2 else TOGETHER * frames) + (position >> 10)
        shared.counts.websocket_bytes += position  # what is left over is counted in its turn

    def eof_received(self) -> bool:
        """Flush what is queued and close the transport: the client has finished sending (RFC 6455 section 7.1.1)."""
        if self._session is not None:
            self._session.end()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Clean up after a lost connection."""
        self._shared.lost(self)
        self._place.release()
        # Break reference cycles at once: session and connection, the library's parser and its frames.
        session, self._session = self._session, None
        library, self._library = self._library, None
        self._rest = self._fragments = self._backlog = None
        if session is not None:
            by, code = ended_by(library)
            self._shared.counts.ended(by, code)
            if log.isEnabledFor(logging.DEBUG):
                seconds = (self._shared.chat.parts.clock.now_us() - session.since) / 1e6
                who = "lost" if by == "lost" else f"closed by the {by} with {code}"
                log.debug("the connection was %s after %.1f s", who, seconds, extra=session.marks)
            self._shared.chat.disconnect(session)
        if library is not None:
            let_go(library)
        if self._on_lost is not None:
            self._on_lost()

    def pause_writing(self) -> None:
        """Note that more bytes than the low mark are queued for the client."""
        if self._session is not None:
            self._session.on_congested()

    def resume_writing(self) -> None:
        """Note that the queued bytes have been sent."""
        if self._session is not None:
            self._session.on_drained()

    def _wait(self, data: bytes | bytearray) -> None:
        """Handle this in a later turn, because the clients together have used up this one."""
        self._backlog = data
        self.pause_reading()  # so that the end of the stream is not read before the frames are handled
        if not self._going_on:
            self._going_on = True
            self._shared.frames.wait(self._place.network or self, self._go_on)

    def _go_on_soon(self) -> None:
        if not self._going_on:
            self._going_on = True
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        self._going_on = False
        if self._backlog is None or self._is_paused():
            return  # `resume_reading` will call this again
        data, self._backlog = self._backlog, None
        if not self._transport.is_closing():
            self.data_received(data)
        if not self._is_paused():
            self.resume_reading()

    def _is_paused(self) -> bool:
        return self._session is not None and self._session.paused

    # chat.ports.Connection.

    def buffered(self) -> int:
        return self._transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._backlog is not None:
            self._go_on_soon()
        elif not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self, close: CloseCode) -> None:
        if self._session is not None:
            self._session.end()
        library = self._get_library()
        if library.state is OPEN:
            library.send_close(close.code, close.reason)
        self._send_from(library)
        self._expect_end()

    def end_at(self, when: int) -> None:
        self._shared.expiries.set(self, when)

    def expire(self) -> None:
        """Close the connection, because the account's token has expired and no `hello` has replaced it. One that was
        opened with a cookie stays open if its login was refreshed.
        """
        session = self._session
        if session is None or session.ended:
            return
        if session.identity is not None and session.identity.by_cookie:
            self._shared.renewals.ask(session)
        else:
            end(session, TOO_LATE)

    def abort(self) -> None:
        """Drop the connection at once."""
        self._transport.abort()

    # Frames.

    def _text(self, payload: BytesLike) -> None:
        self._idle_beats = 0
        session = self._session
        if session is None or session.ended:
            return
        try:
            text = str(payload, "utf-8")
        except UnicodeDecodeError as error:
            library = self._get_library()
            library.fail(1007, f"{error.reason} at position {error.start}")
            self._fail(library)
            return
        self._shared.chat.receive(session, text)

    def _uncommon(self, data: bytes | bytearray, position: int, left: int) -> tuple[int, int]:
        """Pass the frames from ``position`` to the library one by one, at most ``left`` of them in this iteration.

        Returns the position after them, and how many more there might have been.
        """
        limit = self._shared.max_frame
        library = self._get_library()
        while position < len(data):
            if self._closing:
                self._await_close(data[position:])
                return position, left
            if left <= 0:
                self._backlog = data[position:]
                self.pause_reading()
                self._go_on_soon()
                return position, left
            end = frame_end(data, position, limit)
            if end is None or end > len(data):
                self._rest = bytearray(data[position:])
                self._wanted = 0 if end is None else end - position
                return position, left
            library.receive_data(data[position:end])
            for event in library.events_received():
                if isinstance(event, Frame):
                    self._frame(event)
            if library.parser_exc is not None and not self._closing:
                self._refused(library, library.parser_exc)
            self._send_from(library)
            position = end
            left -= 1
            if library.current_size is None and not self._closing:
                payloads, position = common_frames(data, position, limit, left)
                for payload in payloads:
                    self._text(payload)
                left -= len(payloads)
        return position, left

    def _frame(self, frame: Frame) -> None:
        session, opcode = self._session, frame.opcode
        if session is None or session.ended:
            return
        if opcode is Opcode.CLOSE:
            session.end()
            self._expect_end()
        elif opcode is Opcode.TEXT and frame.fin:
            self._text(frame.data)
        elif opcode is Opcode.BINARY:
            self._shared.chat.refuse_frame(
                session, ParleyError("unsupported", "binary frames are not supported; send text")
            )
            if not frame.fin:
                self._fragments = Fragments(None)
        elif opcode is Opcode.TEXT:
            self._fragments = Fragments(bytearray())
            self._continue(session, self._fragments, frame)
        elif opcode is Opcode.CONT and self._fragments is not None:
            self._continue(session, self._fragments, frame)
        elif take_command(self._shared.chat.parts, session):
            self.close(FLOOD)  # more pings or pongs than any client needs

    def _continue(self, session: Session, fragments: Fragments, frame: Frame) -> None:
        """Add a fragment. It is not a command by itself: clients and proxies may fragment (RFC 6455 section 5.4)."""
        if fragments.text is not None:
            fragments.text += frame.data
        if frame.fin:
            self._fragments = None
            if fragments.text is not None:
                self._text(fragments.text)
            return
        limit = self._shared.max_frame
        fragments.count += 1
        fragments.cost += FRAGMENT_BYTES + len(frame.data)
        commands, fragments.cost = divmod(fragments.cost, max(COMMAND_BYTES, limit >> 4))
        too_many = fragments.count > most_fragments(limit)
        if too_many or any(take_command(self._shared.chat.parts, session) for _ in range(commands)):
            self._fragments = None
            self.close(FLOOD)

    def _refused(self, library: ServerProtocol, error: Exception) -> None:
        """Handle a frame that the library has refused; its Close frame is prepared."""
        session = self._session
        if isinstance(error, PayloadTooBig) and session is not None and not session.ended:
            # Sent before the Close frame, because browsers show the page only the code of that.
            message = f"a frame can have at most {self._shared.max_frame} bytes"
            session.refuse(ParleyError("too_large", message))
        self._fail(library)

    def _fail(self, library: ServerProtocol) -> None:
        if self._session is not None:
            self._session.end()
        self._send_from(library)
        self._expect_end()

    def _get_library(self) -> ServerProtocol:
        if self._library is None:
            shared = self._shared
            self._library = ServerProtocol(state=OPEN, max_size=shared.max_frame, logger=shared.websockets_log)
        return self._library

    # The end.

    def _send_from(self, library: ServerProtocol) -> None:
        """Send the library's output: pongs, Close frames, the end of the stream."""
        for data in library.data_to_send():
            if not data:
                self._half_close()
            elif not self._transport.is_closing():
                if self._session is not None and not self._session.ended:
                    self._session.write(data)  # pongs that the client does not read count towards its limit
                else:
                    self.write(data)

    def _half_close(self) -> None:
        """Stop sending, but keep reading: closing with unread input would reset the connection, and the client would
        lose the last bytes (RFC 6455 section 7.1.1)."""
        if not self._transport.is_closing():
            if self._transport.can_write_eof():
                self._transport.write_eof()
                self._expect_end()
            else:
                self._transport.close()

    def _expect_end(self) -> None:
        """Give the client some seconds to end the connection."""
        if not self._closing:
            self._closing = True
            self._shared.close_deadlines.add(self._shared.now(), self._transport.abort)
            if self._rest is not None:
                rest, self._rest = self._rest, None
                self._await_close(rest)

    def _await_close(self, data: bytes | bytearray) -> None:
        """Wait for the client's Close frame: once both sides have sent one, the server closes (RFC 6455 section 7.1.1).

        Nothing else is answered: the pongs to a flood would be unbounded, and a flood is not parsed in full.
        """
        library = self._library
        if library is None or library.eof_sent:
            return
        self._close_bytes += len(data)
        if self._close_bytes <= CLOSE_BYTES:
            self._shared.frames.left -= TOGETHER * len(data) // 6  # the smallest frame
            library.receive_data(data)
            library.events_received()
            if b"" in library.data_to_send():
                self._half_close()
        elif ends_with_close(data):
            self._half_close()
        elif self._close_bytes > CLOSE_BYTES_MOST:
            self.pause_reading()

    # The shared heartbeat (`server.wire.connections.Shared`) calls this every HEARTBEAT seconds.

    def beat(self, idle_beats: int) -> None:
        """Ping the client; drop it if it was silent too long, or sent no command for more than ``idle_beats``."""
        if self._closing:
            return
        self._silent_beats = 0 if self._heard or self._is_paused() else self._silent_beats + 1
        self._heard = False
        self._idle_beats += 1
        if self._silent_beats >= DEAD_AFTER:
            self._transport.abort()
        elif idle_beats and self._idle_beats > idle_beats:
            self.close(IDLE)
        elif self._session is not None:
            self._session.write(PING)
