"""Request bodies: none is decompressed, and none is read forever."""

import zlib

import pytest

from server.app import Server
from server.http import sending
from tests.support.page import static
from tests.support.rawws import RawClient, fetch, request, upgrade
from tests.support.serving import Serve

pytestmark = pytest.mark.one_server("a body is read by the node to which the client is connected")

BOMB = zlib.compress(bytes(1 << 20))
PATHS = [
    ("GET", "/"),
    ("GET", "/client.html"),
    ("GET", static("main.js")),
    ("GET", "/health"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/history"),
    ("GET", "/api/rooms"),
    ("GET", "/search?q=x"),
    ("GET", "/chat"),
    ("GET", "/nothing"),
    ("HEAD", "/health"),
    ("DELETE", "/health"),
    ("POST", "/api/rooms"),
    ("PUT", "/api/rooms/x/members/g_1"),
    ("PATCH", "/api/rooms/x"),
]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "identity, gzip", "GZIP", "x-odd"])
async def test_a_body_with_a_content_coding_is_refused_everywhere(port: int, coding: str) -> None:
    for method, path in PATHS:
        for token in ((), (("Authorization", "Bearer x"),)):
            headers = [("Content-Encoding", coding), *token]
            reply = await fetch(port, path, headers, method=method, body=BOMB)
            assert reply.status == 415, path
            assert reply.headers["accept-encoding"] == "identity"
            if method != "HEAD":
                assert reply.json()["error"]["code"] == "unsupported"
                assert reply.json()["error"]["field"] == "Content-Encoding"


async def test_a_body_with_a_content_coding_is_refused_before_it_arrives(port: int) -> None:
    """The body is never looked at, whether or not it has that coding or arrives at all."""
    for body in (b"", b"\x1f\x8b no gzip"):
        async with await RawClient.connect(port) as client:
            client.send(request("/health", [("Content-Encoding", "gzip"), ("Content-Length", "900000000")]) + body)
            assert (await client.reply()).status == 415


@pytest.mark.parametrize("coding", ["gzip, chunked", "gzip,chunked", "identity, chunked", "chunked, chunked"])
@pytest.mark.parametrize("path", ["/health", "/history", "/nothing"])
async def test_a_transfer_coding_other_than_chunked_is_refused(port: int, coding: str, path: str) -> None:
    async with await RawClient.connect(port) as client:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BOMB), BOMB)
        client.send(request(path, [("Transfer-Encoding", coding)]) + body)
        assert (await client.reply()).status in (400, 415)  # 400: aiohttp's parser knows that it is malformed


async def test_identity_counts_as_no_coding(port: int) -> None:
    reply = await fetch(port, "/health", [("Content-Encoding", "identity")], body=b"x" * 100)
    assert reply.status == 200
    async with await RawClient.connect(port) as client:
        client.send(request("/health", [("Transfer-Encoding", "Chunked")]) + b"1\r\nx\r\n0\r\n\r\n")
        assert (await client.reply()).status == 200


async def test_a_content_coding_without_a_body_is_accepted(port: int) -> None:
    assert (await fetch(port, "/health", [("Content-Encoding", "gzip")])).status == 200


async def test_an_upgrade_reads_no_body(port: int) -> None:
    async with await RawClient.connect(port) as client:
        client.send(request("/health"))
        assert (await client.reply()).status == 200
        headers = [("Content-Encoding", "gzip"), ("Content-Length", str(len(BOMB)))]
        client.send(upgrade("/chat", headers) + BOMB)
        assert (await client.reply()).status in (400, 415)


async def test_a_small_unexpected_body_keeps_the_connection(port: int) -> None:
    async with await RawClient.connect(port) as client:
        for _ in range(2):
            client.send(request("/health", [("Content-Length", "1000")]))
            assert (await client.reply()).status == 200
            client.send(b"x" * 1000)


@pytest.mark.parametrize("path", ["/health", "/history", "/nothing", "/api/rooms"])
async def test_a_large_unexpected_body_is_not_read_to_its_end(
    serve: Serve, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The response is sent at once; then a little more is read, for a client that first sends everything."""
    monkeypatch.setattr(sending, "DROP_SECONDS", 600.0)
    server: Server = await serve()
    sent = 0
    async with await RawClient.connect(server.port) as client:
        client.send(request(path, [("Transfer-Encoding", "chunked")]))
        assert (await client.reply()).status in (200, 404)
        while sent < 1 << 30:
            client.send(b"10000\r\n%b\r\n" % bytes(1 << 16))
            try:
                await client.drain()
            except ConnectionError:
                break
            sent += 1 << 16
    # Plus the buffers of both kernels, and that of the client's transport.
    assert sent < sending.DROPPED_BYTES + (16 << 20)


async def test_a_missing_body_is_awaited_briefly(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "DROP_SECONDS", 0.01)
    async with await RawClient.connect(port) as client:
        client.send(request("/health", [("Content-Length", "1000")]))
        assert (await client.reply()).status == 200
        assert await client.rest() == b""
