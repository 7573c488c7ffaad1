"""The rules for requests: the same for the first and later ones of a connection, for HTTP and WebSocket."""

import asyncio
from collections.abc import Callable

import pytest

from server.codec.frames import EVERY
from tests.support.page import static
from tests.support.rawws import RawClient, Reply, request, upgrade
from tests.support.serving import Serve
from tests.support.web import SECRET, token_of

pytestmark = pytest.mark.one_server("heads and bodies are read by the node to which the client is connected")

HEALTH = request("/health")


@pytest.fixture(params=["first", "later"])
def later(request: pytest.FixtureRequest) -> bool:
    """Return whether the connection served a request before."""
    return bool(request.param == "later")


async def connected(port: int, later: bool) -> RawClient:
    client = await RawClient.connect(port)
    if later:
        client.send(HEALTH)
        assert (await client.reply()).status == 200
    return client


async def answer(port: int, later: bool, data: bytes) -> Reply:
    async with await connected(port, later) as client:
        client.send(data)
        return await client.reply()


def without_host(head: bytes) -> bytes:
    return head.replace(b"Host: localhost\r\n", b"")


def with_host(head: bytes, host: str) -> bytes:
    return head.replace(b"Host: localhost", f"Host: {host}".encode())


# --- Host, bodies, versions ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", [HEALTH, upgrade("/chat?u=ann")], ids=["http", "websocket"])
@pytest.mark.parametrize(
    "host",
    ["a b/c", "a/b", "a@b", "[::1", "::1", "a:b", "a:80:80", "\u00e4", "localhost\r\nHost: localhost", "a\r\nHost: b"],
)
async def test_several_hosts_or_a_missing_host_are_400(port: int, later: bool, head: bytes, host: str) -> None:
    """RFC 9112 section 3.2."""
    assert (await answer(port, later, with_host(head, host))).status == 400
    assert (await answer(port, later, without_host(head))).status == 400


@pytest.mark.parametrize("host", ["", "localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]", "[::1]:80", "a_b.c-d:"])
async def test_any_valid_host_is_accepted(port: int, later: bool, host: str) -> None:
    assert (await answer(port, later, with_host(HEALTH, host))).status == 200
    assert (await answer(port, later, with_host(upgrade(), host))).status == 101


@pytest.mark.parametrize(
    "header",
    [("Content-Length", "11"), ("Content-Length", "00"), ("content-length", "0, 5"), ("Transfer-Encoding", "chunked")],
)
async def test_an_upgrade_with_a_body_is_400(serve: Serve, later: bool, header: tuple[str, str]) -> None:
    """The body follows, which must not be parsed as frames (RFC 9112 section 6)."""
    server = await serve()
    reply = await answer(server.port, later, upgrade("/chat?u=ann", [header]) + b"0\r\n\r\n" + b"x" * 9)
    assert reply.status == 400
    assert not server.chat.parts.hub.sessions


async def test_an_upgrade_may_declare_an_empty_body(port: int, later: bool) -> None:
    assert (await answer(port, later, upgrade("/chat?u=ann", [("Content-Length", "0")]))).status == 101


@pytest.mark.parametrize("line", [b"GET /health", b"GET /health HTTP/0.9", b"GET /health HTTP/2.0"])
async def test_an_unsupported_version_of_http_is_400(port: int, later: bool, line: bytes) -> None:
    reply = await answer(port, later, line + b"\r\nHost: localhost\r\n\r\n" if b"HTTP" in line else line + b"\r\n\r\n")
    assert reply.status == 400
    assert b"ok" not in reply.body


# --- HEAD_BYTES ------------------------------------------------------------------------------------------------------

LONG = [("Cookie", "y" * 20_000)]
MANY = [(f"X-{number}", "y") for number in range(400)]


@pytest.mark.parametrize("headers", [LONG, MANY], ids=["long", "many"])
@pytest.mark.parametrize("head", [request, upgrade], ids=["http", "websocket"])
async def test_one_setting_limits_the_head(
    serve: Serve, later: bool, headers: list[tuple[str, str]], head: Callable[..., bytes]
) -> None:
    data = head("/chat" if head is upgrade else "/health", headers)
    small, large = await serve(), await serve(HEAD_BYTES="65536")
    assert (await answer(small.port, later, data)).status in (400, 431)
    assert (await answer(large.port, later, data)).status == (101 if head is upgrade else 200)


