"""Attacks by HTTP requests and responses."""

from __future__ import annotations

import asyncio
import socket
import zlib
from collections.abc import Callable

from tests.abuse.attacks.table import attack
from tests.abuse.peers import Peer, bearer, dawdle, dial, get, keep_asking
from tests.support.rawws import request

BOMB_MB = 400


async def fill(port: int, room: str, *, messages: int = 500) -> None:
    """Post messages of 16 KB each to a room, from as many guests as the rate limit requires."""
    for number in range(messages // 50):
        async with await Peer.open(port, f"/chat?u=f{number}&r={room}") as peer:
            for _ in range(50):
                answer = await peer.ask(type="message", room=room, content="\U0001f4a3" * 4000)
                assert answer["type"] == "ack", answer


@attack(databases=("memory", "postgres"))
async def aborted_downloads(port: int, ready: Callable[[], None]) -> None:
    """Request a page, read its beginning and disconnect; one page after the other."""
    await fill(port, "big")
    ready()
    while True:
        reader, writer = await asyncio.open_connection(sock=await dial(port))
        writer.write(request("/history?r=big&limit=500"))
        await reader.read(1000)
        writer.transport.abort()


@attack(databases=("memory", "postgres"))
async def downloads_that_are_not_read(port: int, ready: Callable[[], None]) -> None:
    """Request a hundred pages and read none of them."""
    await fill(port, "big")
    ready()
    held = [await dawdle(port, "/history?r=big&limit=500") for _ in range(100)]
    await asyncio.Event().wait()
    assert held


@attack()
async def compressed_bodies(port: int, ready: Callable[[], None]) -> None:
    """Send bodies of 400 KB that decompress to 400 MB, in each encoding, to any path."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(1 << 20)
    bomb = b"".join(deflate.compress(zeros) for _ in range(BOMB_MB)) + deflate.flush()
    ready()

    async def send(encoding: str, path: str) -> None:
        head = request(path, [("Content-Encoding", encoding), ("Content-Length", str(len(bomb)))], method="POST")
        while True:
            reader, writer = await asyncio.open_connection(sock=await dial(port))
            try:
                writer.write(head + bomb)
                await reader.read(100)
            except ConnectionError:
                pass  # refused before it was sent completely
            writer.transport.abort()

    pairs = [("gzip", "/health"), ("gzip", "/api/rooms"), ("deflate", "/history"), ("gzip, gzip", "/api/announcements")]
    await asyncio.gather(*(send(*pair) for pair in pairs))


@attack()
async def bodies_that_break_off(port: int, ready: Callable[[], None]) -> None:
    """Send incomplete bodies, with and without an account; a hundred at a time."""
    ready()
    loop = asyncio.get_running_loop()

    async def send(headers: list[tuple[str, str]]) -> None:
        data = request("/api/rooms", [("Content-Length", "65000"), *headers], method="POST") + b"a" * 60_000
        while True:
            raw = await dial(port)
            try:
                await loop.sock_sendall(raw, data)
                raw.shutdown(socket.SHUT_WR)
                while await loop.sock_recv(raw, 1000):
                    pass
            except ConnectionError:
                pass  # the server closed first
            raw.close()

    await asyncio.gather(*(send([bearer("mallory")] if number % 2 else []) for number in range(100)))


@attack()
async def long_static_names(port: int, ready: Callable[[], None]) -> None:
    """Request names that no file system accepts, each of which used to log an error."""
    ready()
    while True:
        await get(port, "/static/" + "a" * 8000)


@attack(databases=("memory", "postgres"))
async def searches_without_a_token(port: int, ready: Callable[[], None]) -> None:
    """Search a long room and list rooms from 64 clients."""
    await fill(port, "big", messages=250)
    ready()

    targets = [
        "/history?r=big&q=%F0%9F%92%A3+nothing&limit=500",
        "/api/rooms?q=zzzz",
        "/history?r=big&limit=500&sender=f1",
    ]
    await asyncio.gather(*(keep_asking(port, target) for target in targets * 21))


@attack(databases=("memory", "postgres"), RATE_LIMIT_MESSAGES="0")
async def searches_that_are_not_read(port: int, ready: Callable[[], None]) -> None:
    """Request pages of long messages from 50 WebSocket connections and read nothing."""
    await fill(port, "big", messages=250)
    ready()
    held = []
    for number in range(50):
        peer = await Peer.open(port, f"/chat?u=m{number}&r=big")
        held.append(peer)
        for _ in range(40):
            peer.send(type="search", q="nothing", limit=500)
            peer.send(type="history", room="big", limit=500)
    await asyncio.Event().wait()


@attack(stored=80, RATE_LIMIT_MESSAGES="0")
async def lists_and_words_in_memory(port: int, ready: Callable[[], None]) -> None:
    """List thousands of rooms, and search a room of long texts without spaces, from one address."""
    for number in range(20):
        async with await Peer.open(port, f"/chat?u=r{number}", source=f"127.0.1.{number + 1}") as peer:
            for place in range(100):
                peer.send(type="join", room=f"room {number} {place}")
                answer = await peer.ask(type="message", room=f"room {number} {place}", content="x")
                assert answer["type"] == "ack", answer
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 2000)))
    async with await Peer.open(port, "/chat?u=w&r=words", source="127.0.1.99") as peer:
        for _ in range(1000):
            answer = await peer.ask(type="message", room="words", content=text)
            assert answer["type"] == "ack", answer
    ready()

    async def list_all(number: int) -> None:
        peer = await Peer.open(port, f"/chat?u=l{number}")
        while True:
            await peer.ask(type="rooms", q="zzzz")

    targets = ["/api/rooms?q=zzzz", "/history?r=words&q=zzzz", "/history?r=words&sender=zzz"]
    await asyncio.gather(
        *(keep_asking(port, target) for target in targets * 20), *(list_all(number) for number in range(60))
    )


@attack(databases=("memory", "postgres"))
async def logins(port: int, ready: Callable[[], None]) -> None:
    """Sign in with wrong passwords and unknown names from 250 addresses, 500 at a time."""
    ready()

    async def sign_in(number: int) -> None:
        body = b'{"username":"user%d","password":"wrong horse battery"}' % number
        headers = [
            ("Origin", "http://localhost"),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
        ]
        data = request("/api/login", headers, method="POST") + body
        while True:
            reader, writer = await asyncio.open_connection(sock=await dial(port, f"127.0.2.{number % 250 + 1}"))
            try:
                writer.write(data)
                await reader.read(1000)
            except ConnectionError:
                pass
            writer.transport.abort()

    await asyncio.gather(*(sign_in(number) for number in range(500)))


@attack()
async def heads_on_used_connections(port: int, ready: Callable[[], None]) -> None:
    """Send endless headers on connections that were answered once."""
    ready()

    async def send() -> None:
        while True:
            reader, writer = await asyncio.open_connection(sock=await dial(port))
            try:
                writer.write(request("/health"))
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"GET /health HTTP/1.1\r\n")
                for number in range(120):
                    writer.write(b"X-%d: " % number + b"a" * 16_000 + b"\r\n")
                    await writer.drain()
                await asyncio.sleep(3)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            writer.transport.abort()

    await asyncio.gather(*(send() for _ in range(100)))
