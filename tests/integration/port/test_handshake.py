"""WebSocket and HTTP on one port, chosen by the first request; and the responses to invalid handshakes."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from tests.support.rawws import KEY, NATIVE, PONG, RawClient, command, frame, request, text, upgrade
from tests.support.serving import Serve

pytestmark = pytest.mark.one_server("a handshake is answered by the node to which the client is connected")

HEALTH = request("/health")


async def answer(port: int, data: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes on a new connection; return the response, after which the server must send nothing more."""
    async with await RawClient.connect(port) as client:
        client.send(data)
        return await client.reply()


# --- one port --------------------------------------------------------------------------------------------------------


async def test_websocket_and_http_share_the_port(port: int) -> None:
    async with await RawClient.native(port) as socket, await RawClient.connect(port) as http:
        for _ in range(2):  # in turn, on the same two connections
            http.send(HEALTH)
            assert (await http.reply()).json() == {"status": "ok"}
            await socket.pong()


async def test_the_accept_header_matches_the_rfc(port: int) -> None:
    """The key and its answer are the example of RFC 6455 section 1.3."""
    status, headers, _ = await answer(port, upgrade())
    assert status == 101
    assert headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert (headers["upgrade"].lower(), headers["connection"].lower()) == ("websocket", "upgrade")
    assert "sec-websocket-protocol" not in headers
    assert "sec-websocket-extensions" not in headers


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("parley.v1", "parley.v1"),
        ("chat, parley.v1", "parley.v1"),
        ("parley.v2", None),
        ("PARLEY.V1", None),
        ("mqtt, soap", None),
    ],
)
async def test_the_native_protocol_is_selected_if_offered(port: int, offered: str, chosen: str | None) -> None:
    """An unknown one is not refused: such a client gets the plain dialect and no protocol in the response."""
    async with await RawClient.connect(port) as client:
        client.send(upgrade("/chat?u=ann&r=den", [("Sec-WebSocket-Protocol", offered)]))
        reply = await client.reply()
        assert (reply.status, reply.headers.get("sec-websocket-protocol")) == (101, chosen)
        first = await client.message()
        assert ("type" in first) == (chosen is not None), first


@pytest.mark.parametrize("spelling", ["websocket", "WebSocket", "WEBSOCKET"])
@pytest.mark.parametrize("connection", ["Upgrade", "keep-alive, Upgrade", "upgrade"])
async def test_handshake_tokens_ignore_case(port: int, spelling: str, connection: str) -> None:
    status, _, _ = await answer(port, upgrade("/chat", [("Upgrade", spelling), ("Connection", connection)]))
    assert status == 101


async def test_extensions_are_declined_silently(port: int) -> None:
    offer = ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")
    status, headers, _ = await answer(port, upgrade("/chat", [offer]))
    assert status == 101
    assert "sec-websocket-extensions" not in headers


@pytest.mark.parametrize("head", [HEALTH, upgrade("/chat?u=ann", NATIVE)], ids=["http", "websocket"])
async def test_a_head_may_arrive_byte_by_byte(port: int, head: bytes) -> None:
    async with await RawClient.connect(port) as client:
        await client.send_bytewise(head)
        assert (await client.reply()).status in (200, 101)


async def test_requests_may_be_pipelined(port: int) -> None:
    async with await RawClient.connect(port) as client:
        client.send(HEALTH + request("/history?r=nobody") + request("/nothing") + HEALTH)
        assert [(await client.reply()).status for _ in range(4)] == [200, 200, 404, 200]


# --- an upgrade on a connection that served HTTP before --------------------------------------------------------------


async def kept_alive(port: int, target: str = "/chat?u=ann&r=later") -> RawClient:
    """Return a native client whose connection served an HTTP request first."""
    client = await RawClient.connect(port)
    client.send(HEALTH)
    assert (await client.reply()).status == 200
    client.send(upgrade(target, NATIVE))
    assert (await client.reply()).headers["sec-websocket-protocol"] == "parley.v1"
    await client.expect("welcome")
    return client


async def test_a_later_upgrade_can_join_and_post(serve: Serve) -> None:
    server = await serve()
    async with await kept_alive(server.port) as late, await RawClient.native(server.port, "/chat?u=bob&r=later") as bob:
        await late.expect("joined")
        await bob.expect("joined")
        late.send(command(type="message", id="m", room="later", content="from behind a proxy"))
        assert (await bob.expect("message"))["content"] == "from behind a proxy"
        await late.expect("ack")
        await late.pong()
        late.send_close(1000)
        assert await late.closing() == (1000, "")
        assert await late.rest() == b""