@pytest.mark.parametrize("answered", [0, 1, 3])
async def test_the_size_of_all_headers_is_bounded_on_a_reused_connection(port: int, answered: int) -> None:
    """Although each line is short enough, and there are few of them."""
    async with await RawClient.connect(port) as client:
        for _ in range(answered):
            client.send(HEALTH)
            assert (await client.reply()).status == 200
        client.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
        for number in range(60):
            client.send(b"X-%d: %s\r\n" % (number, b"a" * 16_000))
        assert (await client.reply()).status == 431
        assert await client.rest() == b""


async def test_a_body_is_not_parsed_as_a_head(serve: Serve) -> None:
    server = await serve(JWT_SECRET=SECRET, MAX_FRAME_BYTES=str(1 << 20), MAX_CONTENT_CHARS="1000000")
    ann = ("Authorization", f"Bearer {token_of('ann')}")
    async with await RawClient.connect(server.port) as client:
        for _ in range(3):
            body = b'{"content":"' + b"x" * 900_000 + b'"}'
            headers = [ann, ("Content-Length", str(len(body))), ("Content-Type", "application/json")]
            client.send(request("/api/rooms/r/messages", headers, method="POST") + body)
            assert (await client.reply()).status in (201, 404)


async def test_a_token_accepted_over_http_also_opens_a_websocket(serve: Serve, later: bool) -> None:
    server = await serve(HEAD_BYTES="65536", JWT_SECRET=SECRET)
    headers = [("Authorization", f"Bearer {token_of('ann')}"), ("Cookie", "session=" + "z" * 10_000)]
    assert (await answer(server.port, later, upgrade("/api/chat?room=den", headers))).status == 101
    assert (await answer(server.port, later, request("/api/users", headers))).status == 200


# --- Upgrade ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/health", "/client.html", "/history", "/nothing"])
async def test_upgrade_is_ignored_at_addresses_without_websocket(port: int, path: str) -> None:
    """RFC 9110 section 7.8. A proxy that requests an upgrade for everything still gets the page."""
    expected = await answer(port, False, request(path))
    async with await RawClient.connect(port) as client:
        for _ in range(3):
            client.send(upgrade(path))
            reply = await client.reply()
            assert (reply.status, reply.body) == (expected.status, expected.body)
            client.send(HEALTH)
            assert (await client.reply()).status == 200


@pytest.mark.parametrize(
    "head",
    [
        request("/chat"),
        request("/chat", version="HTTP/1.0"),
        request("/ws", [("Connection", "close")]),
        upgrade(without="Connection"),
        upgrade("/chat", [("Connection", "keep-alive")]),
        upgrade("/chat", [("Sec-WebSocket-Version", "8")]),
        upgrade("/ws", [("Upgrade", "h2c")]),
    ],
)
async def test_a_426_names_the_protocol_to_upgrade_to(port: int, later: bool, head: bytes) -> None:
    """RFC 9110 sections 7.8 and 15.5.22."""
    reply = await answer(port, later, head)
    assert (reply.status, reply.headers["upgrade"]) == (426, "websocket")
    assert "upgrade" in [option.strip().lower() for option in reply.headers["connection"].split(",")]


@pytest.mark.parametrize("wanted", [["h2c, websocket"], ["websocket, h2c"], ["h2c", "websocket"], ["h2c,WebSocket"]])
async def test_websocket_may_be_one_of_several_upgrade_options(port: int, later: bool, wanted: list[str]) -> None:
    reply = await answer(port, later, upgrade("/chat", [("Upgrade", value) for value in wanted]))
    assert (reply.status, reply.headers["upgrade"]) == (101, "websocket")


async def test_an_empty_subprotocol_header_offers_none(port: int, later: bool) -> None:
    reply = await answer(port, later, upgrade("/chat", [("Sec-WebSocket-Protocol", "")]))
    assert reply.status == 101
    assert "sec-websocket-protocol" not in reply.headers


