"""Thousands of connections in one test process: frames are counted, and decoded only for clients that listen."""

import asyncio
import itertools
import json
import resource
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Self

from tests.support import contract
from tests.support.process import PATIENCE
from tests.support.rawws import CLOSE, NATIVE, PING, PONG, command, frame, upgrade

Frame = dict[str, Any]
# How many connect at the same time: fewer than the backlog of a listening socket.
_AT_ONCE = 100


@contextmanager
def many_files(wanted: int) -> Iterator[None]:
    """Temporarily allow this process this number of open files, if the machine permits it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert wanted <= hard or hard == resource.RLIM_INFINITY, f"{wanted} open files are needed, and {hard} are allowed"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted) if soft != resource.RLIM_INFINITY else soft, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Seat(asyncio.Protocol):
    """One connection. It examines only the beginning of each frame, unless it ``listens``.

    Attributes:
        size: bytes received since the handshake.
        heard: the number of frames, by type (native) or by sender (plain).
        frames: the received frames, if it listens.
        closed: why the server has closed it.
    """

    def __init__(self, crowd: "Crowd", *, dialect: str, listens: bool) -> None:
        self._crowd = crowd
        self._dialect = dialect
        self._listens = listens
        self._open = False
        self._rest = b""
        self.transport: asyncio.Transport
        self.gone = False
        self.closed = ""
        self.size = 0
        self.heard: Counter[str] = Counter()
        self.frames: list[Frame] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        at = 0
        if not self._open:
            at = data.find(b"\r\n\r\n") + 4
            if at < 4:
                self._rest = data
                return
            assert data.startswith(b"HTTP/1.1 101 "), data
            self._open = True
        while (found := self._next_frame(data, at)) is not None:
            start, end = found
            self.size += end - at
            self._take(data[at], data[start:end])
            at = end
        self._rest = data[at:]
        self._crowd.changed()

    @staticmethod
    def _next_frame(data: bytes, at: int) -> tuple[int, int] | None:
        """Return where the payload of the frame at this position begins and ends; None if it is incomplete."""
        if len(data) < at + 2:
            return None
        size, start = data[at + 1], at + 2
        if size >= 126:
            start += 2 if size == 126 else 8
            if len(data) < start:
                return None
            size = int.from_bytes(data[at + 2 : start], "big")
        return (start, start + size) if len(data) >= start + size else None

    def _take(self, first: int, payload: bytes) -> None:
        if first == 0x80 | PING:
            self.transport.write(frame(PONG, payload))
            return
        if first == 0x80 | CLOSE:
            self.closed = f"{int.from_bytes(payload[:2], 'big')} {payload[2:].decode()}"
            return
        kind = payload[:40].split(b'"', 4)[3].decode()  # {"type":"message", and {"sender":"ann",
        self.heard[kind] += 1
        if self._listens:
            event = json.loads(payload)
            contract.hold(self._dialect, event)
            self.frames.append(event)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        self._crowd.changed()

    def of(self, kind: str) -> list[Frame]:
        """The frames of a type, in order."""
        return [frame for frame in self.frames if frame["type"] == kind]

    def send(self, **fields: Any) -> None:
        self.transport.write(command(**fields))

    async def ask(self, **fields: Any) -> Frame:
        """Send a command, and wait for the frame that has its id."""
        self.send(**fields)
        await self._crowd.until(lambda: any(frame.get("id") == fields["id"] for frame in self.frames), f"{fields}")
        return next(frame for frame in self.frames if frame.get("id") == fields["id"])


class Crowd:
    """Many guests in one room.

    Args:
        ports: of the server; or of several nodes, to which the guests connect in turn.
        room: its name.

    Attributes:
        seats: the connections that are in the room.
    """

    def __init__(self, ports: Sequence[int], room: str) -> None:
        self._ports = itertools.cycle(ports)
        self._room = room
        self._changed = asyncio.Event()
        self._all: list[Seat] = []
        self.seats: list[Seat] = []

    def changed(self) -> None:
        """Note that a frame has arrived, or a connection has ended."""
        self._changed.set()

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition on the received frames."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition():
                    closed = {seat.closed for seat in self._all if seat.closed}
                    assert not closed, f"{what}: the server has closed connections meanwhile: {closed}"
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"{what}: not within {PATIENCE:g} s") from None

    async def seat(self, name: str, *, native: bool = True, listens: bool = True) -> Seat:
        """Connect one more guest, who is not counted among the many."""
        dialect = "parley.v1" if native else "plain"
        loop = asyncio.get_running_loop()
        _, seat = await loop.create_connection(
            lambda: Seat(self, dialect=dialect, listens=listens), "127.0.0.1", next(self._ports)
        )
        self._all.append(seat)
        seat.transport.write(upgrade(f"/chat?u={name}&r={self._room}", NATIVE if native else ()))
        return seat

    async def come(self, count: int) -> None:
        """Let this many more guests enter the room."""
        for first in range(0, count, _AT_ONCE):
            numbers = range(first, min(first + _AT_ONCE, count))
            new = await asyncio.gather(*(self.seat(f"n{number}", listens=False) for number in numbers))
            self.seats += new
            await self.until(partial(_are_in, new), f"{count} more enter the room")

    async def go(self, seats: Sequence[Seat]) -> None:
        """Break the connections of these guests."""
        self.seats = [seat for seat in self.seats if seat not in set(seats)]
        await self._end(seats)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Break all connections."""
        await self._end(self._all)

    async def _end(self, seats: Sequence[Seat]) -> None:
        for seat in seats:
            seat.transport.abort()
        await self.until(lambda: all(seat.gone for seat in seats), "their connections end")


def _are_in(seats: Sequence[Seat]) -> bool:
    return all(seat.heard["joined"] for seat in seats)
