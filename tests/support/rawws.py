"""A client that speaks HTTP/1.1 and WebSocket byte by byte, valid or not, exactly as the test says."""

import asyncio
import json
import os
import re
import struct
from collections.abc import AsyncIterator, Iterable
from typing import Any, NamedTuple, Self
from urllib.parse import urljoin

from tests.support import contract, process

# A deadline for expected frames, and for the end of a connection: shorter than the time limits of the server.
PATIENCE = 10.0
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
NATIVE = (("Sec-WebSocket-Protocol", "parley.v1"),)

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


class Reply(NamedTuple):
    """An HTTP response. Header names are in lower case; a repeated header's values are joined by ", "."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Frame(NamedTuple):
    """A frame as it came from the server."""

    fin: bool
    opcode: int
    payload: bytes


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    masked: bool = True,
    mask: bytes = b"\x01\xfe\x80\x7f",
    announced: int | None = None,
) -> bytes:
    """The bytes of a frame from a client. `announced` is a length to claim, in the 64-bit form; `rsv` is 0 to 7."""
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    flag = 0x80 if masked else 0
    size = len(payload)
    if announced is not None:
        head = struct.pack("!BBQ", first, flag | 127, announced)
    elif size < 126:
        head = struct.pack("!BB", first, flag | size)
    elif size < 65536:
        head = struct.pack("!BBH", first, flag | 126, size)
    else:
        head = struct.pack("!BBQ", first, flag | 127, size)
    if not masked:
        return head + payload
    repeated = (mask * (size // 4 + 1))[:size]
    return head + mask + (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(size, "big")


def text(content: str) -> bytes:
    """The bytes of a whole text frame."""
    return frame(TEXT, content.encode())


def command(**fields: Any) -> bytes:
    """The bytes of a native command."""
    return text(json.dumps(fields))


def request(
    target: str = "/", headers: Iterable[tuple[str, str]] = (), *, method: str = "GET", version: str = "HTTP/1.1"
) -> bytes:
    """The bytes of a request head with a Host."""
    lines = [f"{method} {target} {version}", "Host: localhost", *(f"{name}: {value}" for name, value in headers)]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


def upgrade(
    target: str = "/chat",
    headers: Iterable[tuple[str, str]] = (),
    *,
    without: str = "",
    method: str = "GET",
    version: str = "HTTP/1.1",
) -> bytes:
    """The bytes of an opening handshake; `headers` replace those of the same name, `without` leaves one out."""
    wanted = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": KEY, "Sec-WebSocket-Version": "13"}
    wanted.pop(without, None)
    given = list(headers)
    for name, _ in given:
        wanted.pop(name, None)
    return request(target, [*wanted.items(), *given], method=method, version=version)


class RawClient:
    """A TCP connection to the server.

    Attributes:
        patience: seconds after which every wait ends with TimeoutError.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.patience = PATIENCE
        self.reader = reader
        self.writer = writer
        self.dialect: str | None = None

    @classmethod
    async def connect(cls, port: int, source: str = "127.0.0.1") -> Self:
        """Connect, from another address of this machine if one is given: all of 127.0.0.0/8 are."""
        return cls(*await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0)))

    @classmethod
    async def open(
        cls,
        port: int,
        target: str = "/chat",
        headers: Iterable[tuple[str, str]] = (),
        *,
        source: str = "127.0.0.1",
        before: bytes = b"",
    ) -> Self:
        """Connect and shake hands; `before` is sent first."""
        client = await cls.connect(port, source)
        client.send(before)
        client.send(upgrade(target, headers))
        answer = await client.reply()
        assert answer.status == 101, answer
        client.dialect = contract.dialect_of(target, "sec-websocket-protocol" in answer.headers)
        return client

    @classmethod
    async def native(cls, port: int, target: str = "/chat?u=ann") -> Self:
        """Connect with `parley.v1` and read the `welcome`."""
        client = await cls.open(port, target, NATIVE)
        await client.expect("welcome")
        return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Drop the connection."""
        self.writer.transport.abort()
        try:
            await self.writer.wait_closed()
        except OSError:
            pass  # it was reset, which is an end as well

    # Sending.

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def drain(self) -> None:
        """Wait until most sent bytes have left the buffer."""
        async with asyncio.timeout(self.patience):
            await self.writer.drain()

    async def send_bytewise(self, data: bytes) -> None:
        """Send each byte in a packet of its own (TCP_NODELAY is asyncio's default)."""
        for byte in data:
            self.writer.write(bytes((byte,)))
            await asyncio.sleep(0)  # lets the server run, which shares this event loop

    def send_eof(self) -> None:
        """Half-close."""
        self.writer.write_eof()

    def send_close(self, code: int | None = 1000, reason: bytes = b"") -> None:
        self.send(frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason))

    # Receiving.

    async def exactly(self, size: int) -> bytes:
        async with asyncio.timeout(self.patience):
            return await self.reader.readexactly(size)

    async def rest(self) -> bytes:
        """Return everything until the server ends the connection; a reset ends it as well."""
        chunks = []
        async with asyncio.timeout(self.patience):
            try:
                while chunk := await self.reader.read(65536):
                    chunks.append(chunk)
            except ConnectionResetError:
                pass
        return b"".join(chunks)

    async def reply(self, *, head_only: bool = False) -> Reply:
        """The next HTTP response. `head_only` for the answer to HEAD, which announces a body and sends none."""
        async with asyncio.timeout(self.patience):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status_line, *lines = head.split("\r\n")[:-2]
        headers: dict[str, str] = {}
        for line in lines:
            name, value = line.split(":", 1)
            name = name.lower()
            headers[name] = f"{headers[name]}, {value.strip()}" if name in headers else value.strip()
        status = int(status_line.split(" ")[1])
        if status == 101 or head_only:
            return Reply(status, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            return Reply(status, headers, b"".join([chunk async for chunk in self.chunks()]))
        return Reply(status, headers, await self.exactly(int(headers.get("content-length", 0))))

    async def chunks(self) -> AsyncIterator[bytes]:
        """The chunks of a body (RFC 9112, 7.1). Raises IncompleteReadError for one that has no end."""
        size = -1
        while size:
            async with asyncio.timeout(self.patience):
                size = int(await self.reader.readuntil(b"\r\n"), 16)
            chunk = await self.exactly(size + 2)
            assert chunk[size:] == b"\r\n"
            yield chunk[:size]

    async def frame(self) -> Frame:
        """The next frame, whatever it is. The server must not mask."""
        first, second = await self.exactly(2)
        assert second < 0x80, "the server masks"
        size = second
        if size == 126:
            (size,) = struct.unpack("!H", await self.exactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self.exactly(8))
        assert not first & 0x70, "the server sets reserved bits"
        return Frame(bool(first & 0x80), first & 0x0F, await self.exactly(size))

    async def message(self) -> Any:
        """The next text frame, decoded; pings of the server are answered."""
        while True:
            got = await self.frame()
            if got.opcode == PING:
                self.send(frame(PONG, got.payload))
                continue
            assert got.opcode == TEXT, got
            assert got.fin
            event = json.loads(got.payload)
            if self.dialect is not None:
                contract.hold(self.dialect, event)
            return event

    async def expect(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Skip to the next native event of this type with these fields. An unexpected `error` is never skipped."""
        while True:
            event: dict[str, Any] = await self.message()
            if event["type"] == kind and all(event.get(name) == value for name, value in fields.items()):
                return event
            assert event["type"] != "error", event

    async def refused(self, code: str, **fields: Any) -> dict[str, Any]:
        """Skip to the next native `error`, which has this code and these fields."""
        while True:
            event: dict[str, Any] = await self.message()
            if event["type"] == "error":
                assert {"code": code, **fields}.items() <= event.items(), event
                return event

    async def closing(self) -> tuple[int | None, str]:
        """Skip to the server's Close frame: its code (None without one) and reason."""
        while True:
            got = await self.frame()
            if got.opcode == CLOSE:
                if not got.payload:
                    return None, ""
                return struct.unpack("!H", got.payload[:2])[0], got.payload[2:].decode()

    async def pong(self) -> bytes:
        """Ping the server and skip to its pong: everything sent before has then been handled."""
        mark = os.urandom(8)
        self.send(frame(PING, mark))
        while True:
            got = await self.frame()
            if got.opcode == PONG and got.payload == mark:
                return mark


def links(target: str, reply: Reply) -> dict[str, str]:
    """Return the addresses in `Link` by their rel, resolved against `target`."""
    found = re.findall(r'<([^>]*)>; rel="(\w+)"', reply.headers.get("link", ""))
    assert not any(reference.startswith("/") or "//" in reference for reference, _ in found), found
    return {rel: urljoin(target, reference) for reference, rel in found}


async def fetch(
    port: int,
    target: str,
    headers: Iterable[tuple[str, str]] = (),
    *,
    method: str = "GET",
    body: bytes | None = None,
) -> Reply:
    """Send one HTTP request on its own connection."""
    if body is not None:
        headers = [("Content-Length", str(len(body))), *headers]
    async with await RawClient.connect(port) as client:
        client.patience = process.PATIENCE
        client.send(request(target, headers, method=method) + (body or b""))
        reply = await client.reply(head_only=method == "HEAD")
    media = reply.headers.get("content-type", "").split(";")[0]
    body = reply.json() if media == "application/json" and method != "HEAD" else None
    contract.hold_reply(method, target, reply.status, media, body)
    return reply
