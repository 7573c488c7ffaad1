"""Refused, aborted and finished work is freed at once: the garbage collector, which may run late, finds nothing.

Each case runs with the collector off, and then checks what a collection finds.
"""

import asyncio
import gc
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable
from types import FrameType, TracebackType
from typing import Any

import pytest
from aiohttp import web
from aiohttp.web_app import _cached_build_middleware

from chat.delivery.session import Session
from chat.rooms.room import Room
from model.errors import ParleyError
from model.message import Message
from server.app import Server
from server.http import parameters, sending
from server.wire.switch import ProtocolSwitch
from server.wire.websocket import WebSocketConnection
from tests.contract.records import until
from tests.support.page import static
from tests.support.rawws import BINARY, NATIVE, TEXT, RawClient, command, frame, request, upgrade
from tests.support.serving import Serve

pytestmark = pytest.mark.one_server(
    "memory of connections and of rooms; what an edge keeps is measured in tests/integration/chat/test_leaks.py"
)

Attack = Callable[["Target"], Awaitable[None]]
TIMES = 10
LONG = 60_000
# The types that a page, a frame, a log or a request consists of, and those that keep it alive.
TELLING = (
    BaseException,
    FrameType,
    TracebackType,
    web.Request,
    web.StreamResponse,
    WebSocketConnection,
    Session,
    Room,
    Message,
)
# Endpoints that read a body, one that reads none, and unknown paths.
WITH_BODY = [
    ("POST", "/api/rooms"),
    ("PATCH", "/api/rooms/large"),
    ("POST", "/api/rooms/large/messages"),
    ("PUT", "/api/rooms/large/members/ann"),
    ("POST", "/api/announcements"),
    ("GET", "/health"),
    ("HEAD", "/history?r=large"),
    ("GET", "/api/rooms/large/export"),
    ("POST", "/nothing"),
]
# How a body of 65,000 bytes is declared, and begins.
BODIES = {("Content-Length", "65000"): b"", ("Transfer-Encoding", "chunked"): b"fde8\r\n"}
# aiohttp keeps the error of an unknown path in the route of this request, without frames and request.
HARMLESS = (web.HTTPNotFound,)


class Target:
    """A server with a room that has a large page, and a token."""

    def __init__(self, server: Server, token: str) -> None:
        self.server = server
        self.port = server.port
        self.token = [("Authorization", f"Bearer {token}")]


@pytest.fixture
async def target(serve: Serve) -> Target:
    server = await serve(
        RATE_LIMIT_MESSAGES="0", JWT_SECRET="s" * 32, HEAD_SECONDS="0.2", HELLO_SECONDS="0.2", CLOSE_SECONDS="0.2"
    )
    async with await RawClient.open(server.port, "/chat?u=ann&r=large", NATIVE) as client:
        token = (await client.expect("welcome"))["token"]
        await client.expect("joined")
        for number in range(40):
            client.send(command(type="message", id=str(number), room="large", content="\U0001f4a3" * 4000))
        stored = 0
        while stored < 40:
            stored += len((await client.expect("ack"))["ids"])
    return Target(server, token)


async def aborted_downloads(target: Target) -> None:
    for _ in range(TIMES):
        async with await RawClient.connect(target.port) as client:
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a Transport
            client.send(request("/history?r=large&limit=500"))
            runner = target.server._runner.server
            assert runner is not None
            await until(lambda: any(one.writing_paused for one in runner.connections))  # noqa: B023


async def pages_and_files(target: Target) -> None:
    for path in (
        "/history?r=large&limit=500",
        "/api/rooms",
        "/metrics",
        "/openapi.json",
        static("main.js"),
        "/nothing",
    ):
        async with await RawClient.connect(target.port) as client:
            client.send(request(path))
            await client.reply()
            client.send(request(path))  # and disconnects


