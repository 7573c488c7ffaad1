"""The memory of a response that the client does not read: a part of it, for a while."""

import asyncio
import io
import logging
import socket

import pytest

from server.app import Server
from server.http import sending
from server.logs.folding import FoldRepeats
from server.wire.listener import SEND_BUFFER
from tests.contract.records import until
from tests.support.rawws import RawClient, command, request
from tests.support.serving import Serve

LARGE = "/history?r=large&limit=500"
PATIENCE = 0.3


@pytest.fixture
async def server(serve: Serve) -> Server:
    """A server with a large page and small kernel buffers."""
    server = await serve(RATE_LIMIT_MESSAGES="0")
    async with await RawClient.native(server.port, "/chat?u=ann&r=large") as client:
        await client.expect("joined")
        for number in range(40):
            client.send(command(type="message", id=str(number), room="large", content="\U0001f4a3" * 4000))
        stored = 0
        while stored < 40:
            stored += len((await client.expect("ack"))["ids"])
    assert server._listener is not None
    for listener in server._listener.sockets:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    return server


def connections(server: Server) -> int:
    assert server._runner.server is not None
    return len(server._runner.server.connections)


def held(server: Server) -> list[int]:
    """Return the bytes queued in the transports of HTTP connections."""
    assert server._runner.server is not None
    transports = [one.transport for one in server._runner.server.connections]
    return [transport.get_write_buffer_size() for transport in transports if transport is not None]


async def unread(server: Server, target: str) -> RawClient:
    kernel = socket.socket()
    kernel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    kernel.connect(("127.0.0.1", server.port))
    client = RawClient(*await asyncio.open_connection(sock=kernel))
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a Transport
    client.send(request(target))
    return client


@pytest.mark.parametrize("target", [LARGE, "/openapi.json", "/api/rooms/large/messages?limit=500"])
async def test_a_client_that_does_not_read_its_response_is_disconnected(
    server: Server, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    """Until then only a part of the page is queued, not all of it."""
    monkeypatch.setattr(sending, "STALL_SECONDS", PATIENCE)
    clients = await asyncio.gather(*(unread(server, target) for _ in range(5)))
    most = seen = 0
    while not seen or connections(server):  # on a busy machine the first may be gone when the last one comes
        seen = max(seen, connections(server))
        most = max(most, *held(server), 0)
        await asyncio.sleep(0)
    assert most <= sending.CHUNK_BYTES + 1024  # plus the head
    for client in clients:
        await client.close()


async def test_a_client_that_reads_too_slowly_is_disconnected(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """It must be as fast as a slow phone: otherwise each part that it reads would give it time for another."""
    monkeypatch.setattr(sending, "STALL_SECONDS", 0.002)  # in total, as no client is as fast as this:
    monkeypatch.setattr(sending, "LEAST_BYTES_A_SECOND", 1 << 40)
    async with await unread(server, LARGE) as client:
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        size = int((await client.reply(head_only=True)).headers["content-length"])
        read = 0
        try:
            while chunk := await client.reader.read(1024):
                read += len(chunk)
                await asyncio.sleep(0)
        except ConnectionResetError:
            pass
        assert 0 < read < size


async def test_a_slow_client_gets_the_whole_response(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "LEAST_BYTES_A_SECOND", 1)
    async with await RawClient.connect(server.port) as client:
        for _ in range(2):  # on one connection
            client.send(request(LARGE))
            reply = await client.reply()
            assert reply.status == 200
            assert reply.json()[-1]["content"] == "\U0001f4a3" * 4000


async def test_pipelined_requests_with_unread_responses_do_not_pile_up(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "STALL_SECONDS", PATIENCE)
    client = await RawClient.connect(server.port)
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    for path in ("/nothing", "/health", LARGE):
        client.send(request(path) * 1000)
    await until(lambda: connections(server) == 1)
    while connections(server):
        assert sum(held(server)) <= sending.CHUNK_BYTES + 1024
        await asyncio.sleep(0)
    await client.close()


async def test_a_path_cannot_forge_a_log_line(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(sending, "STALL_SECONDS", PATIENCE)
    stream, logger = io.StringIO(), logging.getLogger("parley.clients")
    handler = logging.StreamHandler(stream)
    handler.addFilter(FoldRepeats())
    logger.addHandler(handler)
    try:
        client = await RawClient.connect(server.port)
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.send(request("/nothing%0A%0D2030-01-01%20INFO%1B[31m%C2%9B%E2%80%AE") * 1000)
        await until(lambda: "too slowly" in stream.getvalue())
        await client.close()
    finally:
        logger.removeHandler(handler)
    (line,) = stream.getvalue().splitlines()
    assert "/nothing\\n\\r2030-01-01 INFO\\x1b[31m\\x9b\\u202e too slowly" in line


async def test_kernel_send_buffers_are_small(serve: Serve) -> None:
    """A connection that is not read costs SLOW_BYTES_HIGH plus this, not the megabytes of the system's default."""
    server = await serve()
    async with await RawClient.native(server.port), await RawClient.connect(server.port) as client:
        client.send(request("/health"))
        await client.reply()
        transports = [connection._transport for connection in server.shared.connections]  # type: ignore[attr-defined]
        assert server._runner.server is not None
        transports += [connection.transport for connection in server._runner.server.connections]
        assert len(transports) == 2
        for transport in transports:
            kernel = transport.get_extra_info("socket")
            assert kernel.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * SEND_BUFFER
