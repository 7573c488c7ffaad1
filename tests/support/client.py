"""A small client of `parley.v1` on the websockets library: keeps every frame, and waits for expected ones."""

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from server.dialects import NATIVE
from tests.support import contract
from tests.support.copies import CHANGES

Frame = dict[str, Any]
# A deadline for expected frames, and for the end of a connection: shorter than the time limits of the server.
PATIENCE = 20.0


class Client:
    """One connection: `async with Client(url, "ann", "general") as ann`, or `await Client(url).open()` and `close()`.

    `frames` has all frames in the order of arrival. `expect` and similar methods go through them with a cursor, so an
    awaited frame may have arrived before the call; `since` and `epoch` are what a resume of a room needs.

    Args:
        url: `ws://host:port`.
        token: sent in `hello` at once; `room` is then joined after it, not by the address.
        receive_buffer: bytes of the kernel's receive buffer, small for a client that will not read.
    """

    def __init__(
        self,
        url: str,
        name: str | None = None,
        room: str | None = None,
        *,
        token: str | None = None,
        receive_buffer: int | None = None,
    ) -> None:
        self._url = url
        self._query = {"u": name, "r": room if token is None else None}
        self._room = room
        self._hello = token
        self._receive_buffer = receive_buffer
        self.frames: list[Frame] = []
        self._cursor = 0
        self._came = asyncio.Event()
        self._reading = asyncio.Event()
        self._reading.set()
        self._reader: asyncio.Task[None] | None = None
        self.socket: ClientConnection
        self.ended = False

    async def open(self) -> Self:
        """Connect, and join the room if one was named."""
        query = urlencode({key: value for key, value in self._query.items() if value is not None})
        options: dict[str, Any] = {}
        if self._receive_buffer is not None:
            host, port = self._url.removeprefix("ws://").split(":")
            options["sock"] = raw = socket.socket()
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
            raw.setblocking(False)
            await asyncio.get_running_loop().sock_connect(raw, (host, int(port)))
        self.socket = await connect(
            f"{self._url}/chat?{query}",
            subprotocols=["parley.v1"],  # type: ignore[list-item]  # a NewType of str
            compression=None,
            ping_interval=None,
            max_size=None,
            max_queue=1,
            close_timeout=PATIENCE,
            proxy=None,
            **options,
        )
        self._reader = asyncio.create_task(self._read())
        if self._hello is not None:
            await self.send("hello", id="hello", token=self._hello)
            await self.expect("welcome", id="hello")
            if self._room is not None:
                await self.join(self._room)
        elif self._room is not None:
            await self.expect("joined")
        return self

    async def close(self) -> None:
        """Close the connection properly."""
        self._reading.set()
        await self.socket.close()
        await self._end()

    async def abort(self) -> None:
        """Reset the connection: the server gets no Close frame."""
        raw = self.socket.transport.get_extra_info("socket")
        if raw.fileno() >= 0:  # else the server was faster
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.socket.transport.abort()
        self._reading.set()
        await self._end()

    async def closed(self) -> tuple[int | None, str | None]:
        """Wait for the end of the connection, after all earlier frames; return the close code and reason."""
        self._reading.set()
        async with asyncio.timeout(PATIENCE):
            await self.socket.wait_closed()
            await self._end()
        return self.socket.close_code, self.socket.close_reason

    async def _end(self) -> None:
        if self._reader is not None:
            await self._reader

    async def __aenter__(self) -> Self:
        try:
            return await self.open()
        except BaseException:
            if self._reader is not None:
                await self.abort()  # a session that no test ends would keep the servers from stopping
            raise

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # Sending.

    async def send(self, type: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": type, **fields}))

    async def say(self, content: str, id: str | None = None, *, room: str = "general", **fields: Any) -> None:
        await self.send("message", room=room, content=content, **({} if id is None else {"id": id}), **fields)

    async def join(self, room: str, **fields: Any) -> Frame:
        await self.send("join", room=room, **fields)
        return await self.expect("joined", room=room)

    async def resume(self, room: str, since: int, epoch: str) -> Frame:
        """Join with `since`, and return the answer; the missed messages follow it."""
        return await self.join(room, since=since, epoch=epoch)

    async def history(self, room: str = "general", **fields: Any) -> Frame:
        await self.send("history", room=room, **fields)
        return await self.expect("history", room=room)

    # Receiving.

    async def expect(self, type: str, **fields: Any) -> Frame:
        """Return the next frame of this type with these fields, skipping others."""
        return await self.until(
            lambda frame: frame["type"] == type and all(frame.get(key) == value for key, value in fields.items()),
            f"{type} {fields}",
        )

    async def until(self, wanted: Callable[[Frame], bool], what: str = "a frame") -> Frame:
        """Return the next frame for which `wanted` is true."""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    while self._cursor < len(self.frames):
                        self._cursor += 1
                        if wanted(self.frames[self._cursor - 1]):
                            return self.frames[self._cursor - 1]
                    assert not self.ended, f"closed {self.socket.close_code} before {what}: {self.frames[-3:]}"
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            raise AssertionError(f"no {what} within {PATIENCE:g} s: {self.frames[-3:]}") from None

    async def holds(self, condition: Callable[[], bool], what: str = "a condition") -> None:
        """Wait until a condition on all received frames is true."""
        if not condition():
            await self.until(lambda _: condition(), what)

    def of(self, *types: str) -> list[Frame]:
        """The received frames of these types, in order."""
        return [frame for frame in self.frames if frame["type"] in types]

    def heard(self, room: str = "general") -> list[str]:
        return [frame["content"] for frame in self.of("message") if frame["room"] == room]

    def acked(self) -> dict[str, int]:
        return {item["id"]: item["seq"] for frame in self.of("ack") for item in frame["ids"]}

    async def all_acked(self, *ids: str) -> None:
        await self.holds(lambda: set(ids) <= set(self.acked()), f"acks of {ids}")

    @property
    def token(self) -> str:
        return str(self.of("welcome")[-1]["token"])

    def since(self, room: str = "general") -> int:
        """Return the arguments for `resume`."""
        heads: list[int] = [frame["head"] for frame in self.of("joined", "synced") if frame["room"] == room]
        states = self.of("message", *CHANGES)
        return max(heads + [int(frame["version"]) for frame in states if frame["room"] == room])

    def epoch(self, room: str = "general") -> str:
        return str([frame["epoch"] for frame in self.of("joined") if frame["room"] == room][-1])

    # Not reading.

    def stop_reading(self) -> None:
        """Stop reading: incoming bytes fill the kernel's buffers."""
        self._reading.clear()

    def go_on_reading(self) -> None:
        self._reading.set()

    async def _read(self) -> None:
        try:
            while True:
                await self._reading.wait()
                frame = json.loads(await self.socket.recv())
                contract.hold(NATIVE.name, frame)
                self.frames.append(frame)
                self._came.set()
        except ConnectionClosed:
            pass
        self.ended = True
        self._came.set()