async def malformed_requests(target: Target) -> None:
    for head in (b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: %b\r\n\r\n", b"\x16\x03\x01%b\r\n\r\n", b"GET /%b\r\n\r\n"):
        async with await RawClient.connect(target.port) as client:
            client.send(head % (b"x" * 8000))
            await client.rest()
    async with await RawClient.connect(target.port) as client:
        client.send(request("/chat?" + "x" * 8000, [*target.token, ("Authorization", "Bearer " + "x." * 2000)]))
        await client.reply()


async def refused_bodies(target: Target) -> None:
    nested, unknown = b"[" * LONG, b'{"name":5,"x":"' + b"x" * LONG + b'"}'
    long = json.dumps({"name": "x" * LONG, "content": "x" * LONG}).encode()
    for body in (nested, unknown, long, b"\xff" * LONG, b"x" * 100_000):
        for path in ("/api/rooms", "/api/rooms/large/messages", "/api/rooms/none/messages"):
            async with await RawClient.connect(target.port) as client:
                headers = [*target.token, ("Content-Length", str(len(body)))]
                client.send(request(path, headers, method="POST") + body)
                assert (await client.reply()).status in (400, 404, 413)


def bodies_that_break_off(end: Callable[[RawClient], None]) -> Attack:
    """Abort bodies of accepted requests, and of refused ones, which are read for a while."""

    async def attack(target: Target) -> None:
        runner = target.server._runner.server
        assert runner is not None
        for method, path in WITH_BODY:
            for headers in (target.token, []):
                for sent in (0, 1, LONG):
                    for length, start in BODIES.items():
                        async with await RawClient.connect(target.port) as client:
                            begun = start + b"x" * sent if sent else b""
                            client.send(request(path, [*headers, length], method=method) + begun)
                            await until(lambda: any(one._current_request for one in runner.connections))
                            end(client)
                            await client.rest()
                        await until(lambda: not runner.connections)

    return attack


def reset(client: RawClient) -> None:
    client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.writer.transport.abort()


async def bodies_without_a_turn(target: Target) -> None:
    """Disconnect between the start of a request and its turn."""
    runner = target.server._runner.server
    assert runner is not None
    for headers in (target.token, []):
        async with await RawClient.connect(target.port) as client:
            client.send(request("/health"))
            await client.reply()
            (http,) = runner.connections
            data = request("/api/rooms", [*headers, ("Content-Length", "65000")], method="POST") + b"x" * LONG
            transport: Any = http.transport
            transport.get_protocol().data_received(data)
            transport.abort()
            await client.rest()
        await until(lambda: not runner.connections)


async def bodies_that_take_too_long(target: Target) -> None:
    for method, path in WITH_BODY:
        async with await RawClient.connect(target.port) as client:
            client.send(request(path, [*target.token, ("Content-Length", "65000")], method=method) + b"x" * LONG)
            await client.rest()


async def refused_tokens(target: Target) -> None:
    for token in ("x." * 1500, target.token[0][1][7:-3], "a.b.c"):
        headers = [("Authorization", f"Bearer {token}")]
        async with await RawClient.connect(target.port) as client:
            client.send(request("/api/rooms", headers))
            assert (await client.reply()).status == 401
        for path in ("/chat", "/api/chat", "/ws"):
            async with await RawClient.connect(target.port) as client:
                client.send(upgrade(path, headers))
                assert (await client.reply()).status == 401


def refused_frames(path: str, headers: Iterable[tuple[str, str]] = ()) -> Attack:
    async def attack(target: Target) -> None:
        texts = [
            "[" * LONG,
            json.dumps({"type": "message", "event": "message", "room": 5, "payload": 5, "content": "x" * LONG}),
            json.dumps({"type": "x" * LONG}),
            json.dumps({"id": "a", "type": "message", "event": "edit", "room": "nowhere", "content": "x" * LONG}),
            json.dumps({"type": "join", "room": "x" * LONG, "payload": {"room_id": "x" * LONG}}),
            '{"id":"\\ud800' + "x" * LONG + '"}',
        ]
        for _ in range(TIMES):
            async with await RawClient.open(target.port, path, headers) as client:
                for text in texts:
                    client.send(frame(TEXT, text.encode()))
                client.send(frame(BINARY, b"x" * LONG))
                client.send_close()
                await client.rest()

    return attack


async def violations(target: Target) -> None:
    for data in (
        frame(TEXT, b"\xff" * LONG),
        frame(TEXT, b"x" * 100_000),
        frame(TEXT, b"x" * 30_000, fin=False) + frame(TEXT, b"x" * 30_000),
        frame(3, b"x" * LONG),
        frame(TEXT, b"x" * LONG)[:-1],
    ):
        async with await RawClient.native(target.port) as client:
            client.send(data)
            client.send_eof()
            await client.rest()


async def connections(target: Target) -> None:
    for way in range(4):
        client = await RawClient.native(target.port, f"/chat?u=ann&r=room-{way}")
        await client.expect("joined")
        client.send(command(type="message", id="1", room=f"room-{way}", content="x" * 4000))
        await client.expect("ack")
        if way == 0:
            client.send_close()
        elif way == 1:
            client.send_eof()
        elif way == 2:
            await client.pong()
        if way < 2:
            await client.rest()
        await client.close()
    async with await RawClient.connect(target.port) as client:  # upgraded afterwards
        client.send(request("/health"))
        await client.reply()
        client.send(upgrade("/chat"))
        await client.reply()


async def forgotten_rooms(target: Target) -> None:
    for wave in range(3):
        async with await RawClient.native(target.port) as client:
            for number in range(10):
                client.send(command(type="join", room=f"{wave} {number}"))
                await client.expect("joined")
                client.send(command(type="message", id="1", room=f"{wave} {number}", content="x" * 4000))
                await client.expect("ack")
        await until(lambda: not target.server.chat.parts.hub.rooms)


async def visits(target: Target) -> None:
    for number in range(TIMES):
        async with await RawClient.connect(target.port) as client:
            body = json.dumps({"content": "x" * 4000, "id": f"v{number}"}).encode()
            headers = [*target.token, ("Content-Length", str(len(body)))]
            client.send(request("/api/rooms/large/messages", headers, method="POST") + body)
            assert (await client.reply()).status == 201


CASES: dict[str, Attack] = {
    "aborted downloads": aborted_downloads,
    "pages and files": pages_and_files,
    "malformed requests": malformed_requests,
    "refused bodies": refused_bodies,
    "bodies that break off": bodies_that_break_off(RawClient.send_eof),
    "bodies that are reset": bodies_that_break_off(reset),
    "bodies without a turn": bodies_without_a_turn,
    "bodies that take too long": bodies_that_take_too_long,
    "refused tokens": refused_tokens,
    "native frames": refused_frames("/chat?r=x", NATIVE),
    "plain frames": refused_frames("/chat?r=x"),
    "rooms frames": refused_frames("/ws"),
    "violations": violations,
    "connections": connections,
    "forgotten rooms": forgotten_rooms,
    "visits": visits,
}


@pytest.mark.parametrize("case", CASES)
async def test_the_garbage_collector_finds_no_cycles(
    target: Target, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parameters, "BODY_SECONDS", 0.1)
    monkeypatch.setattr(sending, "DROP_SECONDS", 0.1)
    server = target.server
    _cached_build_middleware.cache_clear()  # it keeps earlier servers, and may drop one during the test
    gc.collect()
    gc.disable()
    try:
        await CASES[case](target)
        await until(lambda: not server.shared.connections and not server.shared.heads)
        await until(lambda: not server._runner.server.connections)  # type: ignore[union-attr]
        await until(lambda: not any(len(queue) for queue in server.shared._deadlines))  # they hold connections
        for _ in range(3):
            await asyncio.sleep(0)
        found = collected()
    finally:
        gc.enable()
    assert not [thing for thing in found if isinstance(thing, TELLING) and not isinstance(thing, HARMLESS)]
    held = sum(len(thing) for thing in referred(found) if isinstance(thing, str | bytes | bytearray))
    assert held < 20_000


async def test_a_forgotten_room_is_freed(target: Target) -> None:
    """Its messages are in storage; their copies in memory are freed with its last user, not by a collection."""
    gc.collect()
    gc.disable()
    try:
        before = {id(thing) for thing in gc.get_objects() if isinstance(thing, Room)}
        await forgotten_rooms(target)
        await asyncio.sleep(0)
        assert not [thing for thing in gc.get_objects() if isinstance(thing, Room) and id(thing) not in before]
    finally:
        gc.enable()


async def test_an_unfinished_head_is_freed(serve: Serve) -> None:
    """Nothing keeps the bytes read until the deadline."""
    server = await serve(HEAD_SECONDS="60")
    for head in (b"GET / HTTP/1.1\r\nX: " + b"x" * 8000, b"GET / HTTP/1.1\n\n", request("/", [("X", "x" * 100_000)])):
        for is_read in (True, False):
            async with await RawClient.connect(server.port) as client:
                await until(lambda: bool(server.shared.heads))
                client.send(head)
                if is_read:
                    client.send_eof()
                    await client.rest()
            await until(lambda: not server.shared.heads)
    assert not any(thing._head for thing in gc.get_objects() if isinstance(thing, ProtocolSwitch))


def collected() -> list[Any]:
    """Return what a collection finds."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        return list(gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


def referred(found: list[Any]) -> list[Any]:
    things = {id(thing): thing for thing in gc.get_referents(*found)} if found else {}
    return list(things.values())


def test_the_measurement_detects_a_leaked_page() -> None:
    """The kind of leak that this file is about: an exception that is referenced by one of its own frames."""

    def refuse(text: str) -> None:
        refusal = ParleyError("bad_json")
        raise refusal

    gc.collect()
    gc.disable()
    try:
        try:
            refuse("x" * LONG)
        except ParleyError:
            pass
        found = collected()
    finally:
        gc.enable()
    assert any(isinstance(thing, ParleyError) for thing in found)
    assert any(isinstance(thing, FrameType) for thing in found)