# --- lines and connections -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", [HEALTH, upgrade("/chat?u=ann")], ids=["http", "websocket"])
@pytest.mark.parametrize("lines", [b"\r\n", b"\r\n\r\n", b"\r\n" * 5])
async def test_empty_lines_before_a_request_are_skipped(port: int, head: bytes, lines: bytes) -> None:
    """RFC 9112 section 2.2."""
    assert (await answer(port, False, lines + head)).status in (101, 200)
    async with await RawClient.connect(port) as client:
        await client.send_bytewise(lines + head)
        assert (await client.reply()).status in (101, 200)


@pytest.mark.parametrize("head", [HEALTH, upgrade("/chat?u=ann")], ids=["http", "websocket"])
@pytest.mark.parametrize("which", ["all", "the last", "the first"])
async def test_a_line_without_cr_is_400(port: int, head: bytes, which: str) -> None:
    wrong = {
        "all": head.replace(b"\r\n", b"\n"),
        "the last": head[:-2] + b"\n",
        "the first": head.replace(b"\r\n", b"\n", 1),
    }[which]
    assert (await answer(port, False, wrong)).status == 400


async def test_a_last_request_is_answered_whatever_data_follows(port: int) -> None:
    async with await RawClient.connect(port) as client:
        client.send(request("/health", [("Connection", "close")]) + HEALTH)
        assert (await client.reply()).status == 200
        assert await client.rest() == b""


async def test_a_refused_body_is_not_requested_with_100_continue(serve: Serve, later: bool) -> None:
    server = await serve(JWT_SECRET=SECRET)
    assert (await answer(server.port, False, HEALTH)).status == 200  # the tasks of the server have begun
    before = asyncio.all_tasks()
    expecting = [("Content-Type", "application/json"), ("Expect", "100-continue")]
    token = ("Authorization", f"Bearer {token_of('ann')}")

    def head(size: int, *more: tuple[str, str]) -> bytes:
        return request("/api/rooms", [("Content-Length", str(size)), *expecting, *more], method="POST")

    for data, status in ((head(70_000, token), 413), (head(10), 401)):
        async with await connected(server.port, later) as client:
            client.send(data)
            assert (await client.reply()).status == status
    body = b'{"name":"den"}'
    async with await connected(server.port, later) as client:
        client.send(head(len(body), token))
        assert (await client.reply()).status == 100
        client.send(body)
        assert (await client.reply()).status == 201
    while left := asyncio.all_tasks() - before:  # of connections whose body never arrived
        await asyncio.wait(left)


@pytest.mark.parametrize("began", [b"", b"\r\n"])
async def test_a_silent_connection_is_closed_without_a_response(serve: Serve, began: bytes) -> None:
    """A browser opens spare connections, and would take a response as that to its next request."""
    server = await serve(HEAD_SECONDS="0.05")
    async with await RawClient.connect(server.port) as client:
        client.send(began)
        assert await client.rest() == b""


# --- headers of every response ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (HEALTH, 200),
        (request("/ready"), 200),
        (request("/metrics"), 200),
        (request("/history?limit=x"), 400),
        (request("/api/users"), 401),
        (request("/nothing"), 404),
        (request(static("nothing")), 404),
        (request("/health", method="POST"), 405),
        (request("/chat"), 426),
        (upgrade("/chat", [("Sec-WebSocket-Key", "short")]), 400),
        (upgrade("/chat", [("Sec-WebSocket-Version", "8")]), 426),
        (upgrade("/api/chat"), 401),
        (request("/health", method="G@T"), 400),
        (with_host(HEALTH, "a b"), 400),
        (with_host(upgrade(), "a b"), 400),
        (request("/health", [("X", "y" * 20_000)]), 431),
    ],
)
async def test_every_response_has_the_common_headers(port: int, data: bytes, status: int) -> None:
    """Whether from an endpoint, the port, the handshake or aiohttp. None reveals a version."""
    reply = await answer(port, False, data)
    assert reply.status == status
    assert {name: reply.headers.get(name.lower()) for name in EVERY} == EVERY


async def test_files_may_be_cached_but_are_revalidated(port: int) -> None:
    for path in ("/client.html", "/openapi.json"):
        reply = await answer(port, False, request(path))
        assert (reply.headers["cache-control"], reply.headers["server"]) == ("no-cache", "parley")
        assert "content-security-policy" in reply.headers