@pytest.mark.parametrize("at_once", [True, False], ids=["pipelined", "after the answer"])
async def test_frames_sent_with_a_later_upgrade_are_read(port: int, at_once: bool) -> None:
    early = upgrade("/chat?u=ann", NATIVE) + command(type="ping", id="p") + command(type="join", id="j", room="early")
    async with await RawClient.connect(port) as client:
        client.send(HEALTH + early if at_once else HEALTH)
        assert (await client.reply()).status == 200
        if not at_once:
            client.send(early)
        assert (await client.reply()).status == 101
        await client.expect("welcome")
        assert (await client.expect("pong"))["id"] == "p"
        assert (await client.expect("joined"))["room"] == "early"


async def test_an_oversize_message_after_a_later_upgrade_closes_with_1009(serve: Serve) -> None:
    server = await serve(MAX_FRAME_BYTES="2048")
    async with await kept_alive(server.port) as client:
        await client.expect("joined")
        client.send(frame(1, b"x" * 100_000))
        await client.refused("too_large")
        assert (await client.closing())[0] == 1009


async def test_a_connection_after_a_later_upgrade_gets_goodbye(serve: Serve) -> None:
    server = await serve()
    async with await kept_alive(server.port) as client:
        stopping = asyncio.create_task(server.stop())
        await client.expect("goodbye")
        assert (await client.closing())[0] == 1001
        client.send_close(1001)
        assert await client.rest() == b""
    await stopping


async def test_a_later_upgrade_that_disconnects_leaves_nothing_behind(serve: Serve) -> None:
    """Neither a connection nor a session nor aiohttp's own task for the request."""
    server = await serve()
    before = asyncio.all_tasks()
    for _ in range(3):
        client = await kept_alive(server.port)
        await client.expect("joined")
        await client.close()
        while server.shared.connections:
            await server.shared.connection_gone()
    while left := asyncio.all_tasks() - before:
        await asyncio.wait(left)
    assert not server.chat.parts.hub.sessions
    assert not server.chat.parts.hub.rooms


async def test_a_refused_later_upgrade_gets_the_reason(port: int) -> None:
    async with await RawClient.connect(port) as client:
        client.send(HEALTH)
        await client.reply()
        client.send(upgrade("/chat", [("Sec-WebSocket-Version", "8")]))
        reply = await client.reply()
        assert (reply.status, reply.headers["sec-websocket-version"]) == (426, "13")
        assert await client.rest() == b""


@pytest.mark.parametrize("target", ["/other", "/health", "/"])
async def test_a_later_upgrade_elsewhere_is_an_ordinary_request(port: int, target: str) -> None:
    """RFC 9110 section 7.8: a server may ignore Upgrade."""
    async with await RawClient.connect(port) as client:
        client.send(HEALTH)
        await client.reply()
        client.send(upgrade(target))
        assert (await client.reply()).status in (200, 302, 404)


