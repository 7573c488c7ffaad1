"""A `WebSocketConnection` without sockets and without a chat, between stand-ins that only record events."""

import logging
from types import SimpleNamespace
from typing import Any

from chat.delivery.counters import Counters
from model.errors import ParleyError
from server.access.addresses import Addresses
from server.access.capacity import Capacity, Place
from server.access.origins import Origins
from server.dialects import dialects_by_path
from server.metrics.counts import ServerCounts
from server.wire.admission import FRAMES, FRAMES_AT_ONCE, Share
from server.wire.websocket import WebSocketConnection
from tests.support.rawws import KEY, NATIVE, request
from utils.clock import SystemClock

LIMIT = 300
PLACE = Place(Capacity(0, 0, Counters()), "", "", over=False)
LOG = logging.getLogger("tests.differential")
UPGRADE = request(
    "/chat",
    [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", KEY),
        ("Sec-WebSocket-Version", "13"),
        *NATIVE,
    ],
)
END = b"end of stream"


class Outcome:
    """The effects of the bytes: messages and refusals in order, and the bytes sent, up to the end of the stream."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.sent: list[bytes] = []

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, Outcome)
        return (self.events, b"".join(self.sent)) == (other.events, b"".join(other.sent))

    def __repr__(self) -> str:
        return f"{self.events} {b''.join(self.sent)!r}"


class Session:
    """The part of `chat.delivery.session.Session` that a connection uses."""

    def __init__(self, connection: WebSocketConnection, outcome: Outcome) -> None:
        self.connection, self.outcome = connection, outcome
        self.ended = False
        self.paused = False
        self.identity = object()
        self.commands = SimpleNamespace(take=lambda *_: 0.0)  # any number of them

    def write(self, data: bytes) -> None:
        self.connection.write(data)

    def refuse(self, error: ParleyError) -> None:
        self.outcome.events.append(error.code)

    def end(self) -> None:
        self.ended = True


class Transport:
    """Keeps the bytes written."""

    def __init__(self, outcome: Outcome) -> None:
        self.write = outcome.sent.append
        self.paused = False
        self.closing = False

    def set_write_buffer_limits(self, high: int) -> None:
        pass

    def get_extra_info(self, _: str) -> None:
        return None

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.write(END)

    def abort(self) -> None:
        raise AssertionError("no time passes here")


class World:
    """As much of `server.wire.connections.Shared` and of the chat as a connection uses."""

    def __init__(self, outcome: Outcome, frames: Share | None = None) -> None:
        self.outcome = outcome
        self.slow_bytes_low = 1 << 16
        self.frames = frames or Share(FRAMES, FRAMES_AT_ONCE)
        self.counts = ServerCounts()
        self.max_frame = LIMIT
        self.dialects = dialects_by_path(SystemClock())
        self.origins = Origins()
        self.public_origin = ""
        self.websockets_log = LOG
        self.connections: dict[object, None] = {}
        self.chat = self.parts = self
        self.clock = SystemClock()
        self.draining = False
        self.addresses = Addresses()
        self.authenticate = lambda *_: None
        self.session: Session | None = None
        self.hello_deadlines = self.close_deadlines = SimpleNamespace(add=lambda *_: None)

    def now(self) -> float:
        return 0.0

    access_log = False

    def refuse_upgrade(self, *_: object) -> bytes:
        return b""

    def note_upgrade(self, *_: object) -> None:
        pass

    def connect(self, connection: WebSocketConnection, *_: object, opened: Any, **__: object) -> None:
        self.session = Session(connection, self.outcome)
        opened(self.session)

    def receive(self, _: object, text: str) -> None:
        self.outcome.events.append(f"text {text}")

    def refuse_frame(self, _: object, error: ParleyError) -> None:
        self.outcome.events.append(error.code)
