"""The connections of one process of the Python generator: dialled, written to, and waited for, over raw sockets."""

from __future__ import annotations

import select
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from tests.load.generator_rooms import Room

IN, OUT = 1, 4  # POLLIN and POLLOUT, which are also EPOLLIN and EPOLLOUT
_EPOLL: tuple[type[select.epoll], ...] = (select.epoll,) if hasattr(select, "epoll") else ()  # macOS has none
RING = 1024  # messages of one publisher that may wait for their acks


@dataclass(frozen=True)
class Load:
    """The options of a run: those of wsload that the benchmark uses (see its head)."""

    host: str
    port: int
    path: str
    headers: tuple[str, ...]
    joins: tuple[str, ...]
    wait_join: str
    acks: str
    refusals: str
    clients: int
    rooms: int
    publishers: int  # per room
    inflight: int
    pub: str
    size: int
    window: int
    rate: float
    warmup: float
    seconds: float
    drain: float
    idle: bool


class Client:
    """One connection."""

    __slots__ = (
        "acknowledged", "due", "joining", "number", "open", "out", "position", "prefix", "rest", "room", "sequence",
        "socket", "suffix",
    )  # fmt: skip

    def __init__(self, number: int, room: Room, connection: socket.socket) -> None:
        self.number = number
        self.room = room
        self.socket = connection
        self.open = False
        self.joining = False
        self.rest = b""
        self.out = b""  # what the kernel did not take yet
        self.position = 0
        self.sequence = 0  # of the message sent last
        self.acknowledged = 0
        self.prefix = self.suffix = ""  # of its messages, around the payload
        self.due: deque[tuple[int, int]] = deque(maxlen=RING)  # (sequence, nanoseconds), for acks


def frame(text: bytes, opcode: int = 1) -> bytes:
    """A masked frame. The mask is zero, which costs nothing here and is the same work for the server."""
    size = len(text)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    else:
        head = bytes((0x80 | opcode, 0x80 | 126)) + size.to_bytes(2, "big")
    return head + b"\0\0\0\0" + text


def filled(template: str, number: int, rooms: int) -> str:
    """Fill in what is the same for all messages of a client."""
    return (
        template.replace("{room}", f"room{number % rooms}")
        .replace("{user}", f"user{number}")
        .replace("{i}", str(number))
    )


class Connections:
    """Sockets by file descriptor. `dead` and `handshakes` count those that ended, and those under way."""

    def __init__(self, load: Load, readable: Callable[[Client], None]) -> None:
        self.load = load
        self.clients: dict[int, Client] = {}
        self.dead = 0
        self.handshakes = 0
        self._readable = readable
        self._poller: select.epoll | select.poll = select.epoll() if _EPOLL else select.poll()

    def dial(self, number: int, room: Room) -> None:
        """Begin one connection: its request goes out as soon as it stands."""
        load = self.load
        connection = socket.socket()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = Client(number, room, connection)
        head = [
            f"GET {filled(load.path, number, load.rooms)} HTTP/1.1",
            f"Host: {load.host}:{load.port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13",
            *(filled(header, number, load.rooms) for header in load.headers),
        ]
        client.out = ("\r\n".join(head) + "\r\n\r\n").encode()
        self.handshakes += 1
        self.clients[connection.fileno()] = client
        self._poller.register(connection.fileno(), IN | OUT)
        connection.connect_ex((load.host, load.port))  # in progress; a refusal shows when it is written to

    def turn(self, timeout: float) -> None:
        """Wait at most `timeout` seconds for something to read, and read it."""
        if not isinstance(self._poller, _EPOLL):
            wait = max(timeout, 0) * 1e3
        else:
            wait = 0
            if timeout > 0:
                select.select([self._poller.fileno()], [], [], timeout)  # epoll itself counts in whole milliseconds
        for descriptor, event in self._poller.poll(wait):
            client = self.clients.get(descriptor)
            if client is None:
                continue
            if event & OUT:
                self.flush(client)
            if event & ~OUT:
                self._readable(client)

    def send(self, client: Client, data: bytes) -> None:
        """Send, and keep what the kernel does not take."""
        if client.out:
            client.out += data
            return
        try:
            sent = client.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.drop(client)
            return
        if sent < len(data):
            client.out = data[sent:]
            self._poller.modify(client.socket.fileno(), IN | OUT)

    def flush(self, client: Client) -> None:
        """Send what was kept."""
        data, client.out = client.out, b""
        self._poller.modify(client.socket.fileno(), IN)
        self.send(client, data)

    def drop(self, client: Client) -> None:
        """A connection is over."""
        descriptor = client.socket.fileno()
        if descriptor < 0:
            return
        self._poller.unregister(descriptor)
        del self.clients[descriptor]
        client.socket.close()
        self.handshakes -= not client.open
        self.dead += 1