async def test_the_chat_gets_the_address_of_the_client(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """With either kind of upgrade; limits per address depend on it."""
    server = await serve()
    seen: list[str] = []
    connect = server.chat.connect

    def noting(*arguments: Any, address: str, **options: Any) -> None:
        seen.append(address)
        connect(*arguments, address=address, **options)

    monkeypatch.setattr(server.chat, "connect", noting)
    for client in (await RawClient.native(server.port), await kept_alive(server.port)):
        await client.close()
    assert seen == ["127.0.0.1", "127.0.0.1"]


# --- bounds ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"], ids=["without an end", "with an end"])
@pytest.mark.parametrize("filler", [b"X: " + b"y" * 2000, b"X: y\r\n" * 400], ids=["one header", "many headers"])
async def test_an_oversize_head_is_431(serve: Serve, end: bytes, filler: bytes) -> None:
    server = await serve(HEAD_BYTES="1024")
    async with await RawClient.connect(server.port) as client:
        client.send(b"GET / HTTP/1.1\r\n" + filler + end)
        reply = await client.reply()
        assert (reply.status, reply.headers["connection"]) == (431, "close")
        assert await client.rest() == b""


async def test_the_refusal_of_a_head_arrives_while_the_client_keeps_sending(serve: Serve) -> None:
    server = await serve(HEAD_BYTES="1024")
    async with await RawClient.connect(server.port) as client:
        for _ in range(32):
            client.send(b"x" * (1 << 20))
        assert (await client.reply()).status == 431


async def test_an_oversize_request_line_is_refused(serve: Serve) -> None:
    """For a WebSocket as for any other request; by the size of the whole head."""
    server = await serve(HEAD_BYTES="20000")
    for data in (upgrade("/chat?u=" + "x" * 30_000), request("/" + "x" * 30_000)):
        assert (await answer(server.port, data))[0] in (400, 414, 431)
    assert (await answer(server.port, upgrade("/chat?u=" + "x" * 10_000)))[0] == 101


@pytest.mark.parametrize("began", [b"G", b"GET / HTTP/1.1\r\nHost: localhost\r\n"], ids=len)
async def test_a_head_that_takes_too_long_is_408(serve: Serve, began: bytes) -> None:
    server = await serve(HEAD_SECONDS="0.05", CLOSE_SECONDS="0.1")
    async with await RawClient.connect(server.port) as client:
        client.send(began)
        reply = await client.reply()
        assert (reply.status, reply.headers["connection"]) == (408, "close")
        assert await client.rest() == b""
    assert not server.shared.heads


async def test_the_head_deadline_does_not_apply_after_the_head(serve: Serve) -> None:
    """The deadline is for the head, not for what comes after it."""
    server = await serve(HEAD_SECONDS="0.04", HEARTBEAT="0.02")
    async with await RawClient.native(server.port) as client:
        for _ in range(8):  # 8 heartbeats are 4 times the head's time
            assert (await client.frame()).payload == b""
            client.send(frame(PONG))
        await client.pong()


async def test_too_many_headers_return_a_named_error(serve: Serve) -> None:
    server = await serve()
    crowd = [(f"X-{number}", "y") for number in range(300)]
    assert (await answer(server.port, upgrade("/chat", crowd)))[0] in (400, 431)


GARBAGE = {
    "TLS": bytes.fromhex("1603010200010001fc0303") + b"\x00" * 200 + b"\r\n\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "NUL bytes": b"\x00" * 64 + b"\r\n\r\n",
    "not ASCII": "GET /é HTTP/1.1\r\n\r\n".encode(),
    "words": b"hello there\r\n\r\n",
    "no method": b" / HTTP/1.1\r\nHost: x\r\n\r\n",
    "an upgrade in garbage": b"\xff\xfe\r\nUpgrade: websocket\r\n\r\n",
    "an upgrade without a request": b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "a header without a colon": b"GET /chat HTTP/1.1\r\nUpgrade: websocket\r\nnonsense\r\n\r\n",
    "a header name with a space": b"GET /chat HTTP/1.1\r\nUpgrade: websocket\r\nX Y: z\r\n\r\n",
    "an address that is none": upgrade("//["),
    "another address that is none": upgrade("http://[/chat"),
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
async def test_garbage_is_answered_or_disconnected(port: int, garbage: bytes) -> None:
    """With a 4xx if it looks like HTTP; and the server keeps serving."""
    async with await RawClient.connect(port) as client:
        client.send(garbage)
        client.send_eof()
        got = await client.rest()
    assert not got or got.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), got
    if b" /chat" in garbage:
        assert got.startswith(b"HTTP/1.1 400 "), got
    assert (await answer(port, HEALTH))[0] == 200


# --- invalid handshakes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/nothing", "/chat/", "/CHAT", "/chat/x", "/ch%61t"])
async def test_an_unknown_path_is_404(port: int, target: str) -> None:
    assert (await answer(port, upgrade(target)))[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD", "get"])
async def test_another_method_is_405_with_allow(port: int, method: str) -> None:
    async with await RawClient.connect(port) as client:
        client.send(upgrade(method=method))
        reply = await client.reply(head_only=method == "HEAD")
    assert (reply.status, reply.headers.get("allow")) == (405, "GET")


@pytest.mark.parametrize("version", ["0", "7", "8", "12", "14", "13.0", "thirteen"])
async def test_another_version_is_426_with_the_supported_one(port: int, version: str) -> None:
    status, headers, _ = await answer(port, upgrade("/chat", [("Sec-WebSocket-Version", version)]))
    assert (status, headers.get("sec-websocket-version")) == (426, "13")


BAD: dict[str, bytes] = {
    "no version": upgrade(without="Sec-WebSocket-Version"),
    "no key": upgrade(without="Sec-WebSocket-Key"),
    **{
        f"key {key!r}": upgrade("/chat", [("Sec-WebSocket-Key", key)])
        for key in ("", "short", "dGhlIHNhbXBsZQ==", "dGhlIHNhbXBsZSBub25jZQ", "x" * 24, "dGhlIHNhbXBsZSBub25jZQ==AAAA")
    },
    "two keys": upgrade("/chat", [("Sec-WebSocket-Key", KEY), ("Sec-WebSocket-Key", KEY)]),
    "two origins": upgrade("/chat", [("Origin", "http://a"), ("Origin", "http://b")]),
    "a protocol that is no token": upgrade("/chat", [("Sec-WebSocket-Protocol", "a b, {}")]),
}


@pytest.mark.parametrize("head", BAD.values(), ids=BAD.keys())
async def test_a_malformed_handshake_is_400(serve: Serve, head: bytes) -> None:
    server = await serve(ALLOWED_ORIGINS="http://a")
    status, _, body = await answer(server.port, head)
    assert status == 400, body
    assert body, "it is told why"


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/2.0", "HTTP/9"])
async def test_another_http_version_is_refused(port: int, version: str) -> None:
    assert (await answer(port, upgrade(version=version)))[0] in (400, 426, 505)


@pytest.mark.parametrize(
    "head",
    [
        upgrade(without="Connection"),
        upgrade("/chat", [("Connection", "keep-alive")]),
    ],
    ids=["no Connection", "Connection without Upgrade"],
)
async def test_an_incomplete_upgrade_is_426(port: int, head: bytes) -> None:
    status, headers, _ = await answer(port, head)
    assert (status, headers.get("upgrade")) == (426, "websocket")


async def test_a_refused_handshake_ends_the_connection(serve: Serve) -> None:
    """Later bytes, such as frames of a client that did not wait, are ignored."""
    server = await serve()
    async with await RawClient.connect(server.port) as client:
        client.send(upgrade("/chat", [("Sec-WebSocket-Key", "short")]) + text("x") + HEALTH)
        assert (await client.reply()).status == 400
        assert await client.rest() == b""
    assert not server.chat.parts.hub.sessions


# --- origins ---------------------------------------------------------------------------------------------------------


async def status_from(port: int, origins: Iterable[str]) -> list[int]:
    return [(await answer(port, upgrade("/chat", [("Origin", origin)])))[0] for origin in origins]


async def test_any_origin_may_connect_by_default(port: int) -> None:
    assert await status_from(port, ["https://example.com", "null", "http://localhost:1"]) == [101, 101, 101]


async def test_only_allowed_origins_may_connect(serve: Serve) -> None:
    server = await serve(ALLOWED_ORIGINS="https://example.com, http://localhost:3000/")
    good = ["https://example.com", "http://localhost:3000"]
    bad = [
        "http://example.com",
        "https://example.com.evil.org",
        "https://sub.example.com",
        "http://localhost:1",
        "null",
    ]
    assert await status_from(server.port, good) == [101, 101]
    assert await status_from(server.port, bad) == [403] * len(bad)
    status, _, _ = await answer(server.port, upgrade())
    assert status == 101, "a program sends no Origin and may connect"


async def test_a_later_upgrade_checks_the_origin(serve: Serve) -> None:
    server = await serve(ALLOWED_ORIGINS="https://example.com")
    async with await RawClient.connect(server.port) as client:
        client.send(HEALTH)
        await client.reply()
        client.send(upgrade("/chat", [("Origin", "https://evil.org")]))
        assert (await client.reply()).status == 403


# --- while stopping --------------------------------------------------------------------------------------------------


async def test_a_draining_server_accepts_no_new_client(serve: Serve) -> None:
    """A connection that was already open gets an error for its next request."""
    server = await serve()
    async with await RawClient.connect(server.port) as client:
        client.send(HEALTH)
        await client.reply()
        await server.chat.drain(1.0)
        client.send(upgrade())
        reply = await client.reply()
        assert (reply.status, reply.headers.get("retry-after")) == (503, "2")
