"""Clients for attacks: they send and receive bytes with as little work as possible."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import Iterable
from typing import Any, Self

from server.auth.tokens import sign_account
from tests.abuse.victim import SECRET
from tests.support.process import PATIENCE
from tests.support.rawws import NATIVE, frame, request, upgrade

Json = dict[str, Any]
# linux/in.h: the kernel picks the local port when it connects, so that one port may serve many connections.
IP_BIND_ADDRESS_NO_PORT = 24


def token(name: str, role: str = "user") -> str:
    """Return the token of an account whose id at the application is its name."""
    return sign_account(SECRET, userid=name, username=name, role=role, expires=int(time.time()) + 3600)


def bearer(name: str, role: str = "user") -> tuple[str, str]:
    """Return the header of an account."""
    return "Authorization", f"Bearer {token(name, role)}"


async def dial(port: int, source: str = "127.0.0.1", *, receive_buffer: int = 0) -> socket.socket:
    """Open a connection to the server from an address of the loopback network."""
    raw = socket.socket()
    raw.setblocking(False)
    if receive_buffer:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    raw.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    raw.bind((source, 0))
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
    return raw


class Peer:
    """A WebSocket connection that answers no ping and checks nothing."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._eater: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        port: int,
        target: str = "/chat?u=mallory",
        *,
        native: bool = True,
        source: str = "127.0.0.1",
        headers: Iterable[tuple[str, str]] = (),
    ) -> Self:
        """Connect from an address of the loopback network and shake hands. Raises ConnectionError when refused."""
        reader, writer = await asyncio.open_connection(sock=await dial(port, source), limit=1 << 25)
        peer = cls(reader, writer)
        writer.write(upgrade(target, [*headers, *(NATIVE if native else ())]))
        async with asyncio.timeout(PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in head:
            await peer.close()
            raise ConnectionError(head.decode("latin-1").splitlines()[0])
        return peer

    async def close(self) -> None:
        """Drop the connection."""
        self.writer.transport.abort()
        if self._eater is not None:
            await asyncio.gather(self._eater, return_exceptions=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def send(self, **fields: Any) -> None:
        """Send a native command."""
        self.send_text(json.dumps(fields, ensure_ascii=False))  # escapes would make the frame of a long text too large

    def send_text(self, text: str) -> None:
        """Send a text frame."""
        self.writer.write(frame(1, text.encode()))

    async def message(self) -> Json:
        """Return the next text frame. Raises ConnectionError at the end of the connection."""
        try:
            while True:
                first, size = await self.reader.readexactly(2)
                if size == 126:
                    size = int.from_bytes(await self.reader.readexactly(2), "big")
                elif size == 127:
                    size = int.from_bytes(await self.reader.readexactly(8), "big")
                payload = await self.reader.readexactly(size)
                if first & 0xF == 1:
                    read: Json = json.loads(payload)
                    return read
                if first & 0xF == 8:
                    raise ConnectionError(f"closed with {int.from_bytes(payload[:2], 'big')}")
        except asyncio.IncompleteReadError as error:
            raise ConnectionError("the connection ended") from error

    async def ask(self, **fields: Any) -> Json:
        """Send a native command and return the response frame, which may be an error."""
        mine = os.urandom(6).hex()
        self.send(id=mine, **fields)
        async with asyncio.timeout(PATIENCE):
            while True:
                got = await self.message()
                if got["type"] == "message":
                    continue  # the message itself, which has the id as well; the response is its ack
                if got.get("id") == mine or any(item["id"] == mine for item in got.get("ids", ())):
                    return got

    def eat(self) -> None:
        """Read and discard everything from now on."""
        self._eater = asyncio.create_task(self._eat())

    async def _eat(self) -> None:
        try:
            while await self.reader.read(1 << 18):
                pass
        except ConnectionError:
            pass  # the server closed the connection


async def get(port: int, target: str, headers: Iterable[tuple[str, str]] = (), size: int = -1) -> tuple[int, bytes]:
    """Send a GET on a connection of its own. Return the status and the body, or some of its first `size` bytes."""
    reader, writer = await asyncio.open_connection(sock=await dial(port))
    try:
        writer.write(request(target, [*headers, ("Connection", "close")]))
        async with asyncio.timeout(PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
            return int(head.split(b" ", 2)[1]), await reader.read(size)
    finally:
        writer.close()


async def keep_asking(port: int, target: str) -> None:
    """Send GET requests forever, whatever the response."""
    while True:
        try:
            await get(port, target)
        except ConnectionError:
            await asyncio.sleep(0.01)  # it accepts no more for now


async def dawdle(port: int, target: str, headers: Iterable[tuple[str, str]] = ()) -> socket.socket:
    """Send a GET with a small receive buffer, and read nothing of the response."""
    raw = await dial(port, receive_buffer=2048)
    await asyncio.get_running_loop().sock_sendall(raw, request(target, headers))
    return raw
